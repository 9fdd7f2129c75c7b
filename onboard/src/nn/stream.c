#include "stream.h"

#include <string.h>

#include "fk/bytes.h"
#include "fk/wire.h"
#include "nn/fast.h"
#include "nn/x86_inline.h"

/* Rows from the first to the last tap of a window. */
static unsigned span(const fk_window *w)
{
    return (w->kernel_h - 1u) * w->dilation_h + 1u;
}

static int parse(fk_step *step, const fk_model *m, unsigned index, const fk_operator **op)
{
    const uint8_t kind = m->operators[index * FK_FKM_RECORD + FK_FKM_OP_KIND];
    if (kind < FK_OP_CONV || kind > FK_OP_MAX_POOL) {
        return FK_ERR_CORRUPT;
    }
    return fk_step_parse(step, m, index, op);
}

/* The band holds what a window spans, and joins the operator before it. */
static int check_link(const fk_step *step, const fk_step *before, unsigned last)
{
    const fk_window *w = &step->as.window, *b = &before->as.window;
    const uint32_t rows = step->input.size / ((uint32_t)w->in_w * w->in_c);
    const unsigned wanted = span(w) < w->in_h ? span(w) : w->in_h;
    if (!step->input.band || (step->output.band != 0) == last || rows < wanted) {
        return FK_ERR_CORRUPT;
    }
    const int joined = before == step || (before->output.offset == step->input.offset &&
                                          before->output.size == step->input.size &&
                                          b->out_h == w->in_h && b->out_w == w->in_w &&
                                          b->out_c == w->in_c);
    return joined ? FK_OK : FK_ERR_CORRUPT;
}

int fk_stream_check(const fk_model *m)
{
    fk_step steps[2];
    const fk_operator *op;
    if (m->stream_count > m->operator_count) {
        return FK_ERR_CORRUPT;
    }
    for (unsigned i = 0; i < m->stream_count; i++) {
        fk_step *step = &steps[i % 2], *before = i == 0 ? step : &steps[(i + 1) % 2];
        int err = parse(step, m, i, &op);
        if (err == FK_OK) {
            err = check_link(step, before, i + 1u == m->stream_count);
        }
        if (err != FK_OK) {
            return err;
        }
        const fk_window *w = &step->as.window;
        if (i == 0 && m->order != FK_ORDER_NONE &&
            (w->in_h != m->height || w->in_w != m->width || w->in_c != m->channels)) {
            return FK_ERR_CORRUPT;
        }
        if (i == 0 && (uint64_t)w->in_h * w->in_w * w->in_c > FK_ARENA_MAX) {
            return FK_ERR_CORRUPT; /* fk_model_run wants all of it, and counts in 32 bits */
        }
        if (i == 0 && fk_get_u16le(m->io) != fk_get_u16le(m->operators + FK_FKM_OP_INPUT)) {
            return FK_ERR_CORRUPT;
        }
    }
    return FK_OK;
}

static void start(fk_stage *s, const fk_model *m, unsigned index)
{
    (void)fk_step_parse(&s->step, m, index, &s->op); /* loaded: it is right */
    const fk_window *w = &s->step.as.window;
    s->band = s->step.input.offset;
    s->row_bytes = (uint32_t)w->in_w * w->in_c;
    s->capacity = (uint16_t)(s->step.input.size / s->row_bytes);
    s->in_h = w->in_h;
    s->out_h = w->out_h;
    s->pad_top = w->pad_top;
    s->first = s->count = s->next = 0;
}

/* The first input row that the next output row reads, as if there were rows
 * above the picture. */
static int32_t top(const fk_stage *s)
{
    return (int32_t)s->next * s->step.as.window.stride_h - s->pad_top;
}

static int is_ready(const fk_stage *s)
{
    const int32_t last = top(s) + (int32_t)span(&s->step.as.window) - 1;
    return s->next < s->out_h && s->first + s->count > (last < s->in_h ? last : s->in_h - 1);
}

/* Lets go of rows that no window needs any more; is there room for another? */
static int make_room(fk_stage *s, uint8_t *arena)
{
    const int32_t needed = s->next < s->out_h ? top(s) : s->in_h;
    if (needed > s->first) {
        const unsigned gone = needed - s->first < s->count ? (unsigned)(needed - s->first) : s->count;
        s->first = (uint16_t)(s->first + gone);
        s->count = (uint16_t)(s->count - gone);
        memmove(arena + s->band, arena + s->band + gone * s->row_bytes, s->count * s->row_bytes);
    }
    return s->count < s->capacity;
}

