/* Mounting: reads, never writes. Four passes, each a segment at a time:
 *   1  the clean record and the kind of the record after it: wear, and where
 *      frames, marks or the ring may be;
 *   2  marks: what was deleted or sent is noted;
 *   3  records: the frames;
 *   4  marks again, if they could not all be noted. */
#include "store/parts.h"

#include <string.h>

#include "fk/bytes.h"
#include "fk/err.h"
#include "fk/wire.h"

enum { PASS_SEGMENTS = 1, PASS_NOTES, PASS_RECORDS, PASS_MARKS, PASS_END };

int fk_store_mount_begin(fk_store *store, const fk_store_config *cfg)
{
    const fk_flash *flash = cfg->flash;
    uint32_t unit = flash->program_unit, largest = flash->segment_size;
    memset(store, 0, sizeof *store);
    if (flash->segment_count < FK_STORE_SEGMENTS_MIN || flash->segment_count > 0x7FFF ||
        unit == 0 || unit > sizeof store->buffer || (unit & (unit - 1)) != 0 ||
        cfg->slot_count == 0 || cfg->quota_count > FK_STORE_QUOTAS_MAX ||
        cfg->profile > FK_STORE_CHAIN || cfg->log_segments == 1 ||
        cfg->log_segments > FK_STORE_RING_MAX || cfg->spare_segments == 1 ||
        cfg->spare_segments > FK_STORE_SPARE_MAX)
        return FK_ERR_INVAL;
    store->cfg = cfg;
    store->flash = flash;
    store->segments = cfg->segments;
    store->slots = cfg->slots;
    store->segment_count = (uint16_t)flash->segment_count;
    store->grain = unit < 8 ? 8 : unit;
    while (largest / store->grain > FK_STORE_PLACES_MAX)
        store->grain *= 2;
    store->spare = cfg->spare_segments ? cfg->spare_segments : 3;
    uint32_t heads = FK_HEAD_FRAMES + 1 + flash->segment_count / 16;
    store->head_limit = (uint8_t)(heads < FK_STORE_HEADS_MAX ? heads : FK_STORE_HEADS_MAX);
    memset(store->heads, 0xFF, sizeof store->heads);
    uint32_t smallest = largest;
    for (uint32_t i = 0; i < flash->segment_count; i++) {
        uint32_t address, size;
        fk_flash_segment(flash, i, &address, &size);
        if (size > largest || (size & (size - 1)) != 0 || size < 1024 || size < 8 * store->grain)
            return FK_ERR_INVAL;
        if (size < smallest)
            smallest = size;
        store->usable += size / store->grain;
        cfg->segments[i] = (fk_store_segment){0, 0, 0};
    }
    store->record = (uint8_t)fk_store_grains(store, FK_RECORD);
    store->fresh = (uint16_t)(smallest / store->grain - store->record);
    uint32_t chunk = fk_store_grains(store, FK_STORE_CHUNK_MAX), most = store->fresh - store->record;
    store->chunk = (uint16_t)(chunk < most ? chunk : most);
    if (store->grain > sizeof store->buffer || fk_store_limit(store) == 0)
        return FK_ERR_INVAL;
    store->sole = FK_NO_SEGMENT;
    store->phase = PASS_SEGMENTS;
    return FK_OK;
}

/* ---- pass 1 */

/* Found clean, it is erased again before use all the same: a program cut short may have
 * begun here without a trace that can be read. */
