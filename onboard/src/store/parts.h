/* The store's own parts, in the order in which they build on each other:
 * record (bytes), segment (erase, program, pool), frame (one frame's whole
 * life), reclaim (room and wear), ring (small records), mount. */
#ifndef FK_STORE_PARTS_H
#define FK_STORE_PARTS_H

#include "fk/store.h"

enum {
    FK_STORE_FORMAT = 1,
    FK_STORE_MAGIC  = 0x464B, /* "FK" */

    /* First byte of a record. Any two differ in four bits, and from 00 and FF too. */
    FK_KIND_CLEAN = 0x0F, FK_KIND_CHUNK = 0x33, FK_KIND_COMMIT = 0x3C,
    FK_KIND_MARKS = 0x55, FK_KIND_LOG   = 0x5A,

    /* Bytes; every record ends with a CRC-32 over the segment's number and the record. */
    FK_CLEAN_SIZE = 24, FK_CHUNK_HEADER = 24, FK_COMMIT_FIXED = 48, FK_EXTENT_SIZE = 8,
    FK_MARKS_FIXED = 8, FK_MARK_SIZE = 12, FK_LOG_FIXED = 16, FK_CRC_SIZE = 4,
    FK_RECORD_MIN = 24,

    FK_MARK_SENT = 0, FK_MARK_DELETED = 1, FK_MARK_RETIRED = 2, FK_MARK_IDS = 3,
    FK_MARKS_RECORD = 16, /* marks in one record at most */

    FK_NO_SEGMENT = 0xFFFF,

    /* fk_store_segment.live: grains needed in the lower 14 bits, above them what it is */
    FK_LIVE_MASK = 0x3FFF, FK_STATE_MASK = 0xC000,
    FK_STATE_DATA = 0, FK_STATE_CLEAN = 0x4000, FK_STATE_RING = 0x8000, FK_STATE_RETIRED = 0xC000,

    /* fk_store_segment.place: while mounting, where to go on reading; later flags alone */
    FK_PLACE_MASK = 0x3FFF,
    FK_HAS_MARKS  = 0x8000, /* marks must be carried on before the erase       */
    FK_LAP_LOST   = 0x4000, /* its erase count could not be read                */
    FK_FAILING    = 0x0001, /* not to be written any more; retired when empty    */
    FK_UNSAVED    = 0x0002, /* retired, and no mark says so yet                    */

    /* fk_store_slot */
    FK_SLOT_VERIFIED = 0x8000, FK_SLOT_SENT = 0x4000, FK_SLOT_PLACE = 0x3FFF, /* .place */
    FK_SLOT_GHOST = 0x8000, /* .segment: forgotten, but its commit is still on flash */

    FK_MOUNTED = 9, /* fk_store.phase when all is read */

    FK_WINDOW = 96 /* bytes read at a time when looking for records: one read shows a
                      commit of up to five chunks with the header that follows it */
};

/* What a record says of itself. */
typedef struct {
    uint8_t  kind, count;  /* count: chunk number, chunks of a commit, marks            */
    uint16_t grains;       /* from its first byte to the next record                   */
    uint32_t length;       /* payload of a chunk or of a ring record                    */
    uint32_t id;           /* frame id, or number of a ring record                      */
    uint32_t generation;   /* of a ring record: all below this number were sent          */
    uint32_t offset;       /* of a chunk; of a ring record: next frame id                 */
    uint32_t crc;          /* of a chunk's payload                                     */
} fk_store_record;

/* A piece of flash, kept so that neighbours need no second read. */
typedef struct {
    uint32_t address, size;
    uint8_t bytes[FK_WINDOW];
} fk_store_window;

typedef struct {
    uint32_t id, generation;
    uint16_t segment, place;
    uint8_t type;
} fk_store_mark;

/* ---- record.c */
uint32_t fk_store_grains(const fk_store *store, uint32_t bytes);
uint32_t fk_store_segment_grains(const fk_store *store, uint32_t segment);
uint32_t fk_store_address(const fk_store *store, uint32_t segment, uint32_t place);
uint32_t fk_store_first_place(const fk_store *store);
uint32_t fk_store_seed(uint32_t segment);
/* While mounting, the write buffer is a notebook: first numbers of the ring's segments.
 * What was read once is not asked again: cells that an erase left undecided may answer otherwise. */
void fk_store_note(fk_store *store, uint32_t index, uint32_t value);
uint32_t fk_store_noted(const fk_store *store, uint32_t index);
int fk_store_is_blank(const uint8_t *bytes, uint32_t n);
/* What is at a place: grains > 0 of a valid record, 0 where the segment ends or is
 * blank, < 0 if nothing valid. A commit is decoded into store->meta and extents. */
int fk_store_peek(fk_store *store, uint32_t segment, uint32_t place, fk_store_record *out,
                  fk_store_window *window);
