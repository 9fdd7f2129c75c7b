/* One frame's life: written, found, read, marked, forgotten. */
#include "store/parts.h"

#include <string.h>

#include "fk/bytes.h"
#include "fk/crc.h"
#include "fk/err.h"

/* ---- the table of frames: kept ones and ghosts, without gaps */

uint32_t fk_store_slot_id(const fk_store_slot *slot)
{
    return ((uint32_t)slot->id_high << 16) | slot->id_low;
}

uint64_t fk_store_slot_key(const fk_store_slot *slot)
{
    uint64_t rank = slot->value + (slot->place & FK_SLOT_SENT ? 0 : 0x10000u);
    return rank << 32 | fk_store_slot_id(slot);
}

static uint32_t slots_used(const fk_store *store)
{
    return (uint32_t)store->frames + store->ghosts;
}

fk_store_slot *fk_store_slot_of(fk_store *store, uint32_t id)
{
    for (uint32_t i = 0; i < slots_used(store); i++) {
        fk_store_slot *s = &store->cfg->slots[i];
        if (s->id_low == (uint16_t)id && s->id_high == id >> 16 && !(s->segment & FK_SLOT_GHOST))
            return s;
    }
    return NULL;
}

int fk_store_slot_load(fk_store *store, const fk_store_slot *slot)
{
    int r = fk_store_load(store, slot->segment & ~(uint32_t)FK_SLOT_GHOST,
                          slot->place & FK_SLOT_PLACE);
    if (r < 0)
        return r;
    if (store->meta.frame_id != fk_store_slot_id(slot))
        return FK_ERR_CORRUPT;
    store->meta.sent = (slot->place & FK_SLOT_SENT) != 0;
    return FK_OK;
}

int fk_store_slot_add(fk_store *store, uint32_t segment, uint32_t place)
{
    if (slots_used(store) == store->cfg->slot_count)
        return FK_ERR_NOSPC;
    fk_store_slot *s = &store->cfg->slots[slots_used(store)];
    s->id_high = (uint16_t)(store->meta.frame_id >> 16);
    s->id_low = (uint16_t)store->meta.frame_id;
    s->value = store->meta.value;
    s->segment = (uint16_t)segment;
    s->place = (uint16_t)(place | (store->meta.sent ? FK_SLOT_SENT : 0u));
    store->frames++;
    return FK_OK;
}

void fk_store_slot_remove(fk_store *store, fk_store_slot *slot)
{
    if (slot->segment & FK_SLOT_GHOST)
        store->ghosts--;
    else
        store->frames--;
    *slot = store->cfg->slots[slots_used(store)];
}

void fk_store_drop_ghosts(fk_store *store, uint32_t segment)
{
    for (uint32_t i = slots_used(store); i-- > 0;)
        if (store->cfg->slots[i].segment == (segment | FK_SLOT_GHOST) ||
            (segment == FK_NO_SEGMENT && (store->cfg->slots[i].segment & FK_SLOT_GHOST)))
            fk_store_slot_remove(store, &store->cfg->slots[i]);
}

/* ---- what is needed of each segment */

static int quota_of(const fk_store *store, uint8_t class_index)
{
    for (int i = 0; i < store->cfg->quota_count; i++)
        if (store->cfg->quotas[i].class_index == class_index)
            return i;
    return -1;
}

void fk_store_account(fk_store *store, int sign)
{
    uint32_t commit = FK_COMMIT_FIXED + store->extent_count * (uint32_t)FK_EXTENT_SIZE + FK_CRC_SIZE;
    int quota = quota_of(store, store->meta.class_index);
    if (quota >= 0)
        store->class_bytes[quota] += sign > 0 ? store->meta.size : 0u - store->meta.size;
    for (uint32_t i = 0; i <= store->extent_count; i++) {
        uint32_t segment = store->meta_segment, bytes = commit;
        if (i < store->extent_count) {
            segment = store->extents[i].segment;
            bytes = FK_CHUNK_HEADER + (uint32_t)store->extents[i].length;
        }
        if (sign > 0)
            fk_store_add_live(store, segment, fk_store_grains(store, bytes));
        else
            fk_store_drop_live(store, segment, fk_store_grains(store, bytes));
    }
}

