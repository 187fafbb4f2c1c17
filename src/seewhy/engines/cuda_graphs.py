"""A network as CUDA graphs: its kernels are recorded once and then launched together, as often as it is asked.

A GPU runs most layers sooner than a processor can launch them. What is recorded takes a fixed number of pictures, so
that there is a graph for each power of two that was asked, and what is missing to the next is blank. Nothing in it
may hang on the numbers: such networks fail when they are recorded, or in the check, and answer by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import torch
from torch import Tensor

from seewhy.engines.inference import Inference, refuse_unlike
from seewhy.errors import ModelError
from seewhy.models.blame import short_of_memory
from seewhy.models.classifier import Classifier
from seewhy.models.state import evaluating

WARM = 3  # runs before it is recorded, in which kernels are chosen and memory is set aside
LEAST = 8  # pictures in a graph: of fewer the launch takes longer than the work
AGREEMENT = 0.02  # of the largest number: kernels are chosen anew, and sums in half precision come in another order

Replay = Callable[[], None]
Recorder = Callable[[Callable[[], Tensor]], tuple[Replay, Tensor]]


def record(run: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
    """What runs the same kernels on the same memory again, and where their result then lies."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM):
            run()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = run()
    return graph.replay, result


class CudaGraphs:
    """Normalised inputs `(N, C, h, w)` to float32 numbers `(N, K)`, as the copy gives them.

    Args:
        copy: what is recorded.
        recorder: what records it.
    """

    def __init__(self, copy: Inference, recorder: Recorder = record) -> None:
        self._copy, self._record = copy, recorder
        self._graphs: dict[tuple[int, ...], tuple[Tensor, Replay, Tensor]] = {}
        self._lock = Lock()

    def __call__(self, x: Tensor) -> Tensor:
        """The numbers of network inputs."""
        with self._lock, torch.inference_mode():
            given, replay, result = self._graph(x)
            given[: len(x)].copy_(x)
            given[len(x) :].zero_()
            replay()
            return result[: len(x)].clone()

    def _graph(self, x: Tensor) -> tuple[Tensor, Replay, Tensor]:
        shape = padded(len(x)), *x.shape[1:]
        if shape not in self._graphs:
            given = torch.zeros(shape, dtype=self._copy.dtype, device=x.device)
            given = given.contiguous(memory_format=self._copy.layout)
            with evaluating(self._copy.module):
                self._graphs[shape] = (given, *self._record(lambda: numbers_of(self._copy, given)))
        return self._graphs[shape]


def numbers_of(copy: Inference, x: Tensor) -> Tensor:
    """What the copy gives before its head says what that means, in float32."""
    return copy.head.numbers(copy.module(x)).float()


def padded(count: int) -> int:
    """The number of pictures in the graph that is asked about so many."""
    return max(LEAST, 1 << (count - 1).bit_length())


def recorded(classifier: Classifier, copy: Inference) -> CudaGraphs:
    """The copy as graphs, ready to answer.

    Raises:
        ModelError: it cannot be recorded, or does not answer as the copy does; the message says why.
        MemoryError: the GPU has too little memory for it.
    """
    made = CudaGraphs(copy)

    def plain(x: Tensor) -> Tensor:
        with evaluating(copy.module), torch.inference_mode():
            return numbers_of(copy, x.to(copy.dtype, memory_format=copy.layout))

    try:
        refuse_unlike(classifier, plain, made, AGREEMENT)
    except ModelError:
        raise
    except Exception as error:
        if short_of_memory(error):
            raise MemoryError from error
        first = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise ModelError(f"it cannot be recorded ({first[:200]})") from error
    return made
