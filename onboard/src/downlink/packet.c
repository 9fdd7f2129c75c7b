/* One packet at a time, from what it says to its bytes. */
#include <string.h>

#include "fk/bytes.h"
#include "fk/crc.h"
#include "fk/downlink.h"
#include "fk/err.h"
#include "fk/wire.h"

_Static_assert(FK_DECISION_PACKET_SIZE == FK_TM_BYTES + FK_DECISION_BYTES + FK_TRAILER_BYTES,
               "a decision's packet is header, data and trailer");
_Static_assert(FK_THUMBNAIL_PACKET_SIZE == FK_TM_BYTES + FK_THUMBNAIL_BYTES + FK_TRAILER_BYTES,
               "so is that of a thumbnail");
_Static_assert(FK_FRAME_PACKET_SIZE == FK_TM_BYTES + FK_FRAME_INFO_BYTES + FK_TRAILER_BYTES,
               "so is that of a frame of interest");
_Static_assert(FK_CHUNK_PACKET_REST == FK_TM_BYTES + FK_CHUNK_BYTES + FK_TRAILER_BYTES,
               "and that of a chunk, but for the picture's bytes");
_Static_assert(FK_CHUNK_SIZE_MAX == FK_PACKET_CHUNK_SIZE_MAX, "the ground looks for no more");
_Static_assert(FK_DECISION_RECORD_SIZE == FK_DECISION_RECORD_BYTES &&
                   FK_TM_TIME + FK_DECISION_RECORD_DECISION == FK_TM_BYTES,
               "a record lies in its packet as it lay in flash");
_Static_assert(FK_THUMBNAIL_RECORD_SIZE == FK_THUMBNAIL_RECORD_BYTES &&
                   FK_TM_TIME + FK_THUMBNAIL_RECORD_THUMBNAIL == FK_TM_BYTES &&
                   FK_THUMBNAIL_WIDTH * FK_THUMBNAIL_HEIGHT == FK_THUMBNAIL_BYTES - FK_THUMBNAIL_PIXELS,
               "a thumbnail's does as well");
_Static_assert(FK_REPORT_PACKET_SIZE == FK_TM_BYTES + FK_REPORT_BYTES + FK_TRAILER_BYTES &&
                   FK_REPORT_RECORD_SIZE == FK_REPORT_RECORD_BYTES &&
                   FK_TM_TIME + FK_REPORT_RECORD_REPORT == FK_TM_BYTES,
               "and a report's");
_Static_assert(FK_RECORD_DECISION == FK_PACKET_SUBTYPE_DECISION &&
                   FK_RECORD_THUMBNAIL == FK_PACKET_SUBTYPE_THUMBNAIL &&
                   FK_RECORD_REPORT == FK_PACKET_SUBTYPE_REPORT,
               "a record is named by its packet");

static void put_box(uint8_t *p, const fk_box *box)
{
    fk_put_u16be(p + FK_BOX_X, box->x);
    fk_put_u16be(p + FK_BOX_Y, box->y);
    fk_put_u16be(p + FK_BOX_WIDTH, box->width);
    fk_put_u16be(p + FK_BOX_HEIGHT, box->height);
}

static fk_box get_box(const uint8_t *p)
{
    return (fk_box){.x = fk_get_u16be(p + FK_BOX_X),
                    .y = fk_get_u16be(p + FK_BOX_Y),
                    .width = fk_get_u16be(p + FK_BOX_WIDTH),
                    .height = fk_get_u16be(p + FK_BOX_HEIGHT)};
}

