#include "fk/pipeline.h"

#include <string.h>

#include "fk/crc.h"

/* What fk_model_infer pulls its rows out of. */
static int scaled_row(void *scaling, unsigned y, uint8_t *out)
{
    return fk_camera_scale_row(scaling, (uint16_t)y, out);
}

/* What of the frame the network sees at a time: a tile of the policy's crop, and of that
 * what the model's fit takes. */
static int region(fk_rect *out, const fk_pipeline *p, const fk_frame *frame, unsigned index)
{
    const fk_policy *policy = &p->policy;
    fk_rect whole = policy->crop, tile;

    if (whole.width == 0) {
        whole = (fk_rect){0, 0, frame->width, frame->height};
    }
    int err = fk_camera_tile(&tile, &whole, policy->tiles_across, policy->tiles_down, index);
    if (err < 0) {
        return err;
    }
    fk_frame part = *frame;
    part.width = tile.width;
    part.height = tile.height;
    err = fk_camera_crop(out, &part, p->model.fit, p->model.width, p->model.height);
    out->x = (uint16_t)(out->x + tile.x);
    out->y = (uint16_t)(out->y + tile.y);
    return err;
}

/* `at` + `part`/65535 of `length`, as a fraction of `whole` in 1/65535. */
static uint16_t rescale(uint32_t at, uint32_t part, uint32_t length, uint32_t whole)
{
    return (uint16_t)(((uint64_t)at * 65535u + (uint64_t)part * length + whole / 2u) / whole);
}

/* From fractions of what the network saw to fractions of the frame. A model that says no
 * place has seen its class somewhere in the tile; without tiles that says nothing. */
static fk_box box_in_frame(const fk_box *box, const fk_rect *seen, const fk_frame *frame, unsigned tiles)
{
    static const fk_box all = {.width = UINT16_MAX, .height = UINT16_MAX};

    if (box->width == 0 || box->height == 0) {
        if (tiles == 1) {
            return (fk_box){0, 0, 0, 0};
        }
        box = &all;
    }
    return (fk_box){
        .x = rescale(seen->x, box->x, seen->width, frame->width),
        .y = rescale(seen->y, box->y, seen->height, frame->height),
        .width = rescale(0, box->width, seen->width, frame->width),
        .height = rescale(0, box->height, seen->height, frame->height),
    };
}

/* How sure the network is of each class, and where it saw it. */
typedef struct {
    uint8_t scores[FK_PIPELINE_CLASSES_MAX];
    fk_box  boxes[FK_PIPELINE_CLASSES_MAX];
} findings;

/* Runs the network on one tile; a class that is surer here than in all tiles before is
 * noted, the first of equals. */
static int look(findings *best, fk_pipeline *p, const fk_frame *frame, unsigned tile, unsigned tiles)
{
    fk_rect seen;
    fk_scaling scaling;
    const fk_row_source rows = {.ctx = &scaling, .row = scaled_row};

    int err = region(&seen, p, frame, tile);
    if (err >= 0) {
        err = fk_camera_scale_begin(&scaling, frame, &seen, p->model.width, p->model.height,
                                    p->model.channels, p->scale_scratch, FK_PIPELINE_SCALE_WORDS);
    }
    if (err >= 0) {
        err = fk_model_infer(&p->model, &rows, p->work, p->work_size);
    }
    for (unsigned i = 0; err >= 0 && i < p->model.class_count; i++) {
        uint8_t score;
        fk_box box;
        err = fk_model_score(&p->model, p->work, i, &score, &box);
        if (err >= 0 && (tile == 0 || score > best->scores[i])) {
            best->scores[i] = score;
            best->boxes[i] = box_in_frame(&box, &seen, frame, tiles);
        }
    }
    return err;
}

/* Lets the network look at every tile and the trigger decide. Returns a reason or an error. */
static int judge(fk_pipeline *p, fk_decision *d, const fk_frame *frame)
{
    const fk_trigger_config trigger = {.rules = p->rules, .rule_count = p->policy.class_count};
    const unsigned tiles = (unsigned)p->policy.tiles_across * p->policy.tiles_down;
    findings best;
    int err = 0;

    for (unsigned tile = 0; err >= 0 && tile < tiles; tile++) {
        err = look(&best, p, frame, tile, tiles);
    }
    if (err >= 0) {
        err = fk_trigger_judge(d, &trigger, best.scores, p->model.class_count);
    }
    if (err >= 0) {
        d->box = best.boxes[d->class_index];
    }
    return err;
}

