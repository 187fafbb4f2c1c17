"""Whose turn it is with a network, and how it is left: as it was found.

Explaining changes a network for a moment: hooks, training flags, `requires_grad`, the random numbers it draws. Each of
these belongs to the module, not to a thread, so a module has one owner at a time. What owns a network owns every
module in it: two wrappers around one backbone wait for each other, two networks do not.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from itertools import takewhile
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from torch import nn

from seewhy.models.strides import with_usual_strides
from seewhy.models.wrappers import plainly

_turns = threading.Condition()
_owners: dict[int, int] = {}  # the identity of each module in use, and of the thread that uses it
_waiting: list[set[int]] = []  # the modules that each waiting thread wants, first come first

_pauses = threading.local()

_still: WeakSet[nn.Module] = WeakSet()  # networks that were seen to run without drawing random numbers


@contextmanager
def owning(module: nn.Module) -> Generator[None]:
    """Have `module` and all modules in it for this thread alone; another thread that wants any of them waits.

    Whatever changes a module, or runs one that may be changed, does so in here. It can be nested. Hold it for one
    forward, or a forward and its backward, so that others wait no longer than that.
    """
    me = threading.get_ident()
    if _owners.get(id(module)) == me:
        yield
        return
    if (pause := getattr(_pauses, "mine", None)) and not owns_any():
        pause()
    parts = {id(part) for part in module.modules()}
    with _turns:
        nested = me in _owners.values()
        if not nested and module not in _still:
            parts.add(id(_random))  # one for all networks, so those that draw from it take turns
        wanted = {part for part in parts if _owners.get(part) != me}
        _wait_for(wanted, first=nested)
        _owners.update(dict.fromkeys(wanted, me))
    try:
        yield
    finally:
        with _turns:
            for part in wanted:
                del _owners[part]
            _turns.notify_all()


@contextmanager
def pausing(pause: Callable[[], object]) -> Generator[None]:
    """Have `pause` called in this thread whenever it is about to take a network, and has none: it may wait there."""
    _pauses.mine = pause
    try:
        yield
    finally:
        del _pauses.mine


def owns_any() -> bool:
    """Whether this thread has a network, or a part of one, for itself; if so, others may be waiting for it."""
    return threading.get_ident() in [*_owners.values()]


def _wait_for(wanted: set[int], *, first: bool) -> None:
    """Wait until nobody owns what is wanted, and nobody waits for it that came before."""
    # Who owns other modules already goes `first`, since those before may be waiting for these.
    _waiting.insert(0 if first else len(_waiting), wanted)
    try:
        while not (
            wanted.isdisjoint(_owners)
            and all(wanted.isdisjoint(other) for other in takewhile(lambda other: other is not wanted, _waiting))
        ):
            _turns.wait()
    finally:
        _waiting[:] = [other for other in _waiting if other is not wanted]
        _turns.notify_all()


@contextmanager
def evaluating(module: nn.Module) -> Generator[None]:
    """Put `module` in evaluation mode, with random numbers of its own; restore its flags and the global state.

    The module is owned meanwhile, see `owning`.
    """
    found = {tensor.device for tensor in module.parameters()} if torch.cuda.is_initialized() else set()
    devices = [torch.device("cpu"), *(device for device in found if device.type == "cuda")]
    with owning(module), plainly(), with_usual_strides(module), _random.seeded(module, devices):
        # A frozen script has no flag.
        flags = [(part, part.training) for part in module.modules() if hasattr(part, "training")]
        try:
            for part, training in flags:
                if training:  # to set is slow, and hundreds of parts mostly have nothing to set
                    part.training = False
            yield
        finally:
            for part, training in flags:
                if part.training != training:
                    part.training = training


class _RandomState:
    """The global random state: the first thread in keeps it, the last one out puts it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._kept: dict[torch.device, torch.Tensor] = {}

    @contextmanager
    def seeded(self, module: nn.Module, devices: Iterable[torch.device]) -> Generator[None]:
        """Random numbers of its own for `module`, the same each time: it does not disturb its caller's."""
        devices = list(devices)
        with self._lock:
            alone = self._inside == 0
            self._inside += 1
            for device in devices:
                if device not in self._kept:
                    self._kept[device] = _generator(device).get_state()
            # A network that draws none must not disturb one that does, in another thread.
            if alone or _owners.get(id(self)) == threading.get_ident():
                for device in devices:
                    _generator(device).manual_seed(0)  # not torch.manual_seed, which would seed every device there is
            before = [_generator(device).get_state() for device in devices]
        try:
            yield
        finally:
            with self._lock:
                moved = any(
                    not torch.equal(_generator(device).get_state(), state)
                    for device, state in zip(devices, before, strict=True)
                )
                (_still.discard if moved else _still.add)(module)
                self._inside -= 1
                if self._inside == 0:
                    for device, state in self._kept.items():
                        _generator(device).set_state(state)
                    self._kept.clear()


_random = _RandomState()


class _LibrariesState:
    """The random states of Python and NumPy, from which libraries draw while they are loaded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._kept: tuple[Any, Any] = (None, None)

    @contextmanager
    def kept(self) -> Generator[None]:
        """The first thread in keeps them, the last one out puts them back."""
        with self._lock:
            if self._inside == 0:
                self._kept = random.getstate(), np.random.get_state()  # noqa: NPY002
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    random.setstate(self._kept[0])
                    np.random.set_state(self._kept[1])  # noqa: NPY002


_libraries = _LibrariesState()


@contextmanager
def undisturbed() -> Generator[None]:
    """Keep the random states of Python and NumPy, however many threads are in here."""
    with _libraries.kept():
        yield


def _generator(device: torch.device) -> torch.Generator:
    if device.type == "cpu":
        return torch.default_generator
    return torch.cuda.default_generators[device.index or 0]


def _forget() -> None:
    """A forked process has one thread, and nothing in it is in use."""
    global _turns, _random, _libraries
    _turns, _random, _libraries = threading.Condition(), _RandomState(), _LibrariesState()
    _owners.clear()
    _waiting.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
