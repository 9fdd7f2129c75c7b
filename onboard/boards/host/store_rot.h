/* Lets a store rot: a filled region is damaged, mounted, read as a whole and healed again, many
 * times over. Nothing wrong may be shown, and nothing may be missing but what the damage hit. In C
 * because every single bit is tried. */
#ifndef FK_STORE_ROT_H
#define FK_STORE_ROT_H

#include "fk/store.h"
#include "flash_emulator.h"

enum { FK_ROT_TEXT = 200, FK_ROT_FRAMES_MAX = 1024, FK_ROT_PAGE_BYTES = 256 };

/* A frame that was ever offered. */
typedef struct {
    uint32_t frame_id, size;
    uint16_t value;
    uint8_t  kept;           /* 1: there before the damage; 0: deleted or evicted          */
    const uint8_t *data;
} fk_rot_frame;

/* What a place on flash is good for: damage there may cost that, and no other. */
typedef enum {
    FK_ROT_FRAME   = 0, /* the frame of that id                                          */
    FK_ROT_DELETED = 1, /* the knowledge that the frame of that id was deleted             */
    FK_ROT_RECORD  = 2  /* the record of the ring with that number                         */
} fk_rot_use;

typedef struct {
    uint32_t address, size, id;
    uint8_t  use;            /* fk_rot_use                                              */
} fk_rot_span;

typedef enum {
    FK_ROT_BIT      = 0, /* each in turn                                                 */
    FK_ROT_TWO_BITS = 1, /* of 32 neighbouring bytes, at random                           */
    FK_ROT_BYTE     = 2, /* set to another value                                          */
    FK_ROT_PAGE     = 3  /* 256 bytes become noise                                         */
} fk_rot_kind;

typedef struct {
    fk_flash_emulator *chip; /* filled; as before when done                             */
    const fk_store_config *store;
    const fk_rot_frame *frames;
    const fk_rot_span *spans;
    uint32_t frame_count, span_count;
    uint32_t records;        /* of the ring: numbered from 0, the number in the first 4 bytes and
                                each further byte the sum of the number and its index      */
    uint32_t record_size;
    uint32_t first_record;   /* the first of those that wait to be sent                 */
    uint8_t  kind;           /* fk_rot_kind                                             */
    uint32_t from, to, step; /* places: the bit, byte or page of that number             */
    uint32_t live_every;     /* after each so many damages the store is used, too; 0: never */
    uint64_t seed;
} fk_rot_config;

typedef struct {
    uint64_t damages;
    uint64_t harmless;       /* of them: everything was still there                     */
    uint64_t lost, revived;  /* frames missing; deleted frames that were back, whole       */
    uint64_t records_lost;
    uint64_t forgot_id;      /* damages after which next_id is an id that was stored       */
    uint64_t corrected;      /* bits put right by the chip                               */
    uint64_t lived;
    char failure[FK_ROT_TEXT];
} fk_rot_report;

/* Returns 0, or FK_ERR_CORRUPT with report->failure. */
int fk_rot_sweep(const fk_rot_config *config, fk_rot_report *report);

#endif
