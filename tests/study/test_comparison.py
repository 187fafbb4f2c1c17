"""Comparisons against what paper and pencil say."""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from seewhy.metrics import metric_info
from seewhy.metrics.context import cell_means
from seewhy.study.score import CELLS
from seewhy.study.statistics import mean_interval
from seewhy.study.summary import map_agreement
from seewhy.study.verdict import no_better_than_chance, verdict_of
from study import contests
from study.contests import DOWN, IDLE, UP, trial

ROAD, INFIDELITY = metric_info(UP), metric_info(DOWN)
THIRTY = [number / 30 for number in range(30)]


class Cell(NamedTuple):
    value: float
    low: float
    high: float
    beats_chance: bool | None


class Asked:
    """What a comparison says, metric by metric and method by method."""

    def __init__(self, found):
        self.found = found
        (self.scores,) = found.scores
        self.ranks, self.ranked_by = self.scores.ranks, self.scores.tests
        self.first = next(iter(verdict_of(self.scores).order), None)
        self.no_better_than_chance = no_better_than_chance(self.scores)

    def cell(self, metric, method):
        key = (self.scores.model, metric.name, method)
        mean = self.found.means.get(key)
        return mean and Cell(mean.value, mean.low, mean.high, self.found.beats_chance.get(key))

    def mean_rank(self, method):
        return self.ranks.get(method)


def comparison(*trials, **changes):
    return Asked(contests.comparison(*trials, **changes))


def agreement(asked):
    return map_agreement(asked.found.explained.values(), asked.scores.rivals)


def cell(found, metric=ROAD, method="a"):
    one = found.cell(metric, method)
    return one and (one.value, one.low, one.high)


# --- Cells --------------------------------------------------------------------------------------------------------


def test_of_one_picture_the_interval_is_that_of_the_draws():
    found = comparison(trial({UP: {"a": [0.2, 0.6, 0.1], "b": 0.4}}))
    assert cell(found) == pytest.approx((0.3, 0.1, 0.6))
    assert cell(found, method="b") == (0.4, 0.4, 0.4)


def test_of_several_pictures_it_is_over_their_means():
    rows = [[0.0, 0.2], *np.linspace(0.2, 0.9, 14).tolist()]
    found = comparison(*(trial({UP: {"a": row}}) for row in rows))
    interval = mean_interval([0.1, *np.linspace(0.2, 0.9, 14)])
    assert cell(found) == pytest.approx(tuple(interval))


def test_what_is_undefined_is_left_out_and_nothing_is_made_of_nothing():
    rows = [0.2, None, 0.4, [0.9, None]]
    found = comparison(*(trial({UP: {"a": row, "b": None}}) for row in rows))
    assert cell(found)[0] == pytest.approx(0.3)
    assert np.isnan(cell(found)[1:]).all(), "two of so few have no interval"
    assert cell(found, method="b") is None


def test_one_picture_that_is_known_keeps_its_own_draws():
    found = comparison(trial({UP: {"a": [0.5, 0.7]}}), trial({UP: {"a": None}}), trial({UP: {"a": [0.1, None]}}))
    assert cell(found) == pytest.approx((0.6, 0.5, 0.7))


# --- Chance -------------------------------------------------------------------------------------------------------


def beats(own, chance, metric=ROAD):
    return comparison(trial({metric.name: {"a": own}}, {metric.name: chance})).cell(metric, "a").beats_chance


@pytest.mark.parametrize(
    ("maps", "better", "expected"),
    # (1 + better) / (1 + maps) ≤ 0.05
    [(19, 0, True), (18, 0, False), (30, 0, True), (30, 1, False), (39, 1, True), (39, 2, False), (99, 4, True)],
)
def test_one_in_twenty_random_maps_may_do_as_well(maps, better, expected):
    chance = [1.0] * better + [0.0] * (maps - better)
    assert beats(0.5, chance) is expected
    assert beats(0.5, [1 - each for each in chance], INFIDELITY) is expected


def test_as_good_counts_as_better():
    assert beats(0.5, [0.5] + [0.0] * 29) is False
    assert beats(0.5, [0.49] + [0.0] * 29) is True


def test_lower_is_better_where_the_metric_says_so():
    assert beats(-1.0, THIRTY, INFIDELITY) is True
    assert beats(2.0, THIRTY, INFIDELITY) is False
    assert beats(-1.0, THIRTY) is False