/* As peek, but goes on to the next valid record: *place is where it was found. Returns 0
 * at the end. Bounded by the size of the segment. */
int fk_store_walk(fk_store *store, uint32_t segment, uint32_t *place, fk_store_record *out,
                  fk_store_window *window);
/* Decodes a commit into store->meta and extents. */
int fk_store_load(fk_store *store, uint32_t segment, uint32_t place);
int fk_store_clean_record(fk_store *store, uint32_t segment, uint32_t *erase_count,
                          uint32_t *generation, uint32_t *next_id, fk_store_window *window);
void fk_store_put_commit(const fk_store *store, uint8_t *out);
void fk_store_put_extent(const fk_store_extent *extent, uint8_t *out);
/* The marks of a record, room for FK_MARKS_RECORD. Returns how many. */
int fk_store_get_marks(fk_store *store, uint32_t segment, uint32_t place, fk_store_mark *out);

/* ---- segment.c */
uint32_t fk_store_wear(const fk_store *store, uint32_t segment);
uint32_t fk_store_state(const fk_store *store, uint32_t segment);
int fk_store_is_head(const fk_store *store, uint32_t segment);
int fk_store_is_dead(const fk_store *store, uint32_t segment);
void fk_store_add_live(fk_store *store, uint32_t segment, uint32_t grains);
void fk_store_drop_live(fk_store *store, uint32_t segment, uint32_t grains);
void fk_store_retire(fk_store *store, uint32_t segment);
void fk_store_fail(fk_store *store, uint32_t segment);
/* Erases a segment that holds nothing needed and puts it into the pool. */
int fk_store_erase(fk_store *store, uint32_t segment);
/* Makes sure that the highest id in use stays known when something is erased. */
void fk_store_save_ids(fk_store *store);
/* Takes a clean segment out of the pool. */
int fk_store_open(fk_store *store, fk_store_head *head);
/* A head with room for a record of `grains`, opened where there is none. */
int fk_store_head_for(fk_store *store, uint32_t grains, fk_store_head **head);
int fk_store_head_fits(const fk_store *store, uint32_t grains);
int fk_store_marks_fit(const fk_store *store, uint32_t grains);
uint32_t fk_store_room(const fk_store *store, const fk_store_head *head);
void fk_store_write_begin(fk_store *store, const fk_store_head *head);
int fk_store_write(fk_store *store, const uint8_t *data, uint32_t n);
int fk_store_write_pad(fk_store *store);   /* to the next grain */
int fk_store_write_flush(fk_store *store); /* what is buffered, padded */
int fk_store_write_marks(fk_store *store, const fk_store_mark *marks, uint32_t count);

/* ---- frame.c */
fk_store_slot *fk_store_slot_of(fk_store *store, uint32_t id); /* NULL: not kept */
uint32_t fk_store_slot_id(const fk_store_slot *slot);
uint64_t fk_store_slot_key(const fk_store_slot *slot); /* the least goes first */
int fk_store_slot_load(fk_store *store, const fk_store_slot *slot);
int fk_store_slot_add(fk_store *store, uint32_t segment, uint32_t place);
void fk_store_slot_remove(fk_store *store, fk_store_slot *slot);
void fk_store_account(fk_store *store, int sign); /* of the frame in hand */
void fk_store_recount(fk_store *store);
void fk_store_drop_damaged(fk_store *store); /* reads every frame in the table */
void fk_store_forget(fk_store *store, fk_store_slot *slot);
void fk_store_drop_ghosts(fk_store *store, uint32_t segment); /* FK_NO_SEGMENT: all */
int fk_store_write_chunk_header(fk_store *store, const fk_store_head *head, uint32_t index,
                                uint32_t generation, uint32_t length, uint32_t offset,
                                uint32_t crc);
int fk_store_write_commit(fk_store *store, fk_store_head *head);
int fk_store_evict_one(fk_store *store, uint64_t below, int class_index, int only_class);

/* ---- reclaim.c */
uint32_t fk_store_dead(const fk_store *store);
uint32_t fk_store_limit(const fk_store *store); /* grains that frames may take in all */
/* Empties and erases one segment. Returns 1, or 0 if none can be won. */
int fk_store_reclaim(fk_store *store);
/* Gets the pool to `count` clean segments and two more, without which nothing can be
 * moved. FK_ERR_NOSPC: only the loss of a frame wins more. */
int fk_store_ensure(fk_store *store, uint32_t count);
/* The same at any price but the failure of the call: evicts the least where several cuts in
 * a row, each within a move, have left no segment to move to. */
int fk_store_insist(fk_store *store, uint32_t count);

/* ---- ring.c */
void fk_store_ring_drop(fk_store *store);
void fk_store_ring_found(fk_store *store, uint32_t segment, uint32_t number);
void fk_store_ring_mount(fk_store *store);

#endif
