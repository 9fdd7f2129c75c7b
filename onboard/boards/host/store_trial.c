#include "store_trial.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fk/err.h"

/* What was promised of a frame. */
enum {
    UNKNOWN,   /* never offered                                                       */
    KEPT,      /* acknowledged: must be there                                         */
    FORGOTTEN, /* given up by a call that started, or never acknowledged: may be there   */
    DELETED,   /* its deletion was acknowledged: must not be there                      */
    DOOMED     /* acknowledged, but the chip cannot read it any more: right or not at all  */
};

typedef struct {
    uint32_t size;
    uint16_t value;
    uint8_t state, sent;
} promise;

typedef struct {
    const fk_trial_config *config;
    fk_trial_report *report;
    fk_flash_emulator chip;
    fk_store_config store_config;
    fk_store store;
    fk_store_segment *segments;
    fk_store_slot *slots;
    promise *frames;         /* by number: frame_id - first_id                          */
    uint32_t offered;        /* numbers used so far                                    */
    uint32_t highest;        /* of the ids of frames that were ever kept                  */
    uint32_t flight;         /* number of the frame that the call in progress is about   */
    uint8_t flight_kind;     /* 0 none, 1 append, 2 delete                              */
    uint32_t logged, log_flight; /* ring records acknowledged; 1 while one is written      */
    uint32_t log_sent;
    uint32_t evicted;        /* since mount                                            */
    int tight;               /* hardly a segment to move to when the call started         */
    int worn;                /* segments may fail: calls may, too                        */
    int unread;              /* a segment cannot be read: marks and records went with it    */
    uint8_t *picture, *read_back;
    uint64_t random;
} trial;

static int fail(trial *t, const char *format, ...)
{
    if (t->report->failure[0] == 0) {
        va_list list;
        va_start(list, format);
        int n = vsnprintf(t->report->failure, FK_TRIAL_TEXT, format, list);
        va_end(list);
        if (n > 0 && n < FK_TRIAL_TEXT)
            snprintf(t->report->failure + n, (size_t)(FK_TRIAL_TEXT - n),
                     " [%s seed %llu operation %llu]", t->config->chip,
                     (unsigned long long)t->config->seed, (unsigned long long)t->chip.operations);
    }
    return FK_ERR_CORRUPT;
}

static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static uint32_t chance(trial *t, uint32_t n)
{
    t->random = mix(t->random);
    return (uint32_t)(t->random % n);
}

static uint32_t id_of(const trial *t, uint32_t number)
{
    return t->config->first_id + number;
}

static void paint(uint8_t *out, uint32_t id, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        static uint64_t word;
        if (i % 8 == 0)
            word = mix((uint64_t)id << 32 | i);
        out[i] = (uint8_t)(word >> (i % 8 * 8));
    }
}

static uint64_t key(const trial *t, uint32_t number)
{
    const promise *p = &t->frames[number];
    return ((uint64_t)(p->sent ? 0 : 1) << 48) | ((uint64_t)p->value << 32) | number;
}

/* ---- after every mount: is all there that must be, and nothing that must not? */

static int check_frame(trial *t, const fk_frame_meta *m, uint8_t *seen)
{
    uint32_t number = m->frame_id - t->config->first_id;
    if (number >= t->offered)
        return fail(t, "frame %u was never offered", m->frame_id);
    promise *p = &t->frames[number];
    int in_flight = t->flight_kind && t->flight == number;
    if (p->state == UNKNOWN && !in_flight)
        return fail(t, "frame %u appeared", m->frame_id);
    if (p->state == DELETED)
        return fail(t, "frame %u came back after its deletion", m->frame_id);
    if (m->size != p->size || m->value != p->value)
        return fail(t, "frame %u has another size or value", m->frame_id);
    int n = fk_store_read(&t->store, m->frame_id, 0, t->read_back, p->size);
    if (n < 0 && p->state == DOOMED)
        return FK_OK;
    paint(t->picture, m->frame_id, p->size);
    if (n != (int)p->size || memcmp(t->picture, t->read_back, p->size) != 0)
        return fail(t, "frame %u reads wrong (%d)", m->frame_id, n);
    p->sent = m->sent;
    seen[number] = 1;
    t->report->checked++;
    return FK_OK;
}

