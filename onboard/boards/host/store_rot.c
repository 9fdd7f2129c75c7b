#include "store_rot.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fk/err.h"

typedef struct {
    const fk_rot_config *config;
    fk_rot_report *report;
    fk_store store;
    fk_store_config store_config;
    fk_flash_emulator spare; /* where the store is used after a damage: the chip is needed as it is */
    uint8_t *picture, *healthy;
    uint32_t address, size;  /* of the damage ...                                       */
    uint32_t low, high;      /* ... and of what the chip refuses to read for it           */
    uint32_t highest_id;
} rot;

static int fail(rot *r, const char *format, ...)
{
    char what[FK_ROT_TEXT / 2];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    if (r->report->failure[0] == 0)
        snprintf(r->report->failure, FK_ROT_TEXT, "%s [damage %llu at %u, %u bytes, seed %llu]", what,
                 (unsigned long long)r->report->damages, (unsigned)r->address, (unsigned)r->size,
                 (unsigned long long)r->config->seed);
    return FK_ERR_CORRUPT;
}

/* Whether the damage hit what this depends on. */
static int excused(const rot *r, fk_rot_use use, uint32_t id)
{
    for (uint32_t i = 0; i < r->config->span_count; i++) {
        const fk_rot_span *s = &r->config->spans[i];
        if (s->use == use && s->id == id && s->address < r->high && r->low < s->address + s->size)
            return 1;
    }
    return 0;
}

/* Marks of deletion that were hit: so many frames may be back that were gone. */
static uint32_t marks_hit(const rot *r)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->config->span_count; i++) {
        const fk_rot_span *s = &r->config->spans[i];
        n += s->use == FK_ROT_DELETED && s->address < r->high && r->low < s->address + s->size;
    }
    return n;
}

static int frame_number(const rot *r, uint32_t id)
{
    for (uint32_t i = 0; i < r->config->frame_count; i++)
        if (r->config->frames[i].frame_id == id)
            return (int)i;
    return -1;
}

/* Whatever is shown is right. */
static int check_shown(rot *r, uint8_t *seen)
{
    fk_frame_meta m;
    uint32_t after = 0;
    while (fk_store_list(&r->store, after, &m) > 0) { /* a turn per frame */
        after = m.frame_id;
        int n = frame_number(r, m.frame_id);
        if (n < 0)
            return fail(r, "frame %u was never offered", (unsigned)m.frame_id);
        const fk_rot_frame *f = &r->config->frames[n];
        if (m.size != f->size || m.value != f->value)
            return fail(r, "frame %u has another size or value", (unsigned)m.frame_id);
        memset(r->picture, 0xA5, f->size);
        int got = fk_store_read(&r->store, m.frame_id, 0, r->picture, f->size);
        if (got != (int)f->size || memcmp(r->picture, f->data, f->size) != 0)
            return fail(r, "frame %u reads wrong (%d)", (unsigned)m.frame_id, got);
        seen[n] = 1;
    }
    return FK_OK;
}

/* Whatever is missing was hit; or the table is full, of frames that are back. */
static int check_missing(rot *r, const uint8_t *seen, int *changed)
{
    uint32_t rows = (uint32_t)r->store.frames + r->store.ghosts, crowded = 0;
    int full = rows == r->store_config.slot_count;
    for (uint32_t i = 0; i < r->config->frame_count; i++) {
        const fk_rot_frame *f = &r->config->frames[i];
        if (seen[i] == f->kept)
            continue;
        if (!excused(r, f->kept ? FK_ROT_FRAME : FK_ROT_DELETED, f->frame_id) &&
            !(f->kept && full && ++crowded <= marks_hit(r)))
            return fail(r, "frame %u is %s, and was not hit", (unsigned)f->frame_id,
                        f->kept ? "gone" : "back");
        fk_frame_meta m;
        if (f->kept && fk_store_find(&r->store, f->frame_id, &m) != FK_ERR_NOENT)
            return fail(r, "frame %u is found but not listed", (unsigned)f->frame_id);
        r->report->lost += f->kept;
        r->report->revived += !f->kept;
        *changed = 1;
    }
    return FK_OK;
}

static int check_ring(rot *r, int *changed)
{
    uint8_t record[FK_STORE_LOG_MAX];
    int n;
    uint32_t next = 0;
    if (r->config->records == 0)
        return FK_OK;
    while ((n = fk_store_log_next(&r->store, record, sizeof record)) > 0) {
        uint32_t number = (uint32_t)record[0] << 24 | (uint32_t)record[1] << 16 |
                          (uint32_t)record[2] << 8 | record[3];
        int right = n == (int)r->config->record_size && number < r->config->records && number >= next;
        for (uint32_t i = 4; right && i < r->config->record_size; i++)
            right = record[i] == (uint8_t)(number + i);
        if (!right)
            return fail(r, "a record of the ring reads wrong (%u)", (unsigned)number);
        if (next < r->config->first_record)
            next = r->config->first_record;
        for (; next < number; next++) {
            if (!excused(r, FK_ROT_RECORD, next))
                return fail(r, "record %u is gone, and was not hit", (unsigned)next);
            r->report->records_lost++;
            *changed = 1;
        }
        next = number + 1;
    }
    for (next = next > r->config->first_record ? next : r->config->first_record;
         next < r->config->records; next++) {
        if (!excused(r, FK_ROT_RECORD, next))
            return fail(r, "record %u is gone, and was not hit", (unsigned)next);
        r->report->records_lost++;
        *changed = 1;
    }
    return FK_OK;
}