void fk_store_recount(fk_store *store)
{
    store->live = 0;
    memset(store->class_bytes, 0, sizeof store->class_bytes);
    for (uint32_t i = 0; i < store->cfg->flash->segment_count; i++)
        if (fk_store_state(store, i) == FK_STATE_DATA)
            store->cfg->segments[i].live = 0;
    for (uint32_t i = 0; i < slots_used(store); i++) {
        fk_store_slot *s = &store->cfg->slots[i];
        if (s->segment & FK_SLOT_GHOST)
            continue;
        if (fk_store_slot_load(store, s) == FK_OK) {
            fk_store_account(store, 1);
        } else {
            s->segment |= FK_SLOT_GHOST;
            store->frames--;
            store->ghosts++;
            store->damaged++;
        }
    }
}

/* Nothing is written: until its segments are erased the frame may come back
 * after a cut, so its place in the table stays taken. */
void fk_store_forget(fk_store *store, fk_store_slot *slot)
{
    int r = fk_store_slot_load(store, slot);
    if (r == FK_OK)
        fk_store_account(store, -1);
    slot->segment |= FK_SLOT_GHOST;
    store->frames--;
    store->ghosts++;
    if (r != FK_OK)
        fk_store_recount(store);
}

int fk_store_evict_one(fk_store *store, uint64_t below, int class_index, int only_class)
{
    uint64_t above = 0;
    for (uint32_t turn = 0; turn <= store->cfg->slot_count; turn++) {
        fk_store_slot *least = NULL;
        for (uint32_t i = 0; i < slots_used(store); i++) {
            fk_store_slot *s = &store->cfg->slots[i];
            uint64_t key = fk_store_slot_key(s);
            if (!(s->segment & FK_SLOT_GHOST) && key < below && key > above &&
                (least == NULL || key < fk_store_slot_key(least)))
                least = s;
        }
        if (least == NULL)
            return 0;
        above = fk_store_slot_key(least);
        if (store->cfg->quota_count > 0 && fk_store_slot_load(store, least) == FK_OK) {
            const fk_frame_meta *m = &store->meta;
            int quota = quota_of(store, m->class_index);
            if (only_class && m->class_index != class_index)
                continue;
            if (quota >= 0 && m->class_index != class_index &&
                store->class_bytes[quota] - m->size < store->cfg->quotas[quota].floor)
                continue;
        }
        fk_store_forget(store, least);
        store->evicted++;
        return 1;
    }
    return 0;
}

/* ---- reading */

/* Verifies a chunk of the frame in hand from its first to its last byte and, on the
 * way, copies n bytes from `skip` on. `whole` goes on as the CRC of the frame. */
static int read_chunk(fk_store *store, uint32_t index, uint32_t offset, uint32_t skip, uint8_t *out,
                      uint32_t n, uint32_t *whole)
{
    const fk_flash *flash = store->cfg->flash;
    const fk_store_extent *e = &store->extents[index];
    fk_store_window w = {.size = 0};
    fk_store_record r;
    int got = fk_store_peek(store, e->segment, e->place, &r, &w);
    if (got < 0)
        return got;
    if (got == 0 || r.kind != FK_KIND_CHUNK || r.id != store->meta.frame_id || r.offset != offset ||
        r.length != e->length)
        return FK_ERR_CORRUPT;
    uint32_t address = fk_store_address(store, e->segment, e->place) + FK_CHUNK_HEADER;
    uint32_t crc = FK_CRC32_INIT;
    for (uint32_t at = 0; at < r.length; at += sizeof w.bytes) {
        uint32_t m = r.length - at < sizeof w.bytes ? r.length - at : (uint32_t)sizeof w.bytes;
        int status = flash->read(flash->ctx, address + at, w.bytes, m);
        if (status < 0)
            return status;
        crc = fk_crc32(crc, w.bytes, m);
        *whole = fk_crc32(*whole, w.bytes, m);
        for (uint32_t i = 0; i < m; i++)
            if (at + i >= skip && at + i - skip < n)
                out[at + i - skip] = w.bytes[i];
    }
    return crc == r.crc ? FK_OK : FK_ERR_CORRUPT;
}