static int check_log(trial *t)
{
    uint8_t record[FK_STORE_LOG_MAX];
    uint32_t last = 0, count = 0, run = 0;
    int n;
    if (t->config->log_segments == 0)
        return FK_OK;
    fk_store_log_rewind(&t->store);
    while ((n = fk_store_log_next(&t->store, record, sizeof record)) > 0) {
        uint32_t number = (uint32_t)record[0] << 24 | (uint32_t)record[1] << 16 |
                          (uint32_t)record[2] << 8 | record[3];
        if (n != 20 + (int)(number % 30) || record[n - 1] != (uint8_t)number)
            return fail(t, "record %u of the ring reads wrong", number);
        if (count++ > 0 && number <= last)
            return fail(t, "record %u of the ring follows %u", number, last);
        run = count > 1 && number == last + 1 ? run + 1 : 1;
        last = number;
    }
    if (!t->unread && t->logged > t->log_sent && (count == 0 || (last != t->logged && last != t->logged + t->log_flight)))
        return fail(t, "the ring ends with record %u, not %u", last, t->logged);
    /* what was given back and not erased may reappear, but there is no gap behind it */
    uint32_t unsent = last - t->log_sent;
    if (!t->unread && last > t->log_sent && run < unsent && run + 1u < t->config->log_segments)
        return fail(t, "the ring has lost records before %u", last);
    if (count > 0 && last > t->logged)
        t->logged = last;
    fk_store_log_rewind(&t->store);
    return FK_OK;
}

static int check(trial *t, int after_reset)
{
    static uint8_t seen[FK_TRIAL_FRAMES];
    fk_frame_meta m;
    uint32_t after = 0;
    memset(seen, 0, t->offered);
    uint64_t operations = t->chip.operations;
    while (fk_store_list(&t->store, after, &m) > 0) {
        if (check_frame(t, &m, seen) < 0)
            return FK_ERR_CORRUPT;
        after = m.frame_id;
    }
    for (uint32_t i = 0; i < t->offered; i++) {
        promise *p = &t->frames[i];
        int in_flight = t->flight_kind && t->flight == i;
        if (seen[i]) {
            if (!after_reset && p->state == FORGOTTEN)
                return fail(t, "frame %u is back without a reset", id_of(t, i));
            p->state = p->state == DOOMED ? DOOMED : KEPT;
        } else if (in_flight) {
            p->state = FORGOTTEN;
        } else if (p->state == KEPT) {
            /* a call cut short may have evicted the least; records and deletions do so
               only where moves cut before have left too little to move to */
            if (t->flight_kind == 1 ? key(t, i) > key(t, t->flight)
                                    : !((t->flight_kind == 2 || t->log_flight) && t->tight))
                return fail(t, "frame %u is lost", id_of(t, i));
            p->state = FORGOTTEN;
        }
    }
    for (uint32_t i = 0; i < t->offered; i++)
        if (t->frames[i].state == KEPT && t->highest < id_of(t, i))
            t->highest = id_of(t, i);
    if (fk_store_next_id(&t->store) - 1 < t->highest)
        return fail(t, "id %u can be given out again", t->highest);
    if (check_log(t) < 0)
        return FK_ERR_CORRUPT;
    if (t->chip.operations != operations)
        return fail(t, "reading wrote");
    if (t->chip.count.refused)
        return fail(t, "the chip was asked for what it refuses");
    t->flight_kind = 0;
    t->log_flight = 0;
    return FK_OK;
}

static uint64_t digest(const trial *t)
{
    uint64_t d = 0;
    const fk_store *s = &t->store;
    for (uint32_t i = 0; i < (uint32_t)s->frames + s->ghosts; i++)
        d = mix(d ^ t->slots[i].segment ^ ((uint64_t)(t->slots[i].place & 0x3FFF) << 16) ^
                ((uint64_t)t->slots[i].id[0] << 32));
    return mix(d ^ ((uint64_t)s->live << 32));
}