def test_chance_is_asked_with_the_first_seed_and_so_is_what_it_judges():
    # By the mean of its draws it would beat every random map, whose one draw was of the harder questions.
    assert beats([0.5, 9.0, 9.0], THIRTY) is False
    assert beats([1.5, -9.0, -9.0], THIRTY) is True


def test_over_pictures_the_means_are_compared():
    def two(one, other):
        rows = [(one, [0.0] * 29 + [0.8]), (other, [0.8] + [0.0] * 29)]
        found = comparison(*(trial({UP: {"a": own}}, {UP: chance}) for own, chance in rows))
        return found.cell(ROAD, "a").beats_chance

    # A random map scores 0.4 at most over both pictures.
    assert two(0.45, 0.45) is True
    assert two(0.9, -0.05) is True
    assert two(0.4, 0.4) is False


def test_random_maps_that_have_no_score_are_not_counted():
    found = comparison(
        trial({UP: {"a": 1.0, "b": 1.0}}, {UP: [0.0] * 20}), trial({UP: {"a": 1.0, "b": None}}, {UP: [0.0] * 18})
    )
    assert found.cell(ROAD, "a").beats_chance is False, "18 maps were scored on both pictures"
    assert found.cell(ROAD, "b").beats_chance is True, "only the first picture counts"


def test_where_chance_was_not_asked_nothing_is_said():
    for chance in ({}, {UP: []}, {DOWN: THIRTY}):
        found = comparison(trial({UP: {"a": 9.0, "b": None}}, chance))
        assert found.cell(ROAD, "a").beats_chance is None
        assert found.no_better_than_chance == []


def test_who_is_no_better_than_chance_is_named():
    values = {
        UP: {"both": 2.0, "one": 2.0, "none": 0.5, "undefined": None, "control:random": 0.5, "control:sobel": 0.95},
        DOWN: {"both": -1.0, "one": 0.5, "none": 0.5, "undefined": None, "control:random": 0.5, "control:sobel": 0.01},
        "pointing-game": dict.fromkeys(["both", "one", "none", "undefined", "control:random", "control:sobel"], 2.0),
    }
    found = comparison(trial(values, dict.fromkeys(values, THIRTY)))
    # By mean rank: map k of 30 is the (30 − k)th by the first test and the (k + 1)th by the second.
    assert found.no_better_than_chance == ["one", "none"], "the edges do as well as one"
    assert found.cell(metric_info("pointing-game"), "none").beats_chance is False, "the edges score as well"
    assert found.cell(ROAD, "control:sobel").beats_chance is None, "it is the bar"


def test_one_lucky_test_does_not_beat_chance():
    tests = ["road", "road-lerf", "insertion"]
    chance = {name: np.roll(THIRTY, 10 * place).tolist() for place, name in enumerate(tests)}
    lucky = {"road": {"a": 2.0}, "road-lerf": {"a": 0.1}, "insertion": {"a": 0.1}}
    found = comparison(trial(lucky, chance))
    assert found.cell(ROAD, "a").beats_chance is True
    assert found.no_better_than_chance == ["a"]
    steady = comparison(trial({name: {"a": 0.95} for name in tests}, chance))
    assert steady.no_better_than_chance == []


def test_of_random_maps_few_are_called_better_however_many_tests_there_are():
    tests = ["road", "road-lerf", "insertion", "insertion-minus-deletion", "idsds"]
    rng = np.random.default_rng(0)
    better = 0
    for _ in range(400):
        scores = rng.random((len(tests), 31))
        made = trial(
            {name: {"a": own} for name, (own, *_) in zip(tests, scores, strict=True)},
            {name: rest for name, (_, *rest) in zip(tests, scores.tolist(), strict=True)},
        )
        better += not comparison(made).no_better_than_chance
    assert 3 <= better <= 24, "one in 31 of them; test by test it would be one in seven"


def test_nor_where_half_of_the_random_maps_are_the_others_upside_down():
    """Two tests share a part; by the first, as by ROAD, a map upside down scores the opposite, by the second not."""
    rng = np.random.default_rng(0)
    better = 0
    for _ in range(400):
        maps = rng.normal(size=(16, 3))
        every = np.concatenate([maps, -maps[1:]])
        scores = {"road": every[:, 0], "insertion": every[:, 0] + every[:, 1] + every[:, 2] ** 2}
        made = trial(
            {name: {"a": float(each[0])} for name, each in scores.items()},
            {name: each[1:].tolist() for name, each in scores.items()},
        )
        better += not comparison(made).no_better_than_chance
    assert 3 <= better <= 24