/* Loads the slot's frame, and the first time after mount reads it as a whole:
 * what an erase left half of never counts as a frame. */
static int open_slot(fk_store *store, fk_store_slot *slot)
{
    int r = fk_store_slot_load(store, slot);
    if (r < 0 || (slot->place & FK_SLOT_VERIFIED))
        return r;
    uint32_t whole = FK_CRC32_INIT, offset = 0;
    for (uint32_t i = 0; i < store->extent_count; i++) {
        r = read_chunk(store, i, offset, 0, NULL, 0, &whole);
        if (r < 0)
            return r;
        offset += store->extents[i].length;
    }
    if (whole != store->meta.crc32 || offset != store->meta.size)
        return FK_ERR_CORRUPT;
    slot->place |= FK_SLOT_VERIFIED;
    return FK_OK;
}

void fk_store_drop_damaged(fk_store *store)
{
    for (uint32_t i = slots_used(store); i-- > 0;) {
        fk_store_slot *slot = &store->cfg->slots[i];
        if (!(slot->segment & FK_SLOT_GHOST) && open_slot(store, slot) < 0) {
            fk_store_slot_remove(store, slot);
            store->uncounted = 1;
        }
    }
}

static int open_or_forget(fk_store *store, fk_store_slot *slot, fk_frame_meta *meta)
{
    int r = open_slot(store, slot);
    if (r == FK_OK) {
        *meta = store->meta;
        return FK_OK;
    }
    store->damaged++;
    fk_store_forget(store, slot);
    return r;
}

int fk_store_find(fk_store *store, uint32_t frame_id, fk_frame_meta *meta)
{
    fk_store_slot *slot = store->phase == FK_MOUNTED ? fk_store_slot_of(store, frame_id) : NULL;
    if (slot == NULL || open_or_forget(store, slot, meta) < 0)
        return FK_ERR_NOENT;
    return FK_OK;
}

int fk_store_read(fk_store *store, uint32_t frame_id, uint32_t offset, uint8_t *out, size_t n)
{
    fk_frame_meta meta;
    int r = fk_store_find(store, frame_id, &meta);
    if (r < 0)
        return r;
    if (offset > meta.size)
        return FK_ERR_INVAL;
    uint32_t want = meta.size - offset < n ? meta.size - offset : (uint32_t)n;
    uint32_t start = 0, done = 0;
    for (uint32_t i = 0; i < store->extent_count && done < want; i++) {
        uint32_t length = store->extents[i].length;
        if (offset + done < start + length) {
            uint32_t skip = offset + done - start;
            uint32_t m = length - skip < want - done ? length - skip : want - done;
            uint32_t whole = 0;
            r = read_chunk(store, i, start, skip, out + done, m, &whole);
            if (r < 0) {
                memset(out, 0, n);
                return r;
            }
            done += m;
        }
        start += length;
    }
    return (int)done;
}

int fk_store_best(fk_store *store, fk_frame_meta *meta)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    for (uint32_t turn = 0; turn <= store->cfg->slot_count; turn++) { /* each forgets one */
        fk_store_slot *best = NULL;
        for (uint32_t i = 0; i < slots_used(store); i++) {
            fk_store_slot *s = &store->cfg->slots[i];
            if ((s->segment & FK_SLOT_GHOST) || (s->place & FK_SLOT_SENT))
                continue;
            if (best == NULL || s->value > best->value ||
                (s->value == best->value && fk_store_slot_id(s) < fk_store_slot_id(best)))
                best = s;
        }
        if (best == NULL)
            return 0;
        if (open_or_forget(store, best, meta) == FK_OK)
            return 1;
    }
    return 0;
}

