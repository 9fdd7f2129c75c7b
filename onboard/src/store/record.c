/* The bytes of the store's records: docs/SPEC.md has the tables. */
#include "store/parts.h"

#include "fk/bytes.h"
#include "fk/crc.h"
#include "fk/err.h"

uint32_t fk_store_grains(const fk_store *store, uint32_t bytes)
{
    return (bytes + store->grain - 1) / store->grain;
}

uint32_t fk_store_segment_grains(const fk_store *store, uint32_t segment)
{
    uint32_t address, size;
    fk_flash_segment(store->cfg->flash, segment, &address, &size);
    return size / store->grain;
}

uint32_t fk_store_address(const fk_store *store, uint32_t segment, uint32_t place)
{
    uint32_t address, size;
    fk_flash_segment(store->cfg->flash, segment, &address, &size);
    return address + place * store->grain;
}

uint32_t fk_store_first_place(const fk_store *store)
{
    return fk_store_grains(store, FK_CLEAN_SIZE);
}

/* A record names its segment in its CRC, so that it is valid nowhere else. */
uint32_t fk_store_seed(uint32_t segment)
{
    uint8_t number[2];
    fk_put_u16be(number, segment);
    return fk_crc32(FK_CRC32_INIT, number, sizeof number);
}

void fk_store_note(fk_store *store, uint32_t index, uint32_t value)
{
    fk_put_u32be(store->buffer + 4 * index, value);
}

uint32_t fk_store_noted(const fk_store *store, uint32_t index)
{
    return fk_get_u32be(store->buffer + 4 * index);
}

int fk_store_is_blank(const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (bytes[i] != 0xFF)
            return 0;
    return 1;
}

/* n bytes at `address`, of which `limit` are readable before the segment ends.
 * NULL if flash cannot read them: then nothing that follows may rely on them. */
static const uint8_t *fetch(fk_store *store, fk_store_window *w, uint32_t address, uint32_t n,
                            uint32_t limit)
{
    const fk_flash *flash = store->cfg->flash;
    if (address >= w->address && address + n <= w->address + w->size)
        return &w->bytes[address - w->address];
    w->address = address;
    w->size = limit < FK_WINDOW ? limit : FK_WINDOW;
    if (flash->read(flash->ctx, address, w->bytes, w->size) < 0) {
        /* a wide read may have touched a unit that is none of ours */
        w->size = n;
        if (flash->read(flash->ctx, address, w->bytes, n) < 0) {
            w->size = 0;
            return NULL;
        }
    }
    return w->bytes;
}

static void get_commit(fk_store *store, const uint8_t *p)
{
    fk_frame_meta *m = &store->meta;
    store->extent_count = p[1];
    m->value = fk_get_u16be(p + 2);
    m->frame_id = fk_get_u32be(p + 4);
    store->meta_generation = fk_get_u32be(p + 8);
    m->size = fk_get_u32be(p + 12);
    store->meta.crc32 = fk_get_u32be(p + 16);
    m->time = fk_get_u48be(p + 20);
    m->class_index = p[26];
    m->score = p[27];
    m->box.x = fk_get_u16be(p + 28);
    m->box.y = fk_get_u16be(p + 30);
    m->box.width = fk_get_u16be(p + 32);
    m->box.height = fk_get_u16be(p + 34);
    for (uint32_t i = 0; i < sizeof m->model_id; i++)
        m->model_id[i] = p[36 + i];
    m->sent = p[44] & 1;
    m->tag = p[45];
}

void fk_store_put_commit(const fk_store *store, uint8_t *p)
{
    const fk_frame_meta *m = &store->meta;
    p[0] = FK_KIND_COMMIT;
    p[1] = (uint8_t)store->extent_count;
    fk_put_u16be(p + 2, m->value);
    fk_put_u32be(p + 4, m->frame_id);
    fk_put_u32be(p + 8, store->meta_generation);
    fk_put_u32be(p + 12, m->size);
    fk_put_u32be(p + 16, store->meta.crc32);
    fk_put_u48be(p + 20, m->time);
    p[26] = m->class_index;
    p[27] = m->score;
    fk_put_u16be(p + 28, m->box.x);
    fk_put_u16be(p + 30, m->box.y);
    fk_put_u16be(p + 32, m->box.width);
    fk_put_u16be(p + 34, m->box.height);
    for (uint32_t i = 0; i < sizeof m->model_id; i++)
        p[36 + i] = m->model_id[i];
    p[44] = m->sent;
    p[45] = m->tag;
    fk_put_u16be(p + 46, 0);
}

