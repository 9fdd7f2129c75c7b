/* A flash region from a stranger: mount it, read all of it, go on writing to it.
 *
 * Input: 16 bytes (chip, how, filling, reserved, mask), then two images of the region, an old and a
 * new one; a bit of the mask says which of the two each eighth of a segment comes from. What is
 * missing at the end is filling. Pictures say their id and size, so a wrong one is known as wrong;
 * only where CRCs were made right afterwards may a record lie. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fk/bytes.h"
#include "fk/crc.h"
#include "fk/err.h"
#include "fk/store.h"
#include "fk/wire.h"
#include "flash_emulator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    HEAD = 16, SLOTS = 24, PICTURE_MAX = 1200,
    RESEALED = 1,  /* records whose bytes were changed get a right CRC                   */
    AS_ROT = 2,    /* the difference between the images is rot, for chips with ECC         */
    CHAIN = 4, RING = 8, TRUSTING = 16
};

static const struct {
    const char *name;
    uint32_t size;
} CHIPS[] = {{"tiny", 12 << 10}, {"tiny-ecc", 12 << 10}, {"l4", 16 << 10}, {"nor-page", 32 << 10}, {"nor", 32 << 10}};

/* So that the driver says which input it was. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "handle_abort=1";
}

static void require(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

/* The picture of that id and size: both are in it, and so it is of no other. */
static void paint(uint8_t *out, uint32_t id, uint32_t size)
{
    uint32_t x = id * 2654435761u ^ size;
    for (uint32_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        out[i] = (uint8_t)(x >> 8);
    }
}

/* Makes right the CRC of whatever may be a record of the store: it ends with 20 bytes, the last of
 * which is its kind; its body stands before them, and before that the CRC. */
static void reseal(uint8_t *image, const fk_flash *flash)
{
    for (uint32_t s = 0; s < flash->segment_count; s++) {
        uint32_t address, size;
        uint8_t number[2];
        fk_flash_segment(flash, s, &address, &size);
        fk_put_u16be(number, s);
        for (uint32_t end = size; end >= 24; end -= 8) {
            const uint8_t *last = image + address + end - 20;
            uint32_t body;
            switch (last[19]) {
            case 0x0F: case 0x33: case 0x66: body = 0; break;
            case 0x3C: body = last[18] * 8u; break;
            case 0x55: case 0x5A: body = fk_get_u16be(last + 16); break;
            default: continue;
            }
            if (body > 384 || body + 24 > end)
                continue;
            uint8_t *record = image + address + end - 20 - body;
            uint32_t crc = fk_crc32(FK_CRC32_INIT, number, sizeof number);
            fk_put_u32be(record - 4, fk_crc32(crc, record, body + 20));
        }
    }
}

/* Lists and reads all. Where nothing lies, nothing is wrong. */
static void read_all(fk_store *store, int honest)
{
    static uint8_t got[200 << 10], right[PICTURE_MAX];
    fk_frame_meta m;
    uint32_t after = 0, count = 0;
    while (fk_store_list(store, after, &m) > 0) {
        require(m.frame_id > after && ++count <= SLOTS, "the list has no end");
        after = m.frame_id;
        int n = fk_store_read(store, m.frame_id, 0, got, sizeof got);
        require(n < 0 || (uint32_t)n == m.size, "another size is read than was listed");
        if (!honest)
            continue;
        require(n > 0 && n <= PICTURE_MAX, "a frame is listed and cannot be read");
        paint(right, m.frame_id, m.size);
        require(memcmp(got, right, m.size) == 0, "a wrong picture is shown as right");
    }
    (void)fk_store_best(store, &m);
    uint8_t record[FK_STORE_LOG_MAX];
    for (count = 0; fk_store_log_next(store, record, sizeof record) > 0; count++)
        require(count < 4096, "the ring has no end");
}