static void look_at_segment(fk_store *store, uint32_t segment)
{
    enum { KNOWN = 8 }; /* bytes of a clean record that end all of them, but for their CRC */
    fk_store_segment *s = &store->segments[segment];
    fk_store_record clean;
    fk_store_walk w;
    fk_store_clean(store, segment);
    fk_store_start(store, &w, segment);
    uint32_t end = fk_store_segment_grains(store, segment), gap = (end - w.top) * store->grain;
    uint32_t n = gap < FK_WINDOW ? 1 + gap - KNOWN : 1;
    uint8_t kind = 0;
    w.address = fk_store_address(store, segment, w.top) - 1;
    if (fk_store_read_flash(store, w.address, w.bytes, n) >= 0) {
        kind = w.bytes[0];
        if (n > 1) {
            memcpy(w.bytes + n, &store->hand.crc, KNOWN);
            fk_store_turn(w.bytes + n, 4, KNOWN / 4);
            w.size = n + KNOWN;
        }
    }
    w.top = (uint16_t)end;
    int r = fk_store_peek(store, &w, &clean, NULL);
    if (r <= 0 || clean.what != store->hand.what || clean.crc != store->hand.crc) {
        s->flags = r == 0 ? FK_LAP_LOST : FK_LAP_LOST | FK_TO_READ;
        return;
    }
    if (store->wears++ == 0)
        store->wear_base = clean.id;
    store->wear_sum += clean.id - store->wear_base;
    s->wear = (uint16_t)clean.id;
    fk_store_shows(store, segment, clean.more - 1);
    if (kind == FK_STORE_KIND_MARKS)
        s->flags = FK_HAS_MARKS;
    else if (kind != FK_STORE_KIND_FULL && kind != 0xFF)
        s->flags = FK_TO_READ;
}

/* Whether a segment is still in that lap. Where its count was lost, laps that records name are
 * over: it goes on above them. */
static int is_lap(fk_store *store, uint32_t segment, uint32_t lap)
{
    if (segment >= store->segment_count)
        return 0;
    fk_store_segment *s = &store->segments[segment];
    if (!(s->flags & FK_LAP_LOST))
        return s->wear == lap && s->live != FK_STATE_RETIRED;
    if ((int16_t)(lap - s->wear) > 0)
        s->wear = (uint16_t)lap;
    return 0;
}

/* An erase was cut short: its count is as good as any. What cannot be read there now may be
 * another time, so it goes first: unless this is a region that had other uses. */
static void guess_laps(fk_store *store)
{
    enum { FEW = 8 };
    uint32_t mean = store->wear_base;
    if (store->wears > 0)
        mean += (uint32_t)((int32_t)store->wear_sum / (int32_t)store->wears);
    for (uint32_t i = 0; i < store->segment_count; i++) {
        if (!(store->segments[i].flags & FK_LAP_LOST))
            continue;
        store->segments[i].wear = (uint16_t)mean;
        if ((store->segments[i].flags & FK_TO_READ) && store->wears > 0 && store->old_copies < FEW)
            fk_store_old_copy(store, i);
    }
}

/* ---- marks: passes 2 and 4 */

/* What a mark says: of a segment, or of the frame whose commit lies there. */
static void apply(fk_store *store, uint32_t id, uint32_t segment, uint32_t lap)
{
    uint32_t sent = segment & FK_STORE_MARK_SENT;
    segment -= sent;
    if (id == 0 && store->phase == PASS_NOTES && segment < store->segment_count)
        fk_store_retire(store, segment); /* what it holds does not count from here on */
    if (id == 0 || !is_lap(store, segment, lap))
        return; /* it has served */
    if (store->phase == PASS_NOTES) { /* until its commit turns up, a frame forgotten */
        store->hand.id = id;
        store->hand.more = sent ? (uint32_t)FK_STORE_FLAG_SENT << 16 : 0;
        store->hand_segment = (uint16_t)segment;
        if (fk_store_slot_add(store) < 0)
            store->lost_notes = 1;
        else
            fk_store_haunt(store, fk_store_end(store) - 1);
        return;
    }
    fk_store_slot *slot = fk_store_slot_of(store, id);
    if (slot == NULL)
        return;
    if (sent) {
        slot->place |= FK_SLOT_SENT;
        return;
    }
    if (fk_store_slot_load(store, slot) == FK_OK)
        fk_store_account(store, -1);
    fk_store_slot_remove(store, slot);
}