/* Puts the header around time and data, which lie there already, and the CRC behind them. */
static int seal(uint8_t *out, size_t size, const fk_packet_head *head, uint8_t subtype)
{
    fk_put_u16be(out + FK_TM_PACKET_ID, FK_PACKET_ID_TM | head->apid);
    fk_put_u16be(out + FK_TM_SEQUENCE,
                 FK_PACKET_UNSEGMENTED | (head->sequence % FK_PACKET_SEQUENCE_MODULO));
    fk_put_u16be(out + FK_TM_LENGTH, (uint32_t)(size - FK_PACKET_PRIMARY - 1u));
    out[FK_TM_PUS] = FK_PACKET_PUS;
    out[FK_TM_SERVICE] = FK_PACKET_SERVICE;
    out[FK_TM_SUBTYPE] = subtype;
    fk_put_u16be(out + FK_TM_MESSAGE, head->message);
    fk_put_u16be(out + FK_TM_DESTINATION, head->destination);
    out[FK_TM_P_FIELD] = FK_PACKET_P_FIELD;
    fk_put_u16be(out + size - FK_TRAILER_BYTES,
                 fk_crc16(FK_CRC16_INIT, out, size - FK_TRAILER_BYTES));
    return (int)size;
}

void fk_decision_pack(uint8_t out[FK_DECISION_RECORD_SIZE], const fk_decision *decision)
{
    uint8_t *p = out + FK_DECISION_RECORD_DECISION;
    fk_put_u48be(out + FK_DECISION_RECORD_TIME, decision->time);
    fk_put_u32be(p + FK_DECISION_FRAME_ID, decision->frame_id);
    fk_put_u32be(p + FK_DECISION_SIZE, decision->size);
    fk_put_u16be(p + FK_DECISION_VALUE, decision->value);
    p[FK_DECISION_REASON] = decision->reason;
    p[FK_DECISION_CLASS_INDEX] = decision->class_index;
    p[FK_DECISION_SCORE] = decision->score;
    p[FK_DECISION_MEAN] = decision->mean;
    p[FK_DECISION_CONTRAST] = decision->contrast;
    p[FK_DECISION_ERROR] = (uint8_t)decision->error;
    put_box(p + FK_DECISION_BOX, &decision->box);
    memcpy(p + FK_DECISION_MODEL_ID, decision->model_id, sizeof decision->model_id);
}

void fk_decision_unpack(fk_decision *decision, const uint8_t in[FK_DECISION_RECORD_SIZE])
{
    const uint8_t *p = in + FK_DECISION_RECORD_DECISION;
    decision->time = fk_get_u48be(in + FK_DECISION_RECORD_TIME);
    decision->frame_id = fk_get_u32be(p + FK_DECISION_FRAME_ID);
    decision->size = fk_get_u32be(p + FK_DECISION_SIZE);
    decision->value = fk_get_u16be(p + FK_DECISION_VALUE);
    decision->reason = p[FK_DECISION_REASON];
    decision->class_index = p[FK_DECISION_CLASS_INDEX];
    decision->score = p[FK_DECISION_SCORE];
    decision->mean = p[FK_DECISION_MEAN];
    decision->contrast = p[FK_DECISION_CONTRAST];
    decision->error = (int8_t)p[FK_DECISION_ERROR];
    decision->box = get_box(p + FK_DECISION_BOX);
    memcpy(decision->model_id, p + FK_DECISION_MODEL_ID, sizeof decision->model_id);
}

int fk_record_size(int kind)
{
    switch (kind) {
    case FK_RECORD_DECISION: return FK_DECISION_RECORD_SIZE;
    case FK_RECORD_THUMBNAIL: return FK_THUMBNAIL_RECORD_SIZE;
    case FK_RECORD_REPORT: return FK_REPORT_RECORD_SIZE;
    default: return FK_ERR_VERSION;
    }
}

uint8_t *fk_thumbnail_pack(uint8_t out[FK_THUMBNAIL_RECORD_SIZE], fk_time time, uint32_t frame_id)
{
    uint8_t *p = out + FK_THUMBNAIL_RECORD_THUMBNAIL;
    fk_put_u48be(out + FK_THUMBNAIL_RECORD_TIME, time);
    fk_put_u32be(p + FK_THUMBNAIL_FRAME_ID, frame_id);
    return p + FK_THUMBNAIL_PIXELS;
}

void fk_report_pack(uint8_t out[FK_REPORT_RECORD_SIZE], const fk_report *report)
{
    uint8_t *p = out + FK_REPORT_RECORD_REPORT;
    fk_put_u48be(out + FK_REPORT_RECORD_TIME, report->time);
    fk_put_u32be(p + FK_REPORT_FRAME_ID, report->frame_id);
    fk_put_u16be(p + FK_REPORT_COMMAND_ID, report->packet_id);
    fk_put_u16be(p + FK_REPORT_COMMAND_SEQUENCE, report->sequence);
    p[FK_REPORT_COMMAND_SUBTYPE] = report->subtype;
    p[FK_REPORT_ERROR] = (uint8_t)report->error;
}

