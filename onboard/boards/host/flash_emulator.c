#include "flash_emulator.h"

#include <stdlib.h>
#include <string.h>

#include "fk/err.h"

enum { ERASED, PROGRAMMED, TORN };

/* ---- chips: typical times of the data sheets, rounded */

static const struct {
    const char *name;
    uint32_t size;
    fk_flash_geometry geometry;
} CHIPS[] = {
    {"nor", 4u << 20, {{{4096, 0}}, 1, 1, 256, 400000, 45000, 1000, 25600, 0}},
    {"nor-page", 4u << 20, {{{4096, 0}}, 1, 256, 256, 400000, 45000, 1000, 25600, 0}},
    {"l4", 256u << 10, {{{2048, 0}}, 1, 8, 8, 82000, 22000, 100, 12800, 1}},
    {"u5", 1u << 20, {{{8192, 0}}, 1, 16, 16, 118000, 1500, 100, 6400, 1}},
    {"h7", 2u << 20, {{{131072, 0}}, 1, 32, 32, 100000, 1000000, 100, 3200, 1}},
    {"f4", 1u << 20, {{{16384, 4}, {65536, 1}, {131072, 7}}, 3, 1, 4, 16000, 250000, 100, 6400, 0}},
    /* no chips: so small that each bit of a full store can be tried, and fills in no time */
    {"tiny", 16u << 10, {{{1024, 0}}, 1, 1, 256, 400000, 45000, 1000, 25600, 0}},
    {"tiny-ecc", 16u << 10, {{{1024, 0}}, 1, 8, 8, 82000, 22000, 100, 12800, 1}},
    {"tiny-mixed", 64u << 10, {{{1024, 4}, {4096, 1}, {8192, 7}}, 3, 1, 4, 16000, 250000, 100, 6400, 0}},
};

int fk_flash_geometry_of(fk_flash_geometry *out, const char *name, uint32_t size)
{
    for (size_t i = 0; i < sizeof CHIPS / sizeof CHIPS[0]; i++) {
        if (strcmp(CHIPS[i].name, name) != 0)
            continue;
        *out = CHIPS[i].geometry;
        if (size == 0)
            size = CHIPS[i].size;
        if (out->bank_count == 1)
            out->banks[0].segment_count = size / out->banks[0].segment_size;
        return FK_OK;
    }
    return FK_ERR_NOENT;
}

/* ---- helpers */

uint64_t fk_flash_emulator_random(fk_flash_emulator *e)
{
    uint64_t x = e->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return e->random = x;
}

static uint32_t segment_of(const fk_flash_emulator *e, uint32_t address)
{
    uint32_t segment = 0, base = 0;
    for (uint32_t i = 0; i < e->geometry.bank_count; i++) {
        const fk_flash_bank *b = &e->geometry.banks[i];
        uint32_t bytes = b->segment_size * b->segment_count;
        if (address - base < bytes)
            return segment + (address - base) / b->segment_size;
        base += bytes;
        segment += b->segment_count;
    }
    return segment;
}

static int refuse(fk_flash_emulator *e)
{
    e->count.refused++;
    return FK_ERR_INVAL;
}

static unsigned bits(uint8_t x)
{
    unsigned n = 0;
    for (; x; x &= (uint8_t)(x - 1))
        n++;
    return n;
}

/* ---- the port */

