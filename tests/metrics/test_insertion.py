"""Insertion and deletion by hand on 4 × 4 pixels, and on a network that looks at one region."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.samples import (
    explanation,
    perfect_map,
    planted_subject,
    random_map,
    scores,
    seeded,
    summing,
    values,
    white,
)
from seewhy.core.progress import silent
from seewhy.errors import UsageError
from seewhy.metrics import Context, find_metric
from seewhy.metrics.removal import area_under

WEIGHTS = np.arange(1, 17).reshape(4, 4) / 170


@pytest.fixture
def sixteen() -> Context:
    """Pixels worth 1 to 16 hundred-and-seventieths each; the whole picture 136 of them."""
    return Context(summing(WEIGHTS), white((4, 4)))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_the_area_is_that_of_the_original(curve):
    steps = len(curve) - 1
    wanted = (sum(curve) - curve[0] / 2 - curve[-1] / 2) / steps
    assert area_under(np.array(curve)) == pytest.approx(wanted)
    assert area_under(np.array(curve)) == pytest.approx(np.trapezoid(curve, dx=1 / steps))


@pytest.mark.parametrize(
    ("name", "curve", "area"),
    [
        ("deletion", [136, 78, 36, 10, 0], (68 + 78 + 36 + 10 + 0) / 4),
        ("insertion", [0, 58, 100, 126, 136], (0 + 58 + 100 + 126 + 68) / 4),
    ],
)
def test_by_hand(sixteen, name, curve, area):
    (found,) = scores(name, sixteen, [WEIGHTS], steps=4, fill="black")
    np.testing.assert_allclose(found.curve * 170, curve, atol=1e-3)
    assert found.value * 170 == pytest.approx(area, abs=1e-3)


def test_the_difference_by_hand(sixteen):
    (found,) = scores("insertion-minus-deletion", sixteen, [WEIGHTS], steps=4, start="black", end="black")
    np.testing.assert_allclose(found.curve * 170, [[0, 58, 100, 126, 136], [136, 78, 36, 10, 0]], atol=1e-3)
    assert found.value == pytest.approx((352 - 192) / 4 / 170, abs=1e-5)


def test_steps_are_as_even_as_can_be(sixteen):
    (found,) = scores("deletion", sixteen, [WEIGHTS], steps=3, fill="black")
    np.testing.assert_allclose(found.curve * 170, [136, 136 - 70, 15, 0], atol=1e-3)  # 5, then 11, then 16 pixels gone
    with pytest.raises(UsageError, match="at least once"):
        scores("deletion", sixteen, [WEIGHTS], steps=0)


def test_an_equal_map_is_deleted_in_random_order_on_average(sixteen):
    flat = np.ones((4, 4))
    found = [scores("deletion", sixteen, [flat], steps=16, fill="black", seed=seed)[0].value for seed in range(200)]
    error = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(0.4, abs=3 * error), "a straight line from 0.8 to 0"
    assert np.std(found) > 0.01


@pytest.mark.parametrize(("name", "sign"), [("insertion", 1), ("deletion", -1), ("insertion-minus-deletion", 1)])
def test_perfect_beats_random_beats_inverted(name, sign):
    perfect = perfect_map()
    randoms = [random_map(seed) for seed in range(5)]
    best, *chance, worst = values(name, planted_subject(), [perfect, *randoms, -perfect])
    assert sign * best > max(sign * each for each in chance) + 0.05
    assert min(sign * each for each in chance) > sign * worst + 0.05


def test_what_was_asked_is_not_asked_again():
    subject = planted_subject()
    one = [explanation(subject, perfect_map())]
    apart = [find_metric(name)(subject, one, generator=seeded())[0] for name in ("insertion", "deletion")]
    engines = [subject.perturber(fill, seeded(), silent).engine for fill in ("blur", "mean")]
    before = [engine.forwards for engine in engines]
    (both,) = find_metric("insertion-minus-deletion")(subject, one, generator=seeded())
    assert [engine.forwards for engine in engines] == before
    assert both.value == pytest.approx(apart[0].value - apart[1].value)
    find_metric("deletion")(subject, one, generator=seeded(1))
    assert subject.perturber("mean", seeded(1), silent).engine is not engines[1], "another seed draws afresh"
