"""What a table of scores says, where it can be computed by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.stats
from PIL import Image as Pillow

from seewhy.images import Folder
from seewhy.metrics import metric_info
from seewhy.study import Plan, Result, Unit
from seewhy.study.results import table
from seewhy.study.statistics import holm
from seewhy.study.summary import (
    CHANCE,
    ModelScores,
    StudyResult,
    beats_chance,
    mean_rank,
    means_of,
    metric_agreement,
    metric_concordance,
    no_better_than_chance,
    pairwise,
    photo_concordance,
    scores_of,
)

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
    assert found[BEST].value == pytest.approx(0.2)
    assert (found[BEST].low, found[BEST].high, found[BEST].pictures) == (pytest.approx(0.1), pytest.approx(0.3), 2)
    assert found[WORST] == (pytest.approx(0.5), pytest.approx(0.5), pytest.approx(0.5), 3)
    assert CHANCE not in found


def test_intervals_are_those_of_the_bootstrap():
    values = np.random.default_rng(0).normal(size=60)
    found = means_of(scores({HIGH: {BEST: values.tolist(), WORST: (2 * values).tolist()}}), HIGH)
    spread = 1.96 * values.std() / np.sqrt(60)
    assert found[BEST].high - found[BEST].value == pytest.approx(spread, rel=0.15)
    # Drawn together, from the same pictures.
    assert found[WORST].low == pytest.approx(2 * found[BEST].low)


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
    assert mean_rank(scores({PLACE: {BEST: [1.0]}})) == {}
    assert mean_rank(scores({HIGH: {BEST: [None]}})) == {}


def test_a_method_that_fails_everywhere_takes_the_ranking_from_nobody():
    given = {HIGH: {BEST: [0.9, 0.8, 0.7], "rise": [0.1, 0.9, 0.1], WORST: [None] * 3}}
    assert mean_rank(scores(given)) == {BEST: pytest.approx(4 / 3), "rise": pytest.approx(5 / 3), WORST: 3.0}


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


def test_only_what_is_better_beats_chance():
    given = {HIGH: {BEST: falling(12, 0.5), WORST: falling(12), CHANCE: falling(12), "rise": falling(12, -0.5)}}
    assert beats_chance(scores(given), metric_info(HIGH)) == {BEST: True, WORST: False, "rise": False}
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
        assert metric_concordance(given, given.metrics) is None
        assert photo_concordance(given, HIGH) is None


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
