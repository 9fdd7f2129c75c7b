/* Room and wear: segments are emptied, erased and made ready. */
#include "store/parts.h"
#include "store/room_inline.h"

#include "fk/bytes.h"
#include "fk/err.h"
#include "fk/wire.h"

uint32_t fk_store_limit(const fk_store *store)
{
    const fk_store_config *cfg = store->cfg;
    uint32_t largest = store->flash->segment_size / store->grain;
    uint32_t fill = cfg->fill ? cfg->fill : cfg->profile == FK_STORE_CHAIN ? 210u : 232u;
    /* one segment for marks */
    uint32_t kept_free = (1u + store->spare + cfg->log_segments) * largest +
                         (store->segment_count - store->retired) * (uint32_t)store->record;
    if (store->usable <= kept_free) /* what is left when many have failed */
        return store->retired > 0 ? store->usable / 8 : 0;
    return (uint32_t)((uint64_t)(store->usable - kept_free) * fill / 256);
}

/* ---- moving */

/* Moves what a segment holds of one frame. The old commit is good until the new one
 * is programmed, with a higher copy number; both say the same frame. */
static int move_frame(fk_store *store, fk_store_slot *slot, uint32_t victim)
{
    fk_store_account(store, -1);
    store->hand.more = (store->hand.more & 0xFFFF0000) | (uint16_t)(store->hand.more + 1);
    if (slot->place & FK_SLOT_SENT)
        store->hand.more |= (uint32_t)FK_STORE_FLAG_SENT << 16;
    uint32_t count = store->hand_count, i = 0;
    for (int ends = 0; !ends;) { /* a turn per chunk, the last for the commit, and per failure */
        uint32_t n = 0;
        if (i < count) {
            if (store->extents[i].segment != victim) {
                i++;
                continue;
            }
            n = store->extents[i].length;
        }
        uint32_t grains = fk_store_grains(store, n), need = grains + store->record;
        uint32_t whole = grains + fk_store_grains(store, FK_RECORD + i * FK_EXTENT);
        if (i == count || (i + 1 == count && whole <= store->fresh)) {
            ends = 1;
            need = whole;
        }
        fk_store_head *head = fk_store_head_for(store, FK_HEAD_FRAMES, store->head_limit, need);
        if (head == NULL) {
            if (fk_store_slot_load(store, slot) >= 0) /* as it was */
                fk_store_account(store, 1);
            else
                fk_store_lose(store, slot);
            return FK_ERR_NOSPC;
        }
        fk_store_write_at(store, head->segment, head->place);
        if (n > 0 && fk_store_chunk(store, i, 0, NULL, n) < 0) {
            fk_store_flush(store); /* the source cannot be read; what was copied of it is lost */
            store->write_error = 0;
            fk_store_close(store, head->segment);
            fk_store_lose(store, slot);
            return FK_OK;
        }
        if (fk_store_put_chunk(store, head, i, n, ends) < 0) {
            ends = 0;
            continue;
        }
        store->moved += n;
        i++;
    }
    fk_store_slot_move(store, slot);
    fk_store_account(store, 1);
    return FK_OK;
}

void fk_store_old_copy(fk_store *store, uint32_t segment)
{
    uint16_t *flags = &store->segments[segment].flags;
    store->old_copies = (uint16_t)(store->old_copies + !(*flags & FK_OLD_COPY));
    *flags |= FK_OLD_COPY;
}

static int holds_part(const fk_store *store, uint32_t segment)
{
    for (uint32_t i = 0; i < store->hand_count; i++)
        if (store->extents[i].segment == segment)
            return 1;
    return store->hand_segment == segment;
}

static int move_all(fk_store *store, uint32_t victim)
{
    for (fk_store_slot *slot = store->slots;
         store->segments[victim].live > 0 && slot < fk_store_end(store); slot++) {
        if (slot->segment & FK_SLOT_GHOST)
            continue;
        if (fk_store_slot_load(store, slot) < 0) {
            fk_store_lose(store, slot);
        } else if (holds_part(store, victim)) {
            fk_store_old_copy(store, victim); /* until it is erased */
            int r = move_frame(store, slot, victim);
            if (r < 0)
                return r;
        }
    }
    return FK_OK;
}

/* Whether what a mark is about may still be found. */
static int is_needed(const fk_store *store, uint32_t id, uint32_t where)
{
    uint32_t segment = where >> 16 & ~(uint32_t)FK_STORE_MARK_SENT;
    if (segment >= store->segment_count)
        return 0;
    const fk_store_segment *s = &store->segments[segment];
    if (id == 0 || s->live == FK_STATE_RETIRED) /* the mark of that is older, or written with this */
        return id == 0 && s->live == FK_STATE_RETIRED;
    return s->wear == (uint16_t)where || (s->flags & FK_LAP_LOST) != 0;
}

/* Writes again the marks of a segment that are needed; with `count`, only counts them.
 * Returns the grains that they take at most, with those that wait. */
static int carry_marks(fk_store *store, uint32_t segment, int count)
{
    fk_store_walk w;
    fk_store_record r;
    uint32_t marks = store->marks_count + FK_STORE_MARKS_MAX - 1;
    fk_store_start(store, &w, segment);
    while (fk_store_next(store, &w, &r)) { /* a turn per record */
        const uint8_t *p = (const uint8_t *)store->extents;
        if ((r.what & 0xFF) != FK_STORE_KIND_MARKS)
            continue;
        for (uint32_t n = r.what >> 16; n >= FK_MARK; n -= FK_MARK, p += FK_MARK) {
            uint32_t id = fk_get_u32be(p + FK_STORE_MARK_FRAME_ID);
            uint32_t where = fk_get_u32be(p + FK_STORE_MARK_SEGMENT);
            if (!is_needed(store, id, where))
                continue;
            marks++;
            if (!count && fk_store_mark(store, id, where) < 0)
                return FK_ERR_NOSPC;
        }
    }
    if (!count && store->marks_count > 0 && fk_store_put_marks(store) < 0)
        return FK_ERR_NOSPC;
    return (int)(marks / FK_STORE_MARKS_MAX *
                 fk_store_grains(store, FK_RECORD + FK_STORE_MARKS_MAX * FK_MARK));
}

