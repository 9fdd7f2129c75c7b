/* The store's own parts, in the order in which they build on each other:
 * record (bytes), segment (erase, program, heads), frame (one frame's whole
 * life), reclaim (room and wear), ring (small records), mount. */
#ifndef FK_STORE_PARTS_H
#define FK_STORE_PARTS_H

#include "fk/store.h"

enum {
    FK_END = 20,           /* bytes of a record after its body; a CRC stands before it     */
    FK_RECORD = 24,        /* bytes of a record without a body                            */
    FK_EXTENT = 8,         /* bytes of an extent in a commit                              */
    FK_MARK = 8,           /* bytes of a mark, two words                                   */
    FK_MARKS = 30,         /* marks of a record at most, as others may write them           */
    FK_GHOSTS = 30,        /* frames forgotten that are marked at once                     */
    FK_META = 34,          /* bytes before the picture: what is kept of it                 */

    FK_NO_SEGMENT = 0xFFFF,

    /* fk_store_segment.live: grains needed, fewer than FK_STATE_CLEAN; or what it is */
    FK_STATE_DATA = 0, FK_STATE_CLEAN = 0x4000, FK_STATE_RING = 0x8000, FK_STATE_RETIRED = 0xC000,

    /* fk_store_segment.flags */
    FK_HAS_MARKS = 1, /* marks must be carried on before the erase                       */
    FK_LAP_LOST  = 2, /* its erase count could not be read                              */
    FK_OLD_COPY  = 4, /* a commit here is older than another of its frame: goes first      */
    FK_FAILING   = 8, /* not to be written any more; retired when empty                  */
    FK_TO_READ   = 16, /* mount: may hold more than its first record says                 */

    /* fk_store_slot */
    FK_SLOT_VERIFIED = 0x8000, FK_SLOT_SENT = 0x4000, FK_SLOT_PLACE = 0x3FFF, /* .place */
    FK_SLOT_GHOST = 0x8000, /* .segment: forgotten, but its commit is still on flash */

    FK_HEAD_MARKS = 0, FK_HEAD_RING = 1, FK_HEAD_FRAMES = 2, /* fk_store.heads */

    FK_MOUNTED = 9, /* fk_store.phase when all is read */

    FK_WINDOW = 112 /* bytes read at a time when looking for records */
};

/* A walk down the records of a segment. The window spares the neighbours a read. */
typedef struct {
    uint16_t segment;
    uint16_t place;  /* grain at which the record last found ends                        */
    uint16_t top;    /* grain at which the next ends                                    */
    uint16_t floor;  /* grain up to which there are payloads                             */
    uint32_t address, size;
    uint8_t bytes[FK_WINDOW];
} fk_store_walk;

/* ---- record.c */
uint32_t fk_store_grains(const fk_store *store, uint32_t bytes);
uint32_t fk_store_segment_grains(const fk_store *store, uint32_t segment);
uint32_t fk_store_address(const fk_store *store, uint32_t segment, uint32_t place);
uint32_t fk_store_first(const fk_store *store, uint32_t segment); /* place of its first record */
int fk_store_read_flash(const fk_store *store, uint32_t address, uint8_t *out, uint32_t n);
int fk_store_is_blank(const uint8_t *bytes, uint32_t n);
/* Turns `count` numbers of `width` bytes from the core's order to big-endian, or back. */
void fk_store_turn(void *numbers, uint32_t width, uint32_t count);
/* The record that ends at walk->top: its grains, 0 where all is blank or no room for one is
 * left, < 0 if nothing valid. `body`, unless NULL, takes what stands before its end. */
int fk_store_peek(fk_store *store, fk_store_walk *walk, fk_store_record *out, uint8_t *body);
void fk_store_start(const fk_store *store, fk_store_walk *walk, uint32_t segment);
/* The next valid record, its body into store->extents. Returns 0 at the end, else 1. Bounded
 * by the grains of the segment. */
int fk_store_next(fk_store *store, fk_store_walk *walk, fk_store_record *out);
/* Takes a commit just read in hand. */
void fk_store_take(fk_store *store, const fk_store_record *commit, uint32_t segment, uint32_t place);
int fk_store_load(fk_store *store, uint32_t segment, uint32_t place);
/* Takes a record of the store's own in hand. */
void fk_store_say(fk_store *store, uint32_t id, uint32_t at, uint32_t crc, uint32_t what);
/* A record in that segment shows that ids up to this one are taken. */
void fk_store_shows(fk_store *store, uint32_t segment, uint32_t id);
/* Programs the record in hand with n bytes of body at a head. On failure the head is given up. */
int fk_store_put(fk_store *store, fk_store_head *head, const void *body, uint32_t n);

