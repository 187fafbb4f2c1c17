"""Toy work: quick, deterministic, and as badly behaved as it is told to be by the names of its images."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from seewhy.study import Found, Local, Plan, Ray, Task, Unit, Work, run


def plan(images: int | Sequence[str] = 10, models: int = 2, methods: int = 2) -> Plan:
    names = [f"photo{number}.png" for number in range(images)] if isinstance(images, int) else images
    return Plan(
        models={f"model{number}": digest(f"weights {number}") for number in range(models)},
        methods={f"method{number}": {"samples": number} for number in range(methods)},
        metrics={"score": {}},
        images={name: digest(name) for name in names},
        batch_size=8,
    )


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def prepare(log: Path | None, model: str) -> str:
    note(log, f"prepare {os.getpid()} {model}")
    if model == "broken":
        raise ValueError("there is no such model")
    return model


def score(log: Path | None, delay: float, model: str, task: Task) -> dict[str, Found]:
    return {unit.method: score_one(log, delay, model, unit) for unit in task.units}


def score_one(log: Path | None, delay: float, model: str, unit: Unit) -> Found:
    note(log, f"score {os.getpid()} {unit.model} {unit.method} {unit.image}")
    time.sleep(delay)
    try:
        misbehave(unit, log)
    except ValueError as error:
        return Found(error=error)
    number = int.from_bytes(sha256(f"{model} {unit}".encode()).digest()[:6]) / 2**48
    number = float("nan") if "nan" in unit.image else number
    rows = [{"metric": "score", "value": number}, {"metric": "root", "value": number**0.5, "note": unit.method[-1]}]
    return Found(rows, np.full((20, 20), number) * np.arange(20))


def misbehave(unit: Unit, log: Path | None) -> None:
    if "raises" in unit.image:
        raise ValueError(f"{unit.image} cannot be explained")
    if "garbled" in unit.image:
        raise ValueError("half a letter: \udcff")
    if "exits" in unit.image or unit.method == "fatal":
        os._exit(3)
    if "killed" in unit.image:
        os.kill(os.getpid(), signal.SIGKILL)
    if "once" in unit.image and log is not None and log.read_text().count(f"{unit.method} {unit.image}") == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def note(log: Path | None, line: str) -> None:
    if log is not None:
        with log.open("a") as file:
            file.write(line + "\n")


def report_threads(model: str, task: Task) -> dict[str, Found]:
    import torch
    from threadpoolctl import threadpool_info

    counts = {torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())}
    return {method: Found([{"threads": count} for count in sorted(counts)]) for method in task.methods}


def report_gpu(model: str, task: Task) -> dict[str, Found]:
    time.sleep(0.3)  # so that both workers get some
    return {method: Found([{"gpu": os.environ["CUDA_VISIBLE_DEVICES"]}]) for method in task.methods}


def load_torch(model: str) -> None:
    import numpy as np
    import torch

    torch.ones(64, 64) @ torch.ones(64, 64)
    np.ones((64, 64)) @ np.ones((64, 64))


class Stillborn:
    """Cannot be unpickled."""

    def __reduce__(self) -> Any:
        return refuse, ()


def refuse() -> None:
    raise RuntimeError("not in this process")


def work(log: Path | None = None, delay: float = 0.0) -> Work:
    return Work(partial(prepare, log), partial(score, log, delay), maps="small")


def begin(out: Path, log: Path, images: int, delay: float, executor: str = "local") -> subprocess.Popen[bytes]:
    """A run in a process of its own, to be killed."""
    return subprocess.Popen([sys.executable, __file__, out, log, str(images), str(delay), executor])


def scored(log: Path) -> Counter[str]:
    """How often each unit was begun."""
    if not log.exists():
        return Counter()
    lines = (line.split(maxsplit=2) for line in log.read_text().splitlines())
    return Counter(words[2] for words in lines if words[0] == "score")


def wait_for(log: Path, units: int, child: subprocess.Popen[bytes]) -> None:
    """Until so many units were begun, or the run has ended."""
    while child.poll() is None and scored(log).total() < units:
        time.sleep(0.002)


if __name__ == "__main__":
    out, log, images, delay, executor = sys.argv[1:]
    run(plan(int(images)), work(Path(log), float(delay)), {"local": Local, "ray": Ray}[executor](workers=2), Path(out))
