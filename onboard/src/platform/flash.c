#include "fk/flash.h"

#include <stddef.h>

void fk_flash_segment(const fk_flash *flash, uint32_t segment, uint32_t *address, uint32_t *size)
{
    *address = 0;
    *size = flash->segment_size;
    if (flash->banks == NULL) {
        *address = segment * flash->segment_size;
        return;
    }
    for (uint32_t i = 0; i < flash->bank_count; i++) { /* a chip has a handful */
        const fk_flash_bank *bank = &flash->banks[i];
        *size = bank->segment_size;
        if (segment < bank->segment_count) {
            *address += segment * bank->segment_size;
            return;
        }
        segment -= bank->segment_count;
        *address += bank->segment_count * bank->segment_size;
    }
    *size = 0; /* in no bank: a mount refuses it */
}
