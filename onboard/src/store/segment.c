/* Segments: erased, filled once from both ends, given up when they fail. */
#include "store/parts.h"
#include "store/room_inline.h"

#include <string.h>

#include "fk/bytes.h"
#include "fk/crc.h"
#include "fk/err.h"
#include "fk/wire.h"

uint32_t fk_store_wear(const fk_store *store, uint32_t segment)
{
    uint32_t above = (store->segments[segment].wear - store->wear_base) & 0xFFFF;
    return store->wear_base + (above ^ 0x8000) - 0x8000; /* its sign extended */
}

static fk_store_head *head_at(fk_store *store, uint32_t segment)
{
    for (uint32_t i = 0; i < FK_STORE_HEADS_MAX; i++)
        if (store->heads[i].segment == segment)
            return &store->heads[i];
    return NULL;
}

int fk_store_is_victim(const fk_store *store, uint32_t segment)
{
    return store->segments[segment].live < FK_STATE_CLEAN &&
           head_at((fk_store *)(uintptr_t)store, segment) == NULL;
}

int fk_store_is_dead(const fk_store *store, uint32_t segment)
{
    return store->segments[segment].live == 0 && fk_store_is_victim(store, segment);
}

void fk_store_close(fk_store *store, uint32_t segment)
{
    fk_store_head *head = head_at(store, segment);
    if (head == NULL)
        return;
    head->segment = FK_NO_SEGMENT;
    head->place = head->top; /* no room */
}

void fk_store_fail(fk_store *store, uint32_t segment)
{
    store->segments[segment].flags |= FK_FAILING;
    fk_store_close(store, segment);
}

/* Nothing that it held is needed any more. */
static void leave(fk_store *store, fk_store_segment *s, uint32_t state)
{
    if (s->flags & FK_OLD_COPY)
        store->old_copies--;
    s->live = (uint16_t)state;
    s->flags = 0;
}

void fk_store_retire(fk_store *store, uint32_t segment)
{
    fk_store_segment *s = &store->segments[segment];
    if (s->live == FK_STATE_RETIRED)
        return;
    leave(store, s, FK_STATE_RETIRED);
    store->usable -= fk_store_segment_grains(store, segment);
    store->retired++;
}

/* ---- writing: bytes gather in the buffer and go out a page at a time */

void fk_store_write_at(fk_store *store, uint32_t segment, uint32_t place)
{
    store->write_address = fk_store_address(store, segment, place);
    store->hand.crc = FK_CRC32_INIT;
}

static int verify(const fk_store *store, uint32_t n)
{
    uint8_t got[64];
    for (uint32_t at = 0; at < n; at += sizeof got) {
        uint32_t m = n - at < sizeof got ? n - at : (uint32_t)sizeof got;
        int r = fk_store_read_flash(store, store->write_address + at, got, m);
        if (r < 0)
            return r;
        if (memcmp(got, store->buffer + at, m) != 0)
            return FK_ERR_IO;
    }
    return FK_OK;
}

static void program(fk_store *store)
{
    const fk_flash *flash = store->flash;
    uint32_t n = store->write_fill;
    if (n > 0 && store->write_error == 0) {
        int r = flash->program(flash->ctx, store->write_address, store->buffer, n);
        if (r >= 0 && !store->cfg->trust_writes)
            r = verify(store, n);
        store->write_error = (int8_t)r;
    }
    store->write_address += n;
    store->write_fill = 0;
}

void fk_store_write(fk_store *store, const void *data, uint32_t n)
{
    store->hand.crc = fk_crc32(store->hand.crc, data, n);
    for (const uint8_t *p = data; n > 0; n--) {
        store->buffer[store->write_fill++] = *p++;
        /* programs end with the page: what crosses it costs the chip a second one */
        if ((store->write_address + store->write_fill) % sizeof store->buffer == 0)
            program(store);
    }
}

void fk_store_pad(fk_store *store, uint32_t n)
{
    static const uint8_t blank = 0xFF;
    for (; n > 0; n--) /* < a grain */
        fk_store_write(store, &blank, 1);
}

void fk_store_flush(fk_store *store)
{
    fk_store_pad(store, (0 - store->write_address - store->write_fill) % store->grain);
    program(store);
}

/* ---- erasing */

static int check_blank(fk_store *store, uint32_t segment)
{
    uint32_t address, size;
    fk_flash_segment(store->flash, segment, &address, &size);
    for (uint32_t end = address + size; address < end; address += sizeof store->buffer) {
        int r = fk_store_read_flash(store, address, store->buffer, sizeof store->buffer);
        if (r < 0 || !fk_store_is_blank(store->buffer, sizeof store->buffer))
            return FK_ERR_IO;
    }
    return FK_OK;
}