static int read_flash(void *ctx, uint32_t address, uint8_t *out, uint32_t size)
{
    fk_flash_emulator *e = ctx;
    if (size > e->size || address > e->size - size)
        return refuse(e);
    if (!e->powered)
        return FK_ERR_IO;
    e->count.reads++;
    e->count.read_bytes += size;
    e->count.time_ns += e->geometry.read_ns + (uint64_t)size * e->geometry.read_ns_per_kb / 1024;
    memcpy(out, e->cells + address, size);
    if (size == 0)
        return FK_OK;

    uint32_t first = segment_of(e, address), last = segment_of(e, address + size - 1);
    e->watched += first <= e->watch && e->watch <= last;
    for (uint32_t s = first; s <= last; s++) {
        if (e->bad[s] == FK_BAD_READ)
            return FK_ERR_IO;
        if (e->unsettled[s] == 2) {
            uint32_t base, length;
            fk_flash_segment(&e->flash, s, &base, &length);
            for (uint32_t i = 0; i < size; i++)
                if (address + i - base < length && address + i >= base &&
                    fk_flash_emulator_random(e) % 16 == 0)
                    out[i] |= (uint8_t)fk_flash_emulator_random(e);
            if (e->geometry.ecc && fk_flash_emulator_random(e) % 2) {
                e->count.uncorrectable++;
                return FK_ERR_ECC;
            }
        }
    }
    if (!e->geometry.ecc)
        return FK_OK;
    uint32_t unit = e->geometry.program_unit;
    uint32_t low = address / unit, count = (address + size - 1) / unit - low + 1;
    if (memchr(e->units + low, TORN, count) == NULL &&
        memcmp(e->cells + low * unit, e->truth + low * unit, count * unit) == 0)
        return FK_OK;
    for (uint32_t u = low; u < low + count; u++) {
        unsigned wrong = 0;
        for (uint32_t i = u * unit; i < (u + 1) * unit; i++)
            wrong += bits(e->cells[i] ^ e->truth[i]);
        if (e->units[u] == TORN || wrong > 1) {
            e->count.uncorrectable++;
            return FK_ERR_ECC;
        }
        if (wrong == 1) {
            e->count.corrected++;
            for (uint32_t i = u * unit; i < (u + 1) * unit; i++)
                if (i >= address && i < address + size)
                    out[i - address] = e->truth[i];
        }
    }
    return FK_OK;
}

static void set_unit(fk_flash_emulator *e, uint32_t address, uint32_t size, uint8_t state)
{
    uint32_t unit = e->geometry.program_unit;
    for (uint32_t u = address / unit; u < (address + size + unit - 1) / unit; u++)
        e->units[u] = state;
}

static void tear_program(fk_flash_emulator *e, uint32_t address, const uint8_t *data, uint32_t size)
{
    uint32_t done = e->cut_byte < size ? e->cut_byte
                                       : (uint32_t)(fk_flash_emulator_random(e) % (size + 1));
    uint32_t unit = e->geometry.program_unit;
    if (e->tear == FK_TEAR_NONE)
        done = 0;
    if (e->tear == FK_TEAR_ALL_BUT)
        done = size - 1;
    if (e->tear == FK_TEAR_COMPLETE)
        done = size;
    /* Whatever can be read: no unit of this program may be programmed again. */
    set_unit(e, address, size, PROGRAMMED);
    memcpy(e->cells + address, data, done);
    memcpy(e->truth + address, data, done);
    if (e->tear == FK_TEAR_PARTLY && done < size) {
        uint8_t mask = (uint8_t)fk_flash_emulator_random(e);
        e->cells[address + done] = data[done] | mask;
        e->truth[address + done] = e->cells[address + done];
        done++;
    }
    if (e->geometry.ecc && done < size && done % unit != 0)
        set_unit(e, address + done / unit * unit, 1, TORN);
    if (e->geometry.ecc && done < size && done % unit == 0 && e->tear == FK_TEAR_PARTLY)
        set_unit(e, address + done - unit, 1, TORN);
}