static int reset(trial *t)
{
    fk_flash_emulator_power_on(&t->chip);
    uint64_t operations = t->chip.operations;
    int r = fk_store_mount(&t->store, &t->store_config);
    if (r < 0)
        return fail(t, "mount fails with %d", r);
    int settled = 1;
    for (uint32_t i = 0; i < t->chip.flash.segment_count; i++)
        settled &= t->chip.unsettled[i] != 2;
    uint64_t first = digest(t);
    r = fk_store_mount(&t->store, &t->store_config);
    if (r < 0 || (settled && digest(t) != first))
        return fail(t, "a second mount differs");
    if (t->chip.operations != operations)
        return fail(t, "mount wrote");
    t->report->mounts++;
    t->evicted = 0;
    return check(t, 1);
}

/* ---- steps: each returns < 0 only when a promise is broken; a cut is seen afterwards */

/* Which frames were evicted by the call that just ended: the least, and no other.
 * `number` is the frame that the call was about. Returns how many. */
static int who_went(trial *t, uint32_t number)
{
    static uint8_t here[FK_TRIAL_FRAMES];
    uint64_t least = UINT64_MAX;
    int gone = 0, doomed = 0;
    memset(here, 0, t->offered);
    for (uint32_t i = 0; i < (uint32_t)t->store.frames + t->store.ghosts; i++)
        if (!(t->slots[i].segment & 0x8000)) {
            uint32_t id;
            memcpy(&id, t->slots[i].id, sizeof id);
            here[id - t->config->first_id] = 1;
        }
    for (uint32_t i = 0; i < t->offered; i++)
        if (here[i] && i != number && t->frames[i].state != DOOMED && key(t, i) < least)
            least = key(t, i);
    for (uint32_t i = 0; i < t->offered; i++) {
        if (!here[i] && t->frames[i].state == DOOMED) {
            doomed++;
            t->frames[i].state = FORGOTTEN;
        }
        if (here[i] || t->frames[i].state != KEPT)
            continue;
        gone++;
        t->frames[i].state = FORGOTTEN;
        if (t->flight_kind == 1 && key(t, i) > key(t, number))
            return fail(t, "frame %u of higher value went", id_of(t, i));
        if (key(t, i) > least)
            return fail(t, "frame %u went while a lesser one stayed", id_of(t, i));
    }
    t->evicted += (uint32_t)gone;
    t->report->evicted += (uint64_t)gone;
    /* what the chip lost may have been evicted before anybody noticed */
    while (doomed-- > 0 && t->evicted < t->store.evicted) {
        t->evicted++;
        gone++;
    }
    return t->evicted == t->store.evicted ? gone : fail(t, "frames went without being counted");
}

static int step_append(trial *t)
{
    if (t->offered == FK_TRIAL_FRAMES)
        return FK_OK;
    uint32_t number = t->offered++;
    promise *p = &t->frames[number];
    p->size = 1 + chance(t, chance(t, 3) ? t->config->max_picture / 8 : t->config->max_picture);
    p->value = (uint16_t)chance(t, 64);
    p->state = UNKNOWN;
    p->sent = 0;
    fk_frame_meta m = {.frame_id = id_of(t, number), .value = p->value, .time = number};
    paint(t->picture, m.frame_id, p->size);
    t->flight = number;
    t->flight_kind = 1;
    int r = fk_store_append(&t->store, &m, t->picture, p->size);
    if (!t->chip.powered)
        return FK_OK;
    if (r == FK_ERR_INVAL && t->worn) { /* too large for what is left */
        p->state = UNKNOWN;
        t->flight_kind = 0;
        t->offered--;
        return FK_OK;
    }
    if (r < 0 && r != FK_ERR_NOSPC && !(r == FK_ERR_WORN && t->worn))
        return fail(t, "append fails with %d", r);
    p->state = r >= 0 ? KEPT : FORGOTTEN;
    if (r >= 0 && t->highest < id_of(t, number))
        t->highest = id_of(t, number);
    t->report->appended += r >= 0;
    t->report->refused += r < 0;
    int gone = who_went(t, number);
    if (gone < 0)
        return gone;
    if (r >= 0 && r != gone)
        return fail(t, "%d frames went, %d were reported", gone, r);
    for (uint32_t i = 0; r < 0 && i < t->offered; i++)
        if (t->frames[i].state == KEPT && key(t, i) < key(t, number))
            return fail(t, "frame %u was refused while a lesser one stayed", m.frame_id);
    t->flight_kind = 0;
    return FK_OK;
}