/* What of a frame with its object at `box` the pictures show. */
static fk_rect kept_part(const fk_pipeline *p, const fk_box *box)
{
    const fk_policy *policy = &p->policy;
    const fk_rect whole = {0, 0, policy->width, policy->height};
    fk_rect part = whole;

    if (policy->window_width != 0) { /* not larger than the frame: the policy is checked */
        (void)fk_camera_window(&part, &whole, box, policy->window_width, policy->window_height);
    }
    return part;
}

/* Encodes the frame into the work area, which the network no longer needs, and
 * stores it. Returns a reason or an error. */
static int keep(fk_pipeline *p, fk_decision *d, const fk_frame *frame)
{
    const fk_jpeg_config jpeg = {
        .quality = p->policy.jpeg_quality,
        .mode = p->policy.jpeg_mode,
        .restart_interval = p->policy.restart_interval,
    };
    uint8_t *picture = p->work + FK_JPEG_SCRATCH_BYTES;
    const fk_rect part = kept_part(p, &d->box);
    fk_frame view;

    int size = fk_frame_part(&view, frame, &part);
    if (size >= 0) {
        size = fk_jpeg_encode(picture, p->policy.picture_bytes_max, &view, &jpeg, p->work, FK_JPEG_SCRATCH_BYTES);
    }
    if (size == FK_ERR_TOOSMALL) {
        return FK_REASON_TOO_LARGE;
    }
    if (size < 0) {
        return size;
    }
    d->size = (uint32_t)size;

    fk_frame_meta meta = {
        .time = d->time,
        .frame_id = d->frame_id,
        .value = d->value,
        .class_index = d->class_index,
        .score = d->score,
        .box = d->box,
    };
    memcpy(meta.model_id, d->model_id, sizeof meta.model_id);
    int err = fk_store_append(&p->store, &meta, picture, (size_t)size);
    if (err == FK_ERR_NOSPC) {
        return FK_REASON_NO_ROOM;
    }
    return err < 0 ? err : FK_REASON_KEPT;
}

/* Refuses a frame that is not the camera's, and takes out of the frame buffer what is
 * nobody's business: first of all, so that no stage ever sees it. */
static int admit(const fk_pipeline *p, const fk_frame *frame)
{
    if (frame->width != p->policy.width || frame->height != p->policy.height ||
        frame->format != p->policy.pixel_format) {
        return FK_ERR_INVAL; /* not what the mission was made for */
    }
    int err = fk_frame_check(frame);
    for (unsigned i = 0; err >= 0 && i < p->policy.mask_count; i++) {
        err = fk_camera_mask(frame, &p->policy.masks[i]);
    }
    return err;
}

static int screen(fk_pipeline *p, fk_decision *d, const fk_frame *frame)
{
    const fk_screen_config cfg = {
        .dark_below = p->policy.dark_below,
        .bright_above = p->policy.bright_above,
        .contrast_below = p->policy.contrast_below,
    };
    fk_screen_stats stats;

    int err = fk_screen_measure(&stats, frame, p->policy.masks, p->policy.mask_count, p->histogram);
    if (err < 0) {
        return err;
    }
    d->mean = stats.mean;
    d->contrast = (uint8_t)(stats.p95 - stats.p5);
    return fk_screen_judge(&stats, &cfg);
}

_Static_assert((int)FK_PIPELINE_LOG <= (int)FK_STORE_LOG_MAX &&
                   1 + (int)FK_THUMBNAIL_RECORD_SIZE <= (int)FK_PIPELINE_LOG,
               "a batch of decisions, or a thumbnail, is one record of the store's ring");

static int flush_batch(fk_pipeline *p)
{
    if (p->batch_fill == 0) {
        return 0;
    }
    size_t size = p->batch_fill;
    p->batch_fill = 0; /* also when it fails: the next decisions must have room */
    fk_store_use_id(&p->store, p->next_id - 1); /* kept or not, an id is never used again */
    return fk_store_log_append(&p->store, p->batch, size);
}

static int note(fk_pipeline *p, const fk_decision *d)
{
    if (p->batch_fill == 0) {
        p->batch[0] = FK_RECORD_DECISION;
        p->batch_fill = 1;
    }
    fk_decision_pack(p->batch + p->batch_fill, d);
    p->batch_fill = (uint16_t)(p->batch_fill + FK_DECISION_RECORD_SIZE);
    return p->batch_fill < FK_PIPELINE_LOG ? 0 : flush_batch(p);
}

/* What the camera saw, small, whatever was decided: how else would the ground learn that
 * the model misses what it should keep? */
