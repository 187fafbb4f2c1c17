from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from seewhy.engines.clustering import ClassicClustering, WardClustering, find_clustering, stability
from seewhy.errors import UnknownName

BOTH = pytest.mark.parametrize("clustering", [WardClustering(), ClassicClustering()], ids=lambda each: each.name)


def patterns(kinds: int = 4, each: int = 6, noise: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Maps of a few places, each with its own strength and ground, and which place it is."""
    random = np.random.default_rng(seed)
    places = random.random((kinds, 49)) > 0.7
    truth = np.repeat(np.arange(kinds), each)
    rows = places[truth] + noise * random.standard_normal((len(truth), 49))
    return (rows * random.uniform(0.1, 50, (len(truth), 1)) + random.uniform(0, 9, (len(truth), 1))).astype("f4"), truth


@BOTH
def test_maps_of_the_same_places_come_together_whatever_their_strength(clustering):
    rows, truth = patterns()
    assert adjusted_rand_score(truth, clustering(rows)) == 1


@BOTH
@pytest.mark.parametrize("count", range(1, 7))
def test_few_maps_are_one_cluster_and_never_an_error(clustering, count):
    labels = clustering(patterns()[0][::4][:count])
    assert labels.shape == (count,)
    assert (len(set(labels)) == 1) == (count < 4)


@BOTH
def test_between_three_and_eight_clusters(clustering):
    for seed in range(4):
        rows = np.random.default_rng(seed).random((40, 25)).astype("f4")
        assert 3 <= len(set(clustering(rows))) <= 8


@BOTH
def test_flat_and_equal_maps_are_no_error(clustering):
    flat = np.ones((5, 9), "f4")
    assert clustering(flat).shape == (5,)
    assert clustering(np.vstack([flat, np.eye(9, dtype="f4")])).shape == (14,)


def test_wards_distance_is_that_of_correlations():
    from seewhy.engines.clustering import _distances, _unit_rows

    rows, _ = patterns(3, 3)
    expected = np.sqrt((2 - 2 * np.corrcoef(rows)).clip(0))
    assert _distances(_unit_rows(rows)) == pytest.approx(expected, abs=1e-6)


def test_ward_takes_no_notice_of_the_seed_or_the_order():
    rows, _ = patterns(noise=0.5)
    order = np.random.default_rng(1).permutation(len(rows))
    assert adjusted_rand_score(WardClustering()(rows, 1)[order], WardClustering()(rows[order], 2)) == 1


def test_one_cluster_can_be_asked_for():
    assert not WardClustering(1, 1)(patterns()[0]).any()


def test_stability_tells_patterns_from_noise():
    clustering = WardClustering()
    clear, noise = patterns()[0], np.random.default_rng(0).random((24, 49)).astype("f4")
    assert stability(clustering, clear, clustering(clear)) == 1
    assert stability(clustering, noise, clustering(noise)) < 0.9


def test_an_unknown_clustering_is_answered_with_those_there_are():
    with pytest.raises(UnknownName, match="ward, classic"):
        find_clustering("warp")
