#include "fk/screen.h"

#include "fk/err.h"
#include "fk/pixels.h"

enum { SPAN = 64 }; /* samples read at a time */

/* Samples along a side: those at step/2, step/2 + step, ... below `side`. */
static uint32_t along(uint32_t side, uint32_t step)
{
    return (side - step / 2 + step - 1) / step;
}

/* At most 64 rounds: sides are at most 4096, and (4096 / 64)^2 = 4096 samples. A side is
 * never stepped over: when one has a single sample left, the other is at most 4096. */
static uint32_t choose_step(const fk_frame *f)
{
    uint32_t step = 1;
    while (along(f->width, step) * along(f->height, step) > FK_SCREEN_SAMPLES)
        step++;
    return step;
}

/* Smallest level that at least `percent` of `samples` do not exceed. */
static uint8_t percentile(const uint16_t *histogram, uint32_t samples, uint32_t percent)
{
    const uint32_t rank = (samples * percent + 99) / 100;
    uint32_t seen = 0, level = 0;
    for (; level < FK_SCREEN_BINS - 1; level++) {
        seen += histogram[level];
        if (seen >= rank)
            break;
    }
    return (uint8_t)level;
}

static int covers(const fk_rect *mask, uint32_t x, uint32_t y)
{
    return x - mask->x < mask->width && y - mask->y < mask->height;
}

/* Closes the gaps that masked samples leave in `luma`, a span that begins at column x of
 * row y. Returns how many samples remain. */
static uint32_t unmasked(uint8_t *luma, uint32_t n, uint32_t x, uint32_t y, uint32_t step,
                         const fk_rect *masks, unsigned mask_count)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < n; i++) {
        int hidden = 0;
        for (unsigned k = 0; k < mask_count; k++)
            hidden |= covers(&masks[k], x + i * step, y);
        if (!hidden)
            luma[left++] = luma[i];
    }
    return left;
}

int fk_screen_measure(fk_screen_stats *out, const fk_frame *f, const fk_rect *masks,
                      unsigned mask_count, uint16_t *histogram)
{
    const int bad = fk_frame_check(f);
    if (bad < 0)
        return bad;
    const uint32_t step = choose_step(f), columns = along(f->width, step);
    uint32_t samples = 0, sum = 0;
    for (unsigned i = 0; i < FK_SCREEN_BINS; i++)
        histogram[i] = 0;
    for (uint32_t y = step / 2; y < f->height; y += step) {
        for (uint32_t done = 0; done < columns;) {
            uint8_t luma[SPAN];
            const uint32_t n = columns - done < SPAN ? columns - done : SPAN;
            const uint32_t x = step / 2 + done * step;
            fk_pixels_gray_every(luma, f, x, y, n, step);
            const uint32_t seen = mask_count ? unmasked(luma, n, x, y, step, masks, mask_count) : n;
            for (uint32_t i = 0; i < seen; i++) {
                histogram[luma[i]]++;
                sum += luma[i];
            }
            done += n;
            samples += seen;
        }
    }
    out->samples = (uint16_t)samples;
    out->step = (uint16_t)step;
    out->mean = (uint8_t)(samples ? (sum + samples / 2) / samples : 0);
    out->p5 = percentile(histogram, samples, 5);
    out->p95 = percentile(histogram, samples, 95);
    return FK_OK;
}

int fk_screen_judge(const fk_screen_stats *stats, const fk_screen_config *cfg)
{
    if (stats->p95 < cfg->dark_below)
        return FK_REASON_DARK;
    if (stats->p5 > cfg->bright_above)
        return FK_REASON_BRIGHT;
    if (stats->p95 - stats->p5 < cfg->contrast_below)
        return FK_REASON_BLANK;
    return FK_REASON_KEPT;
}
