from __future__ import annotations

import pytest
import torch

from seewhy.network.weights import guided_weights, heavy, merged_map, signed_weights, threshold


def example() -> tuple[torch.Tensor, torch.Tensor]:
    """Three maps of 1 × 2: by hand the guided means are (4 + 0) / 2, 2 / 2 and 0."""
    activations = torch.tensor([[[1.0, -1.0]], [[2.0, 2.0]], [[3.0, 0.0]]])
    gradients = torch.tensor([[[4.0, 8.0]], [[2.0, -6.0]], [[-1.0, 5.0]]])
    return activations, gradients


def test_guided_weights_by_hand():
    assert guided_weights(*example()).tolist() == pytest.approx([200 / 3, 100 / 3, 0])


def test_signed_weights_by_hand():
    # Means 6, -2 and 2: a tenth of their sizes' sum is 1.
    assert signed_weights(*example()).tolist() == pytest.approx([60, -20, 20])


def test_a_dead_layer_weighs_nothing():
    activations, gradients = example()
    assert not guided_weights(activations, -gradients.abs()).any()
    assert not signed_weights(activations, 0 * gradients).any()


@pytest.mark.parametrize(
    ("maps", "share"), [(512, 0.175), (256, 0.35), (128, 0.7), (64, 1.4), (63, 76.8 / 63), (1, 76.8)]
)
def test_the_threshold_has_the_entries_of_the_papers_table(maps, share):
    assert threshold(maps) == pytest.approx(share)


def test_a_map_of_mean_weight_passes_whatever_the_width():
    assert all(threshold(maps) < 100 / maps for maps in range(1, 3000))


@pytest.mark.parametrize(
    ("weights", "shown"),
    [
        ([30, 10, 9.9], [True, True, False]),  # a third of the heaviest is 10, half of the mean 8.3
        ([40, 40, 13.3], [True, True, False]),  # 13.33 and 15.55
        ([-30, 12, 2], [True, True, False]),
        ([5], [True]),
        ([], []),
    ],
)
def test_light_clusters_are_left_out(weights, shown):
    assert heavy(weights) == shown


def test_a_merged_map_is_the_mean_by_weight():
    maps = torch.tensor([[[1.0, 0.0]], [[0.0, 4.0]]])
    assert merged_map(maps, torch.tensor([30.0, 10.0])).tolist() == [[0.75, 1.0]]
    assert merged_map(maps, torch.tensor([30.0, -10.0])).tolist() == [[0.75, -1.0]]
    assert merged_map(maps, torch.zeros(2)).tolist() == [[0.0, 0.0]]
