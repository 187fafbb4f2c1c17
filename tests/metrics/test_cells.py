"""Maps in cells: by hand, and sums that stay."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.metrics.context import cell_labels, cell_means, in_cells


def test_by_hand():
    values = np.array([[1.0, 3.0, 5.0, 7.0], [1.0, 3.0, 5.0, 7.0]])
    assert cell_labels((2, 4), 2).tolist() == [[0, 0, 1, 1], [2, 2, 3, 3]]
    assert cell_means(values, 2).tolist() == [2, 6, 2, 6]
    assert in_cells(values, 2).tolist() == [[2, 2, 6, 6]] * 2


@pytest.mark.parametrize("size", [(28, 28), (30, 25), (14, 100)])
def test_the_sum_of_a_map_stays(size):
    values = np.random.default_rng(0).standard_normal(size)
    assert in_cells(values, 14).sum() == pytest.approx(values.sum())
    assert len(np.unique(cell_labels(size, 14))) == 14 * 14


def test_cells_finer_than_pixels_leave_a_map_as_it_is():
    values = np.random.default_rng(0).random((5, 5))
    assert np.array_equal(in_cells(values, 50), values)
