/* One frame's life: written, found, read, marked, forgotten. */
#include "store/parts.h"
#include "store/room_inline.h"

#include <stddef.h>
#include <string.h>

#include "fk/bytes.h"
#include "fk/crc.h"
#include "fk/err.h"
#include "fk/wire.h"

/* ---- the table of frames: kept ones and ghosts, without gaps */

uint32_t fk_store_slot_id(const fk_store_slot *slot)
{
    uint32_t id;
    memcpy(&id, slot->id, sizeof id);
    return id;
}

static int is_kept(const fk_store_slot *slot)
{
    return !(slot->segment & FK_SLOT_GHOST);
}

fk_store_slot *fk_store_end(const fk_store *store)
{
    return store->slots + store->frames + store->ghosts;
}

fk_store_slot *fk_store_slot_of(fk_store *store, uint32_t id)
{
    for (fk_store_slot *s = store->slots; s < fk_store_end(store); s++)
        if (fk_store_slot_id(s) == id && is_kept(s))
            return s;
    return NULL;
}

int fk_store_slot_load(fk_store *store, const fk_store_slot *slot)
{
    int r = fk_store_load(store, slot->segment & ~(uint32_t)FK_SLOT_GHOST,
                          slot->place & FK_SLOT_PLACE);
    return r >= 0 && store->hand.id != fk_store_slot_id(slot) ? FK_ERR_CORRUPT : r;
}

void fk_store_slot_move(fk_store *store, fk_store_slot *slot)
{
    slot->segment = store->hand_segment;
    slot->place = (uint16_t)((slot->place & ~(uint32_t)FK_SLOT_PLACE) | store->hand_place);
}

int fk_store_slot_add(fk_store *store)
{
    fk_store_slot *s = fk_store_end(store);
    if (s == store->slots + store->cfg->slot_count)
        return FK_ERR_NOSPC;
    memcpy(s->id, &store->hand.id, sizeof s->id);
    s->value = (uint16_t)store->hand.at;
    s->place = store->hand.more >> 16 & FK_STORE_FLAG_SENT ? FK_SLOT_SENT : 0;
    fk_store_slot_move(store, s);
    store->frames++;
    return FK_OK;
}

void fk_store_slot_remove(fk_store *store, fk_store_slot *slot)
{
    if (is_kept(slot))
        store->frames--;
    else
        store->ghosts--;
    *slot = *fk_store_end(store);
}

void fk_store_haunt(fk_store *store, fk_store_slot *slot)
{
    slot->segment |= FK_SLOT_GHOST;
    store->frames--;
    store->ghosts++;
}

void fk_store_lose(fk_store *store, fk_store_slot *slot)
{
    store->damaged++;
    fk_store_haunt(store, slot);
}

void fk_store_drop_ghosts(fk_store *store, uint32_t segment)
{
    for (fk_store_slot *s = fk_store_end(store); s > store->slots;)
        if (!is_kept(--s) &&
            (segment == FK_NO_SEGMENT || s->segment == (segment | FK_SLOT_GHOST)))
            fk_store_slot_remove(store, s);
}

/* What orders slots, the least first: their id; or their rank, in which frames that were sent are
 * below all others, from one end or the other. Equals are ordered by id. */
typedef enum { WORST_FIRST = 0, BEST_FIRST = 0x1FFFF, BY_ID = 0x20000 } order;

static uint64_t key_of(const fk_store_slot *slot, order by)
{
    uint32_t rank = slot->value + (slot->place & FK_SLOT_SENT ? 0 : 0x10000u);
    return (uint64_t)(by == BY_ID ? 0 : rank ^ by) << 32 | fk_store_slot_id(slot);
}

/* The first after `after` of the frames kept, or NULL. */
static fk_store_slot *first_slot(fk_store *store, order by, uint64_t after)
{
    fk_store_slot *first = NULL;
    uint64_t least = UINT64_MAX;
    for (fk_store_slot *s = store->slots; s < fk_store_end(store); s++) {
        uint64_t key = key_of(s, by);
        if (is_kept(s) && key > after && key < least) {
            first = s;
            least = key;
        }
    }
    return first;
}