/* The store is used as if nothing had happened: what it shows stays right. */
static int live_on(rot *r)
{
    static uint8_t seen[FK_ROT_FRAMES_MAX];
    static uint8_t data[500], back[500];
    fk_flash_emulator_copy(&r->spare, r->config->chip);
    r->store_config.flash = &r->spare.flash;
    int code = fk_store_mount(&r->store, &r->store_config);
    uint32_t id = r->highest_id + 1;
    for (uint32_t i = 0; i < 4 && code >= 0; i++) {
        fk_frame_meta m = {.frame_id = id + i, .value = 0xFFFF};
        memset(data, (int)i, sizeof data);
        code = fk_store_append(&r->store, &m, data, sizeof data);
    }
    if (code >= 0)
        code = fk_store_delete(&r->store, id);
    if (code >= 0)
        code = fk_store_mount(&r->store, &r->store_config);
    if (code < 0 || r->spare.count.refused)
        return fail(r, "the store cannot be used any more (%d)", code);
    if (fk_store_read(&r->store, id, 0, back, 1) != FK_ERR_NOENT)
        return fail(r, "a deleted frame is back");
    for (uint32_t i = 1; i < 4; i++) {
        memset(data, (int)i, sizeof data);
        if (fk_store_read(&r->store, id + i, 0, back, sizeof back) != (int)sizeof back ||
            memcmp(data, back, sizeof back) != 0)
            return fail(r, "a frame stored after the damage reads wrong");
        fk_store_delete(&r->store, id + i);
    }
    r->report->lived++;
    return check_shown(r, seen);
}

static int check(rot *r)
{
    static uint8_t seen[FK_ROT_FRAMES_MAX];
    int changed = 0;
    uint64_t operations = r->config->chip->operations;
    memset(seen, 0, r->config->frame_count);
    r->store_config.flash = &r->config->chip->flash;
    int code = fk_store_mount(&r->store, &r->store_config);
    if (code < 0)
        return fail(r, "mount fails with %d", code);
    if (check_shown(r, seen) < 0 || check_missing(r, seen, &changed) < 0 || check_ring(r, &changed) < 0)
        return FK_ERR_CORRUPT;
    if (r->config->chip->operations != operations)
        return fail(r, "reading wrote");
    r->report->harmless += !changed;
    r->report->forgot_id += fk_store_next_id(&r->store) <= r->highest_id;
    if (r->config->live_every && r->report->damages % r->config->live_every == 0)
        return live_on(r);
    return FK_OK;
}

static void damage(rot *r, uint32_t place)
{
    fk_flash_emulator *chip = r->config->chip;
    static const uint32_t widths[] = {1, 32, 1, FK_ROT_PAGE_BYTES};
    r->size = widths[r->config->kind];
    r->address = r->config->kind == FK_ROT_BIT ? place / 8 : place * r->size;
    uint32_t unit = chip->geometry.ecc ? chip->geometry.program_unit : 1;
    r->low = r->address / unit * unit;
    r->high = (r->address + r->size + unit - 1) / unit * unit;
    memcpy(r->healthy, chip->cells + r->address, r->size);
    uint8_t *cells = chip->cells + r->address;
    uint64_t random = fk_flash_emulator_random(chip);
    switch (r->config->kind) {
    case FK_ROT_BIT: cells[0] ^= (uint8_t)(1u << place % 8); break;
    case FK_ROT_TWO_BITS: {
        uint32_t one = (uint32_t)(random % 256), other = (uint32_t)((one + 1 + random / 256 % 255) % 256);
        cells[one / 8] ^= (uint8_t)(1u << one % 8);
        cells[other / 8] ^= (uint8_t)(1u << other % 8);
        break;
    }
    case FK_ROT_BYTE: cells[0] ^= (uint8_t)(1 + random % 255); break;
    default:
        for (uint32_t i = 0; i < r->size; i++)
            cells[i] = (uint8_t)fk_flash_emulator_random(chip);
    }
}

int fk_rot_sweep(const fk_rot_config *config, fk_rot_report *report)
{
    memset(report, 0, sizeof *report);
    rot *r = calloc(1, sizeof *r);
    if (r == NULL || config->frame_count > FK_ROT_FRAMES_MAX || config->kind > FK_ROT_PAGE)
        return FK_ERR_INVAL;
    r->config = config;
    r->report = report;
    r->store_config = *config->store;
    uint32_t largest = FK_ROT_PAGE_BYTES;
    for (uint32_t i = 0; i < config->frame_count; i++) {
        largest = config->frames[i].size > largest ? config->frames[i].size : largest;
        if (config->frames[i].frame_id > r->highest_id)
            r->highest_id = config->frames[i].frame_id;
    }
    r->picture = malloc(largest);
    r->healthy = malloc(FK_ROT_PAGE_BYTES);
    int code = fk_flash_emulator_open(&r->spare, &config->chip->geometry, config->seed);
    config->chip->random = config->seed | 1;
    uint64_t corrected = config->chip->count.corrected;
    if (code >= 0)
        code = check(r); /* undamaged: nothing may be missing at all */
    report->harmless = 0;
    for (uint32_t place = config->from; place < config->to && code >= 0; place += config->step) {
        report->damages++;
        damage(r, place);
        code = check(r);
        memcpy(config->chip->cells + r->address, r->healthy, r->size);
    }
    report->corrected = config->chip->count.corrected - corrected;
    fk_flash_emulator_close(&r->spare);
    free(r->picture);
    free(r->healthy);
    free(r);
    return code;
}