int fk_store_list(fk_store *store, uint32_t after, fk_frame_meta *meta)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    for (uint32_t turn = 0; turn <= store->cfg->slot_count; turn++) { /* each forgets one */
        fk_store_slot *next = NULL;
        for (uint32_t i = 0; i < slots_used(store); i++) {
            fk_store_slot *s = &store->cfg->slots[i];
            if (!(s->segment & FK_SLOT_GHOST) && fk_store_slot_id(s) > after &&
                (next == NULL || fk_store_slot_id(s) < fk_store_slot_id(next)))
                next = s;
        }
        if (next == NULL)
            return 0;
        if (open_or_forget(store, next, meta) == FK_OK)
            return 1;
    }
    return 0;
}

/* ---- marks */

int fk_store_mark_sent(fk_store *store, uint32_t frame_id)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    fk_store_slot *slot = fk_store_slot_of(store, frame_id);
    if (slot == NULL)
        return FK_ERR_NOENT;
    if (slot->place & FK_SLOT_SENT)
        return FK_OK;
    if (store->marks_count == FK_STORE_MARKS_MAX) {
        int r = fk_store_sync(store);
        if (r < 0)
            return r;
        slot = fk_store_slot_of(store, frame_id);
        if (slot == NULL)
            return FK_ERR_NOENT;
    }
    slot->place |= FK_SLOT_SENT;
    store->marks[store->marks_count++] = frame_id;
    return FK_OK;
}

static void mark_of(const fk_store *store, fk_store_mark *mark, uint8_t type)
{
    mark->id = store->meta.frame_id;
    mark->generation = store->meta_generation;
    mark->segment = store->meta_segment;
    mark->place = store->meta_place;
    mark->type = type;
}

/* Writes the marks that wait, and up to one more. */
static int write_waiting(fk_store *store, const fk_store_mark *extra)
{
    fk_store_mark marks[FK_MARKS_RECORD];
    uint32_t n = 0;
    for (uint32_t i = 0; i < store->marks_count; i++) {
        const fk_store_slot *slot = fk_store_slot_of(store, store->marks[i]);
        if (slot != NULL && fk_store_slot_load(store, slot) == FK_OK)
            mark_of(store, &marks[n++], FK_MARK_SENT);
    }
    if (extra != NULL)
        marks[n++] = *extra;
    for (uint32_t i = 0; store->unsaved && i < store->cfg->flash->segment_count; i++) {
        if (!(store->cfg->segments[i].place & FK_UNSAVED) ||
            fk_store_state(store, i) != FK_STATE_RETIRED)
            continue;
        if (n == FK_MARKS_RECORD)
            break;
        marks[n++] = (fk_store_mark){0, 0, (uint16_t)i, 0, FK_MARK_RETIRED};
    }
    int r = n > 0 ? fk_store_write_marks(store, marks, n) : FK_OK;
    if (r < 0)
        return r;
    store->marks_count = 0;
    store->unsaved = n == FK_MARKS_RECORD; /* then there may be more */
    for (uint32_t i = 0; i < n; i++)
        if (marks[i].type == FK_MARK_RETIRED)
            store->cfg->segments[marks[i].segment].place = 0;
    return FK_OK;
}

static int ensure_marks(fk_store *store, int insist)
{
    uint32_t grains = fk_store_grains(
        store, FK_MARKS_FIXED + FK_MARKS_RECORD * FK_MARK_SIZE + FK_CRC_SIZE);
    if (fk_store_marks_fit(store, grains))
        return FK_OK;
    int r = insist ? fk_store_insist(store, 1) : fk_store_ensure(store, 1);
    return fk_store_marks_fit(store, grains) ? FK_OK : r; /* or opened to carry others */
}

int fk_store_sync(fk_store *store)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    if (store->marks_count == 0 && !store->unsaved)
        return FK_OK;
    int r = ensure_marks(store, 0);
    return r < 0 ? r : write_waiting(store, NULL);
}

/* Makes sure that a frame no longer kept does not come back: needs a write. */
static int bury(fk_store *store, fk_store_slot *slot)
{
    fk_store_mark mark;
    if (fk_store_slot_load(store, slot) < 0)
        return FK_OK; /* nothing there that could come back */
    mark_of(store, &mark, FK_MARK_DELETED);
    return write_waiting(store, &mark);
}

