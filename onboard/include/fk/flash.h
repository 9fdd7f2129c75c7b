/* The flash port: what a board supplies so that frames can be kept.
 *
 * Peers behind it: the STM32 driver, the semihosted file of the QEMU boards,
 * and the emulator of the host, which refuses whatever a chip refuses. */
#ifndef FK_FLASH_H
#define FK_FLASH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Neighbouring segments of one size, for chips that mix sizes (STM32F4). */
typedef struct {
    uint32_t segment_size;
    uint32_t segment_count;
} fk_flash_bank;

/* Every function returns 0 or a negative fk_err. A failed or interrupted
 * program or erase leaves the bytes it was to change undefined. */
typedef struct {
    void *ctx;
    uint32_t segment_size;   /* bytes that one erase sets to 0xFF; the largest, if mixed */
    uint32_t segment_count;  /* of the region; addresses run from 0                */
    uint32_t program_unit;   /* 1, 8, 16, 32 or 256: programs start and end on it,
                                and each unit is programmed once between erases; 8
                                for a chip whose own is 2 or 4                      */
    /* Reads any address, size and place of `out`. Programs at most 256 bytes, and never
     * across a multiple of 256: one page of a NOR. */
    int (*read)(void *ctx, uint32_t address, uint8_t *out, uint32_t size);
    int (*program)(void *ctx, uint32_t address, const uint8_t *data, uint32_t size);
    int (*erase)(void *ctx, uint32_t segment);
    const fk_flash_bank *banks; /* NULL: every segment has segment_size; otherwise the
                                   banks in order of address, segment_count segments
                                   in all                                            */
    uint32_t bank_count;
} fk_flash;

/* Address and size of a segment; size 0 for one that is in no bank. Takes a step per bank. */
void fk_flash_segment(const fk_flash *flash, uint32_t segment, uint32_t *address, uint32_t *size);

#ifdef __cplusplus
}
#endif

#endif