def test_a_test_that_cannot_tell_leaves_it_to_the_others():
    values = {"adcc": {"a": 0.9, "b": 0.9}, UP: {"a": 2.0, "b": 0.5}}
    found = comparison(trial(values, {"adcc": [], UP: THIRTY}))
    assert found.no_better_than_chance == ["b"]


@settings(max_examples=25)
@given(st.lists(st.floats(-1, 1), min_size=31, max_size=31, unique=True))
def test_of_exchangeable_maps_one_in_31_beats_the_rest(values):
    won = [beats(own, values[:place] + values[place + 1 :]) for place, own in enumerate(values)]
    assert sum(won) == 1
    assert won[int(np.argmax(values))]


# --- Ranks --------------------------------------------------------------------------------------------------------


def test_ranks_are_means_over_pictures_and_tests_of_faithfulness():
    first = {UP: {"a": 0.1, "b": 0.2, "c": 0.3}, DOWN: {"a": 0.1, "b": 0.2, "c": 0.3}, IDLE: {"a": 9, "b": 0, "c": 0}}
    second = {UP: {"a": 0.5, "b": 0.5, "c": 0.1}, DOWN: {"a": 5, "b": 6, "c": 7}, IDLE: {"a": 9, "b": 0, "c": 0}}
    found = comparison(trial(first), trial(second))
    # a: 3, 1, 1.5, 1; b: 2, 2, 1.5, 2; c: 1, 3, 3, 3
    assert found.ranks == {"a": 6.5 / 4, "b": 7.5 / 4, "c": 10 / 4}
    assert list(found.ranks) == ["a", "b", "c"]
    assert found.first == "a"
    assert [each.name for each in found.ranked_by] == [UP, DOWN]
    assert found.mean_rank("b") == 7.5 / 4


@pytest.mark.parametrize("order", list(permutations("abc")))
def test_the_best_comes_first_whatever_the_order_they_came_in(order):
    worth = {"a": 0.1, "b": 0.3, "c": 0.2}
    found = comparison(trial({UP: {name: worth[name] for name in order}}))
    assert list(found.ranks) == ["b", "c", "a"]


@pytest.mark.parametrize("metric", [UP, DOWN])
def test_an_undefined_score_has_no_rank_and_takes_none(metric):
    found = comparison(trial({metric: {"a": None, "b": 1e9, "c": -1e9}}))
    assert set(found.ranks) == {"b", "c"}
    assert set(found.ranks.values()) == {1, 2}
    assert found.scores.ordered[-1] == "a"


def test_controls_are_not_ranked():
    found = comparison(trial({UP: {"a": 0.1, "control:random": 0.9, "b": 0.2}}))
    assert found.ranks == {"b": 1, "a": 2}
    assert found.mean_rank("control:random") is None


def test_without_a_test_of_faithfulness_none_is_best():
    found = comparison(trial({IDLE: {"a": 0.1, "b": 0.9}}, {IDLE: THIRTY}))
    assert found.first is None
    assert found.mean_rank("a") is None
    assert found.scores.ordered == ("a", "b")
    assert found.no_better_than_chance == []


# --- Agreement ----------------------------------------------------------------------------------------------------


def test_agreement_is_the_rank_correlation_of_cells_averaged_over_pictures():
    rng = np.random.default_rng(0)
    maps = [{name: rng.random((28, 42)) for name in "abc"} for _ in range(2)]
    found = agreement(comparison(*(trial({UP: dict.fromkeys("abc", 0.0)}, maps=each) for each in maps)))
    for i, one in enumerate("abc"):
        for j, other in enumerate("abc"):
            expected = np.mean([spearmanr(cell_means(m[one], CELLS), cell_means(m[other], CELLS))[0] for m in maps])
            assert found[i, j] == pytest.approx(expected, abs=1e-6)


def test_agreement_of_known_maps():
    ramp = np.arange(28 * 28, dtype=np.float32).reshape(28, 28) / 784
    maps = {"a": ramp, "b": ramp**3 + 5, "c": 1 - ramp, "flat": np.ones((28, 28))}
    found = agreement(comparison(trial({UP: dict.fromkeys([*maps, "control:random"], 0.0)}, maps=maps)))
    expected = [[1, 1, -1, 0], [1, 1, -1, 0], [-1, -1, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(found, expected, atol=1e-6)