int fk_store_delete(fk_store *store, uint32_t frame_id)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    fk_store_slot *slot = fk_store_slot_of(store, frame_id);
    if (slot == NULL)
        return FK_ERR_NOENT;
    int r = ensure_marks(store, 0);
    slot = fk_store_slot_of(store, frame_id);
    if (slot == NULL) /* found damaged meanwhile, and forgotten */
        return FK_OK;
    fk_store_forget(store, slot);
    if (r < 0) /* its own segments may be what is wanting */
        r = ensure_marks(store, 1);
    for (uint32_t i = 0; i < slots_used(store) && r >= 0; i++) {
        slot = &store->cfg->slots[i];
        if (fk_store_slot_id(slot) == frame_id && (slot->segment & FK_SLOT_GHOST)) {
            r = bury(store, slot);
            if (r >= 0)
                fk_store_slot_remove(store, slot);
            break;
        }
    }
    return r;
}

/* A free row in the table for a frame of that rank. */
static int free_slot(fk_store *store, uint64_t key, int class_index)
{
    int evicted = 0;
    if (slots_used(store) < store->cfg->slot_count)
        return 0;
    int r;
    while ((r = ensure_marks(store, 0)) < 0) { /* each turn evicts a frame */
        if (!fk_store_evict_one(store, key, class_index, 0))
            return r;
        evicted++;
    }
    if (store->ghosts == 0 && slots_used(store) == store->cfg->slot_count) {
        if (!fk_store_evict_one(store, key, class_index, 0))
            return FK_ERR_NOSPC;
        evicted++;
    }
    for (uint32_t i = 0; i < slots_used(store); i++) {
        fk_store_slot *slot = &store->cfg->slots[i];
        if (!(slot->segment & FK_SLOT_GHOST))
            continue;
        r = bury(store, slot);
        if (r < 0)
            return r;
        fk_store_slot_remove(store, slot);
        break;
    }
    return evicted;
}

/* ---- writing */

int fk_store_write_chunk_header(fk_store *store, const fk_store_head *head, uint32_t index,
                                uint32_t generation, uint32_t length, uint32_t offset, uint32_t crc)
{
    uint8_t p[FK_CHUNK_HEADER];
    p[0] = FK_KIND_CHUNK;
    p[1] = (uint8_t)index;
    fk_put_u16be(p + 2, length);
    fk_put_u32be(p + 4, store->meta.frame_id);
    fk_put_u32be(p + 8, generation);
    fk_put_u32be(p + 12, offset);
    fk_put_u32be(p + 16, crc);
    fk_put_u32be(p + 20, fk_crc32(fk_store_seed(head->segment), p, 20));
    fk_store_extent *e = &store->extents[index];
    e->segment = head->segment;
    e->place = head->place;
    e->lap = store->cfg->segments[head->segment].wear;
    e->length = (uint16_t)length;
    return fk_store_write(store, p, sizeof p);
}

static uint32_t commit_size(uint32_t chunks)
{
    return FK_COMMIT_FIXED + chunks * FK_EXTENT_SIZE + FK_CRC_SIZE;
}

/* Programs the commit of the frame in hand at the head and moves it on. */
int fk_store_write_commit(fk_store *store, fk_store_head *head)
{
    uint8_t p[FK_COMMIT_FIXED];
    fk_store_put_commit(store, p);
    store->meta_segment = head->segment;
    store->meta_place = head->place;
    head->place =
        (uint16_t)(head->place + fk_store_grains(store, commit_size(store->extent_count)));
    uint32_t crc = fk_crc32(fk_store_seed(store->meta_segment), p, sizeof p);
    int r = fk_store_write(store, p, sizeof p);
    for (uint32_t i = 0; i < store->extent_count && r >= 0; i++) {
        fk_store_put_extent(&store->extents[i], p);
        crc = fk_crc32(crc, p, FK_EXTENT_SIZE);
        r = fk_store_write(store, p, FK_EXTENT_SIZE);
    }
    fk_put_u32be(p, crc);
    if (r >= 0)
        r = fk_store_write(store, p, FK_CRC_SIZE);
    return r < 0 ? r : fk_store_write_flush(store);
}

