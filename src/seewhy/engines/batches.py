"""How much to ask a network at once: found by trial, and halved when memory runs out."""

from __future__ import annotations

import ctypes
import os
import platform
import time
from collections.abc import Callable, Iterator
from functools import cache
from threading import Lock

import torch
from torch import Tensor

from seewhy.errors import ExplainError, UsageError
from seewhy.models.blame import short_of_memory

FIRST = {"cpu": 16}  # from 16 on, float32 convolutions of one image do not depend on their neighbours
LARGEST = {"cpu": 64}
FIRST_ON_GPU, LARGEST_ON_GPU = 32, 1024
PAYS = 1.08  # a larger batch has to be this much faster to be worth its memory
RUNS = 2  # of each size on trial: the first of them pays for what is set up on first use

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER = 2**31 - 1


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
        self._lock = Lock()  # the threads that ask one network try sizes together

    def ran(self, count: int, seconds: float) -> None:
        """A batch of `count` images took `seconds`."""
        with self._lock:
            if not self._settled and count >= self.size:
                self._tried(count / seconds)

    def _tried(self, rate: float) -> None:
        self._rates.append(rate)
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
        """Memory ran out at this size; raises `ExplainError` where that was a single image."""
        with self._lock:
            if self.size == 1:
                raise ExplainError(
                    "memory runs out with a single image in the batch; use a smaller model, --device cpu, or free "
                    "memory"
                ) from cause
            self.size, self._settled = self.size // 2, True


def batches(run: Callable[[slice], Tensor], count: int, size: BatchSize) -> Iterator[Tensor]:
    """What `run` answers, `(n, …)`, for parts of `range(count)` in turn; for smaller ones where memory runs out."""
    start = 0
    while start < count:
        part = slice(start, min(start + size.size, count))
        began = time.perf_counter()
        try:
            rows = run(part)
        except (RuntimeError, MemoryError) as error:
            if not short_of_memory(error):
                raise
            size.halve(error)
            rows = None
        if rows is None:  # out of the handler, which keeps what was on its way from being freed
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        size.ran(part.stop - part.start, time.perf_counter() - began)
        start = part.stop
        yield rows


@cache
def keep_large_blocks() -> bool:
    """Keep large blocks of memory instead of giving them back after every layer; says whether that could be set.

    glibc returns blocks above 32 MiB to the system when they are freed, so that a convolutional network on a CPU
    spends most of its time on page faults. Asking the allocator to keep them makes large batches several times faster.
    It is done once per process, on Linux with glibc only, and not at all where SEEWHY_KEEP_MEMORY=0.
    """
    if os.environ.get("SEEWHY_KEEP_MEMORY") == "0" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    # No block comes by mmap, and the heap is never trimmed: a freed block stays ours for the next layer.
    return bool(libc.mallopt(M_MMAP_MAX, 0) and libc.mallopt(M_TRIM_THRESHOLD, NEVER))