static void mount(fk_store *store, const fk_store_config *config, fk_flash_emulator *chip)
{
    uint64_t operations = chip->operations, before = chip->count.read_bytes;
    require(fk_store_mount(store, config) == 0, "mount fails");
    require(chip->operations == operations, "mount writes");
    /* a frame in the table may be looked up once for each commit and mark that is found */
    require(chip->count.read_bytes - before < 400ull * chip->size, "mount reads without end");
}

static void use(fk_store *store, const fk_store_config *config, fk_flash_emulator *chip, int honest)
{
    static uint8_t picture[PICTURE_MAX], got[PICTURE_MAX];
    uint32_t ids[4], n = 0, first = fk_store_next_id(store);
    fk_frame_meta m = {.value = 0xFFFF};
    for (uint32_t i = 0; i < 4 && first != 0 && first < 0xFFFFFFF0; i++) {
        m.frame_id = first + i;
        paint(picture, m.frame_id, 300 + i);
        if (fk_store_append(store, &m, picture, 300 + i) >= 0)
            ids[n++] = m.frame_id;
        (void)fk_store_log_append(store, picture, 20);
        (void)fk_store_idle(store);
    }
    if (n > 2)
        (void)fk_store_delete(store, ids[--n]);
    (void)fk_store_mark_sent(store, first);
    (void)fk_store_sync(store);
    require(chip->count.refused == 0, "the chip is asked for what it refuses");
    mount(store, config, chip);
    for (uint32_t i = 0; honest && i < n; i++) {
        uint32_t size = 300 + ids[i] - first;
        paint(picture, ids[i], size);
        /* later ones of equal value may have taken its place, where there is room for few */
        int r = fk_store_read(store, ids[i], 0, got, sizeof got);
        require(r == (int)size ? memcmp(picture, got, size) == 0 : r == FK_ERR_NOENT && i + 1 < n,
                "a frame stored after mount is lost");
    }
    read_all(store, honest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    const unsigned how = data[1], pick = data[0] % (sizeof CHIPS / sizeof CHIPS[0]);
    fk_flash_geometry geometry;
    fk_flash_emulator chip;
    if (fk_flash_geometry_of(&geometry, CHIPS[pick].name, CHIPS[pick].size) < 0 ||
        fk_flash_emulator_open(&chip, &geometry, 1) < 0)
        return 0;
    uint8_t *images = malloc(2 * (size_t)chip.size);
    memset(images, data[2], 2 * (size_t)chip.size);
    size_t given = size - HEAD < 2 * (size_t)chip.size ? size - HEAD : 2 * (size_t)chip.size;
    memcpy(images, data + HEAD, given);
    uint8_t *old = images, *new = images + chip.size;
    if (how & AS_ROT)
        (void)fk_flash_emulator_load(&chip, old, chip.size);
    uint32_t piece = chip.flash.segment_size / 8;
    for (uint32_t at = 0; at < chip.size; at += piece)
        if (data[4 + at / piece / 8 % 12] >> (at / piece % 8) & 1)
            memcpy(old + at, new + at, piece);
    if (how & RESEALED)
        reseal(old, &chip.flash);
    if (how & AS_ROT)
        memcpy(chip.cells, old, chip.size);
    else
        (void)fk_flash_emulator_load(&chip, old, chip.size);
    free(images);

    fk_store *store = malloc(sizeof *store); /* of just their size: ASan sees every byte beyond */
    fk_store_segment *segments = malloc(chip.flash.segment_count * sizeof *segments);
    fk_store_slot *slots = malloc(SLOTS * sizeof *slots);
    fk_store_config config = {.flash = &chip.flash, .segments = segments, .slots = slots, .slot_count = SLOTS};
    config.profile = how & CHAIN ? FK_STORE_CHAIN : FK_STORE_PACKED;
    config.log_segments = how & RING ? 2 : 0;
    config.trust_writes = (how & TRUSTING) != 0;
    mount(store, &config, &chip);
    read_all(store, !(how & RESEALED));
    use(store, &config, &chip, !(how & RESEALED));
    free(store);
    free(segments);
    free(slots);
    fk_flash_emulator_close(&chip);
    return 0;
}
