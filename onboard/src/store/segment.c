/* Segments: erased, filled once from front to back, given up when they fail. */
#include "store/parts.h"

#include <string.h>

#include "fk/bytes.h"
#include "fk/crc.h"
#include "fk/err.h"

uint32_t fk_store_wear(const fk_store *store, uint32_t segment)
{
    uint32_t delta = (store->cfg->segments[segment].wear - store->wear_base) & 0xFFFF;
    return store->wear_base + (delta ^ 0x8000) - 0x8000; /* the delta's sign extended */
}

uint32_t fk_store_state(const fk_store *store, uint32_t segment)
{
    return store->cfg->segments[segment].live & FK_STATE_MASK;
}

int fk_store_is_head(const fk_store *store, uint32_t segment)
{
    for (uint32_t i = 0; i < store->head_count; i++)
        if (store->heads[i].segment == segment)
            return 1;
    return store->mark_head.segment == segment;
}

int fk_store_is_dead(const fk_store *store, uint32_t segment)
{
    return store->cfg->segments[segment].live == FK_STATE_DATA && !fk_store_is_head(store, segment);
}

void fk_store_add_live(fk_store *store, uint32_t segment, uint32_t grains)
{
    fk_store_segment *s = &store->cfg->segments[segment];
    s->live = (uint16_t)(s->live + grains);
    store->live += grains;
}

void fk_store_drop_live(fk_store *store, uint32_t segment, uint32_t grains)
{
    fk_store_segment *s = &store->cfg->segments[segment];
    s->live = (uint16_t)(s->live - grains);
    store->live -= grains;
}

void fk_store_fail(fk_store *store, uint32_t segment)
{
    store->cfg->segments[segment].place |= FK_FAILING;
    for (uint32_t i = 0; i < store->head_count; i++)
        if (store->heads[i].segment == segment)
            store->heads[i] = store->heads[--store->head_count];
    if (store->mark_head.segment == segment)
        store->mark_head.segment = FK_NO_SEGMENT;
}

void fk_store_retire(fk_store *store, uint32_t segment)
{
    if (fk_store_state(store, segment) == FK_STATE_RETIRED)
        return;
    store->cfg->segments[segment].live = FK_STATE_RETIRED;
    store->cfg->segments[segment].place = FK_UNSAVED;
    store->unsaved = 1;
    store->usable -= fk_store_segment_grains(store, segment);
    store->retired++;
}

/* ---- writing: bytes gather in the buffer and go out a page at a time */

void fk_store_write_begin(fk_store *store, const fk_store_head *head)
{
    store->write_address = fk_store_address(store, head->segment, head->place);
    store->write_fill = 0;
}

static int verify(fk_store *store, uint32_t n)
{
    const fk_flash *flash = store->cfg->flash;
    uint8_t got[64];
    for (uint32_t at = 0; at < n; at += sizeof got) {
        uint32_t m = n - at < sizeof got ? n - at : (uint32_t)sizeof got;
        int r = flash->read(flash->ctx, store->write_address + at, got, m);
        if (r < 0)
            return r;
        if (memcmp(got, store->buffer + at, m) != 0)
            return FK_ERR_IO;
    }
    return FK_OK;
}

static int program(fk_store *store)
{
    const fk_flash *flash = store->cfg->flash;
    uint32_t n = store->write_fill;
    if (n == 0)
        return FK_OK;
    int r = flash->program(flash->ctx, store->write_address, store->buffer, n);
    if (r >= 0 && !store->cfg->trust_writes)
        r = verify(store, n);
    store->write_address += n;
    store->write_fill = 0;
    return r;
}

int fk_store_write(fk_store *store, const uint8_t *data, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        store->buffer[store->write_fill++] = data[i];
        /* programs end with the page: what crosses it costs the chip a second one */
        if ((store->write_address + store->write_fill) % sizeof store->buffer == 0) {
            int r = program(store);
            if (r < 0)
                return r;
        }
    }
    return FK_OK;
}

int fk_store_write_pad(fk_store *store)
{
    static const uint8_t blank = 0xFF;
    while ((store->write_address + store->write_fill) % store->grain != 0) { /* < a grain */
        int r = fk_store_write(store, &blank, 1);
        if (r < 0)
            return r;
    }
    return FK_OK;
}

int fk_store_write_flush(fk_store *store)
{
    int r = fk_store_write_pad(store);
    return r < 0 ? r : program(store);
}

