/* Which packet is next. */
#include <string.h>

#include "fk/downlink.h"
#include "fk/err.h"
#include "fk/wire.h"

enum { APID_MAX = 2046 }; /* 2047 is that of idle packets */

enum { STREAM_RECORDS, STREAM_IMAGES };

/* The frame under way: none, one that is sent for the first time, or bytes of one again. */
enum { NO_FRAME, FRAME_CHUNKS, FRAME_AGAIN };

int fk_downlink_init(fk_downlink *q, const fk_downlink_source *source,
                     const fk_downlink_config *config, const fk_downlink_counters *resume)
{
    if (config->apid_records > APID_MAX || config->apid_images > APID_MAX ||
        config->apid_records == config->apid_images || config->chunk_size < 1 ||
        config->chunk_size > FK_CHUNK_SIZE_MAX) {
        return FK_ERR_INVAL;
    }
    *q = (fk_downlink){.source = source, .config = config, .state = NO_FRAME};
    if (resume != NULL) {
        q->counters = *resume;
    }
    return FK_OK;
}

size_t fk_downlink_packet_max(const fk_downlink_config *config)
{
    size_t chunk = (size_t)FK_CHUNK_PACKET_REST + config->chunk_size;
    return chunk > FK_THUMBNAIL_PACKET_SIZE ? chunk : FK_THUMBNAIL_PACKET_SIZE;
}

static fk_packet_head head_of(const fk_downlink *q, unsigned stream, uint8_t subtype)
{
    return (fk_packet_head){
        .apid = stream == STREAM_RECORDS ? q->config->apid_records : q->config->apid_images,
        .sequence = q->counters.sequence[stream],
        .message = q->counters.message[subtype - 1],
        .destination = q->config->destination,
    };
}

/* Counts a packet that is handed out; one that is not leaves no gap. */
static int handed_out(fk_downlink *q, unsigned stream, uint8_t subtype, int size)
{
    uint16_t *sequence = &q->counters.sequence[stream];
    *sequence = (uint16_t)((*sequence + 1u) % FK_PACKET_SEQUENCE_MODULO);
    q->counters.message[subtype - 1]++;
    return size;
}

static int next_record(fk_downlink *q, uint8_t *packet, size_t cap)
{
    const fk_downlink_source *source = q->source;
    uint8_t *record = packet + FK_TM_TIME; /* read where it will lie */
    int kind = source->record(source->ctx, record);
    if (kind <= 0) {
        return kind;
    }
    /* Marked first: were it sent before a mark that fails, it would be sent for ever. */
    int marked = source->record_sent(source->ctx);
    if (marked < 0) {
        return marked;
    }
    fk_packet_head head = head_of(q, STREAM_RECORDS, (uint8_t)kind);
    int size = fk_packet_record_encode(packet, cap, &head, kind, record);
    return size < 0 ? size : handed_out(q, STREAM_RECORDS, (uint8_t)kind, size);
}

/* Leaves the frame under way; the store is told not to give it again. */
static int finish_frame(fk_downlink *q)
{
    const int again = q->state == FRAME_AGAIN;

    q->state = NO_FRAME;
    if (again) {
        return FK_OK;
    }
    int marked = q->source->frame_sent(q->source->ctx, q->frame.frame_id);
    return marked == FK_ERR_NOENT ? FK_OK : marked; /* evicted: nothing left to mark */
}

/* Takes up the first resend whose frame is still there. 1, 0 where none is left, or an error. */
static int take_resend(fk_downlink *q)
{
    while (q->resend_count > 0) {
        const fk_resend wanted = q->resends[0];
        q->resend_count--;
        memmove(q->resends, q->resends + 1, q->resend_count * sizeof q->resends[0]);
        int err = q->source->find(q->source->ctx, wanted.frame_id, &q->frame);
        if (err < 0 && err != FK_ERR_NOENT) {
            return err;
        }
        if (err >= 0 && wanted.offset < q->frame.size) {
            q->offset = wanted.offset;
            q->end = wanted.end < q->frame.size ? wanted.end : q->frame.size;
            q->state = FRAME_AGAIN;
            return 1;
        }
    }
    return 0;
}

/* Takes up the best frame that was not sent yet. 1, 0, or an error. */
static int take_frame(fk_downlink *q)
{
    int got = q->source->frame(q->source->ctx, &q->frame);
    if (got > 0) {
        q->offset = 0;
        q->end = q->frame.size;
        q->state = FRAME_CHUNKS;
    }
    return got;
}

static int next_info(fk_downlink *q, uint8_t *packet, size_t cap)
{
    int got = take_resend(q);
    if (got == 0) {
        got = take_frame(q);
    }
    if (got <= 0) {
        return got;
    }
    if (q->offset == q->end) {
        int marked = finish_frame(q);
        if (marked < 0) {
            return marked;
        }
    }
    fk_packet_head head = head_of(q, STREAM_IMAGES, FK_PACKET_SUBTYPE_FRAME);
    int size = fk_packet_frame_encode(packet, cap, &head, &q->frame, q->config->chunk_size);
    return handed_out(q, STREAM_IMAGES, FK_PACKET_SUBTYPE_FRAME, size);
}

static int next_chunk(fk_downlink *q, uint8_t *packet, size_t cap)
{
    const fk_downlink_source *source = q->source;
    uint8_t *bytes = packet + FK_TM_BYTES + FK_CHUNK_BYTES; /* read where they will lie */
    uint32_t left = q->end - q->offset;
    uint32_t count = left < q->config->chunk_size ? left : q->config->chunk_size;
    int got = source->read(source->ctx, q->frame.frame_id, q->offset, bytes, count);
    if (got != (int)count) {
        (void)finish_frame(q);
        return got < 0 ? got : FK_ERR_IO;
    }
    if (count == left) {
        int marked = finish_frame(q);
        if (marked < 0) {
            return marked;
        }
    }
    fk_packet_head head = head_of(q, STREAM_IMAGES, FK_PACKET_SUBTYPE_CHUNK);
    fk_packet_chunk chunk = {.time = q->frame.time,
                             .frame_id = q->frame.frame_id,
                             .offset = q->offset,
                             .size = q->frame.size};
    int size = fk_packet_chunk_encode(packet, cap, &head, &chunk, bytes, count);
    q->offset += count;
    return handed_out(q, STREAM_IMAGES, FK_PACKET_SUBTYPE_CHUNK, size);
}

int fk_downlink_resend(fk_downlink *q, uint32_t frame_id, uint32_t first, uint32_t last)
{
    if (first > last) {
        return FK_ERR_INVAL;
    }
    if (q->resend_count == FK_RESENDS_MAX) {
        return FK_ERR_TOOSMALL;
    }
    q->resends[q->resend_count++] = (fk_resend){
        .frame_id = frame_id,
        .offset = first,
        .end = last < UINT32_MAX ? last + 1u : last, /* no picture is so large */
    };
    return FK_OK;
}

int fk_downlink_next(fk_downlink *q, uint8_t *packet, size_t cap)
{
    if (cap < fk_downlink_packet_max(q->config)) {
        return FK_ERR_TOOSMALL;
    }
    int record = next_record(q, packet, cap);
    if (record > 0) {
        return record;
    }
    /* Records that cannot be read do not hold up the pictures. */
    int image = FK_ERR_NOENT;
    if (q->state != NO_FRAME) {
        image = next_chunk(q, packet, cap);
    }
    if (image == FK_ERR_NOENT) { /* no frame under way, or it was evicted */
        image = next_info(q, packet, cap);
    }
    return image != 0 ? image : record;
}
