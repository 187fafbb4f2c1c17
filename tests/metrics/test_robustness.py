"""Robustness: captum's sensitivity, literal repetition, and methods of which the answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

import zoo
from metrics.samples import seeded
from seewhy.errors import UsageError
from seewhy.methods import Explanation, Method, find_method
from seewhy.metrics import Context, Score, find_metric
from seewhy.metrics.context import soft_mask
from seewhy.metrics.robustness import max_sensitivity, stability
from seewhy.models import Target


def explained(method: Method) -> tuple[Context, Explanation]:
    """Class 1 of a photo."""
    classifier, images = zoo.classifier("residual"), zoo.photos(1)
    (found,) = method(classifier, images, [[Target(1)]], generator=seeded(4))
    return Context(classifier, images[0], methods={found: method}), found


def judge(name: str, subject: Context, found: Explanation, **settings: Any) -> Score:
    return find_metric(name, **settings)(subject, [found], generator=seeded())[0]


def test_max_sensitivity_is_captums():
    from captum.metrics import sensitivity_max

    x = zoo.inputs(1)
    noise = 0.1 * torch.randn((10, *x.shape[1:]), generator=seeded(1))

    def maps(x: Tensor) -> Tensor:
        return (x**3 - x).sum(1, keepdim=True)

    wanted = sensitivity_max(
        lambda inputs: (maps(inputs[0]),), x, perturb_func=lambda inputs: (inputs[0] + noise,), n_perturb_samples=10
    )
    found = max_sensitivity(maps(x)[0, 0].numpy(), maps(x + noise)[:, 0].numpy())
    assert found == pytest.approx(float(wanted), rel=1e-5)


def test_max_sensitivity_by_hand():
    values = np.array([[3.0, 4.0]])
    assert max_sensitivity(values, np.array([[[3.0, 4.0]], [[3.0, 2.0]], [[0.0, 0.0]]])) == pytest.approx(1)
    assert max_sensitivity(values, np.array([[[3.0, 2.0]]])) == pytest.approx(0.4)


def test_disturbed_pictures_are_explained_as_a_loop_does_it():
    method = find_method("hires-cam", layers=("stem",), signed=True)
    subject, found = explained(method)
    result = judge("max-sensitivity", subject, found, draws=4, radius=0.1)
    noise = torch.rand((4, 3, *zoo.SIZE), generator=seeded()) * 2 - 1
    for change, each in zip(result.curve, noise, strict=True):
        disturbed = subject.framed(subject.pixels + 0.1 * each)
        assert np.abs(disturbed.pixels / 255 - subject.framed(subject.pixels).pixels / 255).max() < 0.1 + 1 / 255
        (other,) = method(subject.classifier, [disturbed], [[found.target]], generator=seeded(4))
        wanted = np.linalg.norm(other.values - found.values) / np.linalg.norm(found.values)
        assert change == pytest.approx(wanted, rel=1e-3)
    assert result.value == result.curve.max() > 0


def test_a_larger_disturbance_changes_more():
    subject, found = explained(find_method("grad-cam", layers=("stem",)))
    small, large = (judge("max-sensitivity", subject, found, radius=radius).value for radius in (0.02, 0.3))
    assert 0 < small < large


def test_chance_is_no_disturbance():
    assert judge("max-sensitivity", *explained(find_method("control:random"))).value == 0, (
        "the explanation's own seed again"
    )


def test_stability_is_the_mean_over_pairs():
    maps = np.random.default_rng(0).normal(size=(3, 5, 5))
    pairs = [(0, 1), (0, 2), (1, 2)]
    wanted = np.mean([stats.spearmanr(maps[one].ravel(), maps[other].ravel()).statistic for one, other in pairs])
    assert stability(maps) == pytest.approx(wanted)


def test_methods_without_chance_are_stable_and_chance_is_not():
    values = {}
    for name, method in {
        "fixed": find_method("grad-cam"),
        "few": find_method("rise", masks=30),
        "many": find_method("rise", masks=600),
        "random": find_method("control:random"),
    }.items():
        values[name] = judge("stability", *explained(method)).value
    assert values["fixed"] == pytest.approx(1)
    assert values["fixed"] > values["many"] > values["few"] > 0.05 > abs(values["random"]) - 0.2
    assert abs(values["random"]) < 0.3


def test_the_explained_layer_is_explained_again():
    method = find_method("hires-cam", layers=("stem", "second"))
    classifier, images = zoo.classifier("residual"), zoo.photos(1)
    found = method(classifier, images, [[Target(1)]], generator=seeded())
    subject = Context(classifier, images[0], methods=dict.fromkeys(found, method))
    for score in find_metric("stability")(subject, found, generator=seeded()):
        assert score.value == pytest.approx(1)


@pytest.mark.parametrize("signed", [False, True])
def test_coherency_is_the_correlation_of_a_repetition(signed):
    method = find_method("hires-cam", layers=("stem",), signed=signed)
    subject, found = explained(method)
    mask = soft_mask(found.values)
    faded = subject.shown(mask, "mean", seeded())
    (other,) = method(subject.classifier, [faded], [[found.target]], generator=seeded())
    wanted = (np.corrcoef(mask.ravel(), other.values.clip(min=0).ravel())[0, 1] + 1) / 2
    assert judge("coherency", subject, found).value == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(
    "name", ["max-sensitivity", "stability", "coherency", "random-logit", "parameter-randomisation"]
)
def test_what_cannot_be_compared_says_why(name):
    subject, found = explained(find_method("grad-cam"))
    stranger = judge(name, Context(subject.classifier, subject.image), found)
    assert stranger.value is None
    assert "cannot be made again" in stranger.reason
    empty = judge(name, *explained(find_method("control:empty")))
    assert empty.value is None
    assert "the same everywhere" in empty.reason


def test_settings_without_a_meaning_are_refused():
    for name, settings in [
        ("max-sensitivity", {"draws": 0}),
        ("max-sensitivity", {"radius": 0}),
        ("stability", {"runs": 0}),
    ]:
        with pytest.raises(UsageError):
            find_metric(name, **settings)