void fk_store_put_extent(const fk_store_extent *e, uint8_t *p)
{
    fk_put_u16be(p, e->segment);
    fk_put_u16be(p + 2, e->place);
    fk_put_u16be(p + 4, e->lap);
    fk_put_u16be(p + 6, e->length);
}

/* CRC of the rest of a record in steps of a window; decodes a commit's extents
 * on the way. The fixed part is already in `crc`. */
static int check_rest(fk_store *store, uint32_t address, uint32_t from, uint32_t total, uint32_t crc,
                      int is_commit, fk_store_window *w)
{
    uint32_t body = total - FK_CRC_SIZE;
    uint32_t index = 0;
    while (from < body) { /* at most FK_STORE_CHUNKS_MAX * FK_EXTENT_SIZE bytes */
        uint32_t n = body - from < 80 ? body - from : 80;
        const uint8_t *p = fetch(store, w, address + from, n, total - from);
        if (p == NULL)
            return FK_ERR_ECC;
        crc = fk_crc32(crc, p, n);
        if (is_commit) {
            for (uint32_t i = 0; i + FK_EXTENT_SIZE <= n; i += FK_EXTENT_SIZE, index++) {
                fk_store_extent *e = &store->extents[index];
                e->segment = fk_get_u16be(p + i);
                e->place = fk_get_u16be(p + i + 2);
                e->lap = fk_get_u16be(p + i + 4);
                e->length = fk_get_u16be(p + i + 6);
            }
        }
        from += n;
    }
    const uint8_t *p = fetch(store, w, address + body, FK_CRC_SIZE, FK_CRC_SIZE);
    if (p == NULL)
        return FK_ERR_ECC;
    return fk_get_u32be(p) == crc ? FK_OK : FK_ERR_CORRUPT;
}

int fk_store_peek(fk_store *store, uint32_t segment, uint32_t place, fk_store_record *out,
                  fk_store_window *w)
{
    uint32_t address = fk_store_address(store, segment, place);
    uint32_t room = (fk_store_segment_grains(store, segment) - place) * store->grain;
    if (room < FK_RECORD_MIN)
        return 0;
    const uint8_t *p = fetch(store, w, address, FK_RECORD_MIN, room);
    if (p == NULL)
        return FK_ERR_ECC;
    if (fk_store_is_blank(p, FK_RECORD_MIN))
        return 0;

    uint32_t fixed, total;
    out->kind = p[0];
    out->count = p[1];
    out->length = 0;
    out->id = fk_get_u32be(p + 4);
    out->generation = fk_get_u32be(p + 8);
    switch (out->kind) {
    case FK_KIND_CHUNK:
        fixed = FK_CHUNK_HEADER - FK_CRC_SIZE;
        out->length = fk_get_u16be(p + 2);
        out->offset = fk_get_u32be(p + 12);
        out->crc = fk_get_u32be(p + 16);
        total = FK_CHUNK_HEADER + out->length;
        if (out->length == 0 || out->length > FK_STORE_CHUNK_MAX)
            return FK_ERR_CORRUPT;
        break;
    case FK_KIND_COMMIT:
        fixed = FK_COMMIT_FIXED;
        total = fixed + out->count * (uint32_t)FK_EXTENT_SIZE + FK_CRC_SIZE;
        if (out->count == 0 || out->count > FK_STORE_CHUNKS_MAX)
            return FK_ERR_CORRUPT;
        break;
    case FK_KIND_MARKS:
        fixed = FK_MARKS_FIXED;
        out->generation = out->id;
        total = fixed + out->count * (uint32_t)FK_MARK_SIZE + FK_CRC_SIZE;
        if (out->count == 0 || out->count > FK_MARKS_RECORD)
            return FK_ERR_CORRUPT;
        break;
    case FK_KIND_LOG:
        fixed = FK_LOG_FIXED;
        out->length = out->count;
        out->offset = fk_get_u32be(p + 12);
        total = fixed + out->length + FK_CRC_SIZE;
        if (out->length == 0 || out->length > FK_STORE_LOG_MAX)
            return FK_ERR_CORRUPT;
        break;
    default:
        return FK_ERR_CORRUPT;
    }
    if (total > room)
        return FK_ERR_CORRUPT;
    out->grains = (uint16_t)fk_store_grains(store, total);

    p = fetch(store, w, address, fixed, total);
    if (p == NULL)
        return FK_ERR_ECC;
    uint32_t crc = fk_crc32(fk_store_seed(segment), p, fixed);
    if (out->kind == FK_KIND_COMMIT) {
        get_commit(store, p);
        store->meta_segment = (uint16_t)segment;
        store->meta_place = (uint16_t)place;
    }
    uint32_t end = out->kind == FK_KIND_CHUNK ? FK_CHUNK_HEADER : total;
    int r = check_rest(store, address, fixed, end, crc, out->kind == FK_KIND_COMMIT, w);
    return r < 0 ? r : (int)out->grains;
}