/* ---- choosing */

/* The segment to empty next: the one with the least to move, the least worn among equals. */
static uint32_t choose(fk_store *store)
{
    uint32_t spread = store->cfg->wear_spread ? store->cfg->wear_spread : 32;
    uint32_t best = FK_NO_SEGMENT, least = UINT32_MAX, best_wear = 0;
    uint32_t cold = FK_NO_SEGMENT, least_wear = UINT32_MAX, most_wear = 0;
    uint32_t room = fk_store_room(&store->heads[FK_HEAD_MARKS]); /* for marks */
    if (store->pool_count > 0 && room < store->fresh)
        room = store->fresh;
    store->levelling = 0;
    for (uint32_t i = 0; i < store->segment_count; i++) {
        const fk_store_segment *s = &store->segments[i];
        uint32_t wear = fk_store_wear(store, i), load = s->live;
        if (load == FK_STATE_RETIRED)
            continue;
        if (wear > most_wear)
            most_wear = wear;
        if (wear < least_wear && load < FK_STATE_CLEAN) { /* heads too */
            least_wear = wear;
            cold = i;
        }
        if (!fk_store_is_victim(store, i) ||
            ((s->flags & FK_FAILING) && store->marks_count == FK_STORE_MARKS_MAX))
            continue; /* no row for the mark that it failed */
        if (s->flags & FK_HAS_MARKS)
            load = (uint32_t)carry_marks(store, i, 1);
        if (s->flags & FK_HAS_MARKS ? load > room : load > 0 && store->pool_count == 0)
            continue; /* nowhere to move it */
        if ((s->flags & FK_OLD_COPY) && i != store->sole)
            return i;
        /* a few marks are gathered at once: mount reads all segments that hold some */
        if ((s->flags & FK_HAS_MARKS) && load <= store->fresh * 3u / 4)
            load = wear = 0;
        load += i == store->sole; /* the clean record of another will show its id as well */
        if (load < least || (load == least && wear < best_wear)) {
            best = i;
            least = load;
            best_wear = wear;
        }
    }
    if (best == FK_NO_SEGMENT)
        return best;
    /* many may turn cold at once: one in eight erases is theirs, so that no call pays for all */
    if (store->pool_count > 1 && most_wear - least_wear > spread &&
        (uint8_t)(store->erases - store->levelled) >= 8) {
        store->levelled = (uint8_t)store->erases;
        store->levelling = 1;
        return cold;
    }
    uint32_t grains = fk_store_segment_grains(store, best);
    return least <= (store->pool_count > 1 ? grains - grains / 8 : grains / 2) ? best : FK_NO_SEGMENT;
}

int fk_store_reclaim(fk_store *store)
{
    uint32_t victim = choose(store);
    if (victim == FK_NO_SEGMENT)
        return 0;
    fk_store_close(store, victim);
    int r = move_all(store, victim);
    store->levelling = 0;
    if (r < 0 || ((store->segments[victim].flags & FK_HAS_MARKS) &&
                  carry_marks(store, victim, 0) < 0))
        return 0;
    if (victim == store->sole)
        fk_store_put_marks(store); /* where there is room, another record shows its id first */
    /* what frames held that could not be read when they went */
    store->live -= store->segments[victim].live;
    store->segments[victim].live = 0;
    fk_store_erase(store, victim); /* a failure retires it, which is progress too */
    return 1;
}

int fk_store_ensure(fk_store *store, uint32_t count)
{
    /* Moving what the largest segment holds, with the commits anew, may take two. */
    uint32_t largest = store->flash->segment_size / store->grain, most = 0;
    for (uint32_t stalled = 0; stalled < 8; stalled++) {
        uint32_t ready = 0, grains = 0; /* of segments that are clean or need but an erase */
        for (uint32_t i = 0; i < store->segment_count; i++)
            if (store->segments[i].live == FK_STATE_CLEAN ||
                (fk_store_is_dead(store, i) &&
                 !(store->segments[i].flags & (FK_FAILING | FK_HAS_MARKS)))) {
                ready++;
                grains += fk_store_segment_grains(store, i);
            }
        if (store->pool_count >= count && ready >= count + 2 && grains >= 2 * largest &&
            store->old_copies == 0)
            return FK_OK;
        grains += store->pool_count;
        if (grains > most) { /* as long as something is won */
            most = grains;
            stalled = 0;
        }
        if (fk_store_reclaim(store) <= 0)
            break;
    }
    return FK_ERR_NOSPC;
}

int fk_store_insist(fk_store *store, uint32_t count)
{
    static const fk_store_offer anything = {.key = UINT64_MAX};
    while (fk_store_ensure(store, count) < 0) /* each turn evicts a frame */
        if (!fk_store_evict_one(store, &anything, 0))
            return FK_ERR_WORN;
    return FK_OK;
}

int fk_store_idle(fk_store *store)
{
    if (store->phase != FK_MOUNTED)
        return FK_ERR_STATE;
    store->idled = 1;
    if (store->pool_count < store->spare && fk_store_reclaim(store) > 0)
        return 1;
    if (store->marks_count > 0)
        fk_store_put_marks(store); /* what cannot be written now waits */
    return 0;
}