static int program_flash(void *ctx, uint32_t address, const uint8_t *data, uint32_t size)
{
    fk_flash_emulator *e = ctx;
    uint32_t unit = e->geometry.program_unit;
    if (!e->powered)
        return FK_ERR_IO;
    if (size == 0 || size > e->size || address > e->size - size || address % unit || size % unit)
        return refuse(e);
    uint32_t segment = segment_of(e, address);
    if (segment != segment_of(e, address + size - 1))
        return refuse(e);
    for (uint32_t u = address / unit; u < (address + size) / unit; u++)
        if (e->units[u] != ERASED) /* who was lied to about an erase is not to blame */
            return e->bad[segment] == FK_BAD_ERASE_LIE ? FK_ERR_IO : refuse(e);
    if (e->unsettled[segment])
        return e->bad[segment] == FK_BAD_ERASE_LIE ? FK_ERR_IO : refuse(e);
    if (e->operations++ == e->cut_at) {
        tear_program(e, address, data, size);
        e->powered = 0;
        return FK_ERR_IO;
    }
    uint32_t page = e->geometry.page;
    uint64_t pages = (address + size + page - 1) / page - address / page;
    e->count.programs++;
    e->count.program_bytes += size;
    e->count.pages += pages;
    e->count.time_ns += pages * e->geometry.program_ns;
    set_unit(e, address, size, PROGRAMMED);
    if (e->bad[segment] == FK_BAD_PROGRAM)
        return FK_ERR_IO;
    if (e->bad[segment] == FK_BAD_PROGRAM_LIE)
        return FK_OK;
    memcpy(e->cells + address, data, size);
    memcpy(e->truth + address, data, size);
    return FK_OK;
}

static void tear_erase(fk_flash_emulator *e, uint32_t segment, uint32_t address, uint32_t size)
{
    e->unsettled[segment] = 1;
    /* bytes by themselves, or neighbours alike: what is left may hold whole records */
    uint32_t alike = 1u << fk_flash_emulator_random(e) % 12;
    uint8_t gone = 0;
    for (uint32_t i = address; i < address + size; i++) {
        uint8_t r = (uint8_t)fk_flash_emulator_random(e);
        if (i % alike == 0)
            gone = r & 1;
        if (e->tear == FK_TEAR_PREFIX && gone)
            e->cells[i] = 0xFF;
        if (e->tear == FK_TEAR_ALL_BUT)
            e->cells[i] |= r;
        if (e->tear == FK_TEAR_COMPLETE)
            e->cells[i] = 0xFF;
        e->truth[i] = e->cells[i];
    }
    if (e->tear == FK_TEAR_PARTLY)
        e->unsettled[segment] = 2;
    if (e->geometry.ecc && (e->tear == FK_TEAR_PREFIX || e->tear == FK_TEAR_ALL_BUT))
        for (uint32_t u = address; u < address + size; u += e->geometry.program_unit)
            if (fk_flash_emulator_random(e) & 1)
                set_unit(e, u, 1, TORN);
}

static int erase_flash(void *ctx, uint32_t segment)
{
    fk_flash_emulator *e = ctx;
    uint32_t address, size;
    if (!e->powered)
        return FK_ERR_IO;
    if (segment >= e->flash.segment_count)
        return refuse(e);
    fk_flash_segment(&e->flash, segment, &address, &size);
    if (e->operations++ == e->cut_at) {
        tear_erase(e, segment, address, size);
        e->powered = 0;
        return FK_ERR_IO;
    }
    e->count.erases++;
    e->count.time_ns +=
        (uint64_t)e->geometry.erase_us * 1000 * size / e->geometry.banks[0].segment_size;
    e->wear[segment]++;
    if (e->endurance && e->bad[segment] == FK_BAD_NOT) {
        /* each segment has its own limit, the same in every run */
        uint32_t own = (segment * 2654435761u >> 16) % (e->endurance / 2 + 1);
        if (e->wear[segment] > e->endurance * 3 / 4 + own)
            e->bad[segment] = e->worn_as;
    }
    if (e->bad[segment] == FK_BAD_ERASE)
        return FK_ERR_IO;
    if (e->bad[segment] == FK_BAD_ERASE_LIE)
        return FK_OK;
    memset(e->cells + address, 0xFF, size);
    memset(e->truth + address, 0xFF, size);
    set_unit(e, address, size, ERASED);
    e->unsettled[segment] = 0;
    return FK_OK;
}

/* ---- life */