/* ---- what is needed of each segment */

static int quota_of(const fk_store *store, uint32_t class_index)
{
    int i = store->cfg->quota_count;
    while (--i >= 0 && store->cfg->quotas[i].class_index != class_index)
        ;
    return i;
}

static uint32_t size_in_hand(const fk_store *store)
{
    uint32_t size = 0;
    for (uint32_t i = 0; i < store->hand_count; i++)
        size += store->extents[i].length;
    return size - FK_META;
}

void fk_store_account(fk_store *store, int sign)
{
    uint32_t number = store->hand.what >> 8 & 0xFF, count = store->hand_count, size = 0;
    for (uint32_t i = 0; i <= count; i++) {
        uint32_t segment = store->hand_segment, grains = 0;
        if (i < count) {
            segment = store->extents[i].segment;
            size += store->extents[i].length;
            grains = store->record + fk_store_grains(store, store->extents[i].length);
        } else { /* the commit; where it is the record of a chunk, that is counted */
            grains = fk_store_grains(store, number * FK_EXTENT + (number == count ? FK_RECORD : 0u));
        }
        grains *= (uint32_t)sign;
        store->segments[segment].live = (uint16_t)(store->segments[segment].live + grains);
        store->live += grains;
    }
    int quota = quota_of(store, store->hand.more >> 24);
    if (quota >= 0)
        store->class_bytes[quota] += (uint32_t)sign * (size - FK_META);
}

/* Nothing is written: until its segments are erased the frame may come back after a cut, so its
 * place in the table stays taken. Where its commit cannot be read, what lies in its segments goes
 * on counting until they are emptied. */
static void forget(fk_store *store, fk_store_slot *slot)
{
    if (fk_store_slot_load(store, slot) == FK_OK)
        fk_store_account(store, -1);
    fk_store_haunt(store, slot);
}

int fk_store_evict_one(fk_store *store, const fk_store_offer *offer, int only_class)
{
    fk_store_slot *least;
    uint64_t key = 0;
    while ((least = first_slot(store, WORST_FIRST, key)) != NULL) { /* a turn per frame */
        key = key_of(least, WORST_FIRST);
        if (key >= offer->key)
            break;
        if (store->cfg->quota_count > 0 && fk_store_slot_load(store, least) == FK_OK) {
            uint32_t its_class = store->hand.more >> 24;
            int quota = quota_of(store, its_class);
            if (its_class != offer->class_index &&
                (only_class || (quota >= 0 && store->class_bytes[quota] - size_in_hand(store) <
                                                  store->cfg->quotas[quota].floor)))
                continue;
        }
        forget(store, least);
        store->evicted++;
        return 1;
    }
    return 0;
}

/* ---- reading */

/* The record of a chunk of the frame in hand. */
static int chunk_record(fk_store *store, uint32_t index, fk_store_record *r)
{
    const fk_store_extent *e = &store->extents[index];
    fk_store_walk w;
    fk_store_start(store, &w, e->segment);
    w.top = e->place;
    int got = fk_store_peek(store, &w, r, NULL);
    if (got < 0)
        return got;
    uint32_t end = (r->at >> 16) + fk_store_grains(store, e->length);
    if (got == 0 || r->id != store->hand.id || r->what >> 16 != e->length ||
        (r->what >> 8 & 0xFF) != index ||
        end > fk_store_first(store, e->segment)) /* a lie with a right CRC */
        return FK_ERR_CORRUPT;
    r->at = fk_store_address(store, e->segment, r->at >> 16); /* of the payload */
    return FK_OK;
}