static int step_delete(trial *t)
{
    fk_frame_meta m;
    int any = chance(t, 2) ? fk_store_best(&t->store, &m)
                           : fk_store_list(&t->store, id_of(t, chance(t, t->offered + 1)) - 1, &m);
    if (any <= 0)
        return FK_OK;
    uint32_t number = m.frame_id - t->config->first_id;
    t->flight = number;
    t->flight_kind = 2;
    int r = fk_store_delete(&t->store, m.frame_id);
    if (!t->chip.powered)
        return FK_OK;
    if ((r == FK_ERR_NOSPC || r == FK_ERR_WORN) && t->worn) { /* others may have gone in vain */
        t->frames[number].state = FORGOTTEN;
        r = who_went(t, number);
        t->flight_kind = 0;
        return r < 0 ? r : FK_OK;
    }
    if (r < 0)
        return fail(t, "delete fails with %d", r);
    t->frames[number].state = DELETED;
    t->report->deleted++;
    if (who_went(t, number) < 0)
        return FK_ERR_CORRUPT;
    t->flight_kind = 0;
    return FK_OK;
}

static int step_log(trial *t)
{
    uint8_t record[FK_STORE_LOG_MAX] = {0};
    uint32_t number = t->logged + 1, n = 20 + number % 30;
    if (t->config->log_segments == 0)
        return FK_OK;
    record[0] = (uint8_t)(number >> 24);
    record[1] = (uint8_t)(number >> 16);
    record[2] = (uint8_t)(number >> 8);
    record[3] = (uint8_t)number;
    record[n - 1] = (uint8_t)number;
    t->log_flight = 1;
    int r = fk_store_log_append(&t->store, record, n);
    if (!t->chip.powered)
        return FK_OK;
    if (r < 0 && !t->worn)
        return fail(t, "a ring record fails with %d", r);
    t->logged += r >= 0;
    t->log_flight = 0;
    if (who_went(t, t->offered) < 0)
        return FK_ERR_CORRUPT;
    if (chance(t, 8) == 0) {
        while (fk_store_log_next(&t->store, record, sizeof record) > 0)
            ;
        fk_store_log_sent(&t->store);
        t->log_sent = t->logged;
    }
    return FK_OK;
}

static int step_sent(trial *t)
{
    fk_frame_meta m;
    if (fk_store_best(&t->store, &m) > 0 && fk_store_mark_sent(&t->store, m.frame_id) >= 0)
        t->frames[m.frame_id - t->config->first_id].sent = 1;
    return FK_OK;
}

static int step(trial *t)
{
    uint32_t what = chance(t, 16);
    uint32_t ready = 0, bytes = 0; /* clean, or dead with no mark to be carried first */
    for (uint32_t i = 0; i < t->chip.flash.segment_count; i++) {
        uint32_t address, size, open = 0;
        for (uint32_t h = 0; h < FK_STORE_HEADS_MAX; h++)
            open |= t->store.heads[h].segment == i; /* being filled: not to be moved to */
        if ((t->segments[i].live != 0 || (t->segments[i].flags & 1) || open) &&
            t->segments[i].live != 0x4000)
            continue;
        fk_flash_segment(&t->chip.flash, i, &address, &size);
        ready++;
        bytes += size;
    }
    t->tight = ready < 3 || bytes < 2 * t->chip.flash.segment_size;
    if (what < 8)
        return step_append(t);
    if (what < 10)
        return step_delete(t);
    if (what < 12)
        return step_log(t);
    if (what == 12)
        return step_sent(t);
    if (what == 13) {
        fk_store_sync(&t->store);
        return FK_OK;
    }
    int r = fk_store_idle(&t->store);
    return r < 0 && t->chip.powered && !t->worn ? fail(t, "idle fails with %d", r) : FK_OK;
}

/* ---- life of a trial */

