"""Workers that are actors of a Ray cluster (extra `ray`)."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from seewhy.errors import UsageError
from seewhy.study.executors import Bench, Done, Lost, deal
from seewhy.study.plan import Task, Work

OBJECT_STORE = 100 << 20  # bytes; tasks and rows are small
CONNECT_SECONDS = 5


@dataclass(frozen=True)
class Ray:
    """Does tasks on `workers` actors, which take a processor for each of their threads, and `gpus` each.

    They live on the cluster at `address`, whose machines must have seewhy installed and see the pictures at the same
    paths; without one, on a cluster of this machine's own that nobody else can reach and that ends with the run. What
    workers do lies in the object store once, for all of them.

    Attributes:
        workers: how many; without, as many as the cluster has room for.
        address: of the cluster.
        gpus: of each actor: 1, or a share of one where several fit into its memory; 0 for none.

    Raises:
        UsageError: Ray is not installed, no cluster answers, or it has no room for a single actor.
    """

    workers: int = 0
    address: str | None = None
    gpus: float = 0

    def run(self, tasks: Sequence[Task], work: Work, threads: int) -> Generator[Done]:
        """See `Executor.run`."""
        with _cluster(self.address, max(self.workers, 1) * threads) as ray:
            room = _room(ray.cluster_resources(), threads, self.gpus)
            if not room:
                asked = f"{threads} processors" + (f" and {self.gpus:g} GPUs" if self.gpus else "")
                raise UsageError(
                    f"no machine of the Ray cluster has the {asked} that a worker takes; give fewer threads"
                    + (", or --device cpu" if self.gpus else "")
                )
            crew = _Crew(ray, ray.put(work), threads, self.gpus)
            yield from deal(tasks, crew, self.workers or room)


def _room(resources: Mapping[str, float], threads: int, gpus: float) -> int:
    """For how many actors a cluster has room, by its resources."""
    processors = int(resources.get("CPU", 0) // threads)
    return min(processors, int(resources.get("GPU", 0) / gpus + 1e-9)) if gpus else processors


class _Actor:
    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray = ray
        self._actor = actor
        self.answer = actor.ready.remote()

    def give(self, task: Task) -> None:
        self.answer = self._actor.do.remote(task)

    def take(self) -> Done | Lost | None:
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
    work: Any  # a reference to it in the object store, which Ray turns into the work itself
    threads: int
    gpus: float

    def hire(self) -> _Actor:
        # Whoever dies is replaced by `deal`, which counts; Ray itself is to restart and repeat nothing.
        share = {"num_cpus": self.threads, "num_gpus": self.gpus}
        make = self.ray.remote(**share, max_restarts=0, max_task_retries=0)(_Remote)
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
