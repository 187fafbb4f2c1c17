"""Hundreds of explanations in one process leave nothing behind: no memory, tensors, hooks, handles or threads."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from scipy.stats import theilslopes
from torch import nn

import seewhy
import zoo
from seewhy.images import open_image
from seewhy.models import Classifier

CALLS, WARM_UP = 500, 150
KILOBYTE = 1024

CHEAP = {"grad-cam": {}, "layer-cam": {}, "gradient": {}}
SMALL = {
    **CHEAP,
    "lrp": {},
    "integrated-gradients": {},
    "score-cam": {},
    "lime": {"samples": 60},
    "kernel-shap": {"samples": 100},
    "rise": {"masks": 50},
}
linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory as Linux tells it")


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def tensors() -> int:
    return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())


def hooks(module: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    own = sum(len(getattr(part, kind)) for part in module.modules() for kind in kinds)
    return own + sum(len(each._backward_hooks or ()) for each in module.parameters())


def held(classifier: Classifier) -> dict[str, int]:
    """What a process holds beside memory."""
    gc.collect()
    return {
        "tensors": tensors(),
        "hooks": hooks(classifier.module),
        "handles": len([*Path("/proc/self/fd").iterdir()]),
        "threads": threading.active_count(),
        "tasks": len([*Path("/proc/self/task").iterdir()]),
    }


def growth(call: Callable[[], object], classifier: Classifier) -> tuple[float, dict[str, int], dict[str, int]]:
    """Bytes of resident memory that each call adds, by the median of all slopes, and what is held before and after."""
    for _ in range(WARM_UP):
        call()
    before, sizes = held(classifier), []
    for number in range(CALLS):
        call()
        if number % 5 == 0:
            gc.collect()
            sizes.append((number, resident()))
    numbers, bytes_held = zip(*sizes, strict=True)
    return float(theilslopes(bytes_held, numbers).slope), before, held(classifier)


def check(classifier: Classifier, photo: seewhy.Image, method: str, given: dict[str, int]) -> None:
    slope, before, after = growth(lambda: seewhy.explain(classifier, photo, method, target=1, **given), classifier)
    print(f"{method}: {slope:.0f} bytes a call, held {after}")
    assert after == before
    assert slope < KILOBYTE


@linux
@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("method", SMALL)
def test_hundreds_of_explanations_leave_nothing_behind(method):
    check(zoo.classifier("residual"), zoo.photos(1)[0], method, SMALL[method])


@linux
@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("method", CHEAP)
def test_nor_do_those_of_the_default_model(method, default_classifier):
    check(default_classifier, open_image("sample:cat"), method, CHEAP[method])