static int audit(fk_pipeline *p, const fk_decision *d, const fk_frame *frame)
{
    uint8_t record[1 + FK_THUMBNAIL_RECORD_SIZE] = {FK_RECORD_THUMBNAIL};
    uint8_t *pixels = fk_thumbnail_pack(record + 1, d->time, d->frame_id);

    fk_scaling scaling;
    int err = fk_camera_scale_begin(&scaling, frame, NULL, FK_THUMBNAIL_WIDTH, FK_THUMBNAIL_HEIGHT, 1,
                                    p->scale_scratch, FK_PIPELINE_SCALE_WORDS);
    for (uint16_t y = 0; err >= 0 && y < FK_THUMBNAIL_HEIGHT; y++) {
        err = fk_camera_scale_row(&scaling, y, pixels + y * FK_THUMBNAIL_WIDTH);
    }
    if (err < 0) {
        return err;
    }
    fk_store_use_id(&p->store, d->frame_id); /* its decision may still wait, and be lost */
    return fk_store_log_append(&p->store, record, sizeof record);
}

int fk_pipeline_frame(fk_pipeline *p, fk_decision *out, const fk_frame *frame, fk_time time)
{
    if (p->next_id == 0) {
        *out = (fk_decision){.time = time, .reason = FK_REASON_ERROR, .error = FK_ERR_STATE};
        return FK_ERR_STATE;
    }
    *out = (fk_decision){.time = time, .frame_id = p->next_id++}; /* 0 after the last */
    p->now = time;
    memcpy(out->model_id, p->model.id, sizeof out->model_id);

    int reason = admit(p, frame);
    if (reason >= 0) {
        reason = screen(p, out, frame);
    }
    if (reason == FK_REASON_KEPT) {
        reason = judge(p, out, frame);
    }
    if (reason == FK_REASON_KEPT) {
        reason = keep(p, out, frame);
    }
    if (reason < 0) {
        out->error = (int8_t)reason;
        reason = FK_REASON_ERROR;
    }
    out->reason = (uint8_t)reason;

    int err = note(p, out);
    if (p->policy.audit_every != 0 && out->frame_id % p->policy.audit_every == 0 && out->error == 0) {
        int audited = audit(p, out, frame);
        err = err < 0 ? err : audited;
    }
    return err < 0 ? err : reason;
}

int fk_pipeline_sync(fk_pipeline *p)
{
    int err = flush_batch(p);
    int marks = fk_store_sync(&p->store);
    return err < 0 ? err : marks;
}

/* --- The downlink's view of the store ---------------------------------------- */

static int next_record(void *ctx, uint8_t *out)
{
    fk_pipeline *p = ctx;

    if (p->unsent_at == p->unsent_fill) {
        int n = fk_store_log_next(&p->store, p->unsent, sizeof p->unsent);
        if (n <= 0) {
            return n;
        }
        int size = fk_record_size(p->unsent[0]);
        if (size < 0 || n - 1 < size) {
            return FK_ERR_VERSION; /* not written by this build: the next call passes it over */
        }
        p->unsent_at = 1;
        p->unsent_fill = (uint16_t)(n - (n - 1) % size);
    }
    memcpy(out, p->unsent + p->unsent_at, (size_t)fk_record_size(p->unsent[0]));
    return p->unsent[0];
}

static int record_sent(void *ctx)
{
    fk_pipeline *p = ctx;

    p->unsent_at = (uint16_t)(p->unsent_at + fk_record_size(p->unsent[0]));
    return p->unsent_at < p->unsent_fill ? 0 : fk_store_log_sent(&p->store);
}

static void describe(fk_downlink_frame *out, const fk_pipeline *p, const fk_frame_meta *meta)
{
    *out = (fk_downlink_frame){
        .time = meta->time,
        .frame_id = meta->frame_id,
        .size = meta->size,
        .crc32 = meta->crc32,
        .part = kept_part(p, &meta->box),
        .frame_width = p->policy.width,
        .frame_height = p->policy.height,
        .value = meta->value,
        .class_index = meta->class_index,
        .score = meta->score,
        .box = meta->box,
    };
    memcpy(out->model_id, meta->model_id, sizeof out->model_id);
}

static int next_frame(void *ctx, fk_downlink_frame *out)
{
    fk_pipeline *p = ctx;
    fk_frame_meta meta;

    int found = fk_store_best(&p->store, &meta);
    if (found > 0) {
        describe(out, p, &meta);
    }
    return found;
}

static int find_frame(void *ctx, uint32_t frame_id, fk_downlink_frame *out)
{
    fk_pipeline *p = ctx;
    fk_frame_meta meta;

    int err = fk_store_find(&p->store, frame_id, &meta);
    if (err >= 0) {
        describe(out, p, &meta);
    }
    return err;
}

