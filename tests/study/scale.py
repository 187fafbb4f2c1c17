"""A study of many photos with a classifier that is none: `python scale.py FOLDER PHOTOS [STOP]`.

Starts the study, or goes on with it, until it is done or `STOP` photos are, and then writes its report. Prints as JSON
how long that took, and how much memory this process took beside what its libraries do.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Generator, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import numpy as np

from seewhy.errors import Cancelled
from seewhy.images import Entry, Folder
from seewhy.study import Found, Plan, Task, Work, run
from seewhy.study.executors import Bench, Done
from seewhy.study.results import read
from seewhy.verbs.study import Study

METHODS = {"grad-cam": 0.5, "lime": 0.4, "lrp": 0.45, "control:random": 0.1}
METRICS = (
    *("average-drop-hard", "increase-in-confidence-hard", "average-drop-hard-removed", "road", "insertion"),
    *("deletion", "idsds", "sparseness", "effective-complexity"),
)
ABOUT = {"target": 1, "label": "cat", "probability": 0.5, "told": "50%", "layer": None, "checks": "{}", "reason": None,
         "notes": None, "view": "[0.0,0.0,224.0,224.0]"}  # fmt: skip


def plan(photos: int) -> Plan:
    names = [f"n{place % 1000:04d}/photo{place:06d}.jpg" for place in range(photos)]
    return Plan(
        models={"fake": "f" * 64},
        methods={name: {} for name in METHODS},
        metrics={name: {} for name in METRICS},
        images={name: sha256(name.encode()).hexdigest() for name in names},
        batch_size=1,
        maps="small",
    )


def score(model: str, task: Task) -> dict[str, Found]:
    seed = int.from_bytes(sha256(task.image.encode()).digest()[:4])
    numbers = np.random.default_rng(seed).random((len(METHODS), len(METRICS)))
    values = numbers * 0.5 + np.array([*METHODS.values()])[:, None]
    return {
        method: Found(
            [{"metric": metric, "value": value, **ABOUT, "apart": 0.5 * row[0]}
             for metric, value in zip(METRICS, row, strict=True)],
            np.outer(row, row).repeat(4, 0).repeat(4, 1)[:28, :28],
        )
        for method, row in zip(METHODS, values.tolist(), strict=True)
    }  # fmt: skip


class Here:
    """Does tasks in this process."""

    workers = 1

    def run(self, tasks: Sequence[Task], work: Work, threads: int) -> Generator[Done]:
        bench = Bench(work, threads)
        yield from map(bench.do, tasks)


class Memory:
    """The most that this process takes while something goes on, in bytes, above what it took before."""

    def __enter__(self) -> Self:
        self._before, self._peak, self._over = self._now(), self._now(), threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()
        self.taken, self.peak = self._peak - self._before, self._peak

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self._peak = max(self._peak, self._now())

    @staticmethod
    def _now() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def done(out: Path, photos: int, stop: int | None) -> int:
    """The rows of the study in `out`, once it is done and its report written; 0 where it was stopped."""

    def progress(done: int, total: int | None, message: str) -> None:
        if stop is not None and done >= stop * len(METHODS):
            raise Cancelled("enough")

    asked = plan(photos)
    try:
        failures = run(asked, Work(str, score, "small"), Here(), out, progress)
    except Cancelled:
        return 0
    folder = Folder(out / "pictures", tuple(map(Entry, asked.images)))
    result = Study(asked, read(out), tuple(failures), folder, stored=out)
    result.save(out)
    return result.table.height


def main(out: Path, photos: int, stop: int | None) -> dict[str, float]:
    with TemporaryDirectory() as folder:  # so that every library is loaded
        done(Path(folder), 30, None)
    began = time.perf_counter()
    with Memory() as memory:
        rows = done(out, photos, stop)
    return {"rows": rows, "seconds": time.perf_counter() - began, "taken": memory.taken, "peak": memory.peak}


if __name__ == "__main__":
    found = main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)
    print(json.dumps(found))