/* ---- erasing */

static int write_clean(fk_store *store, uint32_t segment)
{
    uint8_t p[FK_CLEAN_SIZE];
    uint32_t size_log = 0, grain_log = 0;
    while (store->grain << grain_log != 0 && 1u << grain_log != store->grain)
        grain_log++;
    while (1u << size_log != fk_store_segment_grains(store, segment) * store->grain)
        size_log++;
    fk_put_u16be(p, FK_STORE_MAGIC);
    p[2] = FK_STORE_FORMAT;
    p[3] = FK_KIND_CLEAN;
    fk_put_u32be(p + 4, fk_store_wear(store, segment));
    fk_put_u32be(p + 8, store->generation++);
    fk_put_u32be(p + 12, store->next_id);
    p[16] = (uint8_t)size_log;
    p[17] = (uint8_t)grain_log;
    fk_put_u16be(p + 18, store->cfg->flash->segment_count);
    fk_put_u32be(p + 20, fk_crc32(fk_store_seed(segment), p, 20));

    fk_store_head head = {(uint16_t)segment, 0};
    fk_store_write_begin(store, &head);
    int r = fk_store_write(store, p, sizeof p);
    return r < 0 ? r : fk_store_write_flush(store);
}

static int check_blank(fk_store *store, uint32_t segment)
{
    const fk_flash *flash = store->cfg->flash;
    uint32_t address, size;
    fk_flash_segment(flash, segment, &address, &size);
    for (uint32_t at = 0; at < size; at += sizeof store->buffer) {
        int r = flash->read(flash->ctx, address + at, store->buffer, sizeof store->buffer);
        if (r < 0)
            return r;
        if (!fk_store_is_blank(store->buffer, sizeof store->buffer))
            return FK_ERR_IO;
    }
    return FK_OK;
}

/* Nothing may be erased that alone shows that the highest id was in use. */
void fk_store_save_ids(fk_store *store)
{
    if (store->saved >= 2 || store->ring_count >= 2 || store->top_id == 0 ||
        fk_store_slot_of(store, store->top_id) != NULL)
        return;
    if (store->pool_count == 0 && !fk_store_marks_fit(store, fk_store_grains(store, FK_RECORD_MIN)))
        return;
    fk_store_mark mark = {store->top_id, 0, 0, 0, FK_MARK_IDS};
    if (fk_store_write_marks(store, &mark, 1) == FK_OK)
        store->saved = 2;
}

int fk_store_erase(fk_store *store, uint32_t segment)
{
    const fk_flash *flash = store->cfg->flash;
    fk_store_segment *s = &store->cfg->segments[segment];
    if (s->place & FK_FAILING) {
        fk_store_drop_ghosts(store, segment);
        fk_store_retire(store, segment);
        return FK_ERR_IO;
    }
    fk_store_drop_ghosts(store, segment);
    if (store->unfinished == segment)
        store->unfinished = FK_NO_SEGMENT;
    s->wear++;
    store->erases++;
    int r = flash->erase(flash->ctx, segment);
    if (r >= 0 && !store->cfg->trust_writes)
        r = check_blank(store, segment);
    if (r >= 0)
        r = write_clean(store, segment);
    if (r < 0) {
        fk_store_retire(store, segment);
        return r;
    }
    store->saved++;
    s->live = FK_STATE_CLEAN;
    s->place = 0;
    store->pool[store->pool_count++] = (uint16_t)segment;
    return FK_OK;
}

int fk_store_open(fk_store *store, fk_store_head *head)
{
    if (store->pool_count == 0)
        return FK_ERR_NOSPC;
    /* The least worn for what is new; the most worn for what has lain long and will again. */
    uint32_t at = 0;
    for (uint32_t i = 1; i < store->pool_count; i++) {
        uint32_t wear = fk_store_wear(store, store->pool[i]);
        uint32_t best = fk_store_wear(store, store->pool[at]);
        if (store->levelling ? wear > best : wear < best)
            at = i;
    }
    head->segment = store->pool[at];
    head->place = (uint16_t)fk_store_first_place(store);
    store->pool[at] = store->pool[--store->pool_count];
    store->cfg->segments[head->segment].live = FK_STATE_DATA;
    return FK_OK;
}

/* ---- heads: several are open at a time, a record goes where it fits best */

