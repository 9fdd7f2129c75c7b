/* Puts a store on trial: random or exhaustive power cuts, held against a plain
 * table of what was promised. In C because the promise is tested a million times. */
#ifndef FK_STORE_TRIAL_H
#define FK_STORE_TRIAL_H

#include "fk/store.h"
#include "flash_emulator.h"

enum { FK_TRIAL_FRAMES = 8192, FK_TRIAL_TEXT = 200 };

typedef struct {
    const char *chip;         /* as of fk_flash_geometry_of                            */
    uint32_t size;            /* bytes of flash; 0: usual                              */
    uint8_t  profile, log_segments, spare_segments;
    uint16_t slots;
    uint16_t wear_spread;
    uint32_t max_picture;     /* bytes                                                 */
    uint64_t seed;
    uint32_t first_id;        /* frame ids and ...                                     */
    uint32_t first_generation; /* ... records of the ring start here: 0 is the usual      */
    uint32_t steps;           /* of the walk, or of the script that is cut everywhere     */
    uint32_t cut_percent;     /* walk: chance that a step has a cut ahead of it           */
    uint32_t endurance;       /* erases of a segment; 0: for ever                        */
    uint8_t  worn_as;         /* fk_bad                                                */
    uint32_t bad_segment;     /* walk: this one goes bad ...                            */
    uint8_t  bad_as;          /* ... as fk_bad says; 0: none                             */
    uint32_t bad_from;        /* ... ahead of this step                                 */
    uint8_t  depth;           /* exhaustive: 1 cut, 2: again at every recovery step, 3: and
                                 the recovery from that somewhere                      */
    uint32_t every;           /* exhaustive: the second cut at each n-th operation; 0: 1   */
    uint32_t from, to;        /* exhaustive: first and last operation cut; 0, 0: all       */
    uint8_t  bytes;           /* exhaustive: each byte of each program, not a random one    */
} fk_trial_config;

typedef struct {
    uint64_t cuts, mounts, appended, refused, evicted, deleted, checked;
    uint64_t failed;                  /* segments of the chip that failed                */
    uint64_t retired;                 /* segments that the store has given up, at the end   */
    uint64_t doomed;                  /* frames in a segment when reads of it began to fail */
    uint64_t operations;              /* programs and erases                            */
    char failure[FK_TRIAL_TEXT];      /* "" when every promise was kept                  */
} fk_trial_report;

/* Appends, deletes, marks, logs, idles, resets and cuts at random. Returns 0, or
 * FK_ERR_CORRUPT with report->failure. */
int fk_trial_walk(const fk_trial_config *config, fk_trial_report *report);

/* A script of `steps` calls, cut at every program and erase with every way to tear;
 * at depth 2 the recovery from each is cut everywhere too. */
int fk_trial_exhaust(const fk_trial_config *config, fk_trial_report *report);

#endif
