"""What tests of several rooms share."""

from __future__ import annotations

import gc
import os
import sys
from asyncio import AbstractEventLoop, events
from collections.abc import Callable, Generator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

# Interpreted is quicker than compiled for what the oracles compute here; it has to be said before they are imported.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

# To compile a network repays over many forwards, not over the few of a test; tests of that switch it on.
os.environ.setdefault("SEEWHY_OPENVINO", "0")

from seewhy.methods import Method
from seewhy.metrics import Metric
from seewhy.models import Classifier, load

# No test is timed: machines are busy, and what is slow is seen in benchmarks.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# What tests write need not outlive the machine; a test of a full disk has a function of its own.
os.fsync = lambda _handle: None

ROOT = Path(__file__).resolve().parents[1]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What collecting tests makes stays until the end: no garbage is looked for in it, neither meanwhile nor later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Gives the path of real test data below `SEEWHY_TEST_DATA`, and skips the test where it is absent."""
    root = Path(os.environ.get("SEEWHY_TEST_DATA") or ROOT.parent / "shared" / "data")

    def find(relative: str) -> Path:
        path = root / relative
        if not path.exists():
            pytest.skip(f"no {relative} in {root}; set SEEWHY_TEST_DATA to the folder of the test data")
        return path

    return find


@pytest.fixture(scope="session")
def default_classifier() -> Classifier:
    """The bundled model with its ImageNet weights."""
    return load(device="cpu")


@pytest.fixture(scope="session")
def real_resnet50(shared_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """The shared ResNet-50, opened by the card that the documentation shows."""
    weights = shared_data("weights/resnet50_v1_imagenet_fp16.safetensors")
    folder = tmp_path_factory.mktemp("resnet50")
    (folder / "model.safetensors").symlink_to(weights.resolve())
    page = (ROOT / "docs/models.md").read_text("utf-8")
    (folder / "card.json").write_text(page.partition("```json")[2].partition("```")[0])
    return load(f"file:{folder}", device="cpu")


@pytest.fixture(scope="session")
def chromium() -> Iterator[tuple[Any, AbstractEventLoop | None]]:
    """The one browser of this process, and the event loop of Playwright, which is in the way of tests without it."""
    from web.browsing import chromium

    with chromium() as found:
        loop = events._get_running_loop()
        events._set_running_loop(None)
        yield found, loop
        events._set_running_loop(loop)


@pytest.fixture
def browser(chromium: tuple[Any, AbstractEventLoop | None]) -> Iterator[Any]:
    """The browser, with nothing left in it of what other tests did."""
    found, loop = chromium
    events._set_running_loop(loop)
    yield found
    for context in found.contexts:
        context.close()
    events._set_running_loop(None)


@pytest.fixture(autouse=True)
def forget_what_tests_declare() -> Iterator[None]:
    """A method or a metric that a test, or an example in a docstring, declares is known to no other test."""
    yield
    for registry in (Method.registry, Metric.registry):
        for name, declared in list(registry.items()):
            if getattr(sys.modules.get(declared.__module__), declared.__qualname__, None) is not declared:
                del registry[name]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """A study does its units in this process: what it finds is the same, and no worker has to load everything anew."""
    from commands import Alone

    monkeypatch.setattr(import_module("seewhy.verbs.study"), "chosen_executor", lambda *_: Alone())


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small pictures are not worth threads, which wait for each other where tests run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
