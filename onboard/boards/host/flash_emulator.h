/* Flash that is stricter than a chip.
 *
 * It refuses what the chip refuses or answers with rubbish: a program that is
 * not aligned to the unit, that touches a unit programmed since its erase, or
 * that leaves the region. It can lose power in the middle of any program or
 * erase, leave the cells in any state a chip might, wear out, and rot. It
 * counts operations, bytes and modelled time. */
#ifndef FK_FLASH_EMULATOR_H
#define FK_FLASH_EMULATOR_H

#include <stddef.h>
#include <stdint.h>

#include "fk/flash.h"

enum { FK_EMULATOR_BANKS_MAX = 4 };

typedef struct {
    fk_flash_bank banks[FK_EMULATOR_BANKS_MAX];
    uint32_t bank_count;
    uint32_t program_unit;
    uint32_t page;           /* bytes that the chip programs at once: what time is counted by */
    uint32_t program_ns;     /* a page, or the part of one that a program touches    */
    uint32_t erase_us;       /* a segment of the first bank; others in proportion    */
    uint32_t read_ns;        /* to start a read                                      */
    uint32_t read_ns_per_kb; /* and 1024 bytes of it                                 */
    uint8_t  ecc;            /* 1: one wrong bit of a unit is corrected, more are a read
                                error, and so is a unit whose program was cut short    */
} fk_flash_geometry;

/* Of the named chip: "nor" (serial NOR, 4 KiB sectors, any byte), "nor-page" (the
 * same, but each page programmed once), "l4", "u5", "h7", "f4"; or of none that is made:
 * "tiny" (any byte), "tiny-ecc", "tiny-mixed", with segments from 1 KiB. `size` in bytes
 * is rounded down to whole segments; 0 is the usual size. 0, or FK_ERR_NOENT. */
int fk_flash_geometry_of(fk_flash_geometry *out, const char *name, uint32_t size);

/* What a program or erase leaves behind when power is cut during it. */
typedef enum {
    FK_TEAR_NONE     = 0, /* nothing that could be read                               */
    FK_TEAR_PREFIX   = 1, /* the first bytes                                          */
    FK_TEAR_PARTLY   = 2, /* the first bytes, and some bits of the next                 */
    FK_TEAR_ALL_BUT  = 3, /* all but the last byte                                     */
    FK_TEAR_COMPLETE = 4, /* everything: only the answer was lost                      */
    FK_TEAR_MODELS   = 5
    /* an erase: 0 nothing, 1 a random part of the bytes or of blocks of them, 2 cells that read differently
       each time, 3 a random part of the bits, 4 everything */
} fk_tear;

/* Ways in which a segment fails. */
typedef enum {
    FK_BAD_NOT         = 0,
    FK_BAD_PROGRAM     = 1, /* programs answer with an error                         */
    FK_BAD_ERASE       = 2, /* erases answer with an error                           */
    FK_BAD_READ        = 3, /* reads answer with an error                            */
    FK_BAD_PROGRAM_LIE = 4, /* programs change nothing and answer that all is well    */
    FK_BAD_ERASE_LIE   = 5, /* erases change nothing and answer that all is well      */
    FK_BAD_KINDS       = 6
} fk_bad;

typedef struct {
    uint64_t reads, read_bytes, programs, program_bytes, pages, erases;
    uint64_t time_ns;
    uint64_t refused;   /* operations that a correct driver never asks for              */
    uint64_t corrected; /* bits put right by ECC                                       */
    uint64_t uncorrectable;
} fk_flash_counters;

typedef struct {
    fk_flash flash;           /* the port to give to the store                         */
    fk_flash_geometry geometry;
    fk_flash_counters count;
    uint32_t size;
    uint8_t *cells;           /* what is in the chip                                   */
    uint8_t *truth;           /* what was meant to be there: the difference is rot       */
    uint8_t *units;           /* per unit: 0 erased, 1 programmed, 2 torn               */
    uint8_t *bad;             /* per segment: fk_bad                                   */
    uint8_t *unsettled;       /* per segment: 1 after a cut erase, 2 if reads vary too   */
    uint32_t *wear;           /* per segment: erases                                    */
    uint32_t endurance;       /* erases after which a segment fails, give or take a
                                 quarter; 0: never                                     */
    uint8_t worn_as;          /* fk_bad of a worn segment                              */
    uint8_t powered;
    uint8_t tear;             /* fk_tear of the cut that is due                         */
    uint64_t operations;      /* programs and erases so far                             */
    uint64_t cut_at;          /* power goes during this one (counted from 0); ~0: never   */
    uint32_t cut_byte;        /* for prefixes: after so many bytes; ~0: a random number   */
    uint64_t random;
    uint32_t watch;           /* reads of this segment ...                              */
    uint64_t watched;         /* ... are counted here                                   */
} fk_flash_emulator;

/* 0, or FK_ERR_NOSPC / FK_ERR_INVAL. All cells erased; nothing is due to fail. */
int fk_flash_emulator_open(fk_flash_emulator *e, const fk_flash_geometry *geometry, uint64_t seed);
void fk_flash_emulator_close(fk_flash_emulator *e);

/* Makes `to`, opened with the same geometry, a copy of `from`. */
void fk_flash_emulator_copy(fk_flash_emulator *to, const fk_flash_emulator *from);

/* The power goes during the n-th program or erase from now (0 = the next). */
void fk_flash_emulator_cut(fk_flash_emulator *e, uint64_t n, uint8_t tear, uint32_t cut_byte);
void fk_flash_emulator_power_on(fk_flash_emulator *e);

/* Turns a bit over without telling anybody. */
void fk_flash_emulator_flip(fk_flash_emulator *e, uint32_t address, uint32_t bit);

/* Takes a raw image as the content: units with a byte other than FF are programmed. */
int fk_flash_emulator_load(fk_flash_emulator *e, const uint8_t *image, size_t size);

/* A number, for tests that need many: xorshift64. */
uint64_t fk_flash_emulator_random(fk_flash_emulator *e);

#endif
