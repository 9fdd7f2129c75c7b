/* Telemetry packets for the link, one at a time and only when asked.
 *
 * Records (decisions, thumbnails, reports) go first, then what the ground asks for
 * again, then the pictures, the most valuable first: one frame-of-interest packet,
 * then its chunks. Every packet stands alone: it can
 * be lost, doubled or reordered and the others keep their use. See docs/ICD.md
 * for the bytes.
 *
 *     fk_downlink_init(&q, &source, &config, NULL);
 *     while ((n = fk_downlink_next(&q, packet, sizeof packet)) > 0) { send(packet, n); }
 */
#ifndef FK_DOWNLINK_H
#define FK_DOWNLINK_H

#include <stddef.h>
#include <stdint.h>

#include "fk/frame.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FK_DECISION_PACKET_SIZE = 54,   /* bytes of a decision record's packet                */
    FK_FRAME_PACKET_SIZE    = 72,   /* bytes of a frame-of-interest packet                */
    FK_CHUNK_PACKET_REST    = 34,   /* bytes of an image chunk's packet beside its picture's */
    FK_CHUNK_SIZE_MAX       = 4096, /* largest share of a picture in one packet            */
    FK_DECISION_RECORD_SIZE = 38,   /* bytes of a decision as fk_decision_pack() writes it */
    FK_THUMBNAIL_WIDTH      = 16,   /* pixels, grey                                       */
    FK_THUMBNAIL_HEIGHT     = 12,
    FK_THUMBNAIL_RECORD_SIZE = 202, /* bytes of a thumbnail as fk_thumbnail_pack() begins it */
    FK_THUMBNAIL_PACKET_SIZE = 218, /* bytes of its packet                                */
    FK_REPORT_RECORD_SIZE = 16,     /* bytes of a report as fk_report_pack() writes it     */
    FK_REPORT_PACKET_SIZE = 32,     /* bytes of its packet                                */
    FK_RESENDS_MAX = 16,            /* resends that wait at a time                        */
    FK_APID_RECORDS         = 0x64, /* usual APID of records                              */
    FK_APID_IMAGES          = 0x65  /* usual APID of frames of interest and their chunks   */
};

/* A decision as bytes: encoded once, kept in flash, sent as it lies there. */
void fk_decision_pack(uint8_t out[FK_DECISION_RECORD_SIZE], const fk_decision *decision);
void fk_decision_unpack(fk_decision *decision, const uint8_t in[FK_DECISION_RECORD_SIZE]);

/* What a record is: the subtype of the packet it travels in. */
typedef enum {
    FK_RECORD_DECISION  = 1, /* FK_DECISION_RECORD_SIZE bytes                          */
    FK_RECORD_THUMBNAIL = 4, /* FK_THUMBNAIL_RECORD_SIZE bytes                         */
    FK_RECORD_REPORT    = 5  /* FK_REPORT_RECORD_SIZE bytes                            */
} fk_record;

/* Bytes of a record of that kind, FK_ERR_VERSION for one that is not known. */
int fk_record_size(int kind);

/* Begins a thumbnail's record and says where its pixels go, row by row. */
uint8_t *fk_thumbnail_pack(uint8_t out[FK_THUMBNAIL_RECORD_SIZE], fk_time time, uint32_t frame_id);

/* What became of a command. */
typedef struct {
    fk_time  time;          /* when the last frame before it was taken                  */
    uint32_t frame_id;      /* of the next one                                         */
    uint16_t packet_id, sequence; /* of the command's packet                            */
    uint8_t  subtype;       /* of the command                                          */
    int8_t   error;         /* an fk_err that says why it was refused, or 0             */
} fk_report;

void fk_report_pack(uint8_t out[FK_REPORT_RECORD_SIZE], const fk_report *report);

/* What the ground must know of a picture that it is about to get. */
typedef struct {
    fk_time  time;          /* when the frame was taken                             */
    uint32_t frame_id;
    uint32_t size;          /* bytes of the encoded picture                         */
    uint32_t crc32;         /* of the encoded picture                               */
    fk_rect  part;          /* of the frame, that the picture shows                   */
    uint16_t frame_width, frame_height; /* pixels of the frame                        */
    uint16_t value;         /* 0..65535, what ranked it                             */
    uint8_t  class_index;
    uint8_t  score;
    fk_box   box;
    uint8_t  model_id[8];
} fk_downlink_frame;

