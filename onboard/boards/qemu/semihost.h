/* The files and the console of the computer, from inside an emulated core (Arm semihosting). */
#ifndef FK_SEMIHOST_H
#define FK_SEMIHOST_H

#include "host_files.h"

/* Ends the emulator with exit status `status`. */
_Noreturn void fk_host_exit(int status);

#endif
