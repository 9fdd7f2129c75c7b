/* The flash port: what a board supplies so that frames can be kept.
 *
 * Peers behind it: the STM32 driver, the semihosted file of the QEMU boards,
 * and the emulator of the host, which refuses whatever a chip refuses. */
#ifndef FK_FLASH_H
#define FK_FLASH_H

#include <stdint.h>

/* Every function returns 0 or a negative fk_err. A failed or interrupted
 * program or erase leaves the bytes it was to change undefined. */
typedef struct {
    void *ctx;
    uint32_t segment_size;   /* bytes that one erase sets to 0xFF                  */
    uint32_t segment_count;  /* of the region; addresses run from 0                */
    uint32_t program_unit;   /* 1, 8, 16, 32 or 256: programs start and end on it,
                                and each unit is programmed once between erases     */
    int (*read)(void *ctx, uint32_t address, uint8_t *out, uint32_t size);
    int (*program)(void *ctx, uint32_t address, const uint8_t *data, uint32_t size);
    int (*erase)(void *ctx, uint32_t segment);
} fk_flash;

#endif
