/* A NOR region kept in a file: the flash port of the images.
 *
 * As strict as a chip and as the host's emulator: a program that would need a
 * 0 turned back into 1, an unaligned one, or one beyond the region fails with
 * FK_ERR_IO and changes nothing. */
#ifndef FK_FLASH_FILE_H
#define FK_FLASH_FILE_H

#include "fk/flash.h"

typedef struct {
    int handle;               /* of a file of the region's size                       */
    const fk_flash *geometry; /* segment and program sizes, read at each call         */
} fk_flash_file;

/* Gives `flash` its functions; its geometry is the caller's. `file` must outlive it. */
void fk_flash_file_port(fk_flash *flash, fk_flash_file *file);

#endif