static int read_frame(void *ctx, uint32_t frame_id, uint32_t offset, uint8_t *out, uint32_t size)
{
    fk_pipeline *p = ctx;
    return fk_store_read(&p->store, frame_id, offset, out, size);
}

static int frame_sent(void *ctx, uint32_t frame_id)
{
    fk_pipeline *p = ctx;
    return fk_store_mark_sent(&p->store, frame_id);
}

int fk_pipeline_idle(fk_pipeline *p)
{
    return fk_store_idle(&p->store);
}

int fk_pipeline_downlink(fk_pipeline *p, uint8_t *packet, size_t cap)
{
    if (p->downlink.config == NULL) {
        return FK_ERR_STATE;
    }
    int err = flush_batch(p);

    return err < 0 ? err : fk_downlink_next(&p->downlink, packet, cap);
}

size_t fk_pipeline_packet_max(const fk_pipeline *p)
{
    return fk_downlink_packet_max(&p->link);
}

_Static_assert((int)FK_POLICY_PICTURE_MAX == (int)FK_STORE_CHUNKS_MAX * (int)FK_STORE_CHUNK_MAX,
               "a policy asks for no picture that cannot be kept, nor for one that wraps a size");

size_t fk_pipeline_work_size(const fk_model *model, const fk_policy *policy)
{
    size_t arena = fk_model_arena_size(model);
    size_t encode = FK_JPEG_SCRATCH_BYTES + (size_t)policy->picture_bytes_max;
    return arena > encode ? arena : encode;
}

/* --- Telecommands -------------------------------------------------------------- */

static int same_rect(const fk_rect *a, const fk_rect *b)
{
    return a->x == b->x && a->y == b->y && a->width == b->width && a->height == b->height;
}

/* The classes that the store keeps account of; how many. */
static uint8_t quotas_of(fk_store_quota out[FK_POLICY_CLASSES_MAX], const fk_policy *policy)
{
    uint8_t n = 0;

    for (unsigned i = 0; i < policy->class_count; i++) {
        const fk_policy_class *c = &policy->classes[i];
        if (c->floor != 0 || c->ceiling != 0) {
            out[n++] = (fk_store_quota){.class_index = c->index, .floor = c->floor, .ceiling = c->ceiling};
        }
    }
    return n;
}

/* Whether `next` leaves alone what was made for the old policy: frame buffer, packets
 * under way, the store's accounts. And a mask, once flown, is lifted by no command. */
static int may_follow(const fk_pipeline *p, const fk_policy *next)
{
    const fk_policy *old = &p->policy;
    fk_store_quota quotas[FK_POLICY_CLASSES_MAX];

    int same = next->width == old->width && next->height == old->height &&
               next->pixel_format == old->pixel_format && next->window_width == old->window_width &&
               next->window_height == old->window_height && next->record_apid == old->record_apid &&
               next->image_apid == old->image_apid && next->chunk_bytes == old->chunk_bytes &&
               next->mask_count >= old->mask_count && quotas_of(quotas, next) == p->quota_count;
    for (unsigned i = 0; same && i < old->mask_count; i++) {
        same = same_rect(&next->masks[i], &old->masks[i]);
    }
    for (unsigned i = 0; same && i < p->quota_count; i++) {
        same = quotas[i].class_index == p->quotas[i].class_index && quotas[i].floor == p->quotas[i].floor &&
               quotas[i].ceiling == p->quotas[i].ceiling;
    }
    return same;
}

/* 0 if the model can be judged by this policy, in the memory that there is. */
static int check(const fk_pipeline *p, const fk_policy *policy)
{
    const fk_model *model = &p->model;

    if (p->work == NULL || (uintptr_t)p->work % FK_PIPELINE_ALIGN != 0) {
        return FK_ERR_INVAL;
    }
    if (model->width == 0 || model->class_count > FK_PIPELINE_CLASSES_MAX ||
        fk_camera_scale_scratch_words(model->width, model->channels) > FK_PIPELINE_SCALE_WORDS) {
        return FK_ERR_UNSUPPORTED;
    }
    for (unsigned i = 0; i < policy->class_count; i++) {
        if (policy->classes[i].index >= model->class_count) {
            return FK_ERR_INVAL;
        }
    }
    return p->work_size < fk_pipeline_work_size(model, policy) ? FK_ERR_TOOSMALL : 0;
}

/* From the next frame on it is this policy that counts. */
static void adopt(fk_pipeline *p, const fk_policy *policy)
{
    p->policy = *policy;
    for (unsigned i = 0; i < policy->class_count; i++) {
        p->rules[i] = (fk_trigger_rule){
            .weight = policy->classes[i].weight,
            .class_index = policy->classes[i].index,
            .threshold = policy->classes[i].threshold,
        };
    }
}

