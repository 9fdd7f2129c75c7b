/* A model image from a stranger: load it, run it, ask it everything. The CRCs
 * are made right in three of four inputs, so that what they hide is tried. */
#include <stdlib.h>
#include <string.h>

#include "fk/bytes.h"
#include "fk/crc.h"
#include "fk/nn.h"
#include "fk/wire.h"
#include "nn/fast.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 1 << 14 }; /* larger ones are only loaded: time is better spent        */

static void put_u32le(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static void make_crcs_right(uint8_t *image, size_t size)
{
    if (size < FK_FKM_BYTES) {
        return;
    }
    const uint32_t crcs = fk_get_u32le(image + FK_FKM_CRCS);
    for (uint32_t begin = 0, at = crcs; begin < crcs; begin += FK_SLICE_SIZE, at += 4) {
        const uint32_t bytes = crcs - begin < FK_SLICE_SIZE ? crcs - begin : FK_SLICE_SIZE;
        if ((uint64_t)begin + bytes > size || (uint64_t)at + 4 > size || at < crcs) {
            return;
        }
        put_u32le(image + at, fk_crc32(FK_CRC32_INIT, image + begin, bytes));
    }
}

static int grey_row(void *ctx, unsigned y, uint8_t *out)
{
    const fk_model *m = ctx;
    memset(out, (int)(y & 0xFF), (size_t)m->width * m->channels);
    return 0;
}

static void run(const fk_model *m)
{
    const size_t arena_size = fk_model_run_size(m);
    uint8_t *arena = arena_size > ARENA_MAX ? NULL : aligned_alloc(FK_ARENA_ALIGN, (arena_size + 15) / 16 * 16 + 16);
    if (arena == NULL) {
        return;
    }
    memset(arena, 0x55, arena_size);
    const fk_row_source rows = {(void *)m, grey_row};
    if (fk_model_infer(m, &rows, arena, arena_size) < 0) {
        (void)fk_model_run(m, arena, arena_size);
    }
    for (unsigned c = 0; c <= m->class_count; c++) {
        uint8_t score;
        fk_box box;
        (void)fk_model_score(m, arena, c, &score, &box);
        (void)strlen(fk_model_label(m, c));
        (void)fk_model_threshold(m, c);
    }
    for (unsigned i = 0; i <= m->output_count; i++) {
        (void)fk_model_output(m, arena, i);
    }
    free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int best = -1;
    fk_model model;
    best = best < 0 ? fk_backend_chosen() : best;
    (void)fk_backend_force(size && data[size - 1] & 8 ? FK_BACKEND_PORTABLE : best);
    uint8_t *image = malloc(size ? size : 1); /* of just this size: ASan sees every byte beyond */
    memcpy(image, data, size);
    if (size && data[size - 1] % 4) {
        make_crcs_right(image, size);
    }
    if (fk_model_load(&model, image, size) == FK_OK) {
        run(&model);
    }
    free(image);
    return 0;
}