int fk_store_walk(fk_store *store, uint32_t segment, uint32_t *place, fk_store_record *out,
                  fk_store_window *w)
{
    uint32_t end = fk_store_segment_grains(store, segment);
    int lost = 0;
    while (*place < end) { /* at most one turn per grain of the segment */
        int r = fk_store_peek(store, segment, *place, out, w);
        if (r > 0)
            return r;
        if (r == 0 && !lost)
            return 0;
        /* A damaged or torn record: whatever follows it can only be found by looking. */
        lost = 1;
        ++*place;
    }
    return 0;
}

int fk_store_load(fk_store *store, uint32_t segment, uint32_t place)
{
    fk_store_window w = {.size = 0};
    fk_store_record r;
    int n = fk_store_peek(store, segment, place, &r, &w);
    if (n < 0)
        return n;
    return n > 0 && r.kind == FK_KIND_COMMIT ? FK_OK : FK_ERR_CORRUPT;
}

int fk_store_get_marks(fk_store *store, uint32_t segment, uint32_t place, fk_store_mark *out)
{
    const fk_flash *flash = store->cfg->flash;
    uint8_t p[FK_MARKS_FIXED + FK_MARKS_RECORD * FK_MARK_SIZE + FK_CRC_SIZE];
    uint32_t room = (fk_store_segment_grains(store, segment) - place) * store->grain;
    uint32_t address = fk_store_address(store, segment, place);
    /* Checked here once more: what is carried on must be what was read with this CRC. */
    int r = flash->read(flash->ctx, address, p, FK_MARKS_FIXED);
    uint32_t count = p[1];
    uint32_t body = FK_MARKS_FIXED + count * FK_MARK_SIZE;
    if (r < 0 || count > FK_MARKS_RECORD || body + FK_CRC_SIZE > room)
        return FK_ERR_CORRUPT;
    r = flash->read(flash->ctx, address, p, body + FK_CRC_SIZE);
    if (r < 0 || p[0] != FK_KIND_MARKS || p[1] != count ||
        fk_get_u32be(p + body) != fk_crc32(fk_store_seed(segment), p, body))
        return FK_ERR_CORRUPT;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *m = p + FK_MARKS_FIXED + i * FK_MARK_SIZE;
        out[i].id = fk_get_u32be(m);
        out[i].generation = fk_get_u32be(m + 4);
        out[i].segment = fk_get_u16be(m + 8);
        out[i].place = fk_get_u16be(m + 10) & FK_PLACE_MASK;
        out[i].type = m[10] >> 6;
    }
    return (int)count;
}

/* Fields of a clean record already read; 0, or < 0 if it is none of ours. */
static int parse_clean(const fk_store *store, uint32_t segment, const uint8_t *p)
{
    uint32_t crc = fk_crc32(fk_store_seed(segment), p, FK_CLEAN_SIZE - FK_CRC_SIZE);
    if (fk_get_u16be(p) != FK_STORE_MAGIC || p[3] != FK_KIND_CLEAN ||
        fk_get_u32be(p + 20) != crc)
        return FK_ERR_CORRUPT;
    uint32_t address, size;
    fk_flash_segment(store->cfg->flash, segment, &address, &size);
    if (p[2] != FK_STORE_FORMAT || size != 1u << (p[16] & 31) || store->grain != 1u << (p[17] & 31))
        return FK_ERR_VERSION;
    return FK_OK;
}

int fk_store_clean_record(fk_store *store, uint32_t segment, uint32_t *erase_count,
                          uint32_t *generation, uint32_t *next_id, fk_store_window *w)
{
    const uint8_t *p =
        fetch(store, w, fk_store_address(store, segment, 0), FK_CLEAN_SIZE, FK_CLEAN_SIZE);
    if (p == NULL)
        return FK_ERR_ECC;
    int r = parse_clean(store, segment, p);
    if (r < 0)
        return r;
    *erase_count = fk_get_u32be(p + 4);
    *generation = fk_get_u32be(p + 8);
    *next_id = fk_get_u32be(p + 12);
    return FK_OK;
}
