/* Files of the computer that a board runs on or beside: what an image reads and leaves.
 *
 * A dozen lines in each board instead of a C library's system layer: the images hold no
 * printf, no heap and no hidden buffer. */
#ifndef FK_HOST_FILES_H
#define FK_HOST_FILES_H

#include <stddef.h>
#include <stdint.h>

enum {
    FK_HOST_READ   = 1, /* "rb":  must exist                  */
    FK_HOST_UPDATE = 3, /* "r+b": must exist, read and write  */
    FK_HOST_WRITE  = 5  /* "wb":  made anew                   */
};

/* Opens `name`, relative to the working directory. Returns a handle, or FK_ERR_IO. */
int fk_host_open(const char *name, int mode);

/* Reads up to `size` bytes. Returns how many came (fewer only at the end), or FK_ERR_IO. */
int fk_host_read(int handle, uint8_t *out, size_t size);

/* Writes all `size` bytes. Returns 0 or FK_ERR_IO. */
int fk_host_write(int handle, const uint8_t *data, size_t size);

/* Moves to `offset` bytes from the start. Returns 0 or FK_ERR_IO. */
int fk_host_seek(int handle, uint32_t offset);

/* Writes to the console. */
void fk_host_print(const char *text);

#endif
