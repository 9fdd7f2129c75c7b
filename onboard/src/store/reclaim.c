/* Room and wear: segments are emptied, erased and put into the pool. */
#include "store/parts.h"

#include "fk/crc.h"
#include "fk/err.h"

uint32_t fk_store_limit(const fk_store *store)
{
    const fk_store_config *cfg = store->cfg;
    uint32_t largest = cfg->flash->segment_size / store->grain;
    uint32_t kept_free = ((uint32_t)store->spare + cfg->log_segments) * largest +
                         (cfg->flash->segment_count - store->retired) * fk_store_first_place(store);
    if (store->usable <= kept_free)
        return 0;
    uint32_t limit = store->usable - kept_free;
    uint32_t fill = cfg->fill ? cfg->fill : cfg->profile == FK_STORE_CHAIN ? 210u : 232u;
    return (uint32_t)((uint64_t)limit * fill / 256);
}

static int is_victim(const fk_store *store, uint32_t segment)
{
    return fk_store_state(store, segment) == FK_STATE_DATA && !fk_store_is_head(store, segment);
}

uint32_t fk_store_dead(const fk_store *store)
{
    uint32_t dead = 0;
    for (uint32_t i = 0; i < store->cfg->flash->segment_count; i++)
        dead += fk_store_is_dead(store, i) && !(store->cfg->segments[i].place & FK_FAILING);
    return dead;
}

/* ---- moving */

/* Copies a chunk of the frame in hand to a head. *source is set when it is the
 * source that cannot be read, not the copy that cannot be written. */
static int copy_chunk(fk_store *store, uint32_t index, uint32_t offset, int *source)
{
    const fk_flash *flash = store->cfg->flash;
    fk_store_extent from = store->extents[index];
    fk_store_window w = {.size = 0};
    fk_store_record rec;
    *source = 1;
    int r = fk_store_peek(store, from.segment, from.place, &rec, &w);
    if (r <= 0 || rec.kind != FK_KIND_CHUNK || rec.id != store->meta.frame_id ||
        rec.length != from.length || rec.offset != offset)
        return FK_ERR_CORRUPT;
    *source = 0;
    fk_store_head *head;
    r = fk_store_head_for(store, rec.grains, &head);
    if (r < 0)
        return r;
    uint32_t segment = head->segment;
    fk_store_write_begin(store, head);
    r = fk_store_write_chunk_header(store, head, index, rec.generation, rec.length, offset, rec.crc);
    head->place = (uint16_t)(head->place + rec.grains);
    uint32_t address = fk_store_address(store, from.segment, from.place) + FK_CHUNK_HEADER;
    uint32_t crc = FK_CRC32_INIT;
    for (uint32_t at = 0; at < rec.length && r >= 0; at += sizeof w.bytes) {
        uint32_t n = rec.length - at < sizeof w.bytes ? rec.length - at : (uint32_t)sizeof w.bytes;
        if (flash->read(flash->ctx, address + at, w.bytes, n) < 0) {
            *source = 1;
            return FK_ERR_ECC;
        }
        crc = fk_crc32(crc, w.bytes, n);
        r = fk_store_write(store, w.bytes, n);
    }
    if (r >= 0)
        r = fk_store_write_flush(store);
    store->moved += rec.length;
    if (r < 0)
        fk_store_fail(store, segment);
    else if (crc != rec.crc) {
        *source = 1;
        r = FK_ERR_CORRUPT;
    }
    return r;
}

/* Moves what a segment holds of one frame. The old commit is good until the new one
 * is programmed, with a higher generation; both say the same frame. */
static int move_frame(fk_store *store, fk_store_slot *slot, uint32_t victim)
{
    int r, source = 0;
    do { /* each failure takes a segment out of use */
        r = fk_store_slot_load(store, slot);
        source = r < 0;
        uint32_t offset = 0;
        for (uint32_t i = 0; i < store->extent_count && r >= 0; i++) {
            uint32_t length = store->extents[i].length;
            if (store->extents[i].segment == victim)
                r = copy_chunk(store, i, offset, &source);
            offset += length;
        }
        if (r >= 0) {
            fk_store_head *head;
            uint32_t size = FK_COMMIT_FIXED + store->extent_count * (uint32_t)FK_EXTENT_SIZE +
                            FK_CRC_SIZE;
            r = fk_store_head_for(store, fk_store_grains(store, size), &head);
            if (r >= 0) {
                uint16_t segment = head->segment;
                store->meta_generation = store->generation++;
                fk_store_write_begin(store, head);
                r = fk_store_write_commit(store, head);
                if (r < 0)
                    fk_store_fail(store, segment);
            }
        }
    } while (r < 0 && !source && r != FK_ERR_NOSPC);
    if (source) {
        store->damaged++;
        fk_store_forget(store, slot);
        return FK_OK;
    }
    if (r < 0)
        return r;
    uint32_t segment = store->meta_segment, place = store->meta_place;
    r = fk_store_slot_load(store, slot); /* as it was */
    if (r == FK_OK)
        fk_store_account(store, -1);
    slot->segment = (uint16_t)segment;
    slot->place = (uint16_t)(place | (slot->place & (FK_SLOT_SENT | FK_SLOT_VERIFIED)));
    if (r == FK_OK && fk_store_slot_load(store, slot) == FK_OK)
        fk_store_account(store, 1);
    else
        fk_store_recount(store);
    return FK_OK;
}