static int begin(trial *t, const fk_trial_config *config, fk_trial_report *report)
{
    fk_flash_geometry geometry;
    memset(t, 0, sizeof *t);
    t->config = config;
    t->report = report;
    t->random = config->seed;
    t->frames = calloc(FK_TRIAL_FRAMES, sizeof *t->frames);
    t->picture = malloc(config->max_picture + 1);
    t->read_back = malloc(config->max_picture + 1);
    if (fk_flash_geometry_of(&geometry, config->chip, config->size) < 0 ||
        fk_flash_emulator_open(&t->chip, &geometry, config->seed) < 0)
        return fail(t, "no such chip");
    t->segments = calloc(t->chip.flash.segment_count, sizeof *t->segments);
    t->slots = calloc(config->slots, sizeof *t->slots);
    t->chip.endurance = config->endurance;
    t->worn = config->endurance > 0 || config->bad_as != FK_BAD_NOT;
    t->chip.worn_as = config->worn_as;
    t->store_config.flash = &t->chip.flash;
    t->store_config.segments = t->segments;
    t->store_config.slots = t->slots;
    t->store_config.slot_count = config->slots;
    t->store_config.profile = config->profile;
    t->store_config.log_segments = config->log_segments;
    t->store_config.spare_segments = config->spare_segments;
    t->store_config.wear_spread = config->wear_spread;
    int r = fk_store_mount(&t->store, &t->store_config);
    if (r < 0)
        return fail(t, "mount fails with %d", r);
    if (config->first_generation)
        t->store.log_next = t->store.log_sent = t->store.log_given =
            config->first_generation;
    return FK_OK;
}

static void end(trial *t)
{
    t->report->operations += t->chip.operations;
    for (uint32_t i = 0; i < t->chip.flash.segment_count; i++)
        t->report->failed += t->chip.bad[i] != FK_BAD_NOT;
    t->report->retired += t->store.retired;
    fk_flash_emulator_close(&t->chip);
    free(t->segments);
    free(t->slots);
    free(t->frames);
    free(t->picture);
    free(t->read_back);
}

/* From now on the segment fails. What lies there and can no longer be read is excused. */
static void go_bad(trial *t)
{
    uint32_t segment = t->config->bad_segment;
    t->chip.watch = segment;
    for (uint32_t i = 0; i < t->offered && t->config->bad_as == FK_BAD_READ; i++) {
        promise *p = &t->frames[i];
        uint64_t before = t->chip.watched;
        if (p->state == DELETED)
            p->state = FORGOTTEN; /* the mark may have been there */
        if (p->state == KEPT)
            fk_store_read(&t->store, id_of(t, i), 0, t->read_back, p->size);
        if (t->chip.watched > before) {
            p->state = DOOMED;
            t->report->doomed++;
        }
    }
    t->unread = t->config->bad_as == FK_BAD_READ;
    if (t->unread)
        t->highest = 0; /* it alone may have shown which ids are taken */
    t->chip.bad[segment] = t->config->bad_as;
}

int fk_trial_walk(const fk_trial_config *config, fk_trial_report *report)
{
    trial t;
    memset(report, 0, sizeof *report);
    int r = begin(&t, config, report);
    for (uint32_t i = 0; i < config->steps && r >= 0; i++) {
        if (config->bad_as && i == config->bad_from)
            go_bad(&t);
        if (chance(&t, 100) < config->cut_percent)
            fk_flash_emulator_cut(&t.chip, chance(&t, 20), (uint8_t)chance(&t, FK_TEAR_MODELS),
                                  UINT32_MAX);
        r = step(&t);
        if (r < 0)
            break;

        if (!t.chip.powered) {
            report->cuts++;
            r = reset(&t);
        } else if (chance(&t, 64) == 0) {
            r = reset(&t);
        } else if (chance(&t, 16) == 0) {
            r = check(&t, 0);
        }
        if (t.offered == FK_TRIAL_FRAMES)
            break;
    }
    if (r >= 0)
        r = reset(&t);
    end(&t);
    return r;
}

/* ---- exhaustive */

/* Runs the script from the start until power goes or it ends. */
static int run_script(trial *t, uint32_t steps)
{
    for (uint32_t i = 0; i < steps && t->chip.powered; i++)
        if (step(t) < 0)
            return FK_ERR_CORRUPT;
    return FK_OK;
}

