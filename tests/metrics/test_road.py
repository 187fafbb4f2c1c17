"""ROAD: exact shares, closed forms, and pytorch-grad-cam's answers where its own are sound."""

from __future__ import annotations

import numpy as np
import pytest

import planted
from metrics.samples import noisy, perfect_map, planted_subject, random_map, scores, seeded, summing, values, white
from seewhy.core.progress import silent
from seewhy.engines import Linear
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.metrics import Context, Metric, find_metric
from seewhy.metrics.removal import combined
from seewhy.models.shim import ready_torchvision

SIDE = 20
EVEN = np.full((SIDE, SIDE), 0.8 / SIDE**2)


def test_combined_by_hand():
    assert combined(np.array([-0.1, -0.3]), np.array([-0.5, -0.9])) == pytest.approx(0.25)


@pytest.mark.parametrize("name", ["road-morf", "road-lerf"])
def test_a_sparse_map_removes_exactly_the_asked_share(name):
    sparse = np.zeros((SIDE, SIDE))
    sparse.flat[: SIDE**2 // 20] = 1
    subject = Context(summing(EVEN), white((SIDE, SIDE)))
    (found,) = scores(name, subject, [sparse], fill="black", percentiles=(0, 20, 40, 60, 80, 99, 100))
    np.testing.assert_allclose(found.curve, -0.8 * np.array([1, 0.8, 0.6, 0.4, 0.2, 0.01, 0]), atol=1e-5)


def test_a_picture_of_one_colour_does_not_change():
    subject = Context(summing(EVEN), white((SIDE, SIDE)))
    maps = [np.zeros((SIDE, SIDE)), np.random.default_rng(0).random((SIDE, SIDE))]
    for name in ("road", "road-morf", "road-lerf"):
        for found in scores(name, subject, maps, fill=Linear(noise=0)):
            assert found.value == pytest.approx(0, abs=1e-6)


def test_a_slope_does_not_change_where_its_inside_is_removed():
    ramp = (np.arange(SIDE, dtype=np.uint8) * 12)[None].repeat(SIDE, 0)
    weights = np.random.default_rng(0).random((SIDE, SIDE))
    weights /= 2 * weights.sum()
    subject = Context(summing(weights), Image(ramp[..., None].repeat(3, 2), "ramp"))
    inside = np.zeros((SIDE, SIDE))
    inside[5:15, 5:15] = 1 + weights[5:15, 5:15]
    (found,) = scores("road-morf", subject, [inside], fill=Linear(noise=0), percentiles=(75, 85, 95))
    np.testing.assert_allclose(found.curve, 0, atol=1e-5)


def test_an_empty_map_gets_nothing_but_noise():
    subject = planted_subject()
    empty = np.zeros((planted.SIZE, planted.SIZE))
    found = np.array([scores("road", subject, [empty], seed=seed)[0].value for seed in range(8)])
    assert abs(found.mean()) < 3 * found.std() / np.sqrt(len(found))
    assert abs(found).max() < 0.1


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("road", "ROADCombined"),
        ("road-morf", "ROADMostRelevantFirstAverage"),
        ("road-lerf", "ROADLeastRelevantFirstAverage"),
    ],
)
def test_tie_free_maps_score_as_in_grad_cam(name, oracle):
    ready_torchvision()
    from pytorch_grad_cam.metrics import road
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    subject, x = planted_subject(), planted.classifier().preprocess([planted.picture()])
    for values_ in (random_map(0), np.sort(random_map(1)), random_map(2) ** 2 + perfect_map()):
        cam = ((values_ - values_.min()) / np.ptp(values_)).astype(np.float32)
        wanted = getattr(road, oracle)([20, 40, 60, 80])(
            x, cam[None], [ClassifierOutputSoftmaxTarget(0)], planted.ColourFinder()
        )
        (found,) = values(name, subject, [cam])
        assert found == pytest.approx(float(np.asarray(wanted).mean()), abs=0.01)


@pytest.mark.parametrize(("name", "sign"), [("road", 1), ("road-morf", -1), ("road-lerf", 1)])
def test_perfect_beats_random_beats_inverted(name, sign):
    perfect = perfect_map()
    best, chance, worst = values(name, planted_subject(), [perfect, random_map(), -perfect])
    assert sign * best > sign * chance > sign * worst


def test_a_map_upside_down_scores_the_opposite():
    """Thus chance costs half: `mirrored` says so of ROAD alone."""
    assert {name for name, each in Metric.registry.items() if each.mirrored} == {"road", "road-accuracy"}
    for seed in range(4):
        drawn = random_map(seed)
        (one, other) = values("road", planted_subject(), [drawn, drawn.max() - drawn])
        assert one == pytest.approx(-other, abs=1e-6)


def test_by_accuracy_it_counts_how_often_the_answer_stays():
    """Of two classes it is the likelier one. What ROAD asked is all that it asks."""
    weights = np.random.default_rng(0).random((SIDE, SIDE))
    subject = Context(summing(0.9 * weights / weights.sum()), white((SIDE, SIDE)))
    (both,) = scores("road", subject, [weights], fill="black")
    perturber = subject.perturber("black", seeded(), silent)
    asked = perturber.engine.asked
    (found,) = scores("road-accuracy", subject, [weights], fill="black")
    assert perturber.engine.asked == asked
    np.testing.assert_array_equal(found.curve, both.curve > 0.5)
    assert found.curve.tolist() == [[0, 1, 1, 1], [0, 0, 0, 1]]
    assert found.value == pytest.approx((3 / 4 - 1 / 4) / 2)


def test_chance_is_asked_at_every_second_percentile():
    assert find_metric("road").for_chance().percentiles == (40, 80)
    assert find_metric("road", percentiles=(20, 50, 80)).for_chance().percentiles == (20, 50, 80)


def test_changes_are_told_percentile_by_percentile():
    subject = Context(summing(EVEN), noisy((SIDE, SIDE)))
    (found,) = scores("road", subject, [np.random.default_rng(0).random((SIDE, SIDE))], percentiles=(10, 50, 90))
    assert found.curve.shape == (2, 3)
    assert found.value == pytest.approx(combined(*found.curve))


@pytest.mark.parametrize("percentiles", [(), (-1,), (20, 101)])
def test_percentiles_are_percentiles(percentiles):
    subject = Context(summing(EVEN), white((SIDE, SIDE)))
    with pytest.raises(UsageError, match="0 to 100"):
        scores("road", subject, [EVEN], percentiles=percentiles)