static int holds_part(const fk_store *store, uint32_t segment)
{
    for (uint32_t i = 0; i < store->extent_count; i++)
        if (store->extents[i].segment == segment)
            return 1;
    return store->meta_segment == segment;
}

static int move_all(fk_store *store, uint32_t victim)
{
    fk_store_window w = {.size = 0};
    fk_store_record rec;
    uint32_t place = fk_store_first_place(store);
    while (store->cfg->segments[victim].live > 0) { /* one turn per record */
        int r = fk_store_walk(store, victim, &place, &rec, &w);
        if (r <= 0)
            break;
        place += (uint32_t)r;
        if (rec.kind != FK_KIND_CHUNK && rec.kind != FK_KIND_COMMIT)
            continue;
        fk_store_slot *slot = fk_store_slot_of(store, rec.id);
        if (slot == NULL || fk_store_slot_load(store, slot) < 0 || !holds_part(store, victim))
            continue;
        r = move_frame(store, slot, victim);
        if (r < 0)
            return r;
    }
    /* What is still counted here belongs to frames whose records were damaged. */
    for (uint32_t i = 0; store->cfg->segments[victim].live > 0 &&
                         i < (uint32_t)store->frames + store->ghosts; i++) {
        fk_store_slot *slot = &store->cfg->slots[i];
        if (slot->segment & FK_SLOT_GHOST)
            continue;
        if (fk_store_slot_load(store, slot) < 0 || holds_part(store, victim)) {
            store->damaged++;
            fk_store_forget(store, slot);
        }
    }
    return FK_OK;
}

static int still_needed(fk_store *store, const fk_store_mark *mark)
{
    const fk_store_slot *slot;
    fk_store_window w = {.size = 0};
    fk_store_record rec;
    switch (mark->type) {
    case FK_MARK_SENT:
        slot = fk_store_slot_of(store, mark->id);
        return slot != NULL && (slot->place & FK_SLOT_SENT);
    case FK_MARK_DELETED: /* as long as the commit, or one that it replaced, could be found */
        if (store->unfinished != FK_NO_SEGMENT)
            return 1;
        return mark->segment < store->cfg->flash->segment_count &&
               fk_store_peek(store, mark->segment, mark->place, &rec, &w) > 0 &&
               rec.kind == FK_KIND_COMMIT && rec.id == mark->id &&
               rec.generation == mark->generation;
    case FK_MARK_RETIRED:
        return mark->segment < store->cfg->flash->segment_count &&
               fk_store_state(store, mark->segment) == FK_STATE_RETIRED;
    default:
        return mark->id == store->top_id && store->saved < 2;
    }
}

/* Writes again the marks that a segment about to be erased holds. Returns how many are
 * left in marks[] because there was no room. */
static int carry_marks(fk_store *store, uint32_t victim, fk_store_mark *marks)
{
    fk_store_window w = {.size = 0};
    fk_store_record rec;
    uint32_t place = fk_store_first_place(store);
    int n = 0, r = FK_OK;
    if (!(store->cfg->segments[victim].place & FK_HAS_MARKS))
        return 0;
    while (r >= 0 && fk_store_walk(store, victim, &place, &rec, &w) > 0) { /* a turn per record */
        fk_store_mark found[FK_MARKS_RECORD];
        int count =
            rec.kind == FK_KIND_MARKS ? fk_store_get_marks(store, victim, place, found) : 0;
        for (int i = 0; i < count && r >= 0; i++) {
            if (n == FK_MARKS_RECORD) {
                r = fk_store_write_marks(store, marks, FK_MARKS_RECORD);
                n = 0;
            }
            if (still_needed(store, &found[i]))
                marks[n++] = found[i];
        }
        place += rec.grains;
    }
    if (r >= 0 && n > 0 && fk_store_write_marks(store, marks, (uint32_t)n) >= 0)
        n = 0;
    return r < 0 ? r : n;
}

/* ---- choosing */