int fk_store_chunk(fk_store *store, uint32_t index, uint32_t skip, uint8_t *out, uint32_t n)
{
    fk_store_record r;
    uint8_t piece[FK_WINDOW];
    uint32_t length = store->extents[index].length, crc = FK_CRC32_INIT;
    int got = chunk_record(store, index, &r);
    for (uint32_t at = 0; at < length && got >= 0; at += sizeof piece) {
        uint32_t m = length - at < sizeof piece ? length - at : (uint32_t)sizeof piece;
        got = fk_store_read_flash(store, r.at + at, piece, m);
        crc = fk_crc32(crc, piece, m);
        if (out == NULL && n > 0)
            fk_store_write(store, piece, m);
        uint32_t from = skip > at ? skip : at, to = skip + n < at + m ? skip + n : at + m;
        if (out != NULL && from < to)
            memcpy(out + (from - skip), piece + (from - at), to - from);
    }
    return got < 0 ? got : crc == r.crc ? FK_OK : FK_ERR_CORRUPT;
}

/* What is kept beside a picture, as bytes. */
static void turn_meta(fk_frame_meta *meta)
{
    _Static_assert(offsetof(fk_frame_meta, model_id) + 8 == offsetof(fk_frame_meta, time) + FK_META &&
                       FK_STORE_META_BYTES == FK_META,
                   "no gaps, or the bytes change with the core");
    fk_store_turn(&meta->time, 8, 1);
    fk_store_turn(&meta->crc32, 4, 1);
    fk_store_turn(&meta->value, 2, 5);
}

/* Loads a slot's frame, and the first time after mount reads it as a whole: what an erase left
 * half of never counts as a frame. What cannot be read is forgotten. */
static int open_slot(fk_store *store, fk_store_slot *slot, fk_frame_meta *meta)
{
    int r = fk_store_slot_load(store, slot);
    for (uint32_t i = 0; r >= 0 && !(slot->place & FK_SLOT_VERIFIED) && i < store->hand_count; i++)
        r = fk_store_chunk(store, i, 0, NULL, 0);
    if (r >= 0 && meta != NULL)
        r = fk_store_chunk(store, 0, 0, (uint8_t *)&meta->time, FK_META);
    if (r < 0) {
        store->damaged++;
        forget(store, slot);
        return r;
    }
    slot->place |= FK_SLOT_VERIFIED;
    if (meta != NULL) {
        turn_meta(meta);
        meta->frame_id = store->hand.id;
        meta->size = size_in_hand(store);
        meta->sent = (slot->place & FK_SLOT_SENT) != 0;
    }
    return FK_OK;
}

void fk_store_drop_damaged(fk_store *store)
{
    for (fk_store_slot *s = fk_store_end(store); s > store->slots;)
        if (is_kept(--s) && open_slot(store, s, NULL) < 0)
            fk_store_slot_remove(store, s);
}

/* The first in that order that can be read. */
static int first_frame(fk_store *store, order by, uint32_t after, fk_frame_meta *meta)
{
    fk_store_slot *slot;
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    while ((slot = first_slot(store, by, after)) != NULL && /* each turn but the last forgets one */
           !(by == BEST_FIRST && (slot->place & FK_SLOT_SENT)))
        if (open_slot(store, slot, meta) >= 0)
            return 1;
    return 0;
}

int fk_store_best(fk_store *store, fk_frame_meta *meta)
{
    return first_frame(store, BEST_FIRST, 0, meta);
}

int fk_store_list(fk_store *store, uint32_t after, fk_frame_meta *meta)
{
    return first_frame(store, BY_ID, after, meta);
}

int fk_store_find(fk_store *store, uint32_t frame_id, fk_frame_meta *meta)
{
    fk_store_slot *slot = store->phase == FK_MOUNTED ? fk_store_slot_of(store, frame_id) : NULL;
    return slot == NULL || open_slot(store, slot, meta) < 0 ? FK_ERR_NOENT : FK_OK;
}

