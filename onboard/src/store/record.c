/* The bytes of the store's records: docs/SPEC.md has the tables. */
#include "store/parts.h"

#include <string.h>

#include "fk/bytes.h"
#include "fk/crc.h"
#include "fk/err.h"
#include "fk/wire.h"

_Static_assert(FK_STORE_CHUNK_BYTES == FK_END && FK_STORE_CLEAN_BYTES == FK_END &&
                   FK_STORE_MARKS_BYTES == FK_END && FK_STORE_LOG_BYTES == FK_END,
               "every record ends with five words");

uint32_t fk_store_grains(const fk_store *store, uint32_t bytes)
{
    return (bytes + store->grain - 1) / store->grain;
}

uint32_t fk_store_segment_grains(const fk_store *store, uint32_t segment)
{
    uint32_t address, size;
    fk_flash_segment(store->flash, segment, &address, &size);
    return size / store->grain;
}

uint32_t fk_store_address(const fk_store *store, uint32_t segment, uint32_t place)
{
    uint32_t address, size;
    fk_flash_segment(store->flash, segment, &address, &size);
    return address + place * store->grain;
}

uint32_t fk_store_first(const fk_store *store, uint32_t segment)
{
    return fk_store_segment_grains(store, segment) - store->record;
}

int fk_store_read_flash(const fk_store *store, uint32_t address, uint8_t *out, uint32_t n)
{
    const fk_flash *flash = store->flash;
    return flash->read(flash->ctx, address, out, n);
}

int fk_store_is_blank(const uint8_t *bytes, uint32_t n)
{
    while (n > 0 && bytes[n - 1] == 0xFF)
        n--;
    return n == 0;
}

void fk_store_turn(void *numbers, uint32_t width, uint32_t count)
{
    const uint16_t one = 1;
    uint8_t *p = numbers;
    if (*(const uint8_t *)&one == 0)
        return; /* a big-endian core */
    for (; count > 0; count--, p += width)
        for (uint32_t i = 0; i < width / 2; i++) {
            uint8_t low = p[i];
            p[i] = p[width - 1 - i];
            p[width - 1 - i] = low;
        }
}

/* A record names its segment in its CRC, so that it is valid nowhere else. */
static uint32_t seal(uint32_t segment, const void *body, uint32_t n, const uint8_t *end)
{
    const uint8_t number[2] = {(uint8_t)(segment >> 8), (uint8_t)segment};
    uint32_t crc = fk_crc32(FK_CRC32_INIT, number, sizeof number);
    return fk_crc32(fk_crc32(crc, body, n), end, FK_END);
}

/* Bytes of the segment walked, through a window that reaches down from them. */
static int get(fk_store *store, fk_store_walk *w, uint32_t address, uint8_t *out, uint32_t n)
{
    if (address < w->address || address + n > w->address + w->size) {
        uint32_t below = address - fk_store_address(store, w->segment, w->floor);
        uint32_t more = n < FK_WINDOW ? FK_WINDOW - n : 0;
        more = more < below ? more : below;
        w->address = address - more;
        w->size = n + more;
        /* a wide read may touch a unit that is none of ours */
        if (w->size > FK_WINDOW || fk_store_read_flash(store, w->address, w->bytes, w->size) < 0) {
            w->size = 0;
            return fk_store_read_flash(store, address, out, n);
        }
    }
    memcpy(out, w->bytes + (address - w->address), n);
    return FK_OK;
}

int fk_store_peek(fk_store *store, fk_store_walk *w, fk_store_record *out, uint8_t *body)
{
    uint8_t end[FK_END], crc[4], own[FK_STORE_CHUNKS_MAX * FK_EXTENT];
    uint32_t room = (uint32_t)(w->top - w->floor) * store->grain;
    if (w->top < w->floor || room < FK_RECORD)
        return 0;
    uint32_t address = fk_store_address(store, w->segment, w->top) - FK_END;
    if (get(store, w, address, end, FK_END) < 0)
        return FK_ERR_ECC;
    if (fk_store_is_blank(end, FK_END))
        return 0;
    memcpy(out, end, FK_END);
    fk_store_turn(out, 4, FK_END / 4);

    uint32_t n = 0, kind = out->what & 0xFF;
    if (kind == FK_STORE_KIND_COMMIT)
        n = (out->what >> 8 & 0xFF) * FK_EXTENT;
    else if (kind == FK_STORE_KIND_LOG || kind == FK_STORE_KIND_MARKS)
        n = out->what >> 16;
    if (n > sizeof own || FK_RECORD + n > room)
        return FK_ERR_CORRUPT;
    if (body == NULL)
        body = own;
    if (get(store, w, address - n, body, n) < 0 || get(store, w, address - n - 4, crc, 4) < 0)
        return FK_ERR_ECC;
    if (fk_get_u32be(crc) != seal(w->segment, body, n, end))
        return FK_ERR_CORRUPT;
    return (int)fk_store_grains(store, FK_RECORD + n);
}

