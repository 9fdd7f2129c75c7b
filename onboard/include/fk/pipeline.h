/* A frame's way through the flight code: judged, kept, sent; and what the ground asks.
 *
 * This is the only file that knows all stages. A board supplies memory, a
 * flash port, a model image and a policy; then it calls fk_pipeline_frame()
 * for every picture the camera takes, fk_pipeline_command() for every packet that
 * comes up, and fk_pipeline_downlink() while the link is up:
 *
 *     fk_pipeline_init(&p, &config);
 *     fk_pipeline_frame(&p, &decision, &frame, now);
 *     while ((n = fk_pipeline_downlink(&p, packet, sizeof packet)) > 0) { send(packet, n); }
 */
#ifndef FK_PIPELINE_H
#define FK_PIPELINE_H

#include "fk/camera.h"
#include "fk/codec.h"
#include "fk/downlink.h"
#include "fk/flash.h"
#include "fk/frame.h"
#include "fk/nn.h"
#include "fk/policy.h"
#include "fk/screen.h"
#include "fk/store.h"
#include "fk/trigger.h"
#include "fk/uplink.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FK_PIPELINE_SCALE_WORDS = 1024, /* bounds the width of a model's input: 341 pixels RGB   */
    FK_PIPELINE_CLASSES_MAX = 32,   /* classes of a model that the trigger can look at      */
    FK_PIPELINE_BATCH = 6,          /* decisions that share one write of flash               */
    FK_PIPELINE_LOG = 1 + FK_PIPELINE_BATCH * FK_DECISION_RECORD_SIZE, /* bytes of that write:
                                       their fk_record first; a thumbnail takes fewer        */
    FK_PIPELINE_ALIGN = 16          /* of the work area                                      */
};

/* What a board supplies. All of it must outlive the pipeline. */
typedef struct {
    const fk_store_config *store; /* flash port and the store's RAM; log_segments 2 or more;
                                     quotas, if any, are replaced where the policy has some */
    const uint8_t *model;         /* a .fkm, aligned to FK_IMAGE_ALIGN, read in place         */
    size_t         model_size;
    const uint8_t *policy;        /* a compiled mission                                      */
    size_t         policy_size;
    uint8_t       *work;          /* aligned to FK_PIPELINE_ALIGN: the network's arena and,
                                     once it has run, the encoder's scratch and the picture   */
    size_t         work_size;     /* fk_pipeline_work_size()                                */
    const fk_downlink_counters *resume; /* of before a reset; NULL on a first start           */
} fk_pipeline_config;

/* The state, not to be copied or moved. Its members are the pipeline's own business, but
 * downlink.counters, to be kept for `resume`, and store, for fk_store_stats(). */
typedef struct {
    fk_policy  policy;
    fk_model   model;
    fk_store   store;
    fk_store_config store_config;
    fk_store_quota quotas[FK_POLICY_CLASSES_MAX]; /* what the policy says each class may hold  */
    uint8_t    quota_count;
    fk_downlink downlink;
    fk_downlink_source source;
    fk_downlink_config link;
    fk_trigger_rule rules[FK_POLICY_CLASSES_MAX];
    uint8_t   *work;
    size_t     work_size;
    fk_time    now;                       /* of the last frame                               */
    uint32_t   next_id;                   /* 0: all are used up                              */
    uint16_t   batch_fill;                /* bytes in batch, 0 when it is empty               */
    uint16_t   unsent_fill, unsent_at;    /* bytes in unsent; those already in packets        */
    uint8_t    batch[FK_PIPELINE_LOG];    /* decisions not yet in flash                      */
    uint8_t    unsent[FK_STORE_LOG_MAX];  /* records from flash, being sent; room for any   */
    uint32_t   scale_scratch[FK_PIPELINE_SCALE_WORDS];
    uint16_t   histogram[FK_SCREEN_BINS];
} fk_pipeline;

/* Checks policy and model against each other and the work area, mounts the store,
 * opens the downlink. Returns 0, or the error of the stage that refused: then
 * fk_pipeline_frame(), _idle(), _sync() and _downlink() are FK_ERR_STATE. */
int fk_pipeline_init(fk_pipeline *p, const fk_pipeline_config *cfg);

/* Judges one frame and keeps it if it is worth it. Returns its fk_reason, and
 * writes the same to `out` with all that the decision rested on. A stage that
 * fails makes the reason FK_REASON_ERROR and `out->error` its code; the frame is
 * then lost but the next one is welcome. What the policy masks is made black in the
 * frame buffer. Returns < 0 only when not even the
 * decision could be logged, and FK_ERR_STATE, the frame not looked at, when all 2^32 - 1
 * ids are used up. */
int fk_pipeline_frame(fk_pipeline *p, fk_decision *out, const fk_frame *frame, fk_time time);

/* Does what a telecommand says. Returns 0, or why it was refused; either is reported in
 * a record that goes down with the decisions, but for a packet that is damaged
 * (FK_ERR_CORRUPT) or not for the policy's APID of records (FK_ERR_NOENT), which change
 * nothing. FK_ERR_NOENT is also a frame that is not in flash, FK_ERR_TOOSMALL a resend
 * too many, FK_ERR_INVAL one that begins past the picture's end. A policy holds until the
 * next reset, which brings back the one of fk_pipeline_init(): no command can do lasting
 * harm. It must leave the camera, the window, the packets, the quotas and all masks as they
 * are, else it is FK_ERR_STATE; masks may be added. */
int fk_pipeline_command(fk_pipeline *p, const uint8_t *packet, size_t size);

/* Writes what waits in RAM to flash: decisions are gathered so that they share a
 * program unit, so a cut of power can lose the last few. fk_pipeline_downlink()
 * does it too; a board calls it before it switches itself off. */
int fk_pipeline_sync(fk_pipeline *p);

/* Work on flash that keeping a picture would otherwise do, for the time between frames: at
 * most one erase and the copying of one segment. Returns 1 when more is to be done, 0 when
 * all is ready or nothing can be won. */
int fk_pipeline_idle(fk_pipeline *p);

/* Writes the next packet for the link. Returns its bytes, 0 when none waits, or an error as
 * fk_downlink_next() does: the next call goes on. */
int fk_pipeline_downlink(fk_pipeline *p, uint8_t *packet, size_t cap);

/* Bytes of the largest packet that fk_pipeline_downlink() writes. */
size_t fk_pipeline_packet_max(const fk_pipeline *p);

/* Bytes of work area with which every picture that `policy` allows can be kept;
 * with less than the model's arena needs, fk_pipeline_init() refuses. */
size_t fk_pipeline_work_size(const fk_model *model, const fk_policy *policy);

#ifdef __cplusplus
}
#endif

#endif
