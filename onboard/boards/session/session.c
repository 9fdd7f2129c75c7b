#include "session.h"

#include "fk/bytes.h"

static size_t aligned(size_t size)
{
    return (size + FK_PIPELINE_ALIGN - 1u) / FK_PIPELINE_ALIGN * FK_PIPELINE_ALIGN;
}

static int read_events(const fk_session *s, uint8_t *out, size_t size)
{
    return s->board->port->read_events(s->board->port->ctx, out, size);
}

/* Lends the store its tables. */
static int lend_index(fk_session *s)
{
    const fk_session_board *board = s->board;
    const size_t segments = board->flash->segment_count * sizeof(fk_store_segment);
    const size_t slots = s->store.slot_count * sizeof(fk_store_slot);

    if (board->index_size < segments || board->index_size - segments < slots) {
        return FK_ERR_TOOSMALL;
    }
    s->store.segments = (fk_store_segment *)(void *)board->index;
    s->store.slots = (fk_store_slot *)(void *)(board->index + segments);
    return 0;
}

/* The pipeline gets what it can use and no more, on every board: a picture may
 * then be as large as the policy allows, neither less here nor more there. */
static int lend_work(fk_session *s)
{
    const fk_session_board *board = s->board;
    fk_policy policy;
    fk_model model;
    int err = fk_policy_parse(&policy, s->policy, s->config.policy_size);

    if (err >= 0) {
        err = fk_model_load(&model, s->config.model, s->config.model_size);
    }
    if (err < 0) {
        return err;
    }
    const size_t work = fk_pipeline_work_size(&model, &policy);
    s->frame_size = (size_t)policy.width * policy.height * (size_t)fk_pixel_bytes(policy.pixel_format);
    if (board->work_size < aligned(s->frame_size) + work) {
        return FK_ERR_TOOSMALL;
    }
    s->config.work = board->work + aligned(s->frame_size);
    s->config.work_size = work;
    return 0;
}

static int set_up(fk_session *s)
{
    uint8_t setup[FK_SESSION_SETUP_SIZE];
    int err = read_events(s, setup, sizeof setup);

    if (err < 0) {
        return err;
    }
    const size_t policy_size = fk_get_u16be(setup + FK_SESSION_POLICY_SIZE);
    const size_t model_size = fk_get_u32be(setup + FK_SESSION_MODEL_SIZE);
    if (fk_get_u32be(setup + FK_SESSION_MAGIC) != FK_SESSION_MAGIC_VALUE ||
        policy_size > sizeof s->policy) {
        return FK_ERR_CORRUPT;
    }
    if (model_size > s->board->model_room) {
        return FK_ERR_TOOSMALL;
    }
    err = read_events(s, s->policy, policy_size);
    if (err < 0) {
        return err;
    }

    fk_flash *flash = s->board->flash;
    flash->segment_size = fk_get_u32be(setup + FK_SESSION_SEGMENT_SIZE);
    flash->segment_count = fk_get_u32be(setup + FK_SESSION_SEGMENT_COUNT);
    flash->program_unit = fk_get_u16be(setup + FK_SESSION_PROGRAM_UNIT);
    s->store = (fk_store_config){
        .flash = flash,
        .slot_count = fk_get_u16be(setup + FK_SESSION_SLOT_COUNT),
        .profile = setup[FK_SESSION_PROFILE],
        .log_segments = setup[FK_SESSION_LOG_SEGMENTS],
        .spare_segments = setup[FK_SESSION_SPARE_SEGMENTS],
        .fill = setup[FK_SESSION_FILL],
        .wear_spread = fk_get_u16be(setup + FK_SESSION_WEAR_SPREAD),
    };
    s->config = (fk_pipeline_config){
        .store = &s->store,
        .model = s->board->model,
        .model_size = model_size,
        .policy = s->policy,
        .policy_size = policy_size,
    };
    err = lend_index(s);
    if (err >= 0) {
        err = lend_work(s);
    }
    return err < 0 ? err : fk_pipeline_init(&s->pipeline, &s->config);
}

static int take_frame(fk_session *s, fk_time time)
{
    const fk_policy *policy = &s->pipeline.policy;
    const fk_frame frame = {
        .data = s->board->work,
        .size = s->frame_size,
        .stride = (uint32_t)(s->frame_size / policy->height),
        .width = policy->width,
        .height = policy->height,
        .format = policy->pixel_format,
    };
    uint8_t record[FK_DECISION_RECORD_SIZE];
    fk_decision decision;
    int err = read_events(s, s->board->work, s->frame_size);

    if (err >= 0) {
        err = fk_pipeline_frame(&s->pipeline, &decision, &frame, time);
    }
    if (err < 0) {
        return err;
    }
    fk_decision_pack(record, &decision);
    return s->board->port->write_record(s->board->port->ctx, record, sizeof record);
}

/* A command that is refused is reported, like one that is not: the session goes on. */
static int take_command(fk_session *s, uint32_t size)
{
    if (size > sizeof s->packet) {
        return FK_ERR_CORRUPT;
    }
    int err = read_events(s, s->packet, size);
    if (err >= 0) {
        (void)fk_pipeline_command(&s->pipeline, s->packet, size);
    }
    return err;
}

/* Packets are sent while the largest one still fits into what is left of the
 * budget. Bounded by what the flash holds: each packet is sent once. */
static int pass(fk_session *s, uint32_t budget)
{
    const size_t largest = fk_pipeline_packet_max(&s->pipeline);
    uint32_t used = 0;

    while (budget == 0 || budget - used >= largest) {
        const int n = fk_pipeline_downlink(&s->pipeline, s->packet, sizeof s->packet);
        if (n <= 0) {
            return n;
        }
        used += (uint32_t)n;
        const fk_session_port *port = s->board->port;
        const int err = port->write_packet(port->ctx, s->packet, (size_t)n);
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

int fk_session_run(fk_session *s, const fk_session_board *board)
{
    uint8_t event[FK_SESSION_EVENT_SIZE];
    int frames = 0;

    s->board = board;
    int err = set_up(s);
    while (err >= 0) { /* ends with the stream */
        err = read_events(s, event, sizeof event);
        if (err < 0 || event[FK_SESSION_KIND] == FK_SESSION_END) {
            break;
        }
        if (event[FK_SESSION_KIND] == FK_SESSION_FRAME) {
            frames++;
            err = take_frame(s, fk_get_u48be(event + FK_SESSION_TIME));
        } else if (event[FK_SESSION_KIND] == FK_SESSION_PASS) {
            err = pass(s, fk_get_u32be(event + FK_SESSION_BUDGET));
        } else if (event[FK_SESSION_KIND] == FK_SESSION_COMMAND) {
            err = take_command(s, fk_get_u32be(event + FK_SESSION_BUDGET));
        } else {
            err = FK_ERR_CORRUPT;
        }
    }
    const int last = err < 0 ? err : fk_pipeline_sync(&s->pipeline);
    return last < 0 ? last : frames;
}