/* Grains that the rest of a frame takes, its commit included, when in one segment. */
static uint32_t tail_grains(const fk_store *store, uint32_t rest, uint32_t chunks)
{
    uint32_t full = rest / FK_STORE_CHUNK_MAX, last = rest % FK_STORE_CHUNK_MAX;
    uint32_t grains = full * fk_store_grains(store, FK_CHUNK_HEADER + FK_STORE_CHUNK_MAX);
    if (last > 0)
        grains += fk_store_grains(store, FK_CHUNK_HEADER + last);
    return grains + fk_store_grains(store, commit_size(chunks + full + (last > 0)));
}

/* Bytes of the next chunk where `room` grains are left; 0: none. */
static uint32_t chunk_bytes(const fk_store *store, uint32_t room, uint32_t rest)
{
    uint32_t bytes = room * store->grain;
    if (bytes <= FK_CHUNK_HEADER)
        return 0;
    bytes -= FK_CHUNK_HEADER;
    bytes = bytes < FK_STORE_CHUNK_MAX ? bytes : FK_STORE_CHUNK_MAX;
    return bytes < rest ? bytes : rest;
}

/* What a frame needs when it is laid out as write_frame does: new segments, and
 * grains in all. Counts with the smallest segment, so mixed sizes need no more. */
static void plan(const fk_store *store, uint32_t size, uint32_t *segments, uint32_t *grains,
                 uint32_t *chunks)
{
    uint32_t capacity = store->smallest - fk_store_first_place(store);
    uint32_t rest = size;
    *segments = *grains = *chunks = 0;
    for (;;) { /* one turn per segment of the frame */
        uint32_t tail = tail_grains(store, rest, *chunks);
        if (tail <= capacity) {
            *segments += !fk_store_head_fits(store, tail);
            *grains += tail;
            *chunks += (rest + FK_STORE_CHUNK_MAX - 1) / FK_STORE_CHUNK_MAX;
            return;
        }
        uint32_t room = capacity;
        uint32_t n = chunk_bytes(store, room, rest);
        while (n > 0 && *chunks < FK_STORE_CHUNKS_MAX) {
            room -= fk_store_grains(store, FK_CHUNK_HEADER + n);
            rest -= n;
            ++*chunks;
            n = chunk_bytes(store, room, rest);
        }
        ++*segments;
        *grains += capacity;
        if (*chunks >= FK_STORE_CHUNKS_MAX) {
            *chunks = FK_STORE_CHUNKS_MAX + 1;
            return;
        }
    }
}

static int write_frame(fk_store *store, const uint8_t *data, uint32_t size)
{
    uint32_t offset = 0;
    store->extent_count = 0;
    store->meta_generation = store->generation++;
    for (uint32_t turn = 0; turn <= FK_STORE_CHUNKS_MAX; turn++) {
        uint32_t rest = size - offset;
        uint32_t tail = tail_grains(store, rest, store->extent_count);
        uint32_t need = tail;
        if (store->pool_count > 0) {
            uint32_t fresh = store->smallest - fk_store_first_place(store);
            need = tail < fresh ? tail : fresh;
        }
        fk_store_head *head;
        int r = fk_store_head_for(store, need, &head);
        if (r < 0)
            return r;
        uint16_t segment = head->segment;
        fk_store_write_begin(store, head);
        uint32_t n = chunk_bytes(store, fk_store_room(store, head), rest);
        while (n > 0 && r >= 0) { /* each turn writes a chunk */
            r = fk_store_write_chunk_header(store, head, store->extent_count, store->meta_generation,
                                            n, offset, fk_crc32(FK_CRC32_INIT, data + offset, n));
            head->place = (uint16_t)(head->place + fk_store_grains(store, FK_CHUNK_HEADER + n));
            store->extent_count++;
            if (r >= 0)
                r = fk_store_write(store, data + offset, n);
            if (r >= 0)
                r = fk_store_write_pad(store);
            offset += n;
            rest -= n;
            n = store->extent_count < FK_STORE_CHUNKS_MAX
                    ? chunk_bytes(store, fk_store_room(store, head), rest)
                    : 0;
        }
        int last = rest == 0 && fk_store_room(store, head) >=
                                    fk_store_grains(store, commit_size(store->extent_count));
        if (r >= 0)
            r = last ? fk_store_write_commit(store, head) : fk_store_write_flush(store);
        if (r < 0) {
            fk_store_fail(store, segment);
            return r;
        }
        if (last)
            return FK_OK;
    }
    return FK_ERR_INVAL;
}

