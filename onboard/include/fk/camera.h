/* From the frame buffer to the network's input, mask, crop and scale; and to what is kept.
 *
 * Scaling is an exact area average: an output pixel is the mean of the part of
 * the crop that it covers, pixels cut by its border counting by the part
 * inside, computed in integers and rounded once (half up). It holds for any
 * pair of sizes, also when enlarging. One output row is made at a time, so the
 * network pulls its rows out of the frame buffer and no picture is copied. */
#ifndef FK_CAMERA_H
#define FK_CAMERA_H

#include "fk/frame.h"
#include "fk/pixels.h" /* fk_frame_check */

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    FK_CAMERA_STRETCH = 0, /* the whole frame, each axis scaled on its own         */
    FK_CAMERA_CROP    = 1  /* the largest centred part that has the output's aspect */
} fk_camera_fit;

/* The part of `f` that an out_w x out_h picture shows under `fit`. The cut side is
 * rounded to nearest, halves up, at least 1; an odd remainder goes to the right or below. */
int fk_camera_crop(fk_rect *crop, const fk_frame *f, int fit, uint16_t out_w, uint16_t out_h);

/* Part `index` of `whole`, counted row by row, when across x down equal parts cover it and
 * each shares a quarter of its side with the next: an object that one part cuts is whole in
 * its neighbour. Sides round down, so that parts of 1 or 2 pixels may leave some between
 * them out; the last part ends where `whole` ends. Returns 0, or FK_ERR_INVAL for no part of
 * that number or one that would have no pixel. */
int fk_camera_tile(fk_rect *tile, const fk_rect *whole, unsigned across, unsigned down, unsigned index);

/* The width x height part of `whole` whose middle is as near to that of `box`, a place in
 * `whole`, as it can be inside it; to that of `whole` where the box is not known. Its x is
 * even, so that no pair of YUYV is cut. Returns 0, or FK_ERR_INVAL where it is larger than
 * `whole`, which must begin at 0, 0. */
int fk_camera_window(fk_rect *window, const fk_rect *whole, const fk_box *box, uint16_t width,
                     uint16_t height);

/* Makes `mask` black in the frame buffer itself, so that nothing behind the camera
 * can show it. Returns 0, or FK_ERR_INVAL for a mask that is not inside the frame or
 * cuts a pair of YUYV (x and width are even there); nothing is written then. */
int fk_camera_mask(const fk_frame *f, const fk_rect *mask);

/* 32-bit words of scratch that scaling needs. With twice as many, a row of the frame that two
 * output rows share is summed once and not for each. */
size_t fk_camera_scale_scratch_words(uint16_t out_w, uint8_t channels);

/* A picture that is being scaled. */
typedef struct {
    const fk_frame *frame;
    fk_rect crop;
    uint16_t out_w, out_h;
    uint8_t channels;
    uint8_t spare;     /* is there scratch for `kept`?                                   */
    uint32_t *scratch; /* sums of the output row; behind them those of the row `kept`     */
    uint32_t kept;     /* row of the crop, UINT32_MAX for none                            */
} fk_scaling;

/* Begins to scale `crop` (NULL = whole frame) to out_w x out_h (1..FK_FRAME_SIDE_MAX each), to
 * grey for channels 1, R, G, B for 3. A colour frame is made grey pixel by pixel, before
 * averaging. `f`, its pixels and `scratch` must stay as they are until the last row is made.
 * Returns the bytes of an output row, FK_ERR_INVAL, or FK_ERR_TOOSMALL if `scratch_words` is
 * less than the above. */
int fk_camera_scale_begin(fk_scaling *s, const fk_frame *f, const fk_rect *crop, uint16_t out_w,
                          uint16_t out_h, uint8_t channels, uint32_t *scratch, size_t scratch_words);

/* Output row `row` into `out`; in any order, though one after the other costs least. Reads only
 * the rows of the frame that it covers. Returns the bytes written, or FK_ERR_INVAL for no row
 * of that number. */
int fk_camera_scale_row(fk_scaling *s, uint16_t row, uint8_t *out);

#ifdef __cplusplus
}
#endif

#endif
