#include "fk/trigger.h"

#include "fk/err.h"

int fk_trigger_judge(fk_decision *decision, const fk_trigger_config *cfg, const uint8_t *scores,
                     size_t score_count)
{
    int best = -1;              /* rule that decides                             */
    int fired = 0;              /* whether it reached its threshold              */
    int32_t best_rank = 0;      /* its value if it fired, else score - threshold */
    if (cfg->rule_count == 0)
        return FK_ERR_INVAL;
    for (int i = 0; i < cfg->rule_count; i++) {
        const fk_trigger_rule *rule = &cfg->rules[i];
        if (rule->class_index >= score_count || rule->weight > FK_TRIGGER_WEIGHT_MAX)
            return FK_ERR_INVAL;
        const int32_t score = scores[rule->class_index];
        const int fires = score >= rule->threshold;
        const int32_t rank = fires ? score * rule->weight : score - rule->threshold;
        if (best < 0 || fires > fired || (fires == fired && rank > best_rank)) {
            best = i;
            fired = fires;
            best_rank = rank;
        }
    }
    const fk_trigger_rule *rule = &cfg->rules[best];
    decision->class_index = rule->class_index;
    decision->score = scores[rule->class_index];
    decision->value = (uint16_t)(decision->score * rule->weight);
    decision->reason = fired ? FK_REASON_KEPT : FK_REASON_LOW_SCORE;
    return decision->reason;
}