/* ---- segment.c */
uint32_t fk_store_wear(const fk_store *store, uint32_t segment);
int fk_store_is_victim(const fk_store *store, uint32_t segment); /* may be emptied and erased */
int fk_store_is_dead(const fk_store *store, uint32_t segment);
void fk_store_close(fk_store *store, uint32_t segment);  /* no head any more */
void fk_store_fail(fk_store *store, uint32_t segment);   /* to be retired when empty */
void fk_store_retire(fk_store *store, uint32_t segment); /* given up for good */
/* Bytes on their way to flash, a page at a time. After an error nothing more is programmed: it
 * shows when their record has been put. */
void fk_store_write_at(fk_store *store, uint32_t segment, uint32_t place);
/* Their CRC goes into the hand. */
void fk_store_write(fk_store *store, const void *data, uint32_t n);
void fk_store_pad(fk_store *store, uint32_t n);
void fk_store_flush(fk_store *store); /* filled up to the next grain */
void fk_store_clean(fk_store *store, uint32_t segment); /* takes its next clean record in hand */
/* Erases a segment that holds nothing needed; then it is clean, or retired. */
int fk_store_erase(fk_store *store, uint32_t segment);
int fk_store_open(fk_store *store, fk_store_head *head); /* takes a clean segment */
/* Of the heads from..to-1 the fullest with room for `grains`, or one opened anew; or NULL. */
fk_store_head *fk_store_head_for(fk_store *store, uint32_t from, uint32_t to, uint32_t grains);

/* Marks: what is said of frames after their commit. They gather in the store and are written in
 * order, several at a time. `where`: segment of the commit, FK_STORE_MARK_SENT, and lap. */
int fk_store_mark(fk_store *store, uint32_t id, uint32_t where);
int fk_store_put_marks(fk_store *store); /* writes those that wait; where none do, ids alone */

/* ---- frame.c */
uint32_t fk_store_slot_id(const fk_store_slot *slot);
fk_store_slot *fk_store_slot_of(fk_store *store, uint32_t id); /* NULL: not kept */
int fk_store_slot_load(fk_store *store, const fk_store_slot *slot);
int fk_store_slot_add(fk_store *store);                        /* the frame in hand */
void fk_store_slot_remove(fk_store *store, fk_store_slot *slot);
void fk_store_slot_move(fk_store *store, fk_store_slot *slot);  /* to the commit in hand */
fk_store_slot *fk_store_end(const fk_store *store); /* after the last that is in use */
void fk_store_account(fk_store *store, int sign); /* of the frame in hand */
void fk_store_drop_damaged(fk_store *store); /* reads every frame in the table */
void fk_store_haunt(fk_store *store, fk_store_slot *slot); /* makes a ghost of it */
void fk_store_lose(fk_store *store, fk_store_slot *slot); /* it cannot be read any more */
void fk_store_drop_ghosts(fk_store *store, uint32_t segment); /* or FK_NO_SEGMENT: all */
/* Verifies a chunk of the frame in hand from its first to its last byte. On the way copies n
 * bytes from `skip` on; where `out` is NULL and n is not 0, writes all on. */
int fk_store_chunk(fk_store *store, uint32_t index, uint32_t skip, uint8_t *out, uint32_t n);
/* Records a chunk whose n bytes went to the head's place; as the commit if it is the last. On
 * failure the head is given up. */
int fk_store_put_chunk(fk_store *store, fk_store_head *head, uint32_t index, uint32_t n, int last);
/* A frame that wants in. */
typedef struct {
    uint64_t key;              /* those ranked below may go for it                          */
    uint32_t size, grains, segments; /* bytes of its picture; what it takes on flash at most  */
    uint32_t class_index;
} fk_store_offer;
/* Forgets the least frame that the quotas let go, if it ranks below. Returns how many: 1 or 0. */
int fk_store_evict_one(fk_store *store, const fk_store_offer *offer, int only_class);

/* ---- reclaim.c */
uint32_t fk_store_limit(const fk_store *store); /* grains that frames may take in all */
/* Says that a segment holds commits that are older than others of their frames. */
void fk_store_old_copy(fk_store *store, uint32_t segment);
/* Empties and erases one segment. Returns 1, or 0 if none can be won. */
int fk_store_reclaim(fk_store *store);
/* Gets `count` clean segments and two more, without which nothing can be moved.
 * FK_ERR_NOSPC: only the loss of a frame wins more. */
int fk_store_ensure(fk_store *store, uint32_t count);
/* The same at any price but the failure of the call: evicts the least where several cuts in
 * a row, each within a move, have left no segment to move to. */
int fk_store_insist(fk_store *store, uint32_t count);

/* ---- ring.c */
void fk_store_ring_mount(fk_store *store);

#endif