/* Where packets get their content: the store, as pipeline.c wires it. */
typedef struct {
    void *ctx;
    /* Copies the oldest record that was not sent yet, FK_THUMBNAIL_RECORD_SIZE bytes
     * at most. Its fk_record, 0 where there is none, or an error. */
    int (*record)(void *ctx, uint8_t *out);
    /* The record that record() gave last is in a packet. */
    int (*record_sent)(void *ctx);
    /* Describes the most valuable frame that was not sent yet. 1, 0, or an error. */
    int (*frame)(void *ctx, fk_downlink_frame *out);
    /* Describes that frame, sent or not. 0, FK_ERR_NOENT where it is gone, or an error. */
    int (*find)(void *ctx, uint32_t frame_id, fk_downlink_frame *out);
    /* Copies `size` bytes of a picture from `offset` on: `size`, or an error;
     * FK_ERR_NOENT where the frame was evicted meanwhile. */
    int (*read)(void *ctx, uint32_t frame_id, uint32_t offset, uint8_t *out, uint32_t size);
    /* All of the frame is in packets, or it cannot be read: frame() must not give it again. */
    int (*frame_sent)(void *ctx, uint32_t frame_id);
} fk_downlink_source;

typedef struct {
    uint16_t apid_records; /* 0..2046, usually FK_APID_RECORDS                        */
    uint16_t apid_images;  /* 0..2046, usually FK_APID_IMAGES; must be another         */
    uint16_t destination;  /* goes into every header, 0 if nobody asks                */
    uint16_t chunk_size;   /* bytes of a picture per packet, 1..FK_CHUNK_SIZE_MAX      */
} fk_downlink_config;

/* What must survive a reset for the ground to see no false gap. */
typedef struct {
    uint16_t sequence[2];  /* next count of the records' and of the images' APID       */
    uint16_t message[5];   /* next count of subtypes 1 to 5                            */
} fk_downlink_counters;

/* Bytes of a picture that the ground wants again: `end` is the first it does not. */
typedef struct {
    uint32_t frame_id, offset, end;
} fk_resend;

typedef struct {
    const fk_downlink_source *source;
    const fk_downlink_config *config;
    fk_downlink_counters counters; /* may be read at any time, to be kept               */
    fk_downlink_frame frame;       /* the one under way                                */
    uint32_t offset, end;          /* its next byte, and the first that is not sent     */
    uint8_t  state;                /* what of it is next                               */
    uint8_t  resend_count;
    fk_resend resends[FK_RESENDS_MAX]; /* in the order in which they were asked for     */
} fk_downlink;

/* Both structs must outlive `q`. `resume` are the counters of before a reset,
 * NULL for a first start. FK_ERR_INVAL names a config out of its ranges. */
int fk_downlink_init(fk_downlink *q, const fk_downlink_source *source,
                     const fk_downlink_config *config, const fk_downlink_counters *resume);

/* The largest packet that `config` leads to: what `cap` should be. */
size_t fk_downlink_packet_max(const fk_downlink_config *config);

/* Writes the next packet. Returns its bytes, 0 when nothing waits, or an error:
 * FK_ERR_TOOSMALL where `cap` is under fk_downlink_packet_max(), before anything
 * changed; any other says that the frame under way could not be read and was
 * given up (the next call goes on with what is left), or that records cannot be
 * read and no frame waits. A frame evicted meanwhile is no error. */
int fk_downlink_next(fk_downlink *q, uint8_t *packet, size_t cap);

/* The ground wants bytes first..last of a picture again; what lies past its end is
 * left out. It goes out after the frame under way. FK_ERR_INVAL where first > last,
 * FK_ERR_TOOSMALL where FK_RESENDS_MAX wait. A frame that is gone when its turn comes
 * is passed over. */
int fk_downlink_resend(fk_downlink *q, uint32_t frame_id, uint32_t first, uint32_t last);

/* --- One packet each; fk_downlink_next() is made of these ------------------- */

/* What a header says beside its content. */
typedef struct {
    uint16_t apid;
    uint16_t sequence;    /* modulo 16384                                             */
    uint16_t message;
    uint16_t destination;
} fk_packet_head;

typedef struct {
    fk_time  time;        /* when the frame was taken                                 */
    uint32_t frame_id;
    uint32_t offset;      /* of these bytes in the picture                            */
    uint32_t size;        /* bytes of the whole picture                               */
} fk_packet_chunk;

/* Each returns the packet's bytes, FK_ERR_TOOSMALL, or FK_ERR_INVAL for a `chunk_size` of 0
 * or a `count` out of its range. `kind` is an fk_record, whose size `record` has;
 * FK_ERR_VERSION for another. */
int fk_packet_record_encode(uint8_t *out, size_t cap, const fk_packet_head *head, int kind,
                            const uint8_t *record);
int fk_packet_frame_encode(uint8_t *out, size_t cap, const fk_packet_head *head,
                           const fk_downlink_frame *frame, uint16_t chunk_size);

/* `bytes` may already lie where they belong in `out`; 1 <= count <= FK_CHUNK_SIZE_MAX. */
int fk_packet_chunk_encode(uint8_t *out, size_t cap, const fk_packet_head *head,
                           const fk_packet_chunk *chunk, const uint8_t *bytes, size_t count);

#ifdef __cplusplus
}
#endif

#endif