int fk_packet_record_encode(uint8_t *out, size_t cap, const fk_packet_head *head, int kind,
                            const uint8_t *record)
{
    int size = fk_record_size(kind);
    if (size < 0) {
        return size;
    }
    size_t end = FK_TM_TIME + (size_t)size + FK_TRAILER_BYTES;
    if (cap < end) {
        return FK_ERR_TOOSMALL;
    }
    memmove(out + FK_TM_TIME, record, (size_t)size);
    return seal(out, end, head, (uint8_t)kind);
}

int fk_packet_frame_encode(uint8_t *out, size_t cap, const fk_packet_head *head,
                           const fk_downlink_frame *frame, uint16_t chunk_size)
{
    if (cap < FK_FRAME_PACKET_SIZE) {
        return FK_ERR_TOOSMALL;
    }
    if (chunk_size == 0) {
        return FK_ERR_INVAL;
    }
    uint8_t *p = out + FK_TM_BYTES;
    fk_put_u48be(out + FK_TM_TIME, frame->time);
    fk_put_u32be(p + FK_FRAME_INFO_FRAME_ID, frame->frame_id);
    fk_put_u32be(p + FK_FRAME_INFO_SIZE, frame->size);
    fk_put_u32be(p + FK_FRAME_INFO_CRC32, frame->crc32);
    fk_put_u16be(p + FK_FRAME_INFO_WIDTH, frame->part.width);
    fk_put_u16be(p + FK_FRAME_INFO_HEIGHT, frame->part.height);
    fk_put_u16be(p + FK_FRAME_INFO_LEFT, frame->part.x);
    fk_put_u16be(p + FK_FRAME_INFO_TOP, frame->part.y);
    fk_put_u16be(p + FK_FRAME_INFO_FRAME_WIDTH, frame->frame_width);
    fk_put_u16be(p + FK_FRAME_INFO_FRAME_HEIGHT, frame->frame_height);
    fk_put_u16be(p + FK_FRAME_INFO_VALUE, frame->value);
    p[FK_FRAME_INFO_CLASS_INDEX] = frame->class_index;
    p[FK_FRAME_INFO_SCORE] = frame->score;
    put_box(p + FK_FRAME_INFO_BOX, &frame->box);
    memcpy(p + FK_FRAME_INFO_MODEL_ID, frame->model_id, sizeof frame->model_id);
    fk_put_u16be(p + FK_FRAME_INFO_CHUNK_SIZE, chunk_size);
    fk_put_u32be(p + FK_FRAME_INFO_CHUNK_COUNT,
                 frame->size / chunk_size + (frame->size % chunk_size != 0));
    return seal(out, FK_FRAME_PACKET_SIZE, head, FK_PACKET_SUBTYPE_FRAME);
}

int fk_packet_chunk_encode(uint8_t *out, size_t cap, const fk_packet_head *head,
                           const fk_packet_chunk *chunk, const uint8_t *bytes, size_t count)
{
    if (count < 1 || count > FK_CHUNK_SIZE_MAX) {
        return FK_ERR_INVAL;
    }
    if (cap < FK_CHUNK_PACKET_REST + count) {
        return FK_ERR_TOOSMALL;
    }
    uint8_t *p = out + FK_TM_BYTES;
    memmove(p + FK_CHUNK_BYTES, bytes, count);
    fk_put_u48be(out + FK_TM_TIME, chunk->time);
    fk_put_u32be(p + FK_CHUNK_FRAME_ID, chunk->frame_id);
    fk_put_u32be(p + FK_CHUNK_OFFSET, chunk->offset);
    fk_put_u32be(p + FK_CHUNK_SIZE, chunk->size);
    return seal(out, FK_CHUNK_PACKET_REST + count, head, FK_PACKET_SUBTYPE_CHUNK);
}
