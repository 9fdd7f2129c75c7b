/* Keeps the most valuable frames that fit in a fixed region of flash.
 *
 * The region is a log of erase blocks ("segments"). A frame is cut into
 * chunks, each with its own CRC, and exists from the moment its commit record,
 * which lists them, is programmed: losing power at any moment leaves the whole
 * frame or none of it. When there is no room, the frames of least value go.
 * Forgetting them costs no write: their segments are erased when needed.
 *
 * Each program unit is programmed once between erases and a segment is used
 * only after an erase that is known to have ended, so chips with ECC are at
 * ease. All RAM comes from the caller; nothing is allocated. docs/SPEC.md lists
 * every byte, docs/DESIGN.md argues.
 *
 * Bounds. Mount, find, best, list, read and log_next program and erase nothing;
 * idle erases at most one segment. An append, a deletion, a sync or a ring record
 * goes on as long as it wins room, and gives up, or evicts a frame and tries
 * again, after 8 erases in a row that won none: it erases 1 to 6 segments in
 * ordinary life, and no more than 8 + 8 for each frame that goes and each segment
 * that it needs or that fails. Emptying a segment copies at most what it holds. */
#ifndef FK_STORE_H
#define FK_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "fk/flash.h"
#include "fk/frame.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FK_STORE_SEGMENTS_MIN = 8,
    FK_STORE_CHUNK_MAX    = 4096, /* bytes of a frame in one chunk                     */
    FK_STORE_CHUNKS_MAX   = 48,   /* chunks of a frame, so less than 192 KiB in all      */
    FK_STORE_LOG_MAX      = 240,  /* bytes of one record of the ring                    */
    FK_STORE_HEADS_MAX    = 8,    /* segments open: of marks, of the ring, of frames      */
    FK_STORE_SPARE_MAX    = 31,
    FK_STORE_RING_MAX     = 32,   /* segments of the ring                               */
    FK_STORE_QUOTAS_MAX   = 8,
    FK_STORE_MARKS_MAX    = 8     /* marks that may wait for the next write, in one record */
};

typedef enum {
    FK_STORE_PACKED = 0, /* keeps most: segments are filled to nine tenths and moved often   */
    FK_STORE_CHAIN  = 1  /* writes least: a fifth stays free, so that most segments are dead
                            as a whole before they are needed again                        */
} fk_store_profile;

/* What is kept beside the picture. From `time` to `model_id` it is stored as it
 * lies here, but for the order of bytes. */
typedef struct {
    uint32_t frame_id;     /* 1..2^32-1, never used before                           */
    uint32_t size;         /* bytes; set by the store                                */
    fk_time  time;         /* when the frame was taken                               */
    uint32_t crc32;        /* of the picture, as zlib's; set by the store             */
    uint16_t value;        /* ranks frames: the least valuable goes first            */
    fk_box   box;
    uint8_t  class_index;
    uint8_t  score;        /* 0..255                                                 */
    uint8_t  tag;          /* the caller's own, stored as it is                      */
    uint8_t  sent;         /* 1 after fk_store_mark_sent; set by the store           */
    uint8_t  model_id[8];
} fk_frame_meta;

/* Bounds of what one class may hold, in bytes of pictures. */
typedef struct {
    uint8_t  class_index;
    uint32_t floor;        /* frames of other classes cannot push it below; 0: none  */
    uint32_t ceiling;      /* it never holds more; 0: no bound. What a reset brings back of
                              it goes with the next frame of the class taken         */
} fk_store_quota;

/* RAM of one segment and of one frame; the fields are the store's own. */
typedef struct {
    uint16_t wear, live, flags;
} fk_store_segment;

typedef struct {
    uint16_t id[2], value, segment, place; /* id: the bytes of a number */
} fk_store_slot;

typedef struct {
    const fk_flash *flash;      /* must outlive the store                              */
    fk_store_segment *segments; /* flash->segment_count of them, the store's from mount on */
    fk_store_slot *slots;       /* one per frame that can be kept, the store's as well  */
    uint16_t slot_count;        /* 1..65535                                           */
    uint8_t  profile;           /* fk_store_profile                                   */
    uint8_t  log_segments;      /* segments of the ring of records: 0, or 2..32        */
    uint8_t  spare_segments;    /* 2..31, kept free of frames so that fk_store_idle can
                                   erase ahead: a picture of n segments needs n + 2; 0: 3 */
    uint8_t  fill;              /* share of the rest that frames may take, in 1/256: what is
                                   left makes moves rare; 0: 232, in chains 210         */
    uint16_t wear_spread;       /* erases that a segment may lag behind the most worn
                                   before its content is moved; 0: 32                  */
    uint8_t  trust_writes;      /* 0 reads back what was programmed and erased          */
    uint8_t  quota_count;       /* 0..FK_STORE_QUOTAS_MAX                              */
    const fk_store_quota *quotas;
} fk_store_config;

