"""The trigger: which rule decides, and what a frame is worth."""

import pytest
from framekeep_onboard._fk import lib
from framekeep_onboard.imaging import FkError, Rule, Verdict, judge
from hypothesis import given
from hypothesis import strategies as st

KEPT, LOW = lib.FK_REASON_KEPT, lib.FK_REASON_LOW_SCORE


def test_a_score_at_the_threshold_is_kept_and_worth_score_times_weight():
    assert judge([Rule(1, 128, 100)], [0, 128]) == Verdict(KEPT, 1, 128, 12800)
    assert judge([Rule(1, 128, 100)], [0, 127]) == Verdict(LOW, 1, 127, 12700)


def test_a_certain_object_of_full_weight_is_worth_the_most_there_is():
    assert judge([Rule(0, 1, lib.FK_TRIGGER_WEIGHT_MAX)], [255]).value == 65535


def test_of_two_that_fire_the_more_valuable_decides():
    ship, cloud = Rule(0, 100, 200), Rule(1, 100, 10)
    assert judge([cloud, ship], [110, 255]) == Verdict(KEPT, 0, 110, 22000)


def test_equal_values_leave_the_decision_to_the_earlier_rule():
    assert judge([Rule(1, 1, 2), Rule(0, 1, 4)], [10, 20]).class_index == 1
    assert judge([Rule(0, 1, 4), Rule(1, 1, 2)], [10, 20]).class_index == 0


def test_when_none_fires_the_nearest_miss_is_reported():
    near, far = Rule(0, 60, 1), Rule(1, 250, 257)
    assert judge([far, near], [55, 200]) == Verdict(LOW, 0, 55, 55)


def test_a_rule_that_fires_without_worth_still_beats_one_that_does_not():
    assert judge([Rule(0, 255, 257), Rule(1, 0, 0)], [254, 0]) == Verdict(KEPT, 1, 0, 0)


def test_two_rules_may_speak_of_one_class():
    sure, maybe = Rule(0, 200, 257), Rule(0, 50, 20)
    assert judge([maybe, sure], [210]).value == 210 * 257
    assert judge([maybe, sure], [100]).value == 100 * 20


RULES = st.builds(Rule, st.integers(0, 3), st.integers(0, 255), st.integers(0, 257))


@given(st.lists(RULES, min_size=1, max_size=8), st.lists(st.integers(0, 255), min_size=4, max_size=4))
def test_the_decision_is_the_best_rule_whatever_the_list(rules, scores):
    fired = [r for r in rules if scores[r.class_index] >= r.threshold]
    if fired:
        best = max(fired, key=lambda r: scores[r.class_index] * r.weight)
    else:
        best = max(rules, key=lambda r: scores[r.class_index] - r.threshold)
    score = scores[best.class_index]
    reason = KEPT if fired else LOW
    assert judge(rules, scores) == Verdict(reason, best.class_index, score, score * best.weight)


@pytest.mark.parametrize("rules", [[], [Rule(2, 1, 1)], [Rule(0, 1, 258)], [Rule(0, 0, 1), Rule(9, 0, 1)]])
def test_rules_the_model_cannot_answer_are_refused(rules):
    with pytest.raises(FkError, match="FK_ERR_INVAL"):
        judge(rules, [1, 2])
