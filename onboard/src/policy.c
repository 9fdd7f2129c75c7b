#include "fk/policy.h"

#include "fk/bytes.h"
#include "fk/camera.h"
#include "fk/crc.h"
#include "fk/err.h"
#include "fk/wire.h"

enum { APID_MAX = 2046, WEIGHT_MAX = 257, QUALITY_MAX = 100, CHUNK_BYTES_MAX = 4096 };

static fk_rect read_rect(const uint8_t *p)
{
    return (fk_rect){
        .x = fk_get_u16be(p + FK_POLICY_RECT_X),
        .y = fk_get_u16be(p + FK_POLICY_RECT_Y),
        .width = fk_get_u16be(p + FK_POLICY_RECT_WIDTH),
        .height = fk_get_u16be(p + FK_POLICY_RECT_HEIGHT),
    };
}

static int inside(const fk_rect *r, const fk_policy *p)
{
    return (uint32_t)r->x + r->width <= p->width && (uint32_t)r->y + r->height <= p->height;
}

static int camera_ok(const fk_policy *p)
{
    const fk_rect *c = &p->crop;
    const fk_rect whole = {0, 0, c->width ? c->width : p->width, c->height ? c->height : p->height};
    fk_rect tile;

    if (p->width < 1 || p->width > FK_FRAME_SIDE_MAX || p->height < 1 ||
        p->height > FK_FRAME_SIDE_MAX || p->pixel_format > FK_PIXEL_RGB888 ||
        (p->pixel_format == FK_PIXEL_YUYV && p->width % 2 != 0)) {
        return 0;
    }
    if (p->tiles_across > FK_POLICY_TILES_MAX || p->tiles_down > FK_POLICY_TILES_MAX ||
        fk_camera_tile(&tile, &whole, p->tiles_across, p->tiles_down, 0) < 0) {
        return 0;
    }
    return (c->width == 0) == (c->height == 0) && inside(c, p);
}

/* A mask that cannot be applied must not fly: pictures would go out without it. */
static int masks_ok(const fk_policy *p)
{
    if (p->mask_count > FK_POLICY_MASKS_MAX) {
        return 0;
    }
    for (unsigned i = 0; i < p->mask_count; i++) {
        const fk_rect *m = &p->masks[i];
        if (m->width == 0 || m->height == 0 || !inside(m, p) ||
            (p->pixel_format == FK_PIXEL_YUYV && ((m->x | m->width) & 1))) {
            return 0;
        }
    }
    return 1;
}

static int classes_ok(const fk_policy *p)
{
    if (p->class_count < 1 || p->class_count > FK_POLICY_CLASSES_MAX) {
        return 0;
    }
    for (unsigned i = 0; i < p->class_count; i++) {
        const fk_policy_class *c = &p->classes[i];
        /* for a picture above its ceiling the store would give up the others and then refuse it */
        if (c->weight > WEIGHT_MAX ||
            (c->ceiling != 0 && (c->ceiling < c->floor || c->ceiling < p->picture_bytes_max))) {
            return 0;
        }
    }
    return 1;
}

static int window_ok(const fk_policy *p)
{
    if (p->window_width == 0 || p->window_height == 0) {
        return p->window_width == p->window_height;
    }
    return p->window_width <= p->width && p->window_height <= p->height &&
           (p->pixel_format != FK_PIXEL_YUYV || p->window_width % 2 == 0);
}

static int output_ok(const fk_policy *p)
{
    return p->jpeg_quality >= 1 && p->jpeg_quality <= QUALITY_MAX && p->jpeg_mode <= 1 &&
           p->picture_bytes_max >= 1 && p->picture_bytes_max <= FK_POLICY_PICTURE_MAX &&
           p->record_apid <= APID_MAX && p->image_apid <= APID_MAX &&
           p->record_apid != p->image_apid && p->chunk_bytes >= 1 &&
           p->chunk_bytes <= CHUNK_BYTES_MAX;
}