/* Makes one output row: the layer's kernel on the rows that are there. */
static void produce(fk_stage *s, fk_stage *after, uint8_t *arena, uint8_t *scratch)
{
    fk_window *w = &s->step.as.window;
    const int32_t from = top(s), begin = from < 0 ? 0 : from;
    const uint32_t row = (uint32_t)w->out_w * w->out_c;
    const uint32_t place = s->step.output.offset;
    const int32_t rows = s->first + s->count - begin; /* none where all of it is padding */
    w->pad_top = (uint16_t)(begin - from);
    w->in_h = (uint16_t)(rows > 0 ? rows : 0);
    w->out_h = 1;
    s->step.input.offset = s->band + (rows > 0 ? (uint32_t)(begin - s->first) * s->row_bytes : 0);
    s->step.output.offset += row * (after != NULL ? after->count : s->next);
    s->op->run(&s->step, arena, scratch);
    s->step.output.offset = place;
    s->next++;
    if (after != NULL) {
        after->count++;
    }
}

/* Hands the next row of the input to the first operator. */
static int feed(fk_stage *s, const fk_model *m, const fk_row_source *rows, const int8_t *input,
                uint8_t *arena)
{
    const unsigned y = (unsigned)s->first + s->count;
    if (y >= s->in_h) {
        return FK_ERR_CORRUPT; /* a checked chain never asks for more */
    }
    uint8_t *row = arena + s->band + s->count * s->row_bytes;
    s->count++;
    if (rows == NULL) {
        memcpy(row, input + (size_t)y * s->row_bytes, s->row_bytes);
        return FK_OK;
    }
    const int err = rows->row(rows->ctx, y, row);
    if (err >= 0) {
        fk_quantise_row(m, row);
    }
    return err;
}

#if defined(FK_NN_X86)

/* The larger of what the operators read and write, whole. */
static size_t largest_map(const fk_model *m)
{
    size_t largest = 0;
    for (unsigned i = 0; i < m->stream_count; i++) {
        fk_step step;
        const fk_operator *op;
        (void)fk_step_parse(&step, m, i, &op);
        const fk_window *w = &step.as.window;
        const size_t in = (size_t)w->in_h * w->in_w * w->in_c;
        const size_t out = (size_t)w->out_h * w->out_w * w->out_c;
        largest = in > largest ? in : largest;
        largest = out > largest ? out : largest;
    }
    return (largest + FK_ARENA_ALIGN - 1u) / FK_ARENA_ALIGN * FK_ARENA_ALIGN;
}

/* Layer by layer instead, from one half of `maps` to the other: the same result
 * where there is memory for it. */
static int run_whole(const fk_model *m, const fk_row_source *rows, const int8_t *input,
                     uint8_t *arena, uint8_t *maps, size_t size)
{
    fk_step step;
    const fk_operator *op;
    uint32_t from = 0, to = (uint32_t)size;
    (void)fk_step_parse(&step, m, 0, &op);
    const uint32_t row_bytes = (uint32_t)step.as.window.in_w * step.as.window.in_c;
    const unsigned height = step.as.window.in_h;
    for (unsigned y = 0; y < height; y++) {
        uint8_t *row = maps + (size_t)y * row_bytes;
        if (rows == NULL) {
            memcpy(row, input + (size_t)y * row_bytes, row_bytes);
            continue;
        }
        const int err = rows->row(rows->ctx, y, row);
        if (err < 0) {
            return err;
        }
        fk_quantise_row(m, row);
    }
    uint32_t place = 0;
    for (unsigned i = 0; i < m->stream_count; i++) {
        const uint32_t free = from;
        (void)fk_step_parse(&step, m, i, &op);
        place = step.output.offset;
        step.input.offset = from;
        step.output.offset = to;
        op->run(&step, maps, arena + fk_model_top(m, 0));
        from = to;
        to = free;
    }
    const fk_window *w = &step.as.window;
    memcpy(arena + place, maps + from, (size_t)w->out_h * w->out_w * w->out_c);
    return FK_OK;
}

#endif

int fk_stream_run(const fk_model *m, const fk_row_source *rows, const int8_t *input, uint8_t *arena)
{
    fk_stage *stages = (fk_stage *)(void *)(arena + m->stages);
    uint8_t *scratch = arena + fk_model_top(m, 0); /* bands live and die together */
    const unsigned count = m->stream_count;
#if defined(FK_NN_X86)
    const size_t map = largest_map(m);
    uint8_t *maps = fk_fast_maps(2 * map);
    if (maps != NULL) {
        return run_whole(m, rows, input, arena, maps, map);
    }
#endif
    for (unsigned i = 0; i < count; i++) {
        start(&stages[i], m, i);
    }
    /* each turn makes a row or takes one in, the furthest operator first */
    while (count > 0 && stages[count - 1].next < stages[count - 1].out_h) {
        unsigned i = count;
        while (i > 0 && !(is_ready(&stages[i - 1]) && (i == count || make_room(&stages[i], arena)))) {
            i--;
        }
        if (i > 0) {
            produce(&stages[i - 1], i == count ? NULL : &stages[i], arena, scratch);
            continue;
        }
        if (!make_room(&stages[0], arena)) {
            return FK_ERR_CORRUPT;
        }
        const int err = feed(&stages[0], m, rows, input, arena);
        if (err < 0) {
            return err;
        }
    }
    return FK_OK;
}
