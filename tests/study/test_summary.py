"""What a table of scores says, where it can be computed by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from PIL import Image as Pillow

from seewhy.images import Folder
from seewhy.metrics import metric_info
from seewhy.study import Plan, Result, Unit
from seewhy.study.results import table
from seewhy.study.score import CHANCE
from seewhy.study.scores import ModelScores, mean_rank, means_of, scores_of
from seewhy.study.statistics import holm
from seewhy.study.summary import (
    StudyResult,
    metric_agreement,
    metric_concordance,
    of_other_classes,
    pairwise,
    photo_concordance,
)
from seewhy.study.verdict import beats_chance, no_better_than_chance, verdict_of

HIGH, LOW, PLACE = "road", "infidelity", "pointing-game"  # higher, lower is better; no test of faithfulness
BEST, WORST = "grad-cam", "lime"


def scores(values, pictures=None):
    """Of metrics and methods, a number for each picture; None where it is not defined."""
    methods = tuple(dict.fromkeys(method for row in values.values() for method in row))
    cells = {
        (metric, method): {f"{place}.png": each for place, each in enumerate(given) if each is not None}
        for metric, row in values.items()
        for method, given in row.items()
    }
    return ModelScores("toy", methods, tuple(map(metric_info, values)), cells)


def falling(count, start=0.0):
    return [start + 0.01 * place for place in range(count)]


# --- Means --------------------------------------------------------------------------------------------------------


def test_means_are_over_the_pictures_that_have_a_score():
    found = means_of(scores({HIGH: {BEST: [0.1, 0.3, None], WORST: [0.5, 0.5, 0.5], CHANCE: [None] * 3}}), HIGH)
    assert (found[BEST].value, found[BEST].pictures) == (pytest.approx(0.2), 2)
    assert found[BEST].bounds is None, "two photos have no interval that holds"
    assert (found[WORST].value, found[WORST].bounds, found[WORST].pictures) == (0.5, None, 3)
    assert CHANCE not in found


def test_of_one_picture_among_several_there_is_no_interval():
    found = means_of(scores({HIGH: {BEST: [0.1, None], WORST: [0.5, 0.4]}}), HIGH)
    assert found[BEST].bounds is None
    assert means_of(scores({HIGH: {BEST: [0.1]}}), HIGH)[BEST].bounds == (0.1, 0.1)


def test_means_have_students_interval_and_shares_wilsons():
    values = np.random.default_rng(0).normal(size=60)
    found = means_of(scores({HIGH: {BEST: values.tolist(), WORST: (2 * values).tolist()}}), HIGH)
    half = scipy.stats.t.ppf(0.975, 59) * values.std(ddof=1) / np.sqrt(60)
    assert found[BEST].high - found[BEST].low == pytest.approx(2 * half, rel=0.02)
    assert found[WORST].low == pytest.approx(2 * found[BEST].low)
    assert means_of(scores({PLACE: {BEST: [1.0] * 20}}), PLACE)[BEST].low == pytest.approx(0.839, abs=1e-3)


# --- Ranks and tests ----------------------------------------------------------------------------------------------


def test_ranks_count_faithfulness_only_and_know_which_way_is_better():
    rivals = scores(
        {
            HIGH: {BEST: [0.9, 0.9], WORST: [0.1, 0.1], CHANCE: [1.0, 1.0]},
            LOW: {BEST: [1.0, 5.0], WORST: [2.0, 1.0], CHANCE: [0.0, 0.0]},
            PLACE: {BEST: [0.0, 0.0], WORST: [1.0, 1.0], CHANCE: [1.0, 1.0]},
        }
    )
    assert mean_rank(rivals) == {BEST: pytest.approx(1.25), WORST: pytest.approx(1.75)}
    assert list(mean_rank(rivals)) == [BEST, WORST]


def test_pictures_that_lack_a_score_do_not_count_for_ranks():
    assert mean_rank(scores({HIGH: {BEST: [0.9, 0.0], WORST: [0.1, None]}})) == {BEST: 1.0, WORST: 2.0}
    assert mean_rank(scores({HIGH: {BEST: [0.9, None], WORST: [0.1, 0.5]}})) == {BEST: 1.0, WORST: 2.0}
    assert mean_rank(scores({PLACE: {BEST: [1.0]}})) == {}
    assert mean_rank(scores({HIGH: {BEST: [None]}})) == {}


def test_a_method_that_fails_takes_nothing_from_the_others():
    given = {HIGH: {BEST: [0.9, 0.8, 0.7], "rise": [0.1, 0.9, 0.1]}}
    alone = mean_rank(scores(given))
    assert alone == {BEST: pytest.approx(4 / 3), "rise": pytest.approx(5 / 3)}
    everywhere = {HIGH: {**given[HIGH], WORST: [None] * 3}}
    assert mean_rank(scores(everywhere)) == alone
    once = mean_rank(scores({HIGH: {**given[HIGH], WORST: [None, None, 0.0]}}))
    assert once == {**alone, WORST: 3.0}


def test_metrics_that_ask_one_question_count_once():
    three = scores({
        "road": {BEST: [0.9], WORST: [0.1]}, "road-lerf": {BEST: [0.9], WORST: [0.1]},
        LOW: {BEST: [2.0], WORST: [1.0]},
    })  # fmt: skip
    assert three.questions == 2
    assert mean_rank(three) == {BEST: 1.5, WORST: 1.5}
    assert three.ahead(BEST, WORST) == pytest.approx([0])
    assert scores({"road": {BEST: [1]}, "road-morf": {BEST: [1]}, "road-lerf": {BEST: [1]}}).questions == 1
    parts = ("insertion", "deletion", "insertion-minus-deletion")
    assert scores({name: {BEST: [1]} for name in parts}).questions == 1


def test_over_all_tests_together_one_question_is_asked():
    better, same = falling(12, 0.5), falling(12)
    given = {
        HIGH: {BEST: better, WORST: same, CHANCE: same[::-1]},
        LOW: {
            BEST: [-each for each in better],
            WORST: [-each for each in same[::-1]],
            CHANCE: [-each for each in same],
        },
    }
    assert no_better_than_chance(scores(given)) == [WORST]
    few = {metric: {name: each[:3] for name, each in row.items()} for metric, row in given.items()}
    assert no_better_than_chance(scores(few)) == [], "too few to tell"


def test_the_strongest_control_is_the_bar():
    better, bar = falling(12, 0.5), falling(12, 0.9)
    given = {HIGH: {BEST: better, CHANCE: falling(12), "control:gaussian": bar}}
    assert beats_chance(scores(given), metric_info(HIGH))[BEST] is False
    judged = verdict_of(scores(given))
    assert (judged.strongest, judged.controls[BEST], judged.above) == ("control:gaussian", False, ())
    assert beats_chance(scores({HIGH: {BEST: bar, CHANCE: falling(12), "control:gaussian": better}}),
                        metric_info(HIGH))[BEST] is True  # fmt: skip


def test_what_asks_the_network_nothing_has_no_chance_level():
    given = {"sparseness": {BEST: falling(12, 0.5), CHANCE: falling(12)}}
    assert beats_chance(scores(given), metric_info("sparseness")) == {}


# --- The verdict --------------------------------------------------------------------------------------------------


def judged(pictures, seed=0, **shifts):
    rng = np.random.default_rng(seed)
    values = {name.replace("_", "-"): (rng.normal(0, 0.3, pictures) + shift).tolist() for name, shift in shifts.items()}
    return verdict_of(scores({HIGH: {**values, CHANCE: rng.normal(-5, 0.3, pictures).tolist()}}))


def test_a_method_is_singled_out_only_by_a_test():
    many = judged(20, grad_cam=1.0, lime=0.0, rise=0.0)
    assert (many.one, many.best, many.needed) == ("grad-cam", ("grad-cam",), 0)
    few = judged(3, grad_cam=9.0, lime=0.0, rise=0.0)
    assert few.one is None
    assert few.best == few.order
    assert few.needed == 6  # 2 / 2⁶ ≤ 0.05
    alike = judged(20, grad_cam=1.0, lime=1.0, rise=0.0)
    assert alike.one is None
    assert {*alike.recommended} == {"grad-cam", "lime"}


def test_the_best_is_rarely_left_out():
    """Of two that are as good the test leaves one out in no more than one case of twenty."""
    whole = [len(judged(10, seed, grad_cam=0.0, lime=0.0).best) == 2 for seed in range(200)]
    assert np.mean(whole) >= 0.9


def test_it_is_said_under_how_many_metrics_the_order_holds():
    given = {
        HIGH: {BEST: [0.9] * 9, WORST: [0.1] * 9}, "deletion": {BEST: [0.1] * 9, WORST: [0.2] * 9},
        LOW: {BEST: [0.9] * 9, WORST: [0.1] * 9},
    }  # fmt: skip
    found = verdict_of(scores(given))
    assert (found.order[0], found.first_under, found.tests, found.questions) == (BEST, 2, 3, 3)


def test_a_verdict_on_one_picture_is_that_of_its_own_scores():
    given = scores({HIGH: {BEST: [0.1, 0.9], WORST: [0.5, 0.5], CHANCE: [0.2, 0.2]}})
    first, second = (verdict_of(given.only([f"{place}.png"])) for place in (0, 1))
    assert (first.order, first.above) == ((WORST, BEST), (WORST,))
    assert (second.order, second.above) == ((BEST, WORST), (BEST, WORST))
    assert first.pictures == 1


# --- Other classes ------------------------------------------------------------------------------------------------


def test_what_marks_the_object_whatever_is_asked_is_found_out():
    given = scores({PLACE: {BEST: [1.0] * 8, WORST: [1.0] * 8}})
    asked = replace(given, others={
        (PLACE, BEST): {f"{place}.png": 0.0 for place in range(8)},
        (PLACE, WORST): {f"{place}.png": 1.0 for place in range(8)},
    })  # fmt: skip
    assert of_other_classes(asked, metric_info(PLACE)) == {BEST: (0.0, True), WORST: (1.0, False)}
    few = replace(given, others={(PLACE, BEST): {"0.png": 0.0}})
    assert of_other_classes(few, metric_info(PLACE)) == {BEST: (0.0, None)}
    assert of_other_classes(given, metric_info(PLACE)) == {}


def test_only_what_is_better_beats_chance():
    given = {HIGH: {BEST: falling(12, 0.5), WORST: falling(12), CHANCE: falling(12), "rise": falling(12, -0.5)}}
    found = beats_chance(scores(given), metric_info(HIGH))
    assert found == {BEST: True, WORST: False, "rise": False}
    given = {LOW: {BEST: falling(12), WORST: falling(12, 0.9), CHANCE: falling(12, 0.5)}}
    assert beats_chance(scores(given), metric_info(LOW)) == {BEST: True, WORST: False}


def test_many_questions_take_stronger_answers():
    better = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0, -0.1, -0.2]  # 5 of 2⁸ orders of signs are as good
    alone = scores({HIGH: {BEST: better, CHANCE: [0.0] * 8}})
    together = scores({HIGH: {**{f"method-{number}": better for number in range(4)}, CHANCE: [0.0] * 8}})
    assert beats_chance(alone, metric_info(HIGH)) == {BEST: True}
    assert set(beats_chance(together, metric_info(HIGH)).values()) == {False}


def test_too_few_pictures_tell_nothing():
    def asked(pictures, methods):
        names = [f"method-{number}" for number in range(methods)]
        values = {**{name: falling(pictures, 0.5) for name in names}, CHANCE: falling(pictures)}
        return beats_chance(scores({HIGH: values}), metric_info(HIGH))

    assert asked(4, 1) == {}  # at best 1 / 2⁴
    assert asked(5, 1) == {"method-0": True}
    assert asked(5, 2) == {}
    assert set(asked(6, 3).values()) == {True}


def test_methods_are_held_against_chance_on_pictures_they_share():
    given = {HIGH: {BEST: [*falling(8, 0.5), None], WORST: [None] * 9, CHANCE: [*falling(8), 9.0]}}
    assert beats_chance(scores(given), metric_info(HIGH)) == {BEST: True}
    assert beats_chance(scores({HIGH: {BEST: falling(8)}}), metric_info(HIGH)) == {}


def test_pairs_of_methods_are_tested_as_scipy_does():
    rng = np.random.default_rng(1)
    values = {name: rng.normal(shift, 1, 15) for name, shift in ((BEST, 1.5), (WORST, 0), (CHANCE, 0.2))}
    methods, p_values = pairwise(scores({HIGH: {name: each.tolist() for name, each in values.items()}}), HIGH)
    names = list(values)
    assert methods == tuple(names)
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = holm([scipy.stats.wilcoxon(values[names[i]], values[names[j]]).pvalue for i, j in pairs])
    assert [p_values[pair] for pair in pairs] == pytest.approx(expected)


def test_methods_without_scores_are_not_tested():
    given = {HIGH: {BEST: falling(8, 0.5), WORST: falling(8), CHANCE: [None] * 8}}
    assert pairwise(scores(given), HIGH)[0] == (BEST, WORST)
    assert pairwise(scores({HIGH: {BEST: falling(8)}}), HIGH) is None
    assert pairwise(scores({HIGH: {BEST: [None], WORST: [None]}}), HIGH) is None


# --- Agreement ----------------------------------------------------------------------------------------------------


def test_metrics_agree_where_they_order_methods_alike():
    given = scores(
        {
            HIGH: {"a": [3, 3], "b": [2, 2], "c": [1, 1]},
            LOW: {"a": [1, 1], "b": [2, 2], "c": [3, 3]},
            PLACE: {"a": [1, 3], "b": [2, 2], "c": [3, 1]},  # against it on one picture, with it on the other
        }
    )
    tau = metric_agreement(given, given.metrics)
    assert tau == pytest.approx(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]]))
    assert metric_concordance(given, given.metrics[:2]) == pytest.approx(1)
    assert photo_concordance(given, HIGH) == pytest.approx(1)
    assert photo_concordance(given, PLACE) == pytest.approx(0)


def test_one_method_or_no_shared_picture_leaves_nothing_to_agree_on():
    for given in (scores({HIGH: {BEST: [1.0], CHANCE: [0.0]}}), scores({HIGH: {BEST: [1, None], WORST: [None, 1]}})):
        assert metric_agreement(given, given.metrics) is None
        assert photo_concordance(given, HIGH) is None
    assert metric_concordance(scores({HIGH: {BEST: [1.0], CHANCE: [0.0]}}), [metric_info(HIGH)]) is None


def test_one_that_fails_leaves_the_others_their_agreement():
    given = {
        HIGH: {"a": [3, 3], "b": [2, 2], "c": [1, 1], WORST: [None, None]},
        LOW: {"a": [1, 1], "b": [2, 2], "c": [3, 3], WORST: [None, 0]},
    }
    found = scores(given)
    assert metric_agreement(found, found.metrics)[0, 1] == pytest.approx(1)
    assert metric_concordance(found, found.metrics) == pytest.approx(1)
    assert photo_concordance(found, LOW) == pytest.approx(1)


# --- From the table -----------------------------------------------------------------------------------------------


@pytest.fixture
def result(tmp_path):
    Pillow.new("RGB", (8, 8)).save(tmp_path / "a.png")
    folder = Folder.open(tmp_path)
    plan = Plan(
        models={"one": "1" * 64, "two": "2" * 64},
        methods={BEST: {}, CHANCE: {}},
        metrics={HIGH: {}, PLACE: {}},
        images=folder.hashes,
        batch_size=1,
    )
    values = {(HIGH, BEST): 0.5, (HIGH, CHANCE): 0.0, (PLACE, BEST): None, (PLACE, CHANCE): 1.0}
    done = [
        Result(
            Unit("one", method, "a.png"),
            tuple({"metric": metric, "value": values[metric, method]} for metric in (HIGH, PLACE)),
        )
        for method in (BEST, CHANCE)
    ]
    return StudyResult(plan, table(done), (), folder)


def test_a_table_is_split_by_model(result):
    one, two = scores_of(result.table.iter_rows(named=True), result.plan)
    assert one.values == {(HIGH, BEST): {"a.png": 0.5}, (HIGH, CHANCE): {"a.png": 0.0}, (PLACE, CHANCE): {"a.png": 1.0}}
    assert two.values == {}
    assert (one.rivals, one.tests) == ((BEST,), (metric_info(HIGH),))


def test_a_row_for_each_model_method_and_metric(result):
    rows = result.rows()
    keys = [(row["model"], row["method"], row["metric"]) for row in rows]
    assert keys == [
        (model, name, each) for model in ("one", "two") for name in (BEST, CHANCE) for each in (HIGH, PLACE)
    ]
    assert rows[0]["value"] == 0.5
    assert rows[0]["beats_chance"] is None
    assert rows[1]["value"] is None
    assert all(row["value"] is None for row in rows[4:])
    assert len({tuple(row) for row in rows}) == 1, "every row has the same keys"
    json.dumps(rows, allow_nan=False)


def test_a_study_in_which_all_failed_has_no_scores(result):
    empty = StudyResult(result.plan, table([]), (), result.folder)
    assert empty.means == {}
    assert all(row["value"] is None for row in empty.rows())