/* What a store does first after a reset: room, an append, a deletion, a record. */
static int recover(trial *t)
{
    int (*const steps[])(trial *) = {step_append, step_delete, step_log, step_append};
    for (uint32_t i = 0; i < 4 && t->chip.powered; i++)
        if (steps[i](t) < 0)
            return FK_ERR_CORRUPT;
    return FK_OK;
}

static void save(trial *to, const trial *from)
{
    fk_flash_emulator_copy(&to->chip, &from->chip);
    memcpy(to->frames, from->frames, from->offered * sizeof *from->frames);
    to->offered = from->offered;
    to->highest = from->highest;
    to->flight = from->flight;
    to->flight_kind = from->flight_kind;
    to->logged = from->logged;
    to->log_flight = from->log_flight;
    to->log_sent = from->log_sent;
    to->random = from->random;
}

/* After a cut: recover, and cut that somewhere. */
static int cut_somewhere(trial *t)
{
    if (reset(t) < 0)
        return FK_ERR_CORRUPT;
    fk_flash_emulator_cut(&t->chip, chance(t, 12), (uint8_t)chance(t, FK_TEAR_MODELS), UINT32_MAX);
    if (recover(t) < 0)
        return FK_ERR_CORRUPT;
    t->report->cuts += !t->chip.powered;
    return FK_OK;
}

/* `saved` is a moment just after a cut: cut the recovery everywhere. */
static int cut_again(trial *t, const trial *saved)
{
    uint32_t every = t->config->every ? t->config->every : 1;
    uint64_t total = UINT64_MAX;
    for (uint64_t n = 0; n < total; n += every) {
        for (uint8_t tear = 0; tear < FK_TEAR_MODELS; tear++) {
            save(t, saved);
            if (reset(t) < 0)
                return FK_ERR_CORRUPT;
            fk_flash_emulator_cut(&t->chip, n, tear, UINT32_MAX);
            t->chip.random = mix(n * 8 + tear + t->config->seed) | 1;
            if (recover(t) < 0)
                return FK_ERR_CORRUPT;
            if (t->chip.powered) {
                total = n; /* the recovery needs no more operations than that */
                break;
            }
            t->report->cuts++;
            if (t->config->depth > 2 && cut_somewhere(t) < 0)
                return FK_ERR_CORRUPT;
            if (reset(t) < 0 || recover(t) < 0 || check(t, 0) < 0)
                return FK_ERR_CORRUPT;
        }
    }
    return FK_OK;
}

static int cut_at(const fk_trial_config *config, fk_trial_report *report, uint64_t n, uint8_t tear,
                  uint32_t byte, int *reached)
{
    trial t, saved;
    int r = begin(&t, config, report);
    fk_flash_emulator_cut(&t.chip, n, tear, byte);
    t.chip.random = mix(n * 8 + tear + config->seed) | 1;
    if (r >= 0)
        r = run_script(&t, config->steps);
    *reached = !t.chip.powered;
    if (r >= 0 && *reached) {
        report->cuts++;
        if (config->depth < 2) {
            r = reset(&t);
            if (r >= 0)
                r = recover(&t);
            if (r >= 0)
                r = check(&t, 0);
        } else {
            r = begin(&saved, config, report);
            save(&saved, &t);
            if (r >= 0)
                r = cut_again(&t, &saved);
            end(&saved);
        }
    }
    end(&t);
    return r;
}

int fk_trial_exhaust(const fk_trial_config *config, fk_trial_report *report)
{
    memset(report, 0, sizeof *report);
    int reached = 1;
    for (uint64_t n = config->from; reached && (config->to == 0 || n <= config->to); n++) {
        for (uint8_t tear = 0; tear < FK_TEAR_MODELS && reached; tear++) {
            /* a program is at most 256 bytes long; beyond its end a cut is complete */
            uint32_t bytes = config->bytes && tear == FK_TEAR_PARTLY ? 256 : 1;
            for (uint32_t b = 0; b < bytes && reached; b++) {
                int r = cut_at(config, report, n, tear, bytes > 1 ? b : UINT32_MAX, &reached);
                if (r < 0)
                    return r;
            }
        }
    }
    return FK_OK;
}
