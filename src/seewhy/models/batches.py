"""How many images to ask at once: found by trial, halved when memory runs out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from seewhy.errors import ExplainError, UsageError

FIRST = {"cpu": 16}  # from 16 on, float32 convolutions of one image do not depend on their neighbours
LARGEST = {"cpu": 64}
FIRST_ON_GPU, LARGEST_ON_GPU = 32, 1024
PAYS = 1.08  # a larger batch has to be this much faster to be worth its memory
RUNS = 2  # of each size on trial: the first of them pays for what is set up on first use


class BatchSize:
    """Doubles while that pays, halves when memory runs out, then stays."""

    def __init__(self, device: torch.device, fixed: int | None = None) -> None:
        if fixed is not None and fixed < 1:
            raise UsageError(f"a batch holds at least one image, not {fixed}")
        self.size = fixed or FIRST.get(device.type, FIRST_ON_GPU)
        self._largest = LARGEST.get(device.type, LARGEST_ON_GPU)
        self._settled = fixed is not None
        self._rates: list[float] = []
        self._best = 0.0

    def ran(self, count: int, seconds: float) -> None:
        """A batch of `count` images took `seconds`."""
        if self._settled or count < self.size:
            return
        self._rates.append(count / seconds)
        if len(self._rates) < RUNS:
            return
        rate, self._rates = max(self._rates), []
        if rate < PAYS * self._best:
            self.size, self._settled = self.size // 2, True
        elif self.size * 2 > self._largest:
            self._settled = True
        else:
            self.size, self._best = self.size * 2, rate

    def halve(self, cause: Exception) -> None:
        """Memory ran out at this size.

        Raises:
            ExplainError: it ran out for a single image.
        """
        if self.size == 1:
            raise ExplainError(
                "memory runs out with a single image in the batch; use a smaller model, --device cpu, or free memory"
            ) from cause
        self.size, self._settled = max(self.size // 2, 1), True


def in_batches(count: int, run: Callable[[slice], Tensor], size: BatchSize) -> Iterator[Tensor]:
    """`run` over slices of `range(count)`, each result `(n, …)` as it comes."""
    start = 0
    while start < count:
        part = slice(start, min(start + size.size, count))
        began = time.perf_counter()
        try:
            result = run(part)
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            size.halve(error)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        size.ran(part.stop - part.start, time.perf_counter() - began)
        start = part.stop
        yield result


def _out_of_memory(error: Exception) -> bool:
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in str(error) for word in words)
