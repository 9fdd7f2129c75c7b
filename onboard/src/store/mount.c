/* Mounting: reads, never writes. Four passes, each a segment at a time:
 *   1  the clean record and the header that follows: wear, the pool, the ring,
 *      and where the other records of the segment start;
 *   2  segments that hold marks alone: which commits are those of deleted frames;
 *   3  the other records, among them the commits: the frames;
 *   4  all marks, which need all frames to be known. */
#include "store/parts.h"

#include <string.h>

#include "fk/err.h"

enum { PASS_SEGMENTS = 1, PASS_DELETED, PASS_RECORDS, PASS_MARKS, PASS_END };

static int is_newer(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

static void saw(fk_store *store, uint32_t generation, uint32_t id)
{
    if (is_newer(generation + 1, store->generation))
        store->generation = generation + 1;
    fk_store_use_id(store, id);
}

int fk_store_mount_begin(fk_store *store, const fk_store_config *cfg)
{
    const fk_flash *flash = cfg->flash;
    uint32_t unit = flash->program_unit, largest = flash->segment_size;
    memset(store, 0, sizeof *store);
    if (flash->segment_count < FK_STORE_SEGMENTS_MIN || flash->segment_count > 0x7FFF ||
        unit == 0 || unit > sizeof store->buffer || (unit & (unit - 1)) != 0 ||
        cfg->slot_count == 0 || cfg->quota_count > FK_STORE_QUOTAS_MAX ||
        cfg->profile > FK_STORE_CHAIN || cfg->log_segments == 1 ||
        cfg->log_segments > FK_STORE_RING_MAX || cfg->spare_segments >= FK_STORE_POOL_MAX)
        return FK_ERR_INVAL;
    store->cfg = cfg;
    store->grain = unit < 8 ? 8 : unit;
    while (largest / store->grain > FK_PLACE_MASK + 1u) /* places have 14 bits */
        store->grain *= 2;
    store->spare = cfg->spare_segments ? cfg->spare_segments : 3;
    if (store->spare < 2)
        return FK_ERR_INVAL;
    store->head_limit = (uint8_t)(flash->segment_count / 16 < 1 ? 1 : flash->segment_count / 16);
    if (store->head_limit > FK_STORE_HEADS_MAX)
        store->head_limit = FK_STORE_HEADS_MAX;
    store->smallest = 0xFFFF;
    for (uint32_t i = 0; i < flash->segment_count; i++) {
        uint32_t address, size;
        fk_flash_segment(flash, i, &address, &size);
        if (size > largest || (size & (size - 1)) != 0 || size < 1024 || size < 8 * store->grain)
            return FK_ERR_INVAL;
        if (size / store->grain < store->smallest)
            store->smallest = (uint16_t)(size / store->grain);
        store->usable += size / store->grain;
        memset(&cfg->segments[i], 0, sizeof cfg->segments[i]);
    }
    if (store->grain > sizeof store->buffer || fk_store_limit(store) == 0)
        return FK_ERR_INVAL;
    store->unfinished = store->mark_head.segment = store->log_head.segment = store->log_cursor.segment = FK_NO_SEGMENT;
    store->next_id = 1;
    store->phase = PASS_SEGMENTS;
    return FK_OK;
}

/* ---- pass 1 */

static void look_at_segment(fk_store *store, uint32_t segment)
{
    const fk_flash *flash = store->cfg->flash;
    fk_store_segment *s = &store->cfg->segments[segment];
    uint32_t first = fk_store_first_place(store), count, generation, next_id;
    fk_store_window w = {.address = fk_store_address(store, segment, 0)};
    /* one read shows both, where they lie close together */
    uint32_t both = first * store->grain + FK_RECORD_MIN;
    if (both <= FK_WINDOW && flash->read(flash->ctx, w.address, w.bytes, both) >= 0)
        w.size = both;
    if (fk_store_clean_record(store, segment, &count, &generation, &next_id, &w) < 0) {
        s->place = FK_LAP_LOST;
        return;
    }
    if (store->wears == 0) {
        store->wear_base = count;
        store->generation = generation;
    }
    store->wears++;
    store->wear_sum += count - store->wear_base;
    s->wear = (uint16_t)count;
    saw(store, generation, next_id - 1);
    if (next_id == 0)
        store->next_id = 0;

    fk_store_record rec;
    int r = fk_store_peek(store, segment, first, &rec, &w);
    /* Found clean, it is erased again before use all the same: a program cut short may have
     * begun here without a trace that can be read. */
    if (r == 0)
        return;
    s->place = (uint16_t)first;
    if (r < 0)
        return;
    if (rec.kind == FK_KIND_MARKS)
        s->place |= FK_HAS_MARKS;
    if (rec.kind == FK_KIND_LOG) {
        s->place = 0;
        fk_store_ring_found(store, segment, rec.id);
    } else if (rec.kind == FK_KIND_CHUNK) {
        uint32_t next = first + (uint32_t)r;
        saw(store, rec.generation, rec.id);
        uint32_t left = (fk_store_segment_grains(store, segment) - next) * store->grain;
        s->place = left < FK_RECORD_MIN ? 0 : (uint16_t)next;
    }
}

/* ---- marks: pass 4 */

static int lists(const fk_store *store, uint32_t segment)
{
    for (uint32_t i = 0; i < store->extent_count; i++)
        if (store->extents[i].segment == segment)
            return 1;
    return store->meta_segment == segment;
}

/* What is still read there was moved or forgotten before the erase that failed. */
static void apply_retired(fk_store *store, uint32_t segment)
{
    if (segment >= store->cfg->flash->segment_count ||
        fk_store_state(store, segment) != FK_STATE_DATA)
        return;
    for (uint32_t i = (uint32_t)store->frames + store->ghosts; i-- > 0;) {
        fk_store_slot *slot = &store->cfg->slots[i];
        if ((slot->segment & FK_SLOT_GHOST) || fk_store_slot_load(store, slot) < 0 ||
            !lists(store, segment))
            continue;
        fk_store_account(store, -1);
        fk_store_slot_remove(store, slot);
    }
    fk_store_retire(store, segment);
    store->cfg->segments[segment].place = 0;
    store->unsaved = 0;
}

static void apply(fk_store *store, const fk_store_mark *mark)
{
    if (mark->type == FK_MARK_RETIRED) {
        apply_retired(store, mark->segment);
        return;
    }
    fk_store_use_id(store, mark->id);
    if (mark->id > store->top_id)
        store->top_id = mark->id;
    fk_store_slot *slot = fk_store_slot_of(store, mark->id);
    if (slot == NULL || mark->type == FK_MARK_IDS || fk_store_slot_load(store, slot) < 0 ||
        is_newer(store->meta_generation, mark->generation))
        return;
    if (mark->type == FK_MARK_SENT) {
        slot->place |= FK_SLOT_SENT;
        return;
    }
    if (slot->segment != mark->segment)
        store->unfinished = slot->segment; /* an older copy: goes before the mark may go */
    fk_store_account(store, -1);
    fk_store_slot_remove(store, slot);
}

static void read_marks(fk_store *store, uint32_t segment, int only_deleted)
{
    uint32_t place = fk_store_first_place(store);
    fk_store_window w = {.size = 0};
    fk_store_record rec;
    fk_store_mark marks[FK_MARKS_RECORD];
    if (!only_deleted)
        place = store->cfg->segments[segment].place & FK_PLACE_MASK;
    uint32_t flags = store->cfg->segments[segment].place;
    if ((flags & FK_LAP_LOST) || fk_store_state(store, segment) != FK_STATE_DATA ||
        !(only_deleted || (flags & FK_HAS_MARKS)))
        return;
    while (fk_store_walk(store, segment, &place, &rec, &w) > 0) {
        int n = rec.kind == FK_KIND_MARKS ? fk_store_get_marks(store, segment, place, marks) : 0;
        for (int i = 0; i < n; i++)
            if (!only_deleted || marks[i].type == FK_MARK_DELETED)
                apply(store, &marks[i]);
        place += rec.grains;
    }
}

/* ---- pass 2 */

/* Frames that were deleted and are not erased yet would fill the table: their commits are
 * noted in it as ghosts, and passed over when they turn up. */
static void note_deleted(fk_store *store, uint32_t segment)
{
    fk_store_window w = {.size = 0};
    fk_store_record rec;
    fk_store_mark marks[FK_MARKS_RECORD];
    uint32_t place = fk_store_first_place(store);
    if (!(store->cfg->segments[segment].place & FK_HAS_MARKS))
        return;
    while (fk_store_walk(store, segment, &place, &rec, &w) > 0) { /* a turn per record */
        int n = rec.kind == FK_KIND_MARKS ? fk_store_get_marks(store, segment, place, marks) : 0;
        for (int i = 0; i < n; i++) {
            const fk_store_mark *m = &marks[i];
            if (m->type != FK_MARK_DELETED || m->segment >= store->cfg->flash->segment_count)
                continue;
            /* still to come in pass 3? */
            uint32_t from = store->cfg->segments[m->segment].place & FK_PLACE_MASK;
            if (from == 0 || from > m->place)
                continue;
            store->meta.frame_id = m->id;
            store->meta.sent = 0;
            if (fk_store_slot_add(store, m->segment | FK_SLOT_GHOST, m->place) == FK_OK) {
                store->frames--;
                store->ghosts++;
            }
        }
        place += rec.grains;
    }
}

static int was_deleted(fk_store *store)
{
    for (uint32_t i = 0; i < (uint32_t)store->frames + store->ghosts; i++) {
        fk_store_slot *s = &store->cfg->slots[i];
        if (s->segment == (store->meta_segment | FK_SLOT_GHOST) &&
            (s->place & FK_SLOT_PLACE) == store->meta_place &&
            fk_store_slot_id(s) == store->meta.frame_id) {
            fk_store_slot_remove(store, s);
            return 1;
        }
    }
    return 0;
}

/* ---- pass 3 */

/* Whether everything that the commit in hand lists is still there: a segment that
 * was erased since has another erase count. */
static int is_intact(const fk_store *store)
{
    uint32_t size = 0;
    for (uint32_t i = 0; i < store->extent_count; i++) {
        const fk_store_extent *e = &store->extents[i];
        if (e->segment >= store->cfg->flash->segment_count)
            return 0;
        const fk_store_segment *s = &store->cfg->segments[e->segment];
        if (e->lap != s->wear || (s->place & FK_LAP_LOST) ||
            fk_store_state(store, e->segment) != FK_STATE_DATA ||
            e->place >= fk_store_segment_grains(store, e->segment))
            return 0;
        size += e->length;
    }
    return size == store->meta.size;
}

/* Of two commits of one frame the newer counts. That the older one is intact too means
 * that a move was cut short before its erase; the segment in question is one that
 * only the older lists. It goes first, lest the older outlive a mark of deletion. */
static void settle(fk_store *store, fk_store_slot *slot)
{
    uint16_t segments[FK_STORE_CHUNKS_MAX + 1];
    uint32_t n = store->extent_count, generation = store->meta_generation;
    uint16_t segment = store->meta_segment, place = store->meta_place;
    int readable = fk_store_slot_load(store, slot) == FK_OK;
    if (!readable || is_newer(generation, store->meta_generation)) {
        /* the one in the table is the older, or lies where an erase was cut short and
         * can be read by chance alone */
        if (readable)
            fk_store_account(store, -1);
        else
            store->uncounted = 1;
        for (uint32_t i = 0; i < store->extent_count; i++)
            segments[i] = store->extents[i].segment;
        n = readable ? store->extent_count : 0;
        segments[n] = slot->segment;
        if (fk_store_load(store, segment, place) < 0)
            store->uncounted = 1;
        slot->segment = segment;
        slot->place = (uint16_t)(place | (store->meta.sent ? FK_SLOT_SENT : 0u));
        slot->value = store->meta.value;
        fk_store_account(store, 1);
    } else {
        segments[n] = segment;
        if (fk_store_load(store, segment, place) < 0)
            return;
        for (uint32_t i = 0; i < n; i++)
            segments[i] = store->extents[i].segment;
        fk_store_slot_load(store, slot);
    }
    for (uint32_t i = 0; i <= n; i++)
        if (!lists(store, segments[i]))
            store->unfinished = segments[i];
}

static void found_commit(fk_store *store)
{
    uint32_t segment = store->meta_segment, place = store->meta_place;
    if (store->meta.frame_id == 0 || !is_intact(store) || was_deleted(store))
        return;
    fk_store_slot *slot = fk_store_slot_of(store, store->meta.frame_id);
    if (slot != NULL) {
        settle(store, slot);
        return;
    }
    /* Where the table is full, it is so of deleted frames: noted ones, then those that took a
     * row before their mark was seen, in segments known for marks, then in any; or of
     * forgotten ones in a segment whose erase was cut short, that can be read by chance. */
    for (int pass = 0; fk_store_slot_add(store, segment, place) < 0; pass++) {
        if (pass == 3)
            fk_store_drop_damaged(store);
        if (pass == 4)
            return; /* deleted itself, or the table is smaller than when this was written */
        if (pass == 0)
            fk_store_drop_ghosts(store, FK_NO_SEGMENT);
        for (uint32_t i = 0; (pass == 1 || pass == 2) && i < store->cfg->flash->segment_count; i++)
            if (pass == 2 || (store->cfg->segments[i].place & FK_HAS_MARKS))
                read_marks(store, i, 1);
        if (fk_store_load(store, segment, place) < 0)
            return;
    }
    fk_store_account(store, 1);
}

static void read_records(fk_store *store, uint32_t segment)
{
    fk_store_segment *s = &store->cfg->segments[segment];
    uint32_t place = s->place & FK_PLACE_MASK;
    fk_store_window w = {.size = 0};
    fk_store_record rec;
    if (place == 0)
        return;
    while (fk_store_walk(store, segment, &place, &rec, &w) > 0) { /* a turn per record */
        place += rec.grains;
        if (rec.kind == FK_KIND_LOG) { /* the first record was damaged */
            fk_store_ring_found(store, segment, rec.id);
            return;
        }
        saw(store, rec.generation, rec.kind == FK_KIND_MARKS ? 0 : rec.id);
        if (rec.kind == FK_KIND_COMMIT) {
            if (rec.id > store->top_id)
                store->top_id = rec.id;
            found_commit(store);
        } else if (rec.kind == FK_KIND_MARKS && !(s->place & FK_HAS_MARKS)) { /* pass 4 starts here */
            s->place = (uint16_t)(FK_HAS_MARKS | (place - rec.grains));
        }
    }
}

/* ---- */

static void finish(fk_store *store)
{
    uint32_t mean = store->wear_base;
    if (store->wears > 0)
        mean += (uint32_t)((int32_t)store->wear_sum / (int32_t)store->wears);
    for (uint32_t i = 0; i < store->cfg->flash->segment_count; i++) {
        fk_store_segment *s = &store->cfg->segments[i];
        if (s->place & FK_LAP_LOST)
            s->wear = (uint16_t)mean; /* an erase was cut short; its count is as good as any */
        s->place &= FK_HAS_MARKS;
    }
    if (store->uncounted)
        fk_store_recount(store);
    fk_store_ring_mount(store);
    store->phase = FK_MOUNTED;
}

int fk_store_mount_step(fk_store *store, uint32_t segments)
{
    if (store->phase == FK_MOUNTED)
        return 0;
    if (store->phase == 0)
        return FK_ERR_STATE;
    for (uint32_t turn = 0; turn < segments; turn++) {
        uint32_t segment = store->cursor++;
        if (store->phase == PASS_SEGMENTS)
            look_at_segment(store, segment);
        else if (store->phase == PASS_DELETED)
            note_deleted(store, segment);
        else if (store->phase == PASS_RECORDS)
            read_records(store, segment);
        else
            read_marks(store, segment, 0);
        if (store->cursor == store->cfg->flash->segment_count) {
            store->cursor = 0;
            if (store->phase == PASS_RECORDS)
                fk_store_drop_ghosts(store, FK_NO_SEGMENT);
            if (++store->phase == PASS_END) {
                finish(store);
                return 0;
            }
        }
    }
    return 1;
}

int fk_store_mount(fk_store *store, const fk_store_config *cfg)
{
    int r = fk_store_mount_begin(store, cfg);
    while (r >= 0 && store->phase != FK_MOUNTED) /* four passes */
        r = fk_store_mount_step(store, 64);
    return r;
}

void fk_store_stats(const fk_store *store, fk_store_report *out)
{
    memset(out, 0, sizeof *out);
    if (store->phase != FK_MOUNTED)
        return;
    out->frames = store->frames;
    for (uint32_t i = 0; i < (uint32_t)store->frames + store->ghosts; i++) {
        const fk_store_slot *s = &store->cfg->slots[i];
        out->frames_unsent += !(s->segment & FK_SLOT_GHOST) && !(s->place & FK_SLOT_SENT);
    }
    out->bytes = store->live * store->grain;
    out->capacity = fk_store_limit(store) * store->grain;
    out->segments = store->cfg->flash->segment_count;
    out->clean = store->pool_count;
    out->dead = fk_store_dead(store);
    out->retired = store->retired;
    out->evicted = store->evicted;
    out->refused = store->refused;
    out->damaged = store->damaged;
    out->moved = store->moved;
    out->erases = store->erases;
    int64_t sum = 0;
    out->wear_min = 0xFFFFFFFF;
    for (uint32_t i = 0; i < out->segments; i++) {
        if (fk_store_state(store, i) == FK_STATE_RETIRED)
            continue;
        uint32_t wear = fk_store_wear(store, i);
        out->wear_min = wear < out->wear_min ? wear : out->wear_min;
        out->wear_max = wear > out->wear_max ? wear : out->wear_max;
        sum += wear;
    }
    if (store->retired < out->segments)
        out->wear_mean = (uint32_t)(sum / (out->segments - store->retired));
    uint32_t from = (int32_t)(store->log_sent - store->log_first) > 0 ? store->log_sent
                                                                      : store->log_first;
    out->log_waiting = store->log_next - from;
    out->log_lost = store->log_lost;
}
