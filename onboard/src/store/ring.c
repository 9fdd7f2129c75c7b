/* The ring of small records. Its segments are its own; the oldest is given back
 * when the quota is reached. Each record carries what was sent and the next
 * frame id, so neither costs a write. */
#include "store/parts.h"

#include "fk/bytes.h"
#include "fk/crc.h"
#include "fk/err.h"

/* Serial arithmetic: numbers may pass 2^32. */
static int is_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static int first_record(fk_store *store, uint32_t segment, fk_store_record *rec)
{
    fk_store_window w = {.size = 0};
    uint32_t place = fk_store_first_place(store);
    int r = fk_store_walk(store, segment, &place, rec, &w);
    return r > 0 && rec->kind == FK_KIND_LOG ? FK_OK : FK_ERR_NOENT;
}

void fk_store_ring_drop(fk_store *store)
{
    if (store->ring_count == 0)
        return;
    uint16_t oldest = store->ring[0];
    store->ring_count--;
    for (uint32_t i = 0; i < store->ring_count; i++)
        store->ring[i] = store->ring[i + 1];
    store->cfg->segments[oldest].live = FK_STATE_DATA;
    if (store->log_head.segment == oldest)
        store->log_head.segment = FK_NO_SEGMENT;
    if (store->log_cursor.segment == oldest)
        store->log_cursor.segment = FK_NO_SEGMENT;
    fk_store_record rec;
    uint32_t first = store->log_next;
    if (store->ring_count > 0 && first_record(store, store->ring[0], &rec) == FK_OK)
        first = rec.id;
    uint32_t kept = is_before(store->log_first, store->log_sent) ? store->log_sent : store->log_first;
    if (is_before(kept, first))
        store->log_lost += first - kept;
    store->log_first = first;
}

void fk_store_ring_found(fk_store *store, uint32_t segment, uint32_t number)
{
    uint32_t at = store->ring_count;
    while (at > 0 && is_before(number, fk_store_noted(store, at - 1u)))
        at--;
    if (store->ring_count == store->cfg->log_segments) {
        /* one that had been given back and was not erased yet */
        if (at == 0)
            return;
        store->cfg->segments[store->ring[0]].live = FK_STATE_DATA;
        at--;
        for (uint32_t i = 0; i < at; i++) {
            store->ring[i] = store->ring[i + 1];
            fk_store_note(store, i, fk_store_noted(store, i + 1));
        }
    } else {
        for (uint32_t i = store->ring_count++; i > at; i--) {
            store->ring[i] = store->ring[i - 1];
            fk_store_note(store, i, fk_store_noted(store, i - 1));
        }
    }
    store->ring[at] = (uint16_t)segment;
    fk_store_note(store, at, number);
    store->cfg->segments[segment].live = FK_STATE_RING;
}

void fk_store_ring_mount(fk_store *store)
{
    fk_store_record rec;
    if (store->ring_count > 0 && first_record(store, store->ring[0], &rec) == FK_OK)
        store->log_first = rec.id;
    store->log_next = store->log_sent = store->log_first;
    for (uint32_t i = store->ring_count; i-- > 0;) { /* the newest that has a record */
        fk_store_window w = {.size = 0};
        uint32_t place = fk_store_first_place(store);
        int found = 0;
        while (fk_store_walk(store, store->ring[i], &place, &rec, &w) > 0) {
            place += rec.grains;
            if (rec.kind != FK_KIND_LOG)
                continue;
            found = 1;
            store->log_next = rec.id + 1;
            store->log_sent = rec.generation;
            if (rec.offset == 0 || (store->next_id != 0 && rec.offset > store->next_id))
                store->next_id = rec.offset;
        }
        if (found)
            break;
    }
    store->log_given = store->log_sent;
}

