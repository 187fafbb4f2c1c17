"""Workers that are actors of a Ray cluster (extra `ray`)."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from seewhy.errors import UsageError
from seewhy.study.executors import Bench, Lost, deal
from seewhy.study.ledger import Result, Unit, Work

OBJECT_STORE = 100 << 20  # bytes; units and rows are small
CONNECT_SECONDS = 5


@dataclass(frozen=True)
class Ray:
    """Runs units on `workers` actors, which take a processor for each of their threads.

    They live on the cluster at `address`, whose machines must have seewhy installed and see the pictures at the same
    paths; without one, on a cluster of this machine's own that nobody else can reach and that ends with the run.

    Raises:
        UsageError: Ray is not installed, or no cluster answers.
    """

    workers: int = 1
    address: str | None = None

    def run(self, units: Sequence[Unit], work: Work, threads: int) -> Generator[Result]:
        """See `Executor.run`."""
        with _cluster(self.address, self.workers * threads) as ray:
            yield from deal(units, _Crew(ray, work, threads), self.workers)


class _Actor:
    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray = ray
        self._actor = actor
        self.answer = actor.ready.remote()

    def give(self, unit: Unit) -> None:
        self.answer = self._actor.do.remote(unit)

    def take(self) -> Result | Lost | None:
        try:
            return self._ray.get(self.answer)
        except self._ray.exceptions.RayError as error:
            return Lost(str(error).strip().splitlines()[-1])

    def dismiss(self) -> None:
        self._ray.kill(self._actor)


class _Remote(Bench):
    def ready(self) -> None:
        """Answers as soon as the worker exists."""


@dataclass(frozen=True)
class _Crew:
    ray: Any
    work: Work
    threads: int

    def hire(self) -> _Actor:
        # Whoever dies is replaced by `deal`, which counts; Ray itself is to restart and repeat nothing.
        make = self.ray.remote(num_cpus=self.threads, max_restarts=0, max_task_retries=0)(_Remote)
        return _Actor(self.ray, make.remote(self.work, self.threads))

    def first(self, busy: Sequence[_Actor]) -> _Actor:
        done, _ = self.ray.wait([worker.answer for worker in busy], num_returns=1)
        return next(worker for worker in busy if worker.answer in done)


@contextmanager
def _cluster(address: str | None, processors: int) -> Generator[Any]:
    """Ray, connected; without an address, a connection that is already there is used and left."""
    ray = _import_ray(address)
    if address is None and ray.is_initialized():
        yield ray
        return
    _connect(ray, address, processors)
    try:
        yield ray
    finally:
        ray.shutdown()


def _import_ray(address: str | None) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is to be sent anywhere
    if address is None:
        # Despite its name it has every system do what those two do: listen on 127.0.0.1, not to the whole network.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        return import_module("ray")
    except ImportError as error:
        raise UsageError("Ray is not installed; pip install 'seewhy[ray]', or run locally") from error


def _connect(ray: Any, address: str | None, processors: int) -> None:
    own = {"num_cpus": processors, "include_dashboard": False, "object_store_memory": OBJECT_STORE}
    try:
        if address is not None:
            _check_answers(address)
        ray.init(address or "local", log_to_driver=False, logging_level="error", **({} if address else own))
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        place = f"at {address}" if address else "on this machine"
        raise UsageError(
            f"no Ray cluster answers {place} ({error}); `ray start --head` starts one, and --executor local needs none"
        ) from error


def _check_answers(address: str) -> None:
    """Ray itself tries for many minutes."""
    place = urlsplit(address if "://" in address else f"ray://{address}")
    if place.hostname and place.port:  # not so for "auto"
        socket.create_connection((place.hostname, place.port), CONNECT_SECONDS).close()
