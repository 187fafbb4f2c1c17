"""Samples that are shared without becoming biased."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seewhy.methods.anchor_variations import COUNTABLE, Variations


class Asked:
    """Keeps the class where the first region stays, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[np.ndarray] = []
        self.which: list[np.ndarray] = []

    def __call__(self, shown: np.ndarray, which: np.ndarray) -> np.ndarray:
        self.calls.append(shown)
        self.which.append(which)
        return shown[:, 0]


def variations(regions: int, seed: int = 0, alternatives: int = 1) -> tuple[Variations, Asked]:
    asked = Asked()
    return Variations(asked, regions, np.random.default_rng(seed), alternatives), asked


def sizes(made: Variations, *rules: tuple[int, ...]) -> list[int]:
    return made.tally(rules)[1].tolist()


def test_a_sample_has_its_regions_in_sight():
    made, asked = variations(6)
    made.ask([(1, 4)], 10)
    shown, kept = made.sample((1, 4))
    assert len(shown) == len(kept) == 10
    assert shown[:, [1, 4]].all()
    np.testing.assert_array_equal(kept, shown[:, 0])
    assert [len(call) for call in asked.calls] == [made.asked] == [10]


def test_several_rules_are_asked_in_one_call_and_share_what_they_can():
    made, asked = variations(6)
    made.ask([(0,), (1,), (2,)], 20)
    assert min(sizes(made, (0,), (1,), (2,))) == 20
    assert len(asked.calls) == 1
    assert made.asked < 50


@given(regions=st.integers(1, 6), seed=st.integers(0, 100), data=st.data())
@settings(max_examples=50)
def test_nothing_is_asked_twice_and_every_sample_is_the_start_of_the_order(regions, seed, data):
    made, asked = variations(regions, seed)
    full, _ = variations(regions, seed)
    full.ask([()], 2**regions)
    order = full.sample(())[0]
    rule = st.sets(st.integers(0, regions - 1)).map(lambda chosen: tuple(sorted(chosen)))
    for rules in data.draw(st.lists(st.lists(rule, min_size=1, max_size=3), max_size=5)):
        made.ask(rules, 5)
        for each in rules:
            shown, kept = made.sample(each)
            np.testing.assert_array_equal(shown, order[order[:, each].all(1)][: len(shown)])
            assert made.tally([each])[0].item() == kept.sum() == shown[:, 0].sum()
    seen = Counter(row.tobytes() for call in asked.calls for row in call)
    assert not seen or max(seen.values()) == 1


def test_all_there_are_is_the_end():
    made, _ = variations(5)
    assert made.population((2,)) == 16
    made.ask([(2,)], 100)
    assert sizes(made, (2,)) == [16]
    made.ask([(2,)], 100)
    assert made.asked == 16


def test_a_larger_rule_has_the_answers_of_a_smaller_one_but_not_the_reverse():
    made, _ = variations(8)
    made.ask([(3,)], 60)
    small, large, other = sizes(made, (3,), (3, 5), (5,))
    assert small == 60
    assert 15 < large < 45
    assert other < large, "what was asked with region 3 in sight says nothing of region 5 alone"


def test_more_regions_than_can_be_listed_are_drawn_as_needed():
    made, _ = variations(40)
    rule = (1, 5, 9, 20, 33)
    assert made.population(rule) == np.inf
    made.ask([rule], 150)
    shown, _ = made.sample(rule)
    assert len(shown) == 150
    assert shown[:, rule].all()
    others = np.delete(shown, rule, 1).mean()
    assert others == pytest.approx(0.5, abs=0.05)
    made.ask([(1,)], 30)
    assert len(made.sample(rule)[0]) == 150, "growing the order loses no answers"


def test_alternatives_of_the_fill_are_drawn_too():
    made, asked = variations(3, alternatives=4)
    assert made.population(()) == np.inf
    made.ask([()], 400)
    counts = np.bincount(asked.which[0], minlength=4)
    assert counts.min() > 60
    assert len(counts) == 4


@pytest.mark.parametrize("regions", [4, COUNTABLE + 1])
def test_the_order_hangs_on_the_seed_alone(regions):
    (one, _), (same, _), (other, _) = variations(regions, 1), variations(regions, 1), variations(regions, 2)
    for each in (one, same, other):
        each.ask([()], 10)
    np.testing.assert_array_equal(one.sample(())[0], same.sample(())[0])
    assert (one.sample(())[0] != other.sample(())[0]).any()


def test_rules_are_compared_where_only_one_of_them_stays():
    """Region 0 decides alone, so where 1 stays and 0 does not all answers are no, and the other way round yes."""
    made, _ = variations(6)
    made.ask([()], 64)
    low, high = made.apart([((0,), (1,)), ((1,), (0,))], 0.1)
    assert low.tolist() == pytest.approx([1, 0], abs=1e-6)
    assert high.tolist() == pytest.approx([1, 0], abs=1e-6)


def test_fresh_variations_are_others_and_count_together():
    made, _ = variations(20)
    made.ask([()], 30)
    fresh = made.fresh()
    fresh.ask([()], 40)
    assert made.asked == fresh.asked == 70
    assert (made.sample(())[0] != fresh.sample(())[0][:30]).any()


def test_alone_only_the_regions_of_a_rule_are_in_sight():
    made, asked = variations(4, alternatives=2)
    assert made.alone([(0, 2), (3,)]).tolist() == [1, 0]
    np.testing.assert_array_equal(asked.calls[0], np.array([[1, 0, 1, 0], [0, 0, 0, 1]] * 2, bool))
    assert asked.which[0].tolist() == [0, 0, 1, 1]
    assert made.enough((0,))
    assert not made.enough(())
