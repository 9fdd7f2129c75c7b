/* What a camera delivers, and what is said of it on the way down.
 *
 * These types belong to no stage: they are what the stages hand to each other
 * through pipeline.c. */
#ifndef FK_FRAME_H
#define FK_FRAME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    FK_PIXEL_GRAY8    = 0, /* 1 byte a pixel                                           */
    FK_PIXEL_RGB565LE = 1, /* 2 bytes: low byte first, red in bits 15..11               */
    FK_PIXEL_RGB565BE = 2, /* 2 bytes: high byte first, as an OV2640 on a DCMI sends it */
    FK_PIXEL_YUYV     = 3, /* 4 bytes for 2 pixels: Y0 U Y1 V, BT.601 full range (JFIF) */
    FK_PIXEL_RGB888   = 4  /* 3 bytes: R G B                                           */
} fk_pixel_format;

enum { FK_FRAME_SIDE_MAX = 4096 }; /* widest and highest frame that any stage takes */

/* A view of a frame buffer that somebody else owns. Stages only read it, but for
 * fk_camera_mask(). */
typedef struct {
    uint8_t       *data;    /* first pixel of the first row                          */
    size_t         size;    /* bytes readable at data, >= stride*(height-1) + a row  */
    uint32_t       stride;  /* bytes from one row to the next                        */
    uint16_t       width;   /* pixels, 1..FK_FRAME_SIDE_MAX; even for YUYV           */
    uint16_t       height;  /* pixels, 1..FK_FRAME_SIDE_MAX                          */
    uint8_t        format;  /* fk_pixel_format                                       */
} fk_frame;

/* A rectangle in pixels of a frame. */
typedef struct {
    uint16_t x, y, width, height;
} fk_rect;

/* Where an object is, as fractions of the frame in 1/65535; all 0 = not known. */
typedef struct {
    uint16_t x, y, width, height;
} fk_box;

/* Time as in the packets: CUC seconds << 16 | fraction, since
 * 2000-01-01T00:00:00 UTC; the upper 16 bits are 0. */
typedef uint64_t fk_time;

/* Why a frame was kept or not. The list is the only definition. */
#define FK_REASON_LIST(X)                                                           \
    X(FK_REASON_KEPT,       0, "object of interest in sight")                       \
    X(FK_REASON_DARK,       1, "too dark, dropped before the network")              \
    X(FK_REASON_BRIGHT,     2, "overexposed, dropped before the network")           \
    X(FK_REASON_BLANK,      3, "no contrast, dropped before the network")           \
    X(FK_REASON_LOW_SCORE,  4, "score below the threshold")                         \
    X(FK_REASON_NO_ROOM,    5, "of interest, but worth less than all that is kept") \
    X(FK_REASON_TOO_LARGE,  6, "of interest, but the picture exceeds its limit")    \
    X(FK_REASON_ERROR,      7, "a stage failed; the error code says how")

#define FK_REASON_ENUM_ROW(name, code, text) name = code,
typedef enum { FK_REASON_LIST(FK_REASON_ENUM_ROW) FK_REASON_COUNT } fk_reason;
#undef FK_REASON_ENUM_ROW

/* One per frame, kept or not: why, and what the decision rested on. */
typedef struct {
    fk_time  time;          /* when the frame was taken                             */
    uint32_t frame_id;      /* counts up from first boot, never reused              */
    uint32_t size;          /* bytes of the encoded picture, 0 if not encoded        */
    uint16_t value;         /* 0..65535, what ranks frames in flash and downlink     */
    uint8_t  reason;        /* fk_reason                                            */
    uint8_t  class_index;   /* of the class that decided                            */
    uint8_t  score;         /* of that class, 0..255 = never..certain               */
    uint8_t  mean;          /* brightness of the frame, 0..255                      */
    uint8_t  contrast;      /* spread of brightness: 95th - 5th percentile, 0..255   */
    int8_t   error;         /* fk_err of the stage that failed, or 0                */
    fk_box   box;           /* of the object, where the model gives one             */
    uint8_t  model_id[8];   /* first 8 bytes of the SHA-256 of the source .tflite   */
} fk_decision;

const char *fk_reason_text(int reason); /* never NULL */

/* The reason's name without its prefix, such as "KEPT"; never NULL. */
const char *fk_reason_name(int reason);

#ifdef __cplusplus
}
#endif

#endif