static int make_room(fk_store *store, const fk_frame_meta *meta, uint32_t size)
{
    int class_index = meta->class_index, evicted = 0;
    uint64_t key = ((uint64_t)0x10000 + meta->value) << 32 | meta->frame_id;
    uint32_t segments, grains, chunks;
    int quota = quota_of(store, meta->class_index);
    if (quota >= 0 && store->cfg->quotas[quota].ceiling > 0) {
        while (store->class_bytes[quota] + size > store->cfg->quotas[quota].ceiling) {
            if (!fk_store_evict_one(store, key, class_index, 1))
                return FK_ERR_NOSPC;
            evicted++;
        }
    }
    int r = free_slot(store, key, class_index);
    if (r < 0)
        return r;
    evicted += r;
    for (;;) { /* each turn evicts a frame */
        plan(store, size, &segments, &grains, &chunks);
        if (store->live + grains <= fk_store_limit(store) &&
            fk_store_ensure(store, segments) >= 0)
            return evicted;
        if (!fk_store_evict_one(store, key, class_index, 0))
            return FK_ERR_NOSPC;
        evicted++;
    }
}

int fk_store_append(fk_store *store, const fk_frame_meta *meta, const uint8_t *data, size_t size)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    uint32_t segments, grains, chunks;
    if (size == 0 || size > FK_STORE_CHUNKS_MAX * (uint32_t)FK_STORE_CHUNK_MAX ||
        meta->frame_id == 0 || fk_store_slot_of(store, meta->frame_id) != NULL)
        return FK_ERR_INVAL;
    plan(store, (uint32_t)size, &segments, &grains, &chunks);
    if (chunks > FK_STORE_CHUNKS_MAX || grains > fk_store_limit(store))
        return FK_ERR_INVAL;
    fk_store_use_id(store, meta->frame_id);
    int evicted = 0, r = FK_OK;
    /* every failure takes a segment out of use */
    for (uint32_t turn = 0; turn <= store->cfg->flash->segment_count; turn++) {
        r = make_room(store, meta, (uint32_t)size);
        if (r < 0)
            break;
        evicted += r;
        store->meta = *meta;
        store->meta.size = (uint32_t)size;
        store->meta.sent = 0;
        store->meta.crc32 = fk_crc32(FK_CRC32_INIT, data, size);
        r = write_frame(store, data, (uint32_t)size);
        if (r >= 0)
            break;
    }
    if (r < 0) {
        store->refused += r == FK_ERR_NOSPC;
        return r;
    }
    fk_store_account(store, 1);
    fk_store_slot_add(store, store->meta_segment, store->meta_place | FK_SLOT_VERIFIED);
    if (meta->frame_id > store->top_id) {
        store->top_id = meta->frame_id;
        store->saved = 0;
    }
    if (store->marks_count > 0 || store->unsaved)
        fk_store_sync(store); /* what cannot be written now waits */
    /* Where nobody calls fk_store_idle, a little is won ahead each time, so that a large
     * frame does not have to win all at once. */
    for (uint32_t i = 0; i < 3 && !store->idled && store->pool_count < store->spare; i++)
        if (fk_store_reclaim(store) <= 0)
            break;
    store->idled = 0;
    return evicted;
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
