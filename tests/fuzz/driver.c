/* Feeds LLVMFuzzerTestOneInput with mutated seeds: what libFuzzer does, without its coverage,
 * with any compiler that has ASan and UBSan.
 *
 * usage: TARGET SECONDS SEED [FIRST [COUNT]] < seeds     (see run.py)
 *
 * Input number n is a function of SEED, n and the seeds alone, so that a failure is replayed by
 * its number. The seeds come as a little-endian 32-bit length and that many bytes, each. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_set_death_callback(void (*callback)(void));

enum { SEEDS_MAX = 1024, GROWTH = 64, SIZE_MAX_BARE = 4096 };

static struct {
    uint8_t *data;
    uint32_t size;
} seeds[SEEDS_MAX];
static unsigned seed_count;
static unsigned long long current;

static void died(void)
{
    fprintf(stderr, "\nFUZZ: failed at input %llu\n", current);
}

static uint64_t next(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint32_t below(uint64_t *state, uint32_t limit)
{
    return limit == 0 ? 0 : (uint32_t)(next(state) % limit);
}

static void read_seeds(void)
{
    uint8_t head[4];
    while (seed_count < SEEDS_MAX && fread(head, 1, 4, stdin) == 4) {
        const uint32_t size = head[0] | head[1] << 8 | head[2] << 16 | (uint32_t)head[3] << 24;
        uint8_t *data = malloc(size + 1u);
        if (data == NULL || fread(data, 1, size, stdin) != size) {
            fprintf(stderr, "FUZZ: the seeds end early\n");
            exit(2);
        }
        seeds[seed_count].data = data;
        seeds[seed_count++].size = size;
    }
}

/* Values at which lengths, counts and signs go wrong. */
static uint32_t interesting(uint64_t *s)
{
    static const uint32_t values[] = {0, 1, 2, 7, 8, 15, 16, 127, 128, 255, 256, 4095, 4096, 4097,
                                      32767, 32768, 65535, 65536, 0x7FFFFFFF, 0x80000000,
                                      0xFFFFFFFF};
    return values[below(s, sizeof values / sizeof values[0])];
}

static void put(uint8_t *data, uint32_t size, uint32_t at, uint32_t value, uint32_t width, int big)
{
    for (uint32_t i = 0; i < width && at + i < size; i++)
        data[at + i] = (uint8_t)(value >> 8 * (big ? width - 1 - i : i));
}

static uint32_t mutate(uint8_t *data, uint32_t size, uint32_t room, uint64_t *s)
{
    for (uint32_t edits = 1 + below(s, 6); edits > 0; edits--) {
        const uint32_t at = below(s, size);
        switch (below(s, 8)) {
        case 0: /* a bit */
            if (size > 0)
                data[at] ^= (uint8_t)(1u << below(s, 8));
            break;
        case 1: /* a byte */
            if (size > 0)
                data[at] = (uint8_t)next(s);
            break;
        case 2: put(data, size, at, interesting(s), 1u << below(s, 3), (int)below(s, 2)); break;
        case 3: /* cut off */ size = below(s, size + 1); break;
        case 4: { /* take out */
            const uint32_t n = below(s, size - at + 1);
            memmove(data + at, data + at + n, size - at - n);
            size -= n;
            break;
        }
        case 5: { /* put in */
            const uint32_t n = below(s, room - size + 1);
            memmove(data + at + n, data + at, size - at);
            for (uint32_t i = 0; i < n; i++)
                data[at + i] = (uint8_t)next(s);
            size += n;
            break;
        }
        case 6: { /* copy within */
            const uint32_t from = below(s, size), n = below(s, size - (at > from ? at : from) + 1);
            memmove(data + at, data + from, n);
            break;
        }
        default: { /* fill */
            const uint32_t n = below(s, size - at + 1);
            memset(data + at, (int)interesting(s), n);
        }
        }
    }
    return size;
}

/* An exactly sized copy, so that ASan sees the first byte read too many. */
static void try_one(uint64_t seed, uint64_t number)
{
    uint64_t state = seed * 0x2545F4914F6CDD1Du + number;
    const uint32_t pick = number < seed_count ? (uint32_t)number : below(&state, seed_count);
    const uint32_t given = seed_count > 0 ? seeds[pick].size : 0;
    const uint32_t room = seed_count > 0 ? given + GROWTH : SIZE_MAX_BARE;
    uint8_t *work = malloc(room + 1u);
    uint32_t size = given;
    if (seed_count > 0) {
        memcpy(work, seeds[pick].data, given);
    } else {
        size = below(&state, room + 1);
        for (uint32_t i = 0; i < size; i++)
            work[i] = (uint8_t)next(&state);
    }
    if (number >= seed_count) /* each seed is tried once as it is */
        size = mutate(work, size, room, &state);
    uint8_t *exact = malloc(size > 0 ? size : 1);
    memcpy(exact, work, size);
    free(work);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    const double seconds = atof(argv[1]);
    const uint64_t seed = strtoull(argv[2], NULL, 10);
    unsigned long long number = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    const unsigned long long count = argc > 4 ? strtoull(argv[4], NULL, 10) : ~0ull;
    const time_t start = time(NULL);
    __sanitizer_set_death_callback(died);
    read_seeds();
    unsigned long long done = 0;
    for (; done < count && (done % 256 != 0 || difftime(time(NULL), start) < seconds); done++) {
        current = number;
        try_one(seed, number++);
    }
    printf("%llu\n", done);
    return 0;
}
