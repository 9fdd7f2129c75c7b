/* The ring of small records. Its segments are its own; the oldest is given back
 * when the quota is reached. Each record carries what was sent and the next
 * frame id, so neither costs a write. */
#include "store/parts.h"
#include "store/room_inline.h"

#include <string.h>

#include "fk/err.h"
#include "fk/wire.h"

/* Serial arithmetic: numbers may pass 2^32. */
static int is_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

/* The next record of the ring's in a walk. */
static int next_record(fk_store *store, fk_store_walk *w, fk_store_record *r)
{
    while (fk_store_next(store, w, r)) /* a turn per record */
        if ((r->what & 0xFF) == FK_STORE_KIND_LOG)
            return 1;
    return 0;
}

static int first_record(fk_store *store, uint32_t segment, fk_store_record *r)
{
    fk_store_walk w;
    fk_store_start(store, &w, segment);
    return next_record(store, &w, r);
}

/* Puts a segment into the ring as its number `at`, 0 being the newest. */
static void insert(fk_store *store, uint32_t at, uint32_t segment)
{
    store->ring[at] = (uint16_t)segment;
    store->ring_count++;
    store->segments[segment].live = FK_STATE_RING;
}

void fk_store_ring_mount(fk_store *store)
{
    fk_store_record r;
    uint32_t count = store->segment_count, oldest = 0;
    while (store->ring_count < store->cfg->log_segments) { /* each turn finds the next older */
        uint32_t newest = FK_NO_SEGMENT, number = 0;
        for (uint32_t i = 0; i < count; i++)
            if (store->segments[i].live == 0 && (store->segments[i].flags & FK_TO_READ) &&
                first_record(store, i, &r) && (newest == FK_NO_SEGMENT || is_before(number, r.id))) {
                newest = i;
                number = r.id;
            }
        if (newest == FK_NO_SEGMENT)
            break;
        oldest = number;
        insert(store, store->ring_count, newest);
        if (store->ring_count > 1)
            continue;
        fk_store_walk w;
        fk_store_start(store, &w, newest);
        while (next_record(store, &w, &r)) {
            store->log_next = r.id + 1;
            store->log_sent = r.at;
            fk_store_shows(store, newest, r.more - 1);
        }
    }
    if (is_before(store->log_sent, oldest))
        store->log_sent = oldest;
    store->log_given = store->log_sent;
}

static void drop_oldest(fk_store *store)
{
    fk_store_record r;
    uint32_t first = store->log_next;
    store->segments[store->ring[--store->ring_count]].live = FK_STATE_DATA;
    if (store->ring_count > 0 && first_record(store, store->ring[store->ring_count - 1], &r))
        first = r.id;
    if (is_before(store->log_sent, first)) {
        store->log_lost += first - store->log_sent;
        store->log_sent = first;
    }
    if (is_before(store->log_given, store->log_sent))
        store->log_given = store->log_sent;
}

int fk_store_log_append(fk_store *store, const uint8_t *record, size_t size)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    if (size == 0 || size > FK_STORE_LOG_MAX || store->cfg->log_segments == 0)
        return FK_ERR_INVAL;
    fk_store_head *head = &store->heads[FK_HEAD_RING];
    /* every failure takes a segment out of use */
    for (uint32_t turn = 0; turn <= store->segment_count; turn++) {
        if (fk_store_room(head) < fk_store_grains(store, FK_RECORD + (uint32_t)size)) {
            if (store->ring_count == store->cfg->log_segments)
                drop_oldest(store);
            int r = fk_store_insist(store, 1);
            if (r >= 0)
                r = fk_store_open(store, head);
            if (r < 0)
                return r;
            memmove(store->ring + 1, store->ring, store->ring_count * sizeof store->ring[0]);
            insert(store, 0, head->segment);
        }
        fk_store_say(store, store->log_next, store->log_sent, 0,
                     (uint32_t)size << 16 | FK_STORE_KIND_LOG);
        if (fk_store_put(store, head, record, (uint32_t)size) >= 0) {
            store->log_next++;
            return FK_OK;
        }
    }
    return FK_ERR_WORN;
}

int fk_store_log_next(fk_store *store, uint8_t *out, size_t cap)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    for (uint32_t i = store->ring_count; i-- > 0;) {
        fk_store_walk w;
        fk_store_record r;
        if (i > 0 && first_record(store, store->ring[i - 1], &r) &&
            !is_before(store->log_given, r.id))
            continue; /* all of this segment was given out */
        fk_store_start(store, &w, store->ring[i]);
        while (next_record(store, &w, &r)) {
            uint32_t size = r.what >> 16;
            if (is_before(r.id, store->log_given) || !is_before(r.id, store->log_next))
                continue;
            if (size > cap)
                return FK_ERR_TOOSMALL;
            store->log_given = r.id + 1;
            memcpy(out, store->extents, size);
            return (int)size;
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
}