int fk_store_read(fk_store *store, uint32_t frame_id, uint32_t offset, uint8_t *out, size_t n)
{
    uint32_t start = 0, done = 0;
    int r = fk_store_find(store, frame_id, NULL);
    if (r < 0)
        return r;
    uint32_t size = size_in_hand(store);
    if (offset > size)
        return FK_ERR_INVAL;
    uint32_t want = size - offset < n ? size - offset : (uint32_t)n;
    offset += FK_META;
    for (uint32_t i = 0; done < want; i++) { /* the sizes add up: at most all chunks */
        uint32_t length = store->extents[i].length, skip = offset + done - start;
        start += length;
        if (skip >= length)
            continue;
        uint32_t m = length - skip < want - done ? length - skip : want - done;
        r = fk_store_chunk(store, i, skip, out + done, m);
        if (r < 0) {
            memset(out, 0, n);
            return r;
        }
        done += m;
    }
    return (int)done;
}

/* ---- marks */

/* What a mark says of a slot's frame beside its id: where its commit lies. */
static uint32_t where(const fk_store *store, const fk_store_slot *slot)
{
    uint32_t segment = slot->segment & ~(uint32_t)FK_SLOT_GHOST;
    return segment << 16 | store->segments[segment].wear;
}

/* Room for the marks of a call, and no copy of a frame that they would not concern. For a
 * deletion, room for its own mark is enough; a frame goes for it only where there is none. */
static int ensure_marks(fk_store *store, int insist)
{
    enum { RECORDS = 2 + FK_GHOSTS / FK_STORE_MARKS_MAX };
    uint32_t record = fk_store_grains(store, FK_RECORD + FK_STORE_MARKS_MAX * FK_MARK);
    if (store->old_copies == 0 && fk_store_room(&store->heads[FK_HEAD_MARKS]) >= RECORDS * record)
        return FK_OK;
    int r = fk_store_ensure(store, 1);
    if (r >= 0 || !insist || (store->old_copies == 0 && store->pool_count > 0))
        return r;
    return fk_store_insist(store, 1);
}

int fk_store_sync(fk_store *store)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    if (store->marks_count == 0)
        return FK_OK;
    ensure_marks(store, 0);
    return fk_store_put_marks(store);
}

int fk_store_mark_sent(fk_store *store, uint32_t frame_id)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    if (store->marks_count == FK_STORE_MARKS_MAX)
        fk_store_sync(store);
    fk_store_slot *slot = fk_store_slot_of(store, frame_id);
    if (slot == NULL)
        return FK_ERR_NOENT;
    if (slot->place & FK_SLOT_SENT)
        return FK_OK;
    /* Also where no mark can be written, or the picture would be sent for ever: a reset undoes it. */
    slot->place |= FK_SLOT_SENT;
    (void)fk_store_mark(store, frame_id, where(store, slot) | (uint32_t)FK_STORE_MARK_SENT << 16);
    return FK_OK;
}

int fk_store_delete(fk_store *store, uint32_t frame_id)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    fk_store_slot *slot = fk_store_slot_of(store, frame_id);
    if (slot == NULL)
        return FK_ERR_NOENT;
    uint32_t there = where(store, slot);
    forget(store, slot); /* its own segments may be what is wanting */
    ensure_marks(store, 1);
    /* written even if its commit was erased by now: an older copy may be there */
    if (fk_store_mark(store, frame_id, there) < 0 || fk_store_put_marks(store) < 0)
        return FK_ERR_NOSPC;
    for (fk_store_slot *s = fk_store_end(store); s > store->slots;)
        if (fk_store_slot_id(--s) == frame_id)
            fk_store_slot_remove(store, s);
    return FK_OK;
}

/* Writes the marks that wait. Before the table is full, for mount notes marks in what is left of
 * it, forgotten frames are marked as deleted, so that their rows get free; where there are none,
 * a lesser frame goes. */