void fk_store_start(const fk_store *store, fk_store_walk *w, uint32_t segment)
{
    w->segment = (uint16_t)segment;
    w->top = (uint16_t)fk_store_first(store, segment);
    w->floor = 0;
    w->size = 0;
}

int fk_store_next(fk_store *store, fk_store_walk *w, fk_store_record *out)
{
    int lost = 0;
    while (w->top > w->floor) { /* at most one turn per grain of the segment */
        int r = fk_store_peek(store, w, out, (uint8_t *)store->extents);
        if (r > 0) {
            w->place = w->top;
            w->top = (uint16_t)(w->top - r);
            uint32_t kind = out->what & 0xFF;
            if (kind == FK_STORE_KIND_COMMIT || kind == FK_STORE_KIND_CHUNK ||
                kind == FK_STORE_KIND_FULL) {
                uint32_t end = (out->at >> 16) + fk_store_grains(store, out->what >> 16);
                if (end > w->floor)
                    w->floor = (uint16_t)end;
            }
            return 1;
        }
        if (r == 0 && !lost)
            break;
        /* A damaged or torn record: whatever follows it can only be found by looking. */
        lost = 1;
        w->top--;
    }
    return 0;
}

void fk_store_take(fk_store *store, const fk_store_record *commit, uint32_t segment, uint32_t place)
{
    uint32_t number = commit->what >> 8 & 0xFF, length = commit->what >> 16;
    store->hand = *commit;
    store->hand_segment = (uint16_t)segment;
    store->hand_place = (uint16_t)place;
    fk_store_turn(store->extents, 2, number * 4);
    if (length > 0 && number < FK_STORE_CHUNKS_MAX) /* it is the record of the last chunk too */
        store->extents[number++] = (fk_store_extent){(uint16_t)segment, (uint16_t)place,
                                                     store->segments[segment].wear,
                                                     (uint16_t)length};
    store->hand_count = (uint16_t)number;
}

int fk_store_load(fk_store *store, uint32_t segment, uint32_t place)
{
    fk_store_walk w;
    fk_store_record r;
    fk_store_start(store, &w, segment);
    w.top = (uint16_t)place;
    int n = fk_store_peek(store, &w, &r, (uint8_t *)store->extents);
    if (n < 0)
        return n;
    if (n == 0 || (r.what & 0xFF) != FK_STORE_KIND_COMMIT)
        return FK_ERR_CORRUPT;
    fk_store_take(store, &r, segment, place);
    return FK_OK;
}

void fk_store_say(fk_store *store, uint32_t id, uint32_t at, uint32_t crc, uint32_t what)
{
    store->hand.id = id;
    store->hand.at = at;
    store->hand.more = store->next_id;
    store->hand.crc = crc;
    store->hand.what = what;
}

void fk_store_shows(fk_store *store, uint32_t segment, uint32_t id)
{
    if (id > store->top_id) {
        store->top_id = id;
        store->sole = (uint16_t)segment;
    } else if (id == store->top_id && segment != store->sole) {
        store->sole = FK_NO_SEGMENT;
    }
}

int fk_store_put(fk_store *store, fk_store_head *head, const void *body, uint32_t n)
{
    fk_store_record end = store->hand;
    uint32_t segment = head->segment, grains = fk_store_grains(store, FK_RECORD + n);
    fk_store_turn(&end, 4, FK_END / 4);
    uint32_t crc = seal(segment, body, n, (const uint8_t *)&end);
    fk_store_turn(&crc, 4, 1);

    head->top = (uint16_t)(head->top - grains);
    fk_store_write_at(store, segment, head->top);
    fk_store_pad(store, grains * store->grain - FK_RECORD - n);
    fk_store_write(store, &crc, 4);
    fk_store_write(store, body, n);
    fk_store_write(store, &end, FK_END);
    fk_store_flush(store);
    int r = store->write_error;
    store->write_error = 0;
    uint32_t kind = store->hand.what & 0xFF;
    if (r < 0)
        fk_store_fail(store, segment);
    else if (kind == FK_STORE_KIND_COMMIT)
        fk_store_shows(store, segment, store->hand.id);
    else if (kind != FK_STORE_KIND_CHUNK && kind != FK_STORE_KIND_FULL)
        fk_store_shows(store, segment, store->hand.more - 1);
    return r;
}
