"""CAMs averaged over variations: literal twins, and the methods that they are without any."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

import zoo
from seewhy.errors import UsageError
from seewhy.methods import find_method
from seewhy.methods.smooth_cam import smooth_weights
from seewhy.models import Target, capture


def explain(name: str, network: str = "residual", seed: int = 0, **parameters: object):
    method = find_method(name, **parameters)
    generator = torch.Generator().manual_seed(seed)
    return method(zoo.familiar(network), zoo.photos(1), [[Target(1)]], generator=generator)[0]


def test_smooth_weights_are_what_their_formula_says():
    generator = torch.Generator().manual_seed(0)
    a, g = torch.rand((3, 2, 4), generator=generator), torch.randn((5, 3, 2, 4), generator=generator)
    found = smooth_weights(a, torch.stack([g.mean(0), (g**2).mean(0), (g**3).mean(0)]))
    for k in range(3):
        wanted = 0.0
        for i, j in np.ndindex(2, 4):
            one, two, three = (float((g[:, k, i, j] ** power).mean()) for power in (1, 2, 3))
            wanted += two / (2 * two + float(a[k].sum()) * three + 1e-6) * max(one, 0)
        assert float(found[k]) == pytest.approx(wanted, rel=1e-4)


def test_without_noise_smooth_grad_cam_plus_plus_is_grad_cam_plus_plus():
    found, wanted = explain("smooth-grad-cam++", samples=3, noise=0.0), explain("grad-cam++")
    assert wanted.values.any()
    np.testing.assert_allclose(found.values, wanted.values, atol=1e-5 * wanted.values.max())
    assert found.cost.forwards == 1 + 3
    assert found.cost.backwards == 3


def test_without_noise_ss_cam_is_score_cam():
    found = explain("ss-cam", samples=2, noise=0.0, precision="float32")
    wanted = explain("score-cam", precision="float32")
    np.testing.assert_allclose(found.values, wanted.values, atol=1e-6 * max(wanted.values.max(), 1))


def test_one_step_of_is_cam_is_score_cam():
    found, wanted = (
        explain(name, precision="float32", **more) for name, more in (("is-cam", {"samples": 1}), ("score-cam", {}))
    )
    assert np.array_equal(found.values, wanted.values)


def test_is_cam_is_what_its_formula_says():
    classifier, target = zoo.familiar("gap-linear"), Target(1)
    x = classifier.preprocess(zoo.photos(1))
    with capture(classifier.module, ["relu"], gradients=False) as seen:
        classifier.logits(x)
    maps = seen["relu"][0]

    def sure(mask: torch.Tensor) -> float:
        with torch.no_grad():
            return float(classifier.logits(x * mask).softmax(1)[0, target.index])

    wanted = torch.zeros(maps.shape[1:])
    for each in maps:
        large = interpolate(each[None, None], zoo.SIZE, mode="bilinear", align_corners=False)[0, 0]
        if large.max() > large.min():
            mask = (large - large.min()) / (large.max() - large.min())
            weight = sum(sure(mask * step / 4) - sure(mask * 0) for step in (1, 2, 3, 4)) / 4
            wanted += weight * each
    enlarged = interpolate(wanted.clamp(min=0)[None, None], zoo.SIZE, mode="bilinear", align_corners=False)[0, 0]
    found = explain("is-cam", "gap-linear", samples=4, layers=("relu",), precision="float32")
    np.testing.assert_allclose(found.values, enlarged.numpy(), atol=1e-4 * float(enlarged.max()))


@pytest.mark.parametrize("name", ["smooth-grad-cam++", "ss-cam"])
def test_noise_is_drawn_from_the_seed(name):
    """At a layer whose gradients depend on the picture: before the last ReLU."""
    found = [explain(name, seed=seed, samples=2, signed=True, layers=("stem",)).values for seed in (0, 0, 1)]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


@pytest.mark.parametrize(
    ("name", "wrong"), [("smooth-grad-cam++", {"noise": -1}), ("ss-cam", {"samples": 0}), ("is-cam", {"samples": 0})]
)
def test_settings_without_sense_are_refused(name, wrong):
    with pytest.raises(UsageError, match=f"{name.replace('+', '.')} wants"):
        find_method(name, **wrong)
