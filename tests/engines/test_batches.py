"""Batch sizes: doubled while that pays, halved when memory runs out, and no result that hangs on them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seewhy.engines.batches import FIRST, FIRST_ON_GPU, LARGEST, LARGEST_ON_GPU, RUNS, BatchSize, batches
from seewhy.errors import ExplainError, UsageError

CPU = torch.device("cpu")
SHORT_OF_MEMORY: dict[str, Exception] = {
    "cuda": torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "cuda, as it was": RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
    "linux": RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
    "windows": RuntimeError("[enforce fail at alloc_cpu.cpp:81] DefaultCPUAllocator: not enough memory: you tried"),
    "python": MemoryError(),
}


def found(count: int, run: Callable[[slice], Tensor], size: BatchSize) -> list[float]:
    return [float(value) for rows in batches(run, count, size) for value in rows]


class Machine:
    """Squares numbers in batches of up to `room`; of each size it takes `seconds`, and it notes what it was asked."""

    def __init__(self, room: int = 10**6, error: Exception | None = None) -> None:
        self.room, self.error = room, error
        self.done: list[int] = []
        self.failed: list[int] = []

    def __call__(self, part: slice) -> Tensor:
        count = part.stop - part.start
        if count > self.room and self.error:
            self.failed.append(count)
            raise self.error
        self.done.append(count)
        return torch.arange(part.start, part.stop) ** 2


# --- Found by trial -----------------------------------------------------------------------------------------------


def settled_size(rate: Callable[[int], float]) -> int:
    """Where the size ends up on a machine that computes `rate(size)` images a second."""
    size = BatchSize(CPU)
    for _ in range(50):
        size.ran(size.size, size.size / rate(size.size))
    return size.size


@pytest.mark.parametrize(
    ("rate", "wanted"),
    [
        (lambda size: 10.0 * size, LARGEST["cpu"]),  # twice as many in the same time
        (lambda size: 10.0, FIRST["cpu"]),  # nothing gained
        (lambda size: 10.0 * min(size, 2 * FIRST["cpu"]), 2 * FIRST["cpu"]),
        (lambda size: 10.0 if size == FIRST["cpu"] else 10.7, FIRST["cpu"]),  # too little for twice the memory
        (lambda size: 10.0 if size == FIRST["cpu"] else 5.0, FIRST["cpu"]),
    ],
)
def test_it_doubles_while_that_pays_and_then_stays(rate, wanted):
    assert settled_size(rate) == wanted


def test_the_first_run_of_a_size_does_not_count_against_it():
    size = BatchSize(CPU)
    for run in range(20):
        slow_start = 10 if run % RUNS == 0 else 1
        size.ran(size.size, slow_start * 1.0)  # a second a batch, whatever its size
    assert size.size == LARGEST["cpu"]


def test_batches_that_are_not_full_say_nothing():
    size = BatchSize(CPU)
    for _ in range(20):
        size.ran(size.size - 1, 1e-9)
    assert size.size == FIRST["cpu"]


def test_a_graphics_card_starts_larger():
    size = BatchSize(torch.device("cuda"))
    assert size.size == FIRST_ON_GPU
    for _ in range(50):
        size.ran(size.size, 1.0)
    assert size.size == LARGEST_ON_GPU


def test_a_fixed_size_stays():
    size = BatchSize(CPU, 5)
    for _ in range(20):
        size.ran(5, 1e-9)
    machine = Machine()
    found(12, machine, size)
    assert machine.done == [5, 5, 2]


@pytest.mark.parametrize("fixed", [0, -1])
def test_no_images_at_once_are_refused(fixed):
    with pytest.raises(UsageError, match=f"at least one image, not {fixed}"):
        BatchSize(CPU, fixed)


# --- When memory runs out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", SHORT_OF_MEMORY.values(), ids=SHORT_OF_MEMORY)
def test_it_halves_until_it_fits_and_goes_on_where_it_was(error):
    machine, size = Machine(room=5, error=error), BatchSize(CPU, 32)
    assert found(50, machine, size) == [number**2 for number in range(50)]
    assert machine.failed == [32, 16, 8], "what did not fit is not tried again"
    assert machine.done == [4] * 12 + [2]
    assert size.size == 4


@pytest.mark.parametrize("error", SHORT_OF_MEMORY.values(), ids=SHORT_OF_MEMORY)
def test_a_single_image_that_does_not_fit_is_told_with_its_cause(error):
    with pytest.raises(ExplainError, match=r"single image.*use a smaller model") as told:
        found(3, Machine(room=0, error=error), BatchSize(CPU))
    assert told.value.__cause__ is error


def test_after_it_ran_out_it_does_not_grow_again():
    machine, size = Machine(room=10, error=SHORT_OF_MEMORY["cuda"]), BatchSize(CPU)
    found(1000, machine, size)
    assert machine.failed == [16]
    assert set(machine.done) == {8}


@pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError("no"), KeyboardInterrupt()])
def test_other_errors_are_not_its_business(error):
    size = BatchSize(CPU)
    with pytest.raises(type(error)) as raised:
        found(3, Machine(room=0, error=error), size)
    assert raised.value is error
    assert size.size == FIRST["cpu"]


# --- Results ------------------------------------------------------------------------------------------------------


@given(count=st.integers(0, 200), fixed=st.none() | st.integers(1, 300), room=st.integers(1, 300))
@settings(max_examples=100)
def test_every_image_is_answered_once_and_in_order(count, fixed, room):
    machine = Machine(room, SHORT_OF_MEMORY["linux"])
    assert found(count, machine, BatchSize(CPU, fixed)) == [number**2 for number in range(count)]
    assert sum(machine.done) == count
    assert all(first >= second for first, second in pairwise(machine.failed))


def test_results_come_batch_by_batch():
    machine = Machine()
    batch = batches(machine, 10, BatchSize(CPU, 4))
    assert next(batch).tolist() == [0, 1, 4, 9]
    assert machine.done == [4], "nothing is computed that nobody asked for yet"
