"""Every method that asks the masked-forward engine: what computes the answers changes them no more than is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from seewhy.engines import backends, forward
from seewhy.engines.compiled import has_openvino
from seewhy.methods import Explanation, Method, find_method
from seewhy.methods.method import Seen, suitable_methods
from seewhy.models import Classifier

FEWER = {"samples": 300, "masks": 160, "stride": 0.2}  # of methods that have such a parameter
PHOTO = zoo.photos(1)[0]
ASKING = (
    *("anchors", "anchors-lime", "lime", "lime-classic", "kernel-shap", "permutation-shap", "partition-shap"),
    *("cluster-cam", "occlusion", "rise", "score-cam", "sise", "ada-sise"),
    *("hsic", "is-cam", "sobol", "ss-cam"),
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine is fast at, the reference is in single precision."""
    monkeypatch.setattr(forward, "fast_precisions", lambda device: ())


def explained(classifier: Classifier, name: str, image: Any = PHOTO, **fewer: Any) -> Explanation:
    kind = Method.registry[name]
    given = {key: value for key, value in fewer.items() if key in kind.parameters}
    return Seen(classifier, image).explained(find_method(name, **given), 0)


def openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_openvino():
        pytest.skip("OpenVINO is not installed (extra `fast`)")
    monkeypatch.setattr(backends, "REPAID", 1)
    monkeypatch.setenv("SEEWHY_OPENVINO", "1")


def half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "fast_precisions", lambda device: ("bfloat16",))


def both(monkeypatch: pytest.MonkeyPatch) -> None:
    openvino(monkeypatch)
    half(monkeypatch)


def agree(one: Explanation, two: Explanation, apart: float) -> None:
    """The maps lie no further apart, in root mean squares, than this share of the first one's, or than it tells."""
    if one.regions is not None and one.regions.errors is not None:
        apart = max(apart, spread(one.regions.errors) / spread(one.regions.weights))
    assert spread(two.values - one.values) <= apart * spread(one.values) + 1e-6


def spread(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))


@pytest.mark.heavy
def test_these_are_the_methods_that_ask_it():
    asking = {
        each.name
        for each in suitable_methods(zoo.classifier("gap-linear"))
        if explained(zoo.classifier("gap-linear"), each.name, **FEWER, steps=2, count=2).computed
    }
    assert asking == set(ASKING)


@pytest.mark.parametrize(
    "back_end", [both, *(pytest.param(each, marks=pytest.mark.heavy) for each in (openvino, half))]
)
@pytest.mark.parametrize("name", ASKING)
def test_another_back_end_or_precision_gives_the_same_map_but_for_what_is_told(
    name: str, back_end: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("SEEWHY_HOME", str(tmp_path))
    classifier = zoo.classifier("gap-linear")
    plain = explained(classifier, name, **FEWER)
    back_end(monkeypatch)
    found = explained(classifier, name, **FEWER)
    assert found.computed != plain.computed
    assert [each for each in found.computed if "left aside" in each] == []
    agree(plain, found, 0.01 + 3 * found.checks.get("precision_gap", 0))


@pytest.mark.heavy
@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("network", ["default_classifier", "real_resnet50"])
def test_real_networks_agree_with_every_back_end(
    network: str, name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    classifier, image = request.getfixturevalue(network), zoo.photos(1, 224, 224)[0]
    plain = explained(classifier, name, image, **FEWER, precision="float32")
    monkeypatch.setenv("SEEWHY_HOME", str(tmp_path))
    both(monkeypatch)
    found = explained(classifier, name, image, **FEWER)
    agree(plain, found, 0.01 + 3 * found.checks.get("precision_gap", 0))