uint32_t fk_store_room(const fk_store *store, const fk_store_head *head)
{
    return fk_store_segment_grains(store, head->segment) - head->place;
}

static fk_store_head *best_fit(fk_store *store, uint32_t grains)
{
    fk_store_head *best = NULL;
    for (uint32_t i = 0; i < store->head_count; i++) {
        fk_store_head *h = &store->heads[i];
        if (fk_store_room(store, h) >= grains &&
            (best == NULL || fk_store_room(store, h) < fk_store_room(store, best)))
            best = h;
    }
    return best;
}

int fk_store_head_fits(const fk_store *store, uint32_t grains)
{
    for (uint32_t i = 0; i < store->head_count; i++)
        if (fk_store_room(store, &store->heads[i]) >= grains)
            return 1;
    return 0;
}

int fk_store_head_for(fk_store *store, uint32_t grains, fk_store_head **head)
{
    *head = best_fit(store, grains);
    if (*head != NULL)
        return FK_OK;
    fk_store_head opened;
    int r = fk_store_open(store, &opened);
    if (r < 0)
        return r;
    uint32_t at = store->head_count;
    if (at == store->head_limit) {
        at = 0;
        for (uint32_t i = 1; i < store->head_count; i++)
            if (fk_store_room(store, &store->heads[i]) < fk_store_room(store, &store->heads[at]))
                at = i;
    } else {
        store->head_count++;
    }
    store->heads[at] = opened;
    *head = &store->heads[at];
    return FK_OK;
}

/* Where there are segments enough, marks have one to themselves: mount need not look for
 * them all over. Elsewhere they go where they fit. */
static int mark_head_for(fk_store *store, uint32_t grains, fk_store_head **head)
{
    if (store->head_limit < FK_STORE_HEADS_MAX)
        return fk_store_head_for(store, grains, head);
    *head = &store->mark_head;
    if (store->mark_head.segment != FK_NO_SEGMENT && fk_store_room(store, *head) >= grains)
        return FK_OK;
    fk_store_head opened;
    int r = fk_store_open(store, &opened);
    if (r >= 0)
        store->mark_head = opened;
    return r < 0 ? fk_store_head_for(store, grains, head) : FK_OK;
}

int fk_store_marks_fit(const fk_store *store, uint32_t grains)
{
    if (store->head_limit < FK_STORE_HEADS_MAX)
        return fk_store_head_fits(store, grains);
    return store->mark_head.segment != FK_NO_SEGMENT &&
           fk_store_room(store, &store->mark_head) >= grains;
}

int fk_store_write_marks(fk_store *store, const fk_store_mark *marks, uint32_t count)
{
    uint32_t size = FK_MARKS_FIXED + count * FK_MARK_SIZE + FK_CRC_SIZE;
    uint32_t grains = fk_store_grains(store, size);
    int r;
    do { /* each failure uses up a segment */
        fk_store_head *head;
        r = mark_head_for(store, grains, &head);
        if (r < 0)
            return r;
        uint8_t p[FK_MARK_SIZE] = {FK_KIND_MARKS, (uint8_t)count, 0, 0};
        uint16_t segment = head->segment;
        fk_put_u32be(p + 4, store->generation++);
        fk_store_write_begin(store, head);
        head->place = (uint16_t)(head->place + grains);
        uint32_t crc = fk_crc32(fk_store_seed(segment), p, FK_MARKS_FIXED);
        r = fk_store_write(store, p, FK_MARKS_FIXED);
        for (uint32_t i = 0; i < count && r >= 0; i++) {
            fk_put_u32be(p, marks[i].id);
            fk_put_u32be(p + 4, marks[i].generation);
            fk_put_u16be(p + 8, marks[i].segment);
            fk_put_u16be(p + 10, marks[i].place | ((uint32_t)marks[i].type << 14));
            crc = fk_crc32(crc, p, FK_MARK_SIZE);
            r = fk_store_write(store, p, FK_MARK_SIZE);
        }
        fk_put_u32be(p, crc);
        if (r >= 0)
            r = fk_store_write(store, p, FK_CRC_SIZE);
        if (r >= 0)
            r = fk_store_write_flush(store);
        if (r >= 0)
            store->cfg->segments[segment].place |= FK_HAS_MARKS;
        else
            fk_store_fail(store, segment);
    } while (r < 0);
    return FK_OK;
}