static uint32_t log2_of(uint32_t n)
{
    uint32_t log = 0;
    while (n >> log > 1)
        log++;
    return log;
}

void fk_store_clean(fk_store *store, uint32_t segment)
{
    uint32_t bytes = fk_store_segment_grains(store, segment) * store->grain;
    fk_store_say(store, fk_store_wear(store, segment) + 1, 0,
                 log2_of(bytes) << 24 | log2_of(store->grain) << 16 | store->segment_count,
                 FK_STORE_MAGIC << 16 | FK_STORE_VERSION << 8 | FK_STORE_KIND_CLEAN);
}

/* Erases, checks and programs the clean record. Until all that is done the erase count
 * stays as it was: marks that concern this lap are still needed. */
static int renew(fk_store *store, uint32_t segment)
{
    int r = store->flash->erase(store->flash->ctx, segment);
    if (r >= 0 && !store->cfg->trust_writes)
        r = check_blank(store, segment);
    if (r < 0)
        return r;
    fk_store_head head = {(uint16_t)segment, 0, (uint16_t)fk_store_segment_grains(store, segment)};
    fk_store_clean(store, segment);
    return fk_store_put(store, &head, NULL, 0);
}

int fk_store_erase(fk_store *store, uint32_t segment)
{
    fk_store_segment *s = &store->segments[segment];
    store->erases++;
    int r = s->flags & FK_FAILING ? FK_ERR_IO : renew(store, segment);
    if (r < 0) {
        s->flags |= FK_FAILING;
        /* what may still be read there is of no use, now and after a reset */
        if (fk_store_mark(store, 0, segment << 16) == FK_OK) {
            fk_store_retire(store, segment);
            fk_store_put_marks(store); /* what cannot be written now waits */
        }
        return r;
    }
    fk_store_drop_ghosts(store, segment);
    leave(store, s, FK_STATE_CLEAN);
    s->wear++;
    store->pool_count++;
    return FK_OK;
}

/* ---- heads: several are open at a time, a record goes where it fits best */

int fk_store_open(fk_store *store, fk_store_head *head)
{
    /* The least worn for what is new; the most worn for what has lain long and will again. */
    uint32_t least = 0, at = FK_NO_SEGMENT, flip = store->levelling ? UINT32_MAX : 0;
    for (uint32_t i = 0; i < store->segment_count; i++) {
        uint32_t wear = fk_store_wear(store, i) ^ flip;
        if (store->segments[i].live == FK_STATE_CLEAN && (at == FK_NO_SEGMENT || wear < least)) {
            at = i;
            least = wear;
        }
    }
    if (at == FK_NO_SEGMENT)
        return FK_ERR_NOSPC;
    store->segments[at].live = FK_STATE_DATA;
    store->pool_count--;
    *head = (fk_store_head){(uint16_t)at, 0, (uint16_t)fk_store_first(store, at)};
    return FK_OK;
}

fk_store_head *fk_store_head_for(fk_store *store, uint32_t from, uint32_t to, uint32_t grains)
{
    fk_store_head *best = NULL, *fullest = NULL;
    uint32_t tightest = UINT32_MAX, least = UINT32_MAX;
    for (fk_store_head *h = &store->heads[from]; h < &store->heads[to]; h++) {
        uint32_t room = fk_store_room(h);
        if (room >= grains && room < tightest) {
            best = h;
            tightest = room;
        }
        if (room < least) {
            fullest = h;
            least = room;
        }
    }
    if (best == NULL && fk_store_open(store, fullest) == FK_OK)
        best = fullest;
    return best;
}

int fk_store_put_marks(fk_store *store)
{
    uint32_t bytes = store->marks_count * FK_MARK;
    int r;
    do { /* each failure uses up a segment */
        fk_store_head *head = fk_store_head_for(store, FK_HEAD_MARKS, FK_HEAD_MARKS + 1,
                                                fk_store_grains(store, FK_RECORD + bytes));
        if (head == NULL)
            return FK_ERR_NOSPC;
        store->segments[head->segment].flags |= FK_HAS_MARKS;
        fk_store_say(store, 0, 0, 0, bytes << 16 | FK_STORE_KIND_MARKS);
        r = fk_store_put(store, head, store->marks, bytes);
    } while (r < 0);
    store->marks_count = 0;
    return FK_OK;
}

int fk_store_mark(fk_store *store, uint32_t id, uint32_t where)
{
    if (store->marks_count == FK_STORE_MARKS_MAX && fk_store_put_marks(store) < 0)
        return FK_ERR_NOSPC;
    uint8_t *mark = store->marks[store->marks_count++];
    fk_put_u32be(mark + FK_STORE_MARK_FRAME_ID, id);
    fk_put_u32be(mark + FK_STORE_MARK_SEGMENT, where);
    return FK_OK;
}