int fk_policy_parse(fk_policy *out, const uint8_t *bytes, size_t size)
{
    if (size < FK_POLICY_BYTES) {
        return FK_ERR_TOOSMALL;
    }
    if (fk_get_u32be(bytes + FK_POLICY_MAGIC) != FK_POLICY_MAGIC_VALUE) {
        return FK_ERR_CORRUPT;
    }
    if (bytes[FK_POLICY_VERSION] != FK_POLICY_VERSION_VALUE) {
        return FK_ERR_VERSION;
    }
    if (fk_get_u16be(bytes + FK_POLICY_SIZE) != FK_POLICY_BYTES ||
        fk_crc16(FK_CRC16_INIT, bytes, FK_POLICY_CRC16) !=
            fk_get_u16be(bytes + FK_POLICY_CRC16)) {
        return FK_ERR_CORRUPT;
    }

    fk_policy p = {
        .width = fk_get_u16be(bytes + FK_POLICY_WIDTH),
        .height = fk_get_u16be(bytes + FK_POLICY_HEIGHT),
        .crop = read_rect(bytes + FK_POLICY_CROP_X),
        .tiles_across = bytes[FK_POLICY_TILES_ACROSS],
        .tiles_down = bytes[FK_POLICY_TILES_DOWN],
        .pixel_format = bytes[FK_POLICY_PIXEL_FORMAT],
        .dark_below = bytes[FK_POLICY_DARK_BELOW],
        .bright_above = bytes[FK_POLICY_BRIGHT_ABOVE],
        .contrast_below = bytes[FK_POLICY_CONTRAST_BELOW],
        .audit_every = fk_get_u16be(bytes + FK_POLICY_AUDIT_EVERY),
        .mask_count = bytes[FK_POLICY_MASK_COUNT],
        .class_count = bytes[FK_POLICY_CLASS_COUNT],
        .jpeg_quality = bytes[FK_POLICY_JPEG_QUALITY],
        .jpeg_mode = bytes[FK_POLICY_JPEG_MODE],
        .restart_interval = fk_get_u16be(bytes + FK_POLICY_RESTART_INTERVAL),
        .picture_bytes_max = fk_get_u32be(bytes + FK_POLICY_PICTURE_BYTES_MAX),
        .window_width = fk_get_u16be(bytes + FK_POLICY_WINDOW_WIDTH),
        .window_height = fk_get_u16be(bytes + FK_POLICY_WINDOW_HEIGHT),
        .record_apid = fk_get_u16be(bytes + FK_POLICY_RECORD_APID),
        .image_apid = fk_get_u16be(bytes + FK_POLICY_IMAGE_APID),
        .chunk_bytes = fk_get_u16be(bytes + FK_POLICY_CHUNK_BYTES),
    };
    for (unsigned i = 0; i < FK_POLICY_CLASSES_MAX; i++) {
        const uint8_t *row = bytes + FK_POLICY_CLASSES + i * FK_POLICY_CLASS_BYTES;
        p.classes[i] = (fk_policy_class){
            .index = row[FK_POLICY_CLASS_INDEX],
            .threshold = row[FK_POLICY_CLASS_THRESHOLD],
            .weight = fk_get_u16be(row + FK_POLICY_CLASS_WEIGHT),
            .floor = fk_get_u32be(row + FK_POLICY_CLASS_FLOOR),
            .ceiling = fk_get_u32be(row + FK_POLICY_CLASS_CEILING),
        };
    }
    for (unsigned i = 0; i < FK_POLICY_MASKS_MAX; i++) {
        p.masks[i] = read_rect(bytes + FK_POLICY_MASKS + i * FK_POLICY_RECT_BYTES);
    }
    if (!camera_ok(&p) || !masks_ok(&p) || !classes_ok(&p) || !window_ok(&p) || !output_ok(&p)) {
        return FK_ERR_INVAL;
    }
    *out = p;
    return 0;
}
