/* A flash port as the block device of another file system.
 *
 * littlefs is measured beside the store on the same emulated chip. It calls
 * four functions with its configuration, whose first member is a pointer of
 * the user's: here the fk_flash. */
#ifndef FK_BLOCK_DEVICE_H
#define FK_BLOCK_DEVICE_H

#include <stdint.h>

enum { FK_BLOCK_IO = -5 }; /* what a failed call returns: littlefs's own code for it */

int fk_block_read(const void *config, uint32_t block, uint32_t offset, void *out, uint32_t size);
int fk_block_program(const void *config, uint32_t block, uint32_t offset, const void *data, uint32_t size);
int fk_block_erase(const void *config, uint32_t block);
int fk_block_sync(const void *config); /* nothing waits: 0 */

#endif