/* What can be said of a store without reading flash. Counts are since mount. */
typedef struct {
    uint32_t frames;            /* kept now                                            */
    uint32_t frames_unsent;
    uint32_t bytes;             /* of their pictures and records on flash, padding included */
    uint32_t capacity;          /* bytes on flash that frames may take                  */
    uint32_t segments;          /* of the region                                       */
    uint32_t clean;             /* erased and ready                                    */
    uint32_t dead;              /* hold nothing that is needed                          */
    uint32_t retired;           /* given up: the chip failed there                      */
    uint32_t evicted;           /* frames that went for a better one                    */
    uint32_t refused;           /* frames not taken: worth less than all kept           */
    uint32_t damaged;           /* frames forgotten because flash no longer held them whole */
    uint32_t moved;             /* bytes copied to win room or to level wear             */
    uint32_t erases;
    uint32_t wear_min, wear_max, wear_mean; /* erase counts over usable segments          */
    uint32_t log_waiting;       /* records of the ring not yet sent                     */
    uint32_t log_lost;          /* records that the ring dropped before they were sent   */
} fk_store_report;

/* A segment being written: payloads from its start up to `place`, records from
 * its end down to `top`. The fields are the store's own. */
typedef struct {
    uint16_t segment, place, top;
} fk_store_head;

/* A chunk's whereabouts, as in the commit record. */
typedef struct {
    uint16_t segment, place, lap, length;
} fk_store_extent;

/* The last 20 bytes of every record, as numbers; docs/SPEC.md says what they mean. */
typedef struct {
    uint32_t id;   /* of a frame; number of a ring record; erase count               */
    uint32_t at;   /* payload's place and value; sent below; a mark's segment and lap */
    uint32_t more; /* class, flags and copy of a frame; else the next frame id          */
    uint32_t crc;  /* of the payload; a clean record's geometry                        */
    uint32_t what; /* length, number and kind                                         */
} fk_store_record;

/* The store. Its fields are its own; those used most come first, where the
 * shortest instructions reach them. */
typedef struct {
    uint8_t  phase;           /* of mount                                              */
    uint8_t  ring_count, marks_count, head_limit, spare;
    uint8_t  levelling;       /* a cold segment is being moved                           */
    uint8_t  levelled;        /* low bits of `erases` when the last was                    */
    uint8_t  idled;           /* fk_store_idle was called since the last append; or none was since mount */
    uint8_t  lost_notes;      /* of mount: not all marks are noted                       */
    uint8_t  record;          /* grains of a record without a body                      */
    int8_t   write_error;     /* fk_err: the first since the last record was put          */
    uint16_t segment_count;
    uint16_t frames, ghosts;  /* slots in use: kept, and forgotten but still on flash     */
    uint16_t hand_segment, hand_place, hand_count; /* the frame in hand: its commit, ...   */
    uint16_t write_fill;
    uint16_t pool_count;      /* clean segments                                        */
    uint16_t old_copies;      /* segments with copies that moves left behind               */
    uint16_t fresh;           /* grains to be had in the smallest segment               */
    uint16_t chunk;           /* grains of the largest chunk: it fits into every segment  */
    uint16_t retired;
    uint16_t cursor;          /* of mount                                              */
    uint16_t sole;            /* segment that alone shows top_id; or FK_NO_SEGMENT       */
    const fk_store_config *cfg;
    const fk_flash *flash;
    fk_store_segment *segments;
    fk_store_slot *slots;
    uint32_t grain;           /* bytes: every record starts on a multiple of it          */
    uint32_t live;            /* grains that are needed, over all segments               */
    uint32_t next_id;         /* 0: all are used up                                    */
    uint32_t top_id;          /* highest id that flash shows to be taken                 */
    fk_store_record hand;     /* ... as it is on flash                                  */
    uint32_t write_address;   /* where the buffer goes                                  */
    uint32_t log_next, log_sent, log_given; /* record numbers; what was dropped counts as sent */
    uint32_t usable;          /* grains of all segments not retired                      */
    uint32_t evicted, refused, damaged, moved, erases, log_lost;
    uint32_t wear_base;       /* an erase count; segments[].wear are the low bits of others */
    uint32_t wears, wear_sum; /* of mount: erase counts read, and their sum above the base */
    uint32_t class_bytes[FK_STORE_QUOTAS_MAX];
    uint8_t marks[FK_STORE_MARKS_MAX][8]; /* not yet on flash, the oldest first            */
    uint16_t ring[FK_STORE_RING_MAX];    /* segments of the ring, newest first             */
    fk_store_head heads[FK_STORE_HEADS_MAX];
    fk_store_extent extents[FK_STORE_CHUNKS_MAX]; /* ... and its chunks                    */
    uint8_t buffer[256];                 /* bytes on their way to flash                    */
} fk_store;