static int free_slot(fk_store *store, const fk_store_offer *offer)
{
    uint32_t used = (uint32_t)store->frames + store->ghosts, most = store->cfg->slot_count;
    int lay = used == most || (used + FK_GHOSTS >= most && store->ghosts >= FK_GHOSTS);
    if (!lay && store->marks_count == 0)
        return FK_OK;
    while (ensure_marks(store, 0) < 0 || store->frames == most)
        if (!fk_store_evict_one(store, offer, 0)) /* each turn evicts a frame */
            return FK_ERR_NOSPC;
    uint32_t left = lay ? FK_GHOSTS : 0;
    for (fk_store_slot *slot = fk_store_end(store); left > 0 && slot > store->slots;) {
        if (is_kept(--slot))
            continue;
        left--;
        if (fk_store_mark(store, fk_store_slot_id(slot), where(store, slot)) < 0)
            return FK_ERR_NOSPC;
        fk_store_slot_remove(store, slot);
    }
    return fk_store_put_marks(store);
}

/* ---- writing */

int fk_store_put_chunk(fk_store *store, fk_store_head *head, uint32_t index, uint32_t n, int last)
{
    uint32_t segment = head->segment, place = head->top, extents = last ? index : 0;
    uint32_t crc = store->hand.crc, kind = FK_STORE_KIND_COMMIT;
    store->hand.at = (uint32_t)head->place << 16 | (uint16_t)store->hand.at;
    head->place = (uint16_t)(head->place + fk_store_grains(store, n));
    if (!last) /* full: nothing will follow */
        kind = fk_store_room(head) < 2u * store->record ? FK_STORE_KIND_FULL : FK_STORE_KIND_CHUNK;
    fk_store_flush(store);
    store->hand.crc = crc;
    store->hand.what = n << 16 | index << 8 | kind;
    fk_store_turn(store->extents, 2, 4 * extents);
    int r = fk_store_put(store, head, store->extents, extents * FK_EXTENT);
    fk_store_turn(store->extents, 2, 4 * extents);
    if (r < 0)
        return r;
    if (n > 0)
        store->extents[index++] = (fk_store_extent){(uint16_t)segment, (uint16_t)place,
                                                    store->segments[segment].wear, (uint16_t)n};
    store->hand_segment = (uint16_t)segment;
    store->hand_place = (uint16_t)place;
    store->hand_count = (uint16_t)index;
    return r;
}

/* Grains that `rest` bytes take from chunk `index` on when in one segment. */
static uint32_t tail_grains(const fk_store *store, uint32_t rest, uint32_t index)
{
    uint32_t grains = fk_store_grains(store, rest);
    uint32_t before = grains > 0 ? (grains - 1) / store->chunk : 0;
    return grains + before * store->record +
           fk_store_grains(store, FK_RECORD + (index + before) * FK_EXTENT);
}

static int write_frame(fk_store *store, fk_frame_meta *meta, const uint8_t *data)
{
    uint32_t rest = meta->size + FK_META, index = 0;
    store->hand.id = meta->frame_id;
    store->hand.at = meta->value;
    store->hand.more = (uint32_t)meta->class_index << 24;
    for (int last = 0; !last;) { /* each turn writes a chunk */
        uint32_t need = tail_grains(store, rest, index);
        fk_store_head *head = fk_store_head_for(store, FK_HEAD_FRAMES, store->head_limit,
                                                need < store->fresh ? need : store->fresh);
        if (head == NULL)
            return FK_ERR_NOSPC;
        do { /* never more chunks than fk_store_append has reckoned */
            uint32_t room = fk_store_room(head), skip = 0, n = room - store->record;
            n = (n < store->chunk ? n : store->chunk) * store->grain;
            n = n < rest ? n : rest;
            last = n == rest && fk_store_grains(store, n) +
                                        fk_store_grains(store, FK_RECORD + index * FK_EXTENT) <= room;
            fk_store_write_at(store, head->segment, head->place);
            if (index == 0) { /* what is kept beside the picture goes before it */
                skip = FK_META;
                turn_meta(meta);
                fk_store_write(store, &meta->time, FK_META);
                turn_meta(meta);
            }
            fk_store_write(store, data, n - skip);
            data += n - skip;
            int r = fk_store_put_chunk(store, head, index, n, last);
            if (r < 0)
                return r;
            rest -= n;
            index += n > 0;
        } while (rest > 0 && fk_store_room(head) > store->record);
    }
    return FK_OK;
}

