"""Toy work: quick, deterministic, and as badly behaved as it is told to be by the names of its images."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from seewhy.study import Local, Plan, Row, Unit, Work, run


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


def score(log: Path | None, delay: float, model: str, unit: Unit) -> list[Row]:
    note(log, f"score {os.getpid()} {unit.model} {unit.method} {unit.image}")
    time.sleep(delay)
    misbehave(unit, log)
    number = int.from_bytes(sha256(f"{model} {unit}".encode()).digest()[:6]) / 2**48
    number = float("nan") if "nan" in unit.image else number
    return [{"metric": "score", "value": number}, {"metric": "root", "value": number**0.5, "note": unit.method[-1]}]


def misbehave(unit: Unit, log: Path | None) -> None:
    if "raises" in unit.image:
        raise ValueError(f"{unit.image} cannot be explained")
    if "exits" in unit.image:
        os._exit(3)
    if "killed" in unit.image:
        os.kill(os.getpid(), signal.SIGKILL)
    if "once" in unit.image and log is not None and log.read_text().count(f"{unit.method} {unit.image}") == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def note(log: Path | None, line: str) -> None:
    if log is not None:
        with log.open("a") as file:
            file.write(line + "\n")


def report_threads(model: str, unit: Unit) -> list[Row]:
    import torch
    from threadpoolctl import threadpool_info

    counts = {torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())}
    return [{"threads": count} for count in sorted(counts)]


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


def work(log: Path | None = None, delay: float = 0.0) -> Work[str]:
    return Work(partial(prepare, log), partial(score, log, delay))


if __name__ == "__main__":
    out, log, images, delay = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    run(plan(images), work(log, delay), Local(workers=2), out)
