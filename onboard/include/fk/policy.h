/* The policy: a mission compiled to a few hundred bytes.
 *
 * The mission file is for people; this is what flies and what can be
 * uploaded. docs/SPEC.md lists the bytes; a policy is taken whole or refused. */
#ifndef FK_POLICY_H
#define FK_POLICY_H

#include "fk/frame.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FK_POLICY_CLASSES_MAX = 8,
    FK_POLICY_MASKS_MAX = 4,
    FK_POLICY_TILES_MAX = 16,      /* a side                                          */
    FK_POLICY_PICTURE_MAX = 196608 /* bytes; the store keeps no larger picture         */
};

/* A class worth keeping. */
typedef struct {
    uint8_t  index;      /* of the model's output                                  */
    uint8_t  threshold;  /* least score, 0..255, at which a frame is of interest    */
    uint16_t weight;     /* 0..257: the value is score x weight, 65535 at most       */
    uint32_t floor;      /* bytes in flash that other classes leave it; 0: none       */
    uint32_t ceiling;    /* bytes in flash that it never exceeds, picture_bytes_max or
                            more; 0: no bound                                       */
} fk_policy_class;

typedef struct {
    /* camera */
    uint16_t width, height;       /* pixels of a frame; an even width for YUYV      */
    fk_rect  crop;                /* what the network sees; width 0 = all of it     */
    uint8_t  tiles_across;        /* 1..FK_POLICY_TILES_MAX: it sees that in so many */
    uint8_t  tiles_down;          /* parts, as fk_camera_tile cuts them: one run each */
    uint8_t  pixel_format;        /* fk_pixel_format                                */
    uint8_t  mask_count;          /* 0..FK_POLICY_MASKS_MAX                         */
    fk_rect  masks[FK_POLICY_MASKS_MAX]; /* made black before anything looks         */
    /* screen, as in fk_screen_config: 0 (255 for bright) switches a test off */
    uint8_t  dark_below;          /* 95th percentile of brightness under it: dark   */
    uint8_t  bright_above;        /* 5th percentile over it: overexposed            */
    uint8_t  contrast_below;      /* 95th - 5th percentile under it: blank          */
    /* trigger */
    uint8_t  class_count;         /* 1..FK_POLICY_CLASSES_MAX                       */
    fk_policy_class classes[FK_POLICY_CLASSES_MAX];
    /* codec */
    uint8_t  jpeg_quality;        /* 1..100                                         */
    uint8_t  jpeg_mode;           /* 0 greyscale, 1 colour 4:2:0                     */
    uint16_t restart_interval;    /* MCUs between restart markers, 0 = none         */
    uint32_t picture_bytes_max;   /* 1..FK_POLICY_PICTURE_MAX: a larger one is not kept */
    uint16_t window_width;        /* pixels that are kept, around what was found;   */
    uint16_t window_height;       /* 0 both: the whole frame                        */
    /* audit */
    uint16_t audit_every;         /* of so many frames one leaves a thumbnail; 0 = none */
    /* downlink */
    uint16_t record_apid;         /* application process of decision records, 0..2046 */
    uint16_t image_apid;          /* of frames and their chunks, 0..2046              */
    uint16_t chunk_bytes;         /* picture bytes in one packet                      */
} fk_policy;

/* Reads a policy. Returns 0, FK_ERR_TOOSMALL when bytes are missing,
 * FK_ERR_CORRUPT on a wrong magic or CRC, FK_ERR_VERSION, or FK_ERR_INVAL when
 * a field is outside its range; `out` is written only on success. */
int fk_policy_parse(fk_policy *out, const uint8_t *bytes, size_t size);

#ifdef __cplusplus
}
#endif

#endif
