"""What an `Explanation` promises about itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import zoo
from seewhy.errors import ExplainError, NonFinite
from seewhy.methods import Explanation
from seewhy.models import Box, Prediction, Target


@pytest.fixture
def explanation() -> Explanation:
    return Explanation(
        values=np.linspace(-1, 1, 12).reshape(3, 4),
        image=zoo.photos(1)[0],
        view=Box(4, 0, 44, 40),
        target=Target(1, against=0),
        target_label="lynx rather than cat",
        predictions=(Prediction(0, "cat", 0.75), Prediction(1, "lynx", 0.25)),
        method="grad-cam",
        signed=True,
        classifier="zoo",
        fingerprint="0" * 64,
    )


def test_values_are_a_float32_copy_that_nobody_can_change(explanation):
    mine = np.ones((2, 2), np.float32)
    found = replace(explanation, values=mine)
    mine[0, 0] = 5
    assert found.values.dtype == np.float32
    assert found.values.tolist() == [[1, 1], [1, 1]]
    with pytest.raises(ValueError, match="read-only"):
        found.values[0, 0] = 2


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_a_number_is_refused(explanation, wrong):
    with pytest.raises(NonFinite, match="'lynx rather than cat' on photo 0"):
        replace(explanation, values=np.full((3, 4), wrong))
    with pytest.raises(NonFinite):
        replace(explanation, checks={"similarity": float("nan")})


def test_negative_values_need_a_sign(explanation):
    with pytest.raises(ExplainError, match="declares no sign"):
        replace(explanation, signed=False)


@pytest.mark.parametrize("shape", [(12,), (1, 3, 4), ()])
def test_values_of_another_shape_are_refused(explanation, shape):
    with pytest.raises(ExplainError, match="expected \\(h, w\\)"):
        replace(explanation, values=np.zeros(shape))


def test_a_zero_map_is_an_outcome_not_a_failure(explanation):
    nothing = replace(explanation, values=np.zeros((3, 4)))
    assert nothing.is_zero
    assert not explanation.is_zero
    assert nothing.picture().height < explanation.picture().height, "nothing has no scale"


def test_the_probability_is_that_of_the_explained_class(explanation):
    assert explanation.probability == 0.25


def test_a_notebook_shows_it_whatever_the_file_was_called(explanation):
    html = replace(explanation, image=replace(explanation.image, name='"><script>x</script>'))._repr_html_()
    assert "<script>" not in html
    assert "data:image/png;base64," in html
