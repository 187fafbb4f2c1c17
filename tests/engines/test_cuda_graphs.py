"""CUDA graphs, as far as a CPU can run them: a recorder that runs the same computation on the same memory again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import zoo
from methods.seeing import SIXTEEN
from seewhy.engines import MaskedForward, backends
from seewhy.engines.backends import REPAID, answering_copy
from seewhy.engines.batches import BatchSize
from seewhy.engines.cuda_graphs import LEAST, CudaGraphs, padded
from seewhy.engines.inference import Inference, Precision, inference_copy
from seewhy.models import Classifier, Preprocessing

pytestmark = pytest.mark.usefixtures("one_thread")

PHOTO = zoo.photos(1)[0]
POOL = torch.rand((REPAID, 16), generator=torch.Generator().manual_seed(3)) < 0.5


class Recorder:
    """Records as a GPU does: whatever is run again writes its result to where the first one lies."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, run: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        self.recorded += 1
        result = run()

        def replay() -> None:
            self.replayed += 1
            result.copy_(run())

        return replay, result


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Stands in for the GPU, which every classifier is said to be on."""
    made = Recorder()
    monkeypatch.setattr("seewhy.engines.cuda_graphs.CudaGraphs.__init__.__defaults__", (made,))
    door = backends.BackEnd("A CUDA graph", lambda *_: True, backends.BACK_ENDS[-1].make)
    monkeypatch.setattr(backends, "BACK_ENDS", (door,))
    return made


def engine(classifier: Classifier, precision: Precision = "float32") -> MaskedForward:
    generator = torch.Generator().manual_seed(0)
    labels = SIXTEEN.repeat(2, 0).repeat(2, 1)
    return MaskedForward(classifier, PHOTO, labels=labels, generator=generator, precision=precision)


@pytest.mark.parametrize(("count", "size"), [(1, LEAST), (8, 8), (9, 16), (16, 16), (33, 64), (1000, 1024)])
def test_there_is_a_graph_for_each_power_of_two(count: int, size: int):
    assert padded(count) == size


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("network", ["residual", "tiny-vit", "dict"])
def test_it_answers_as_the_copy_does_whatever_the_size_of_the_batch(
    network: str, precision: Precision, recorder: Recorder
):
    classifier = zoo.classifier(network)
    copy = inference_copy(classifier, precision)
    found = answering_copy(classifier, copy, REPAID)
    assert found.told == (f"A CUDA graph computed the answers in {'single' if copy.bits == 32 else 'half'} precision.",)
    assert (found.dtype, found.layout) == (copy.dtype, torch.channels_last)
    for count in (1, 3, 16, 19):
        x = zoo.inputs(count)
        wanted = copy(x)
        torch.testing.assert_close(
            found(x), wanted, rtol=0, atol=(1e-5, 2**-6)[copy.bits == 16] * float(wanted.abs().max())
        )
        assert torch.equal(found(x), found(x))
    assert recorder.recorded == len({padded(count) for count in (1, 3, 4, 16, 19)})


def test_an_answer_is_not_written_over_by_the_next(recorder: Recorder):
    graphs = CudaGraphs(inference_copy(zoo.classifier("residual"), "float32"), recorder)
    first = graphs(zoo.inputs(3))
    kept = first.clone()
    graphs(-zoo.inputs(3))
    assert torch.equal(first, kept)


def test_the_engine_asks_it_from_when_it_repays(recorder: Recorder):
    ours, plain = engine(zoo.classifier("residual")), engine(zoo.classifier("residual"))
    wanted = torch.cat([plain(part) for part in POOL.split(40)])
    assert not recorder.recorded
    found = ours(POOL)
    assert ours.network.backend == "A CUDA graph"
    assert recorder.replayed
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("operation not permitted when stream is capturing\nmore"), "it cannot be recorded (operation"),
        (RuntimeError("CUDA error: out of memory"), "memory ran out."),
        (ValueError(), "it cannot be recorded (ValueError)."),
    ],
)
def test_what_cannot_be_recorded_is_left_aside_with_its_reason(
    error: Exception, reason: str, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
):
    def fails(_: object, run: Callable[[], Tensor]) -> None:
        raise error

    monkeypatch.setattr(Recorder, "__call__", fails)
    classifier = zoo.classifier("residual")
    ours = engine(Classifier(classifier.module, classifier.preprocessing, classifier.categories, "made"))
    ours(POOL)
    assert ours.network.backend == "PyTorch"
    assert ours.told[-1].startswith(f"A CUDA graph was left aside: {reason}")


class Branching(nn.Module):
    """Decides by the picture, which no graph follows."""

    def __init__(self) -> None:
        super().__init__()
        self.body = zoo.Residual()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) if float(x[0].detach().sum()) > 0 else -3 * self.body(x)


class Deaf(Recorder):
    """Replays nothing, as a graph of what was computed on the processor."""

    def __call__(self, run: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        return lambda: None, run()


def test_what_answers_otherwise_is_left_aside(recorder: Recorder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Recorder, "__call__", Deaf.__call__)
    categories = zoo.classifier("residual").categories
    classifier = Classifier(Branching(), Preprocessing(zoo.SIZE), categories, "made")
    found = answering_copy(classifier, inference_copy(classifier, "float32"), REPAID)
    assert found.compiled is None
    assert "its answers differ by" in found.told[-1]


def test_it_is_for_networks_on_a_gpu_that_could_be_copied(monkeypatch: pytest.MonkeyPatch):
    takes = backends.BACK_ENDS[-1].takes
    classifier = zoo.classifier("residual")
    copy = inference_copy(classifier, "float32")
    assert not takes(classifier, copy), "it is on the processor"
    monkeypatch.setattr(Classifier, "device", torch.device("cuda"))
    assert takes(classifier, copy)
    itself = Inference(classifier.module, classifier.head, torch.float32, torch.float32, BatchSize(torch.device("cpu")))
    assert not takes(classifier, itself)
    monkeypatch.setenv("SEEWHY_CUDA_GRAPHS", "0")
    assert not takes(classifier, copy)