static void read_marks(fk_store *store, uint32_t segment)
{
    fk_store_walk w;
    fk_store_record r;
    fk_store_start(store, &w, segment);
    if (!(store->segments[segment].flags & FK_HAS_MARKS) ||
        (store->phase == PASS_MARKS && !store->lost_notes))
        return;
    while (fk_store_next(store, &w, &r)) { /* a turn per record */
        uint8_t marks[FK_MARKS * FK_MARK];
        uint32_t n = r.what >> 16;
        if ((r.what & 0xFF) != FK_STORE_KIND_MARKS || n > sizeof marks)
            continue;
        memcpy(marks, store->extents, n);
        fk_store_shows(store, segment, r.more - 1);
        for (const uint8_t *p = marks; n >= FK_MARK; n -= FK_MARK, p += FK_MARK)
            apply(store, fk_get_u32be(p + FK_STORE_MARK_FRAME_ID),
                  fk_get_u16be(p + FK_STORE_MARK_SEGMENT), fk_get_u16be(p + FK_STORE_MARK_LAP));
    }
}

/* Whether the commit in hand is known to be deleted. While frames are read, ghosts are what
 * marks said of commits that have not turned up yet. */
static int was_noted(fk_store *store)
{
    for (fk_store_slot *note = fk_store_end(store); note > store->slots;) {
        note--;
        if (note->segment != (store->hand_segment | FK_SLOT_GHOST) ||
            fk_store_slot_id(note) != store->hand.id)
            continue;
        uint32_t sent = note->place & FK_SLOT_SENT;
        fk_store_slot_remove(store, note);
        if (!sent)
            return 1;
        store->hand.more |= (uint32_t)FK_STORE_FLAG_SENT << 16;
    }
    return 0;
}

/* ---- pass 3 */

/* Whether everything that the commit in hand lists is still there: a segment that
 * was erased since has another erase count. */
static int is_intact(fk_store *store)
{
    uint32_t size = 0, lost = 0;
    for (uint32_t i = 0; i < store->hand_count; i++) {
        const fk_store_extent *e = &store->extents[i];
        if (!is_lap(store, e->segment, e->lap) || e->length > FK_STORE_CHUNK_MAX ||
            e->place > fk_store_first(store, e->segment))
            lost = 1;
        size += e->length;
    }
    return size > FK_META && !lost;
}

/* Of two commits of one frame the newer counts. That the older one is intact too means
 * that a move was cut short before its erase: its segment goes first, lest the older outlive
 * a mark of deletion. */
static void settle(fk_store *store, fk_store_slot *slot)
{
    uint32_t segment = store->hand_segment, place = store->hand_place;
    uint16_t copy = (uint16_t)store->hand.more;
    int readable = fk_store_slot_load(store, slot) == FK_OK;
    if (readable && (int16_t)(copy - store->hand.more) <= 0) {
        fk_store_old_copy(store, segment);
        return;
    }
    /* the one in the table is the older, or lies where an erase was cut short and can be
     * read by chance alone */
    if (readable)
        fk_store_account(store, -1);
    fk_store_old_copy(store, slot->segment);
    if (fk_store_load(store, segment, place) < 0 && fk_store_slot_load(store, slot) < 0) {
        fk_store_slot_remove(store, slot);
        return;
    }
    fk_store_slot_move(store, slot);
    fk_store_account(store, 1);
}

static void found_commit(fk_store *store)
{
    uint32_t segment = store->hand_segment, place = store->hand_place;
    if (store->hand.id == 0 || !is_intact(store) || was_noted(store))
        return;
    fk_store_slot *slot = fk_store_slot_of(store, store->hand.id);
    if (slot != NULL) {
        settle(store, slot);
        return;
    }
    /* Where the table is full, it is so of notes; of deleted frames; or of forgotten ones in a
     * segment whose erase was cut short, that can be read by chance. */
    if (store->ghosts > 0 && fk_store_end(store) == store->slots + store->cfg->slot_count) {
        fk_store_slot *note = store->slots;
        while (!(note->segment & FK_SLOT_GHOST)) /* there is one */
            note++;
        fk_store_slot_remove(store, note);
        store->lost_notes = 1;
    }
    for (int turn = 0; fk_store_slot_add(store) < 0; turn++) {
        if (turn == 2)
            return; /* deleted itself, or the table is smaller than when this was written */
        for (uint32_t i = 0; turn == 0 && i < store->segment_count; i++)
            read_marks(store, i);
        if (turn == 1)
            fk_store_drop_damaged(store);
        if (fk_store_load(store, segment, place) < 0)
            return;
    }
    fk_store_account(store, 1);
}

