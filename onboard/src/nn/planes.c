/* The portable twin of planes_v7em.c. */
#include "planes.h"

#include <string.h>

#include "pairs_inline.h"

#if !defined(FK_V7EM)

static int32_t value(const uint8_t *row, unsigned position)
{
    int16_t v;
    memcpy(&v, row + 2u * position, sizeof v);
    return v;
}

static void planes_row(const fk_planes_job *job, unsigned stride)
{
    for (uint32_t c = 0; c < job->channels; c++) {
        const uint8_t *stream = job->stream + c * FK_PLANES_CHANNEL_BYTES;
        for (uint32_t x = 0; x < job->width; x++) {
            uint32_t sum = 0;
            for (unsigned r = 0; r < 3; r++) {
                const uint8_t *row = job->row[r] + c * job->pitch;
                for (unsigned k = 0; k < 3; k++) {
                    const unsigned place = 8u * r + (k == 2 ? 6u : 2u * k);
                    const int32_t weight = (int16_t)fk_get_u16le(stream + place);
                    sum += (uint32_t)(value(row, stride * x + k) * weight);
                }
            }
            job->out[x * job->channels + c] = fk_pairs_finish(sum << 1, stream + FK_PLANES_ROW);
        }
    }
}

void fk_planes_row_1(const fk_planes_job *job)
{
    planes_row(job, 1);
}

void fk_planes_row_2(const fk_planes_job *job)
{
    planes_row(job, 2);
}

void fk_planes_sort(uint8_t *plane, const int8_t *in, uint32_t channels, uint32_t pitch,
                    uint32_t pairs)
{
    for (uint32_t x = 0; x < 2 * pairs; x++) {
        for (unsigned c = 0; c < FK_PLANES_GROUP; c++) {
            const int16_t v = in[x * channels + c];
            memcpy(plane + c * pitch + 2u * x, &v, sizeof v);
        }
    }
}

#endif
