"""Controls: explanations like any other, of nothing."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.filters import sobel

import zoo
from metrics.samples import noisy, seeded
from seewhy.errors import UsageError
from seewhy.methods import Explanation, Method, find_method, list_methods
from seewhy.methods.controls import CentredGaussian, PositionPrior, RandomMap, mean_map
from seewhy.models import Classifier, Preprocessing, Target

SIZE = (24, 40)
CONTROLS = ("random", "gaussian", "sobel", "empty", "prior")
GIVEN = {"prior": {"prior": np.eye(3)}}
every_control = pytest.mark.parametrize("name", CONTROLS)


def explained(control: Method, *targets: Target, seed: int = 0) -> list[Explanation]:
    classifier = Classifier.from_module(zoo.network("residual"), Preprocessing(SIZE, resize=44))
    return control(classifier, [noisy((60, 50))], [targets or (Target(1),)], generator=seeded(seed))


@every_control
def test_a_control_is_an_explanation_like_any_other(name):
    one, other = explained(find_method(f"control:{name}", **GIVEN.get(name, {})), Target(1), Target(2, against=0))
    assert one.method == f"control:{name}"
    assert one.values.shape == SIZE
    assert one.is_zero == (name == "empty")
    assert one.target == Target(1)
    assert np.array_equal(one.values, other.values), "it knows nothing of the class"
    assert one.predictions[0].probability > 0


@every_control
def test_a_control_is_no_method_that_people_are_offered(name):
    control = find_method(f"control:{name}", **GIVEN.get(name, {}))
    assert isinstance(control, Method)
    assert control.name not in {each.name for each in list_methods()}
    assert control.name in {each.name for each in list_methods("control")}
    assert control.title
    assert control.reading.endswith(".")
    assert type(control).__doc__


def test_random_maps_come_from_the_seed():
    for control in (RandomMap(), RandomMap(cells=None), RandomMap(cells=1)):
        first, again, other = (explained(control, seed=seed)[0].values for seed in (0, 0, 1))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)


def test_random_maps_are_smooth_unless_asked_otherwise():
    smooth, rough = (explained(RandomMap(cells=cells))[0].values for cells in (7, None))
    assert np.abs(np.diff(smooth, axis=1)).max() < 0.25 < np.abs(np.diff(rough, axis=1)).max()
    assert rough.mean() == pytest.approx(0.5, abs=0.05)
    assert rough.std() == pytest.approx(12**-0.5, abs=0.03)


def test_the_bell_stands_in_the_middle():
    (found,) = explained(CentredGaussian(sigma=0.2))
    np.testing.assert_allclose(found.values, found.values[::-1, ::-1], rtol=1e-5)
    rows, columns = np.indices(SIZE)
    distance = ((rows + 0.5) / 24 - 0.5) ** 2 + ((columns + 0.5) / 40 - 0.5) ** 2
    np.testing.assert_allclose(found.values, np.exp(-distance / 0.08), rtol=1e-4)


def test_a_prior_is_stretched_over_the_view():
    corner = np.array([[0.0, 0.0], [0.0, 8.0]])
    (found,) = explained(PositionPrior(prior=corner))
    assert found.values[:6, :10].max() == 0
    assert (found.values[-6:, -10:] == 8).all()
    middle = found.values[12:, 20]  # half-way between two columns of the prior: of the lower row about a half
    assert middle[-1] == pytest.approx(4, abs=0.25)


def test_the_mean_of_maps_counts_each_alike_and_evidence_alone():
    strong, weak = np.array([[0.0, 300.0]]), np.array([[0.2, -9.0]])
    np.testing.assert_allclose(mean_map([strong, weak]), [[0.5, 0.5]])
    np.testing.assert_allclose(mean_map([strong, np.array([[-1.0, 0.0]])]), [[0.25, 0.75]])  # no evidence: anywhere
    for wrong in ([], [strong, strong.T]):
        with pytest.raises(UsageError, match="one map or more, all of one size"):
            mean_map(wrong)


@pytest.mark.parametrize(
    "prior", [np.ones(3), np.ones((0, 2)), np.array([["a"]]), np.array([[-1.0]]), np.array([[np.nan]])]
)
def test_what_is_no_prior_is_refused(prior):
    with pytest.raises(UsageError, match="prior"):
        PositionPrior(prior=prior)


def test_edges_are_those_of_what_the_network_sees():
    (found,) = explained(find_method("control:sobel"))
    pixels = Preprocessing(SIZE, resize=44).pixels([noisy((60, 50))])[0]
    np.testing.assert_allclose(found.values, sobel(pixels.mean(0).numpy()), atol=1e-6)


def test_settings_without_a_meaning_are_refused():
    with pytest.raises(UsageError, match="at least 1"):
        RandomMap(cells=0)
    with pytest.raises(UsageError, match="above 0"):
        CentredGaussian(sigma=0)
