"""Who is first, who is tied, and who is there by chance."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.draw import Weight
from seewhy.methods import RegionWeights
from seewhy.methods.evidence import ranking, supporting, sure


def regions(weights, errors=None):
    labels = np.zeros((2, 2), np.int32)
    return RegionWeights(labels, np.array(weights, float), None if errors is None else np.array(errors, float))


def names(*found, most=5):
    return {region: weight.name for region, weight in ranking(regions(*found), most).items()}


def test_strength_counts_for_or_against():
    ranked = ranking(regions([0.1, -3.0, 2.0]))
    assert [*ranked] == [1, 2, 0]
    assert [*ranked.values()] == [Weight("1", -3.0), Weight("2", 2.0), Weight("3", 0.1)]


def test_what_the_errors_cannot_tell_apart_shares_a_rank():
    assert names([5.0, 1.0, -1.1, 3.0], [0.1] * 4) == {0: "1", 3: "2", 2: "3a", 1: "3b"}
    assert names([5.0, 1.0, -1.1, 3.0], [0.01] * 4) == {0: "1", 3: "2", 2: "3", 1: "4"}


def test_a_chain_of_ties_breaks_at_the_first_that_differs_from_its_leader():
    assert names([10.0, 8.5, 7.0, 5.5], [0.7] * 4) == {0: "1a", 1: "1b", 2: "3a", 3: "3b"}


def test_a_tie_with_one_that_is_not_shown_is_told():
    assert names([5.0, 1.0, 1.01], [0.1] * 3, most=2) == {0: "1", 2: "2a"}


def test_regions_without_weight_have_no_rank():
    assert names([0.0, 2.0, 0.0]) == {1: "1"}
    assert names([0.0]) == {}


def test_the_margin_is_the_95_per_cent_interval():
    assert ranking(regions([1.0], [0.5]))[0].margin == pytest.approx(0.98)


def test_chance_supports_nothing():
    found = regions([3.0, 1.0, -4.0, 2.0, 0.0], [1.0, 1.0, 1.0, 0.5, 0.0])
    assert sure(found).tolist() == [True, False, True, True, False]
    assert supporting(found).tolist() == [True, False, False, True, False]
    assert supporting(found, 1).tolist() == [True, False, False, False, False]
    assert not supporting(regions([-1.0, 0.0])).any()


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 9)), min_size=1, max_size=12))
def test_ranks_are_in_order_and_equal_only_where_marked(pairs):
    weights, errors = zip(*pairs, strict=True)
    ranked = [*ranking(regions(weights, errors), len(pairs)).values()]
    ranks = [int(each.name.rstrip(ascii_lowercase)) for each in ranked]
    assert ranks == sorted(ranks)
    assert len({each.name for each in ranked}) == len(ranked)
    assert [each.name[-1].isalpha() for each in ranked] == [ranks.count(rank) > 1 for rank in ranks]
    assert all(rank == ranks.index(rank) + 1 for rank in ranks)
    assert sorted((abs(each.value) for each in ranked), reverse=True) == [abs(each.value) for each in ranked]
