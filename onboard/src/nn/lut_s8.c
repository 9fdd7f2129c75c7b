#include "kernels.h"

void fk_lut_s8(int8_t *out, const int8_t *in, uint32_t size, const int8_t *table)
{
    for (uint32_t i = 0; i < size; i++) {
        out[i] = table[in[i] + 128];
    }
}
