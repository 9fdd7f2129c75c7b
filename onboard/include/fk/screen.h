/* Drops frames that nothing can be seen in, before the network spends energy.
 *
 * Brightness is measured on a regular grid of at most FK_SCREEN_SAMPLES pixels,
 * so the cost does not grow with the frame: every step-th pixel of every
 * step-th row, starting at step/2, step being the smallest that is few enough. */
#ifndef FK_SCREEN_H
#define FK_SCREEN_H

#include "fk/frame.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FK_SCREEN_BINS = 256, FK_SCREEN_SAMPLES = 4096 };

typedef struct {
    uint16_t samples; /* pixels looked at                                         */
    uint16_t step;    /* pixels from one to the next                              */
    uint8_t  mean;    /* of their luma, rounded half up                           */
    uint8_t  p5;      /* smallest luma that at least 5 % of them do not exceed    */
    uint8_t  p95;     /* the same for 95 %                                        */
} fk_screen_stats;

/* Each test is on what remains when the extreme 5 % are set aside, so that a lamp
 * in a black frame or one dead pixel decides nothing. */
typedef struct {
    uint8_t dark_below;     /* p95 below it: FK_REASON_DARK; 0 = never              */
    uint8_t bright_above;   /* p5 above it: FK_REASON_BRIGHT; 255 = never           */
    uint8_t contrast_below; /* p95 - p5 below it: FK_REASON_BLANK; 0 = never        */
} fk_screen_config;

/* Measures `f` without the pixels under its `mask_count` masks: made black, they would
 * hide an overexposed frame. With every pixel masked all is 0. `histogram` is scratch of FK_SCREEN_BINS counts, afterwards the
 * histogram. Returns 0 or FK_ERR_INVAL (see fk_frame_check). */
int fk_screen_measure(fk_screen_stats *out, const fk_frame *f, const fk_rect *masks,
                      unsigned mask_count, uint16_t *histogram);

/* FK_REASON_DARK, _BRIGHT or _BLANK, asked in this order, or FK_REASON_KEPT: go on. */
int fk_screen_judge(const fk_screen_stats *stats, const fk_screen_config *cfg);

#ifdef __cplusplus
}
#endif

#endif