static void read_records(fk_store *store, uint32_t segment)
{
    fk_store_segment *s = &store->segments[segment];
    fk_store_walk w;
    fk_store_record r;
    fk_store_start(store, &w, segment);
    if (!(s->flags & FK_TO_READ))
        return;
    s->flags = (uint16_t)(s->flags & ~(uint32_t)FK_TO_READ);
    while (fk_store_next(store, &w, &r)) { /* a turn per record */
        uint32_t kind = r.what & 0xFF;
        if (kind == FK_STORE_KIND_LOG) {
            if (!(s->flags & FK_LAP_LOST))
                s->flags |= FK_TO_READ; /* the ring's: it will sort them */
            break;
        }
        if (kind == FK_STORE_KIND_MARKS) /* the first was damaged */
            s->flags |= FK_HAS_MARKS, store->lost_notes = 1;
        else
            fk_store_shows(store, segment, r.id);
        if (kind == FK_STORE_KIND_COMMIT && !(s->flags & FK_LAP_LOST)) {
            fk_store_take(store, &r, segment, w.place);
            found_commit(store);
        }
    }
}

/* ---- */

static void finish(fk_store *store)
{
    fk_store_drop_ghosts(store, FK_NO_SEGMENT);
    fk_store_ring_mount(store);
    for (uint32_t i = 0; i < store->segment_count; i++) {
        uint16_t *flags = &store->segments[i].flags;
        *flags = (uint16_t)(*flags & ~(uint32_t)FK_TO_READ);
    }
    store->next_id = store->top_id + 1;
    store->idled = 1; /* the first append wins no more room than it needs */
    store->phase = FK_MOUNTED;
}

int fk_store_mount_step(fk_store *store, uint32_t segments)
{
    static void (*const passes[])(fk_store *, uint32_t) = {look_at_segment, read_marks, read_records,
                                                         read_marks};
    if (store->phase == FK_MOUNTED)
        return 0;
    if (store->phase == 0)
        return FK_ERR_STATE;
    while (segments-- > 0) {
        passes[store->phase - PASS_SEGMENTS](store, store->cursor++);
        if (store->cursor < store->segment_count)
            continue;
        store->cursor = 0;
        if (store->phase == PASS_SEGMENTS)
            guess_laps(store);
        if (++store->phase == PASS_END) {
            finish(store);
            return 0;
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
    for (const fk_store_slot *s = store->slots; s < fk_store_end(store); s++)
        out->frames_unsent += !(s->segment & FK_SLOT_GHOST) && !(s->place & FK_SLOT_SENT);
    out->bytes = store->live * store->grain;
    out->capacity = fk_store_limit(store) * store->grain;
    out->segments = store->segment_count;
    out->clean = store->pool_count;
    out->retired = store->retired;
    out->evicted = store->evicted;
    out->refused = store->refused;
    out->damaged = store->damaged;
    out->moved = store->moved;
    out->erases = store->erases;
    uint32_t sum = 0; /* above the base: it does not wrap */
    out->wear_min = 0xFFFFFFFF;
    for (uint32_t i = 0; i < out->segments; i++) {
        out->dead += (uint32_t)fk_store_is_dead(store, i);
        if (store->segments[i].live == FK_STATE_RETIRED)
            continue;
        uint32_t wear = fk_store_wear(store, i);
        out->wear_min = wear < out->wear_min ? wear : out->wear_min;
        out->wear_max = wear > out->wear_max ? wear : out->wear_max;
        sum += wear - store->wear_base;
    }
    if (store->retired < out->segments)
        out->wear_mean = store->wear_base +
                         (uint32_t)((int32_t)sum / (int32_t)(out->segments - store->retired));
    out->log_waiting = store->log_next - store->log_sent;
    out->log_lost = store->log_lost;
}
