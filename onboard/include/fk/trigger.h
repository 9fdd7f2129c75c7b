/* Decides whether a frame is of interest, and what it is worth.
 *
 * A list of rules, each about one class of the model. A rule fires when the
 * class's score reaches its threshold; the frame's value is then score x weight.
 * Of several rules that fire, the one of greatest value decides. Other kinds of
 * rule are added as further lists of fk_trigger_config. */
#ifndef FK_TRIGGER_H
#define FK_TRIGGER_H

#include "fk/frame.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FK_TRIGGER_WEIGHT_MAX = 257 }; /* 255 x 257 = 65535, the greatest value */

typedef struct {
    uint16_t weight;      /* 0..FK_TRIGGER_WEIGHT_MAX: worth of a full score        */
    uint8_t  class_index; /* into the model's classes                              */
    uint8_t  threshold;   /* least score that counts, 0..255; 0 = every frame       */
} fk_trigger_rule;

typedef struct {
    const fk_trigger_rule *rules; /* must outlive the config                       */
    uint8_t rule_count;           /* 1..255; equal values: the earlier rule decides */
} fk_trigger_config;

/* Fills reason (FK_REASON_KEPT or FK_REASON_LOW_SCORE), class_index, score and value
 * of `decision` from the scores of `score_count` classes, 0..255 each. When no rule
 * fires, they are those of the rule that came nearest to its threshold, so that
 * thresholds can be tuned from the records. Returns the reason, or FK_ERR_INVAL for a
 * rule about a class the model has not, a weight out of range, or no rules. */
int fk_trigger_judge(fk_decision *decision, const fk_trigger_config *cfg, const uint8_t *scores,
                     size_t score_count);

#ifdef __cplusplus
}
#endif

#endif