/* Finds what the region holds: reads a few records of each segment, programs
 * and erases none, needs no later scan. A region with foreign or no content is
 * an empty store. FK_ERR_INVAL says that the configuration cannot work. Until it
 * has ended well, calls are FK_ERR_STATE, or FK_ERR_NOENT where a frame is named
 * to be read. */
int fk_store_mount(fk_store *store, const fk_store_config *cfg);

/* The same in steps, for a watchdog's sake: begin once, then step until it
 * returns 0. Each step looks at no more than `segments` segments. */
int fk_store_mount_begin(fk_store *store, const fk_store_config *cfg);
int fk_store_mount_step(fk_store *store, uint32_t segments);

/* Keeps a frame: meta->size and meta->sent are ignored, `size` counts. When it
 * returns, the frame is on flash. Returns how many frames were evicted for it
 * (they are gone even if the call fails or power is lost), FK_ERR_NOSPC if it
 * is worth less than those it would replace, FK_ERR_INVAL if it is empty, too
 * large for the region or its id is 0 or kept already. Of frames of equal value
 * the oldest goes first. */
int fk_store_append(fk_store *store, const fk_frame_meta *meta, const uint8_t *data, size_t size);

/* Copies up to n bytes from `offset` of a frame. Returns the bytes copied (less
 * than n only at the end), FK_ERR_NOENT, FK_ERR_INVAL past the end, or
 * FK_ERR_CORRUPT / FK_ERR_ECC / FK_ERR_IO when the chunk no longer verifies: nothing
 * unverified is ever handed out. Reads whole chunks, so ask for much at a time. */
int fk_store_read(fk_store *store, uint32_t frame_id, uint32_t offset, uint8_t *out, size_t n);

/* The frame of that id; `meta` may be NULL. Returns 0 or FK_ERR_NOENT. */
int fk_store_find(fk_store *store, uint32_t frame_id, fk_frame_meta *meta);

/* The most valuable frame not yet marked sent, the oldest among equals.
 * Returns 1, or 0 when nothing waits. */
int fk_store_best(fk_store *store, fk_frame_meta *meta);

/* The frame with the lowest id above `after`. Returns 1, or 0 at the end.
 * Walks through all: start with after = 0, go on with the id returned. */
int fk_store_list(fk_store *store, uint32_t after, fk_frame_meta *meta);

/* The frame has been sent: it stays readable and is the first to go when room
 * is needed. Written with the next append, delete, idle or sync: after a cut
 * before that it counts as not sent. So it does after any reset where more marks
 * wait than can be written, on a flash that is full or worn out. Returns FK_OK,
 * FK_ERR_NOENT or FK_ERR_STATE. */
int fk_store_mark_sent(fk_store *store, uint32_t frame_id);

/* Forgets a frame for good: it does not come back after a cut. */
int fk_store_delete(fk_store *store, uint32_t frame_id);

/* Writes the marks that wait. */
int fk_store_sync(fk_store *store);

/* Work that an append would otherwise do: at most one erase and the copying of
 * one segment. Returns 1 when more is to be done, 0 when all is ready, or when
 * nothing can be won. */
int fk_store_idle(fk_store *store);

/* The ring of small records (decisions): the oldest go when it is full; after a cut
 * some that had gone may be given out again. A record
 * of 1..FK_STORE_LOG_MAX bytes is on flash when append returns. */
int fk_store_log_append(fk_store *store, const uint8_t *record, size_t size);

/* The next record that was not given out since mount or rewind and is not
 * known as sent. Returns its size, 0 when none waits. Damaged ones are skipped. */
int fk_store_log_next(fk_store *store, uint8_t *out, size_t cap);

/* All records given out so far were sent. Written with the next record: after a
 * cut before that they are given out again. */
int fk_store_log_sent(fk_store *store);
void fk_store_log_rewind(fk_store *store); /* gives out again what was not sent */

/* Above every frame id that the flash has seen; 0 when all 2^32-1 are used up. */
uint32_t fk_store_next_id(const fk_store *store);

/* The id is taken, by a frame that is perhaps never stored. Written with the
 * next record of the ring, so that a counter of frames survives resets. */
void fk_store_use_id(fk_store *store, uint32_t frame_id);

void fk_store_stats(const fk_store *store, fk_store_report *out);

#ifdef __cplusplus
}
#endif

#endif
