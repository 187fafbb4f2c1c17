"""The script for a GPU, as far as a CPU can run it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import zoo
from seewhy.methods.method import suitable_methods

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import gpu

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
PHOTO = zoo.photos(1)[0]


def always() -> bool:
    return True


def test_without_a_gpu_it_says_so_and_writes_nothing(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu, "write_section", lambda *_: pytest.fail("written"))
    gpu.main(torch.device("cuda"), 1.0)
    assert "skipped" in capsys.readouterr().out


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.heavy)])
def test_parity_of_methods_with_themselves(every, monkeypatch):
    monkeypatch.setattr(gpu, "suitable_methods", lambda classifier: suitable_methods(classifier)[::every])
    monkeypatch.setattr(gpu, "FEWER", {**gpu.FEWER, "samples": 250, "masks": 20, "steps": 4})
    network = gpu.small(CPU)
    rows = list(gpu.parity(network, gpu.small(CPU), PHOTO, always))
    assert [row.split(" | ")[0] for row in rows] == [each.name for each in suitable_methods(network)[::every]]
    assert not [row for row in rows if "differs" in row]


def test_a_map_that_differs_is_said_to():
    assert gpu.agreement(*(_map(values) for values in ([[0, 1], [2, 3]], [[3, 2], [1, 0]])))[0] == pytest.approx(-1)
    assert gpu.agreement(_map([[1, 1], [1, 1]]), _map([[1, 1], [1, 1]])) == (1, 0)
    assert gpu.agreement(_map([[1, 1], [1, 1]]), _map([[1, 1], [1, 2]]))[0] == 0


def test_rates_and_times_have_a_row_each(monkeypatch):
    monkeypatch.setattr(gpu, "COALITIONS", 32)
    classifier = gpu.small(CPU)
    row = gpu.rates(classifier, PHOTO, CPU, 0.0, compiled=False)
    assert row.startswith(("16 bits, PyTorch", "32 bits, PyTorch"))
    assert row.count("|") == 4
    monkeypatch.setattr(gpu, "calls", lambda *_: {"predict": lambda: classifier.predict(PHOTO)})
    (told,) = gpu.times(classifier, PHOTO, always)
    assert told.startswith("predict | 0.")


def test_what_there_is_no_time_for_is_named():
    clock = gpu.Clock(10, time.monotonic() - 9)
    assert not clock.left(0.5)
    assert clock.left(1)
    classifier = gpu.small(CPU)
    late = [*gpu.parity(classifier, classifier, PHOTO, lambda: False), *gpu.times(classifier, PHOTO, lambda: False)]
    assert len(late) == len(suitable_methods(classifier)) + len(gpu.calls(classifier, PHOTO))
    assert all("no time left" in row for row in late)


def _map(values: list[list[int]]):
    from report.samples import explanation

    return explanation(values=np.array(values, np.float32), signed=True)
