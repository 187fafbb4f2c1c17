"""Networks compiled by OpenVINO: against the copy that they are made from, and what is left aside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from methods.seeing import SIXTEEN
from seewhy.engines import MaskedForward, inference
from seewhy.engines.compiled import KEPT, compiled, has_openvino
from seewhy.engines.inference import REPAID, answering_copy, inference_copy
from seewhy.errors import ModelError
from seewhy.models import Classifier, Preprocessing

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not has_openvino(), reason="OpenVINO is not installed (extra `fast`)"),
]

PHOTO = zoo.photos(1)[0]
REGIONS = np.kron(SIXTEEN, np.ones((2, 2), int))
POOL = torch.rand((REPAID, 16), generator=torch.Generator().manual_seed(3)) < 0.5


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache is the test's own, and OpenVINO is switched on."""
    monkeypatch.setenv("SEEWHY_HOME", str(tmp_path))
    monkeypatch.setenv("SEEWHY_OPENVINO", "1")
    return tmp_path / "cache" / "openvino"


def engine(classifier: Classifier, **options: Any) -> MaskedForward:
    generator = torch.Generator().manual_seed(0)
    return MaskedForward(classifier, PHOTO, labels=REGIONS, generator=generator, **{"precision": "float32", **options})


def of(module: nn.Module) -> Classifier:
    return Classifier(module, Preprocessing(zoo.SIZE), zoo.classifier("residual").categories, "made")


@pytest.mark.parametrize("network", ["residual", "dict", "mutates-input", "training", "gap-linear"])
def test_it_answers_as_pytorch_does_whatever_the_size_of_the_batch(network: str):
    classifier = zoo.classifier(network)
    ours, plain = engine(classifier), engine(classifier)
    ours.expected = REPAID
    found = torch.cat([ours(POOL[:3]), ours(POOL[3:40]), ours(POOL[40:])])
    assert ours.checks["openvino"] == 1
    assert "openvino" not in plain.checks
    wanted = torch.cat([plain(part) for part in POOL.split(40)])
    assert "openvino" not in plain.checks, "a few questions do not repay it"
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))


def test_a_network_that_openvino_cannot_run_answers_by_pytorch():
    classifier = zoo.classifier("tiny-vit")
    ours, plain = engine(classifier), engine(classifier)
    found = ours(POOL)
    torch.testing.assert_close(found, torch.cat([plain(part) for part in POOL.split(40)]), rtol=0, atol=1e-4)


def test_the_same_questions_give_the_same_bytes():
    found = [engine(zoo.classifier("residual"))(POOL) for _ in range(2)]
    assert torch.equal(*found)


def test_a_conversion_is_kept_and_read_again(at_home: Path, monkeypatch: pytest.MonkeyPatch):
    classifier = zoo.classifier("residual")
    copy = inference_copy(classifier, "float32").module
    first = compiled(classifier, copy, half=False)
    (kept,) = at_home.glob("*.xml")
    assert at_home.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr("seewhy.engines.compiled._converted", lambda *_: pytest.fail("converted again"))
    x = torch.randn(5, 3, *zoo.SIZE)
    assert torch.equal(first(x), compiled(classifier, copy, half=False)(x))
    monkeypatch.undo()
    kept.with_suffix(".bin").write_bytes(b"")
    monkeypatch.setenv("SEEWHY_HOME", str(at_home.parents[1]))
    torch.testing.assert_close(compiled(classifier, copy, half=False)(x), first(x))


def test_only_so_many_are_kept(at_home: Path):
    at_home.mkdir(parents=True)
    for number in range(KEPT + 3):
        (at_home / f"{number}.xml").touch()
    classifier = zoo.classifier("residual")
    compiled(classifier, inference_copy(classifier, "float32").module, half=False)
    assert len([*at_home.glob("*.xml")]) == KEPT


class Branching(nn.Module):
    """Decides by the picture, which no trace follows."""

    def __init__(self) -> None:
        super().__init__()
        self.body = zoo.Residual()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) if float(x[0].sum()) > 0 else -3 * self.body(x)


def test_what_a_trace_does_not_hold_is_left_aside_with_its_reason():
    classifier = of(Branching())
    with pytest.raises(ModelError, match=r"differ|cannot convert|instead of"):
        compiled(classifier, inference_copy(classifier, "float32").module, half=False)
    ours = engine(classifier)
    ours(POOL)
    assert "openvino" not in ours.checks
    assert "OpenVINO was left aside" in ours.network.backend


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEEWHY_OPENVINO", "0")
    classifier = zoo.classifier("residual")
    assert answering_copy(classifier, inference_copy(classifier, "float32"), 10**6).compiled is None


def test_new_weights_are_compiled_anew():
    classifier = of(zoo.Residual())
    before = engine(classifier)(POOL)
    with torch.no_grad():
        for parameter in classifier.module.parameters():
            parameter.mul_(0.5)
    after = engine(classifier)
    found = after(POOL)
    assert after.checks["openvino"] == 1
    assert not torch.allclose(before, found)
    exact = inference.inference_copy(classifier, "float32")
    assert exact.compiled is None