int fk_store_log_append(fk_store *store, const uint8_t *record, size_t size)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    if (size == 0 || size > FK_STORE_LOG_MAX || store->cfg->log_segments == 0)
        return FK_ERR_INVAL;
    uint32_t grains = fk_store_grains(store, FK_LOG_FIXED + (uint32_t)size + FK_CRC_SIZE);
    /* every failure takes a segment out of use */
    for (uint32_t turn = 0; turn <= store->cfg->flash->segment_count; turn++) {
        if (store->log_head.segment == FK_NO_SEGMENT ||
            fk_store_room(store, &store->log_head) < grains) {
            if (store->ring_count == store->cfg->log_segments)
                fk_store_ring_drop(store);
            int r = fk_store_insist(store, 1);
            if (r >= 0)
                r = fk_store_open(store, &store->log_head);
            if (r < 0)
                return r;
            store->cfg->segments[store->log_head.segment].live = FK_STATE_RING;
            store->ring[store->ring_count++] = store->log_head.segment;
        }
        uint32_t segment = store->log_head.segment;
        uint8_t p[FK_LOG_FIXED] = {FK_KIND_LOG, (uint8_t)size, 0, 0};
        fk_put_u32be(p + 4, store->log_next);
        fk_put_u32be(p + 8, store->log_sent);
        fk_put_u32be(p + 12, store->next_id);
        uint32_t crc = fk_crc32(fk_store_seed(segment), p, sizeof p);
        crc = fk_crc32(crc, record, size);
        fk_store_write_begin(store, &store->log_head);
        store->log_head.place = (uint16_t)(store->log_head.place + grains);
        int r = fk_store_write(store, p, sizeof p);
        if (r >= 0)
            r = fk_store_write(store, record, (uint32_t)size);
        fk_put_u32be(p, crc);
        if (r >= 0)
            r = fk_store_write(store, p, FK_CRC_SIZE);
        if (r >= 0)
            r = fk_store_write_flush(store);
        if (r >= 0) {
            store->log_next++;
            return FK_OK;
        }
        store->cfg->segments[segment].place |= FK_FAILING;
        store->log_head.segment = FK_NO_SEGMENT;
    }
    return FK_ERR_WORN;
}

/* Reads what peek found, and checks that it reads the same again. */
static int read_payload(fk_store *store, uint32_t segment, uint32_t place,
                        const fk_store_record *rec, uint8_t *out)
{
    const fk_flash *flash = store->cfg->flash;
    uint8_t p[FK_LOG_FIXED], check[FK_CRC_SIZE];
    uint32_t address = fk_store_address(store, segment, place);
    int r = flash->read(flash->ctx, address, p, sizeof p);
    if (r >= 0)
        r = flash->read(flash->ctx, address + FK_LOG_FIXED, out, rec->length);
    if (r >= 0)
        r = flash->read(flash->ctx, address + FK_LOG_FIXED + rec->length, check, sizeof check);
    uint32_t crc = fk_crc32(fk_store_seed(segment), p, sizeof p);
    crc = fk_crc32(crc, out, r < 0 ? 0 : rec->length);
    return r < 0 || p[1] != rec->length || fk_get_u32be(check) != crc ? FK_ERR_CORRUPT : FK_OK;
}

int fk_store_log_next(fk_store *store, uint8_t *out, size_t cap)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    fk_store_window w = {.size = 0};
    fk_store_record rec;
    if (store->log_cursor.segment == FK_NO_SEGMENT && store->ring_count > 0) {
        store->log_cursor.segment = store->ring[0];
        store->log_cursor.place = (uint16_t)fk_store_first_place(store);
    }
    for (uint32_t i = 0; i < store->ring_count; i++) {
        if (store->ring[i] != store->log_cursor.segment)
            continue;
        uint32_t place = store->log_cursor.place;
        int r;
        while ((r = fk_store_walk(store, store->ring[i], &place, &rec, &w)) > 0) {
            if (rec.kind == FK_KIND_LOG && !is_before(rec.id, store->log_given)) {
                if (rec.length > cap)
                    return FK_ERR_TOOSMALL;
                store->log_cursor.place = (uint16_t)(place + rec.grains);
                store->log_given = rec.id + 1;
                if (read_payload(store, store->ring[i], place, &rec, out) == FK_OK)
                    return (int)rec.length;
            }
            place += rec.grains;
            store->log_cursor.place = (uint16_t)place;
        }
        if (i + 1u < store->ring_count) {
            store->log_cursor.segment = store->ring[i + 1];
            store->log_cursor.place = (uint16_t)fk_store_first_place(store);
        }
    }
    return 0;
}

int fk_store_log_sent(fk_store *store)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    store->log_sent = store->log_given;
    return FK_OK;
}

void fk_store_log_rewind(fk_store *store)
{
    store->log_given = store->log_sent;
    store->log_cursor.segment = FK_NO_SEGMENT;
}
