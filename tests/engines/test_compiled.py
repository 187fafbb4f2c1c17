"""Networks compiled by OpenVINO: against the copy that they are made from, and what is left aside."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from methods.seeing import SIXTEEN
from models.test_from_onnx import graph
from seewhy.engines import MaskedForward, backends, forward
from seewhy.engines.backends import REPAID, answering_copy
from seewhy.engines.compiled import KEPT, Compiled, compiled, has_openvino
from seewhy.engines.inference import inference_copy
from seewhy.errors import ModelError
from seewhy.models import Classifier, Preprocessing, load

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


@pytest.mark.parametrize("network", ["residual", "tiny-vit", "dict", "mutates-input", "training", "gap-linear"])
def test_it_answers_as_pytorch_does_whatever_the_size_of_the_batch(network: str):
    classifier = zoo.classifier(network)
    ours, plain = engine(classifier), engine(classifier)
    ours.expected = REPAID
    found = torch.cat([ours(POOL[:3]), ours(POOL[3:40]), ours(POOL[40:])])
    assert ours.told == ("OpenVINO computed the answers in single precision.",)
    wanted = torch.cat([plain(part) for part in POOL.split(40)])
    assert plain.told == ("PyTorch computed the answers in single precision.",), "a few questions do not repay it"
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize(("network", "precision"), [("residual", "float32"), ("tiny-vit", "bfloat16")])
def test_the_same_questions_give_the_same_bytes(network: str, precision: str, monkeypatch: pytest.MonkeyPatch):
    classifier = zoo.classifier(network)
    first = engine(classifier, precision=precision)(POOL)
    monkeypatch.setattr(backends, "_MADE", WeakKeyDictionary())
    torch.set_num_threads(2)
    found = [engine(classifier, precision=precision)(POOL) for _ in range(2)]
    assert torch.equal(*found), "with two threads"
    torch.set_num_threads(1)
    again = engine(classifier, precision=precision)
    assert torch.equal(again(POOL), first), "read from disk"
    assert again.network.backend == "OpenVINO"


def test_a_conversion_is_kept_and_read_again(at_home: Path, monkeypatch: pytest.MonkeyPatch):
    classifier = zoo.classifier("residual")
    copy = inference_copy(classifier, "float32").module
    first = compiled(classifier, copy)
    (kept,) = at_home.glob("*.xml")
    assert at_home.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr("seewhy.engines.compiled.read", lambda *_: pytest.fail("converted again"))
    x = torch.randn(5, 3, *zoo.SIZE)
    assert torch.equal(first(x), compiled(classifier, copy)(x))
    monkeypatch.undo()
    kept.with_suffix(".bin").write_bytes(b"")
    monkeypatch.setenv("SEEWHY_HOME", str(at_home.parents[1]))
    torch.testing.assert_close(compiled(classifier, copy)(x), first(x))


def test_only_so_many_are_kept(at_home: Path):
    at_home.mkdir(parents=True)
    for number in range(KEPT + 3):
        (at_home / f"{number}.xml").touch()
    classifier = zoo.classifier("residual")
    compiled(classifier, inference_copy(classifier, "float32").module)
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
        compiled(classifier, inference_copy(classifier, "float32").module)
    ours = engine(classifier)
    ours(POOL)
    assert ours.network.backend == "PyTorch"
    assert ours.told[-1].startswith("OpenVINO was left aside: ")


def test_why_it_is_left_aside_is_kept(at_home: Path, monkeypatch: pytest.MonkeyPatch):
    classifier = of(Branching())
    copy = inference_copy(classifier, "float32").module
    with pytest.raises(ModelError) as first:
        compiled(classifier, copy)
    monkeypatch.setattr("seewhy.engines.compiled.read", lambda *_: pytest.fail("converted again"))
    with pytest.raises(ModelError) as again:
        compiled(classifier, copy, torch.bfloat16)
    assert str(again.value) == str(first.value)
    assert not [*at_home.glob("*.xml")]


def test_where_memory_runs_out_nothing_is_kept(at_home: Path, monkeypatch: pytest.MonkeyPatch):
    def short(*_: object) -> None:
        raise RuntimeError("can't allocate memory: you tried to")

    ours = engine(zoo.classifier("residual"))
    with monkeypatch.context() as patched:
        patched.setattr("seewhy.engines.compiled.read", short)
        ours(POOL)
    assert ours.told[-1] == "OpenVINO was left aside: memory ran out."
    assert not [*at_home.glob("*")]


def test_what_was_kept_and_answers_otherwise_is_converted_anew(at_home: Path):
    classifier = zoo.classifier("residual")
    copy = inference_copy(classifier, "float32").module
    before = compiled(classifier, copy)
    edited = nn.Sequential(copy, nn.Softsign())  # as if its code were edited and not its weights
    after = compiled(classifier, edited)
    x = torch.randn(3, 3, *zoo.SIZE)
    torch.testing.assert_close(after(x), nn.Softsign()(before(x)), rtol=0, atol=1e-4)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
def test_what_was_kept_is_compiled_once_and_checked_once(precision: torch.dtype, monkeypatch: pytest.MonkeyPatch):
    classifier = zoo.classifier("residual")
    copy = inference_copy(classifier, "float32").module
    compiled(classifier, copy, precision)
    made: list[torch.dtype] = []
    start = Compiled.__init__

    def noted(self: Compiled, model: object, threads: int, precision: torch.dtype) -> None:
        made.append(precision)
        start(self, model, threads, precision)

    monkeypatch.setattr(Compiled, "__init__", noted)
    compiled(classifier, copy, precision)
    assert made == [precision]


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_what_is_told_of_rounding_is_what_openvino_rounds(noise: float, monkeypatch: pytest.MonkeyPatch):
    """Of one that rounds too much nothing is told, but that it was left aside."""
    classifier = zoo.classifier("gap-linear")
    monkeypatch.setattr(forward, "fast_precisions", lambda device: ("bfloat16",))
    ours = engine(classifier, precision="auto")
    before = ours.checks["precision_gap"]
    with monkeypatch.context() as patched:
        patched.setattr(backends, "compiled", lambda *_, **how: Rounding(compiled(*_, **how), noise))
        found = ours(POOL)
    assert (ours.network.backend == "OpenVINO") == (not noise)
    assert (forward.COARSER in ours.told) == bool(noise)
    assert (ours.checks["precision_gap"] == before) == bool(noise)
    assert found.shape == (len(POOL), zoo.CLASSES)


class Rounding:
    """A compiled network whose answers are wrong by so much, up and down in turn."""

    def __init__(self, network: Compiled, noise: float) -> None:
        self.network, self.noise = network, noise

    def __call__(self, x: Tensor) -> Tensor:
        found = self.network(x)
        return found + self.noise * (1 - 2 * (torch.arange(found.numel()) % 2)).view_as(found)


@pytest.mark.parametrize("batch", ["n", 1, 5])
def test_a_graph_in_a_file_is_compiled_too_whatever_its_batch(batch: str | int, tmp_path: Path):
    classifier = load(graph(tmp_path / "mean.onnx", batch, zoo.SIZE[0]), device="cpu")
    ours, plain = engine(classifier), engine(classifier)
    found = ours(POOL)
    assert ours.told == ("OpenVINO computed the answers in single precision.",)
    wanted = torch.cat([plain(part) for part in POOL.split(40)])
    assert plain.told == ("The network itself computed the answers.",)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))


def test_a_graph_of_several_answers_is_left_aside(tmp_path: Path):
    name = graph(tmp_path / "both.onnx", side=zoo.SIZE[0], also=("pooled",))
    (tmp_path / "both.json").write_text('{"output": "scores"}')
    ours = engine(load(name, device="cpu"))
    ours(POOL)
    assert ours.told[-1] == "OpenVINO was left aside: the graph puts out 2 tensors."


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
    assert after.network.backend == "OpenVINO"
    assert not torch.allclose(before, found)
    exact = inference_copy(classifier, "float32")
    assert exact.compiled is None