int fk_flash_emulator_open(fk_flash_emulator *e, const fk_flash_geometry *g, uint64_t seed)
{
    memset(e, 0, sizeof *e);
    e->geometry = *g;
    e->flash.program_unit = g->program_unit;
    for (uint32_t i = 0; i < g->bank_count; i++) {
        const fk_flash_bank *b = &g->banks[i];
        e->size += b->segment_size * b->segment_count;
        e->flash.segment_count += b->segment_count;
        if (b->segment_size > e->flash.segment_size)
            e->flash.segment_size = b->segment_size;
    }
    if (e->size == 0 || g->program_unit == 0)
        return FK_ERR_INVAL;
    if (g->bank_count > 1) {
        e->flash.banks = e->geometry.banks;
        e->flash.bank_count = g->bank_count;
    }
    uint32_t units = e->size / g->program_unit, n = e->flash.segment_count;
    e->cells = malloc(e->size);
    e->truth = malloc(e->size);
    e->units = calloc(units, 1);
    e->bad = calloc(n, 1);
    e->unsettled = calloc(n, 1);
    e->wear = calloc(n, sizeof *e->wear);
    if (!e->cells || !e->truth || !e->units || !e->bad || !e->unsettled || !e->wear) {
        fk_flash_emulator_close(e);
        return FK_ERR_NOSPC;
    }
    memset(e->cells, 0xFF, e->size);
    memset(e->truth, 0xFF, e->size);
    e->flash.ctx = e;
    e->flash.read = read_flash;
    e->flash.program = program_flash;
    e->flash.erase = erase_flash;
    e->powered = 1;
    e->cut_at = UINT64_MAX;
    e->random = seed ? seed : 1;
    return FK_OK;
}

void fk_flash_emulator_close(fk_flash_emulator *e)
{
    free(e->cells);
    free(e->truth);
    free(e->units);
    free(e->bad);
    free(e->unsettled);
    free(e->wear);
    memset(e, 0, sizeof *e);
}

void fk_flash_emulator_copy(fk_flash_emulator *to, const fk_flash_emulator *from)
{
    fk_flash_emulator kept = *to;
    uint32_t n = from->flash.segment_count;
    memcpy(kept.cells, from->cells, from->size);
    memcpy(kept.truth, from->truth, from->size);
    memcpy(kept.units, from->units, from->size / from->geometry.program_unit);
    memcpy(kept.bad, from->bad, n);
    memcpy(kept.unsettled, from->unsettled, n);
    memcpy(kept.wear, from->wear, n * sizeof *kept.wear);
    *to = *from;
    to->cells = kept.cells;
    to->truth = kept.truth;
    to->units = kept.units;
    to->bad = kept.bad;
    to->unsettled = kept.unsettled;
    to->wear = kept.wear;
    to->flash.ctx = to;
    if (to->flash.banks)
        to->flash.banks = to->geometry.banks;
}

void fk_flash_emulator_cut(fk_flash_emulator *e, uint64_t n, uint8_t tear, uint32_t cut_byte)
{
    e->cut_at = e->operations + n;
    e->tear = tear;
    e->cut_byte = cut_byte;
}

void fk_flash_emulator_power_on(fk_flash_emulator *e)
{
    e->powered = 1;
    e->cut_at = UINT64_MAX;
}

void fk_flash_emulator_flip(fk_flash_emulator *e, uint32_t address, uint32_t bit)
{
    e->cells[address] ^= (uint8_t)(1u << bit);
}

int fk_flash_emulator_load(fk_flash_emulator *e, const uint8_t *image, size_t size)
{
    if (size != e->size)
        return FK_ERR_INVAL;
    memcpy(e->cells, image, size);
    memcpy(e->truth, image, size);
    uint32_t unit = e->geometry.program_unit;
    for (uint32_t i = 0; i < e->size; i++)
        if (image[i] != 0xFF)
            e->units[i / unit] = PROGRAMMED;
    return FK_OK;
}