static uint32_t choose(fk_store *store)
{
    store->coldest = FK_NO_SEGMENT;
    int may_move = store->pool_count > 0;
    const fk_store_segment *segments = store->cfg->segments;
    uint32_t spread = store->cfg->wear_spread ? store->cfg->wear_spread : 32;
    uint32_t dead = FK_NO_SEGMENT, cold = FK_NO_SEGMENT, emptiest = FK_NO_SEGMENT, most_worn = 0,
             least = 0;
    if (store->unfinished != FK_NO_SEGMENT && is_victim(store, store->unfinished) &&
        (may_move || segments[store->unfinished].live == 0))
        return store->unfinished;
    for (uint32_t i = 0; i < store->cfg->flash->segment_count; i++) {
        uint32_t wear = fk_store_wear(store, i);
        if (fk_store_state(store, i) == FK_STATE_RETIRED)
            continue;
        if (wear > most_worn)
            most_worn = wear;
        if (!is_victim(store, i))
            continue;
        if (segments[i].live == 0) {
            /* marks need room to be carried to: where there is none, rather one without */
            uint32_t cost = wear;
            if (!may_move && (segments[i].place & FK_HAS_MARKS))
                cost |= 0x80000000;
            if (dead == FK_NO_SEGMENT || cost < least) {
                dead = i;
                least = cost;
            }
        } else if (emptiest == FK_NO_SEGMENT || segments[i].live < segments[emptiest].live) {
            emptiest = i;
        }
        if (cold == FK_NO_SEGMENT || wear < fk_store_wear(store, cold))
            cold = i;
    }
    /* many may turn cold at once: one in eight erases is theirs, so that no call pays for all */
    if (store->erases % 8 == 0 && store->pool_count > 1 && cold != FK_NO_SEGMENT && most_worn - fk_store_wear(store, cold) > spread) {
        store->coldest = (uint16_t)cold;
        return cold;
    }
    if (dead != FK_NO_SEGMENT)
        return dead;
    if (!may_move || emptiest == FK_NO_SEGMENT)
        return FK_NO_SEGMENT;
    uint32_t grains = fk_store_segment_grains(store, emptiest);
    uint32_t most = store->pool_count > 1 ? grains - grains / 8 : grains / 2;
    return segments[emptiest].live <= most ? emptiest : FK_NO_SEGMENT;
}

int fk_store_reclaim(fk_store *store)
{
    uint32_t victim = choose(store);
    if (victim == FK_NO_SEGMENT || store->pool_count == FK_STORE_POOL_MAX)
        return 0;
    fk_store_mark marks[FK_MARKS_RECORD];
    store->levelling = victim == store->coldest;
    int r = move_all(store, victim);
    store->levelling = 0;
    int waiting = r < 0 ? r : carry_marks(store, victim, marks);
    for (uint32_t i = 0; waiting != 0 && i < store->cfg->flash->segment_count; i++) {
        /* No room for them anywhere: another dead segment, with marks that have served. */
        fk_store_mark other[FK_MARKS_RECORD];
        if (fk_store_is_dead(store, i) && carry_marks(store, i, other) == 0) {
            victim = i;
            waiting = 0;
        }
    }
    /* At the very end they wait in RAM for the segment itself to be erased. */
    if (r < 0 || (waiting != 0 && store->frames > 0))
        return 0;
    if (waiting < 0)
        waiting = FK_MARKS_RECORD;
    fk_store_save_ids(store);
    fk_store_erase(store, victim); /* a failure retires it, which is progress too */
    if (waiting > 0)
        fk_store_write_marks(store, marks, (uint32_t)waiting);
    return 1;
}

/* Whether `count` segments are clean, and beside them enough is clean or needs no more than
 * an erase to move what the largest holds: with the commits anew that may take two. */
static int is_enough(const fk_store *store, uint32_t count)
{
    uint32_t largest = store->cfg->flash->segment_size / store->grain;
    uint32_t ready = 0, grains = 0;
    for (uint32_t i = 0; i < store->cfg->flash->segment_count; i++) {
        uint32_t flags = store->cfg->segments[i].place;
        if (fk_store_state(store, i) == FK_STATE_CLEAN ||
            (fk_store_is_dead(store, i) && !(flags & (FK_FAILING | FK_HAS_MARKS)))) {
            ready++;
            grains += fk_store_segment_grains(store, i);
        }
    }
    return store->pool_count >= count && ready >= count + 2 && grains >= 2 * largest;
}

int fk_store_ensure(fk_store *store, uint32_t count)
{
    /* What moves wins at least an eighth of a segment; a failing segment wins nothing. */
    uint32_t turns = 8 * count + 16 + store->cfg->flash->segment_count;
    while (!is_enough(store, count) && turns-- > 0)
        if (fk_store_reclaim(store) <= 0)
            return FK_ERR_NOSPC;
    return is_enough(store, count) ? FK_OK : FK_ERR_NOSPC;
}

int fk_store_insist(fk_store *store, uint32_t count)
{
    while (fk_store_ensure(store, count) < 0) /* each turn evicts a frame */
        if (!fk_store_evict_one(store, UINT64_MAX, 0, 0))
            return FK_ERR_WORN;
    return FK_OK;
}

int fk_store_idle(fk_store *store)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    store->idled = 1;
    if (store->marks_count > 0 || store->unsaved)
        if (fk_store_sync(store) >= 0)
            return 1;
    if (store->pool_count >= store->spare)
        return 0;
    return fk_store_reclaim(store) > 0;
}