static int change_policy(fk_pipeline *p, const uint8_t *bytes, size_t size)
{
    fk_policy next;

    int err = fk_policy_parse(&next, bytes, size);
    if (err >= 0 && !may_follow(p, &next)) {
        err = FK_ERR_STATE;
    }
    if (err >= 0) {
        err = check(p, &next);
    }
    if (err >= 0) {
        adopt(p, &next);
    }
    return err;
}

static int resend(fk_pipeline *p, const fk_command *c)
{
    fk_frame_meta meta;

    int err = fk_store_find(&p->store, c->frame_id, &meta);
    if (err >= 0 && c->first >= meta.size) {
        err = FK_ERR_INVAL; /* nothing would come, and the report would say that it did */
    }
    return err < 0 ? err : fk_downlink_resend(&p->downlink, c->frame_id, c->first, c->last);
}

static int obey(fk_pipeline *p, const fk_command *c)
{
    switch (c->subtype) {
    case FK_COMMAND_PING: return 0;
    case FK_COMMAND_RESEND: return resend(p, c);
    case FK_COMMAND_DELETE: return fk_store_delete(&p->store, c->frame_id);
    case FK_COMMAND_POLICY: return change_policy(p, c->policy, c->policy_size);
    default: return FK_ERR_UNSUPPORTED;
    }
}

int fk_pipeline_command(fk_pipeline *p, const uint8_t *packet, size_t size)
{
    uint8_t record[1 + FK_REPORT_RECORD_SIZE] = {FK_RECORD_REPORT};
    fk_command command;

    int err = fk_command_parse(&command, packet, size, p->policy.record_apid);
    if (err < 0 && command.packet_id == 0) {
        return err;
    }
    if (err >= 0) {
        err = obey(p, &command);
    }
    const fk_report report = {
        .time = p->now,
        .frame_id = p->next_id,
        .packet_id = command.packet_id,
        .sequence = command.sequence,
        .subtype = command.subtype,
        .error = (int8_t)(err < 0 ? err : 0),
    };
    fk_report_pack(record + 1, &report);
    int logged = flush_batch(p); /* the records stay in the order of what happened */
    int reported = fk_store_log_append(&p->store, record, sizeof record);
    logged = logged < 0 ? logged : reported;
    return err < 0 ? err : logged < 0 ? logged : 0;
}

/* --- Start ------------------------------------------------------------------- */

/* Mounts the store with what the policy says each class may hold. */
static int mount(fk_pipeline *p, const fk_store_config *cfg)
{
    if (cfg->log_segments == 0) {
        return FK_ERR_INVAL; /* decisions and reports would have no place */
    }
    p->store_config = *cfg;
    p->quota_count = quotas_of(p->quotas, &p->policy);
    if (p->quota_count > 0) {
        p->store_config.quotas = p->quotas;
        p->store_config.quota_count = p->quota_count;
    }
    return fk_store_mount(&p->store, &p->store_config);
}

int fk_pipeline_init(fk_pipeline *p, const fk_pipeline_config *cfg)
{
    memset(p, 0, sizeof *p);
    p->work = cfg->work;
    p->work_size = cfg->work_size;
    fk_policy policy;
    int err = fk_policy_parse(&policy, cfg->policy, cfg->policy_size);
    if (err >= 0) {
        err = fk_model_load(&p->model, cfg->model, cfg->model_size);
    }
    if (err >= 0) {
        err = check(p, &policy);
    }
    if (err >= 0) {
        adopt(p, &policy);
        err = mount(p, cfg->store);
    }
    if (err < 0) {
        return err;
    }
    p->next_id = fk_store_next_id(&p->store);
    if (p->next_id > 1) {
        /* the decisions of a batch that a reset lost have used these */
        p->next_id = p->next_id > UINT32_MAX - FK_PIPELINE_BATCH ? 0 : p->next_id + FK_PIPELINE_BATCH;
    }
    p->source = (fk_downlink_source){
        .ctx = p,
        .record = next_record,
        .record_sent = record_sent,
        .frame = next_frame,
        .find = find_frame,
        .read = read_frame,
        .frame_sent = frame_sent,
    };
    p->link = (fk_downlink_config){
        .apid_records = p->policy.record_apid,
        .apid_images = p->policy.image_apid,
        .chunk_size = p->policy.chunk_bytes,
    };
    return fk_downlink_init(&p->downlink, &p->source, &p->link, cfg->resume);
}
