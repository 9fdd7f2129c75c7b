/* A NOR region kept in a file: the flash port of the images.
 *
 * As strict as a chip and as the host's emulator: a program of bytes that are
 * not erased fails with FK_ERR_IO, an unaligned one or one beyond the region
 * with FK_ERR_INVAL, and changes nothing. */
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