static int make_room(fk_store *store, const fk_store_offer *offer)
{
    int quota = quota_of(store, offer->class_index);
    uint32_t ceiling = quota < 0 ? 0 : store->cfg->quotas[quota].ceiling;
    while (ceiling > 0 && store->class_bytes[quota] + offer->size > ceiling) /* each turn evicts */
        if (!fk_store_evict_one(store, offer, 1))
            return FK_ERR_NOSPC;
    int r = free_slot(store, offer);
    while (r >= 0 && (store->live + offer->grains > fk_store_limit(store) ||
                      fk_store_ensure(store, offer->segments) < 0)) /* each turn evicts */
        if (!fk_store_evict_one(store, offer, 0))
            return FK_ERR_NOSPC;
    return r;
}

int fk_store_append(fk_store *store, const fk_frame_meta *meta, const uint8_t *data, size_t size)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    fk_frame_meta m = *meta;
    m.size = (uint32_t)size;
    m.sent = 0;
    if (size == 0 || size >= FK_STORE_CHUNKS_MAX * (size_t)FK_STORE_CHUNK_MAX || m.frame_id == 0 ||
        fk_store_slot_of(store, m.frame_id) != NULL)
        return FK_ERR_INVAL;
    /* At most: as if all segments were the smallest, and the end found no other's company. */
    uint32_t grains = tail_grains(store, m.size + FK_META, 0);
    uint32_t chunks = grains / store->chunk + 1, fresh = store->fresh;
    if (fresh > (uint32_t)store->chunk + store->record) /* several in a segment */
        chunks += grains / fresh;
    const fk_store_offer offer = {
        .key = ((uint64_t)0x10000 + m.value) << 32 | m.frame_id,
        .size = m.size,
        .grains = grains,
        .segments = grains / fresh + 1,
        .class_index = m.class_index,
    };
    if (grains > fk_store_limit(store) || chunks > FK_STORE_CHUNKS_MAX)
        return FK_ERR_INVAL;
    m.crc32 = fk_crc32(FK_CRC32_INIT, data, size);
    fk_store_use_id(store, m.frame_id);
    uint32_t evicted = store->evicted;
    int r = FK_ERR_WORN;
    /* every failure takes a segment out of use */
    for (uint32_t turn = 0; turn <= store->segment_count; turn++) {
        r = make_room(store, &offer);
        if (r < 0)
            break;
        r = write_frame(store, &m, data);
        if (r >= 0 || r == FK_ERR_INVAL)
            break;
    }
    if (r < 0) {
        store->refused += r == FK_ERR_NOSPC;
        return r;
    }
    fk_store_account(store, 1);
    fk_store_slot_add(store);
    fk_store_end(store)[-1].place |= FK_SLOT_VERIFIED;
    evicted = store->evicted - evicted;
    /* Where nobody calls fk_store_idle, a little is won ahead each time, so that a large
     * frame does not have to win all at once. */
    for (uint32_t i = 0; i < 3 && !store->idled && store->pool_count < store->spare; i++)
        if (fk_store_reclaim(store) <= 0)
            break;
    store->idled = 0;
    return (int)evicted;
}

uint32_t fk_store_next_id(const fk_store *store)
{
    return store->next_id;
}

void fk_store_use_id(fk_store *store, uint32_t frame_id)
{
    if (store->next_id != 0 && frame_id >= store->next_id)
        store->next_id = frame_id + 1; /* 0 after the last */
}
