from __future__ import annotations

import numpy as np
import pytest

from network import pictures
from network.pictures import blob, cluster, layer
from seewhy.images import iou
from seewhy.network.layout import CELLS, area_of, links


def test_the_area_is_exact_whatever_the_ties():
    for values in (np.zeros((7, 7), np.float32), blob(2, 3), np.ones((1, 2), np.float32)):
        assert area_of(values).sum() == round(0.2 * CELLS * CELLS)


def test_the_area_is_where_the_map_is_highest():
    area = area_of(blob(1, 1))
    assert area[:24, :24].sum() / area.sum() > 0.85


def test_overlap_by_hand():
    one, other = np.array([[True, True, False]]), np.array([[False, True, True]])
    assert iou(one, other) == pytest.approx(1 / 3)
    assert iou(one, one) == 1


def test_groups_of_neighbouring_layers_that_look_at_the_same_are_joined():
    found = links(pictures.view())
    assert [(link.layer, link.start, link.end) for link in found] == [(0, 0, 1), (0, 1, 0)]
    assert all(link.overlap == 1 for link in found)


def test_layers_of_another_grid_are_joined_too():
    view = pictures.view((layer("a", cluster(0, 50, blob(2, 2, 14))), layer("b", cluster(0, 50, blob(1, 1, 7)))))
    (link,) = links(view)
    assert link.overlap > 0.6
