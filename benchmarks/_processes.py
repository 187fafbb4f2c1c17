"""Contestants in processes of their own, so that none runs on another's allocator, caches or threads."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch
from benchmarks._timing import Timing

__all__ = ["answer", "take_turns_apart"]

LEAST_ROUNDS = 5


def answer(run: Callable[[], np.ndarray], device: torch.device) -> None:
    """In a contestant's process: run once to warm up and print what was found, then run and print seconds when told.

    On a CPU with one thread it is processor time that counts, elsewhere the clock.
    """
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    print(json.dumps(run().tolist()), flush=True)
    for _ in sys.stdin:
        start = clock()
        run()  # its answer lies on the CPU, so that a GPU has finished
        print(clock() - start, flush=True)


def take_turns_apart(commands: Mapping[str, Sequence[str]], budget: float) -> tuple[Timing, dict[str, list[float]]]:
    """Tell each `python -m` command, a process that answers, to run in turn until `budget` seconds are gone.

    Also gives what each found when it warmed up.
    """
    with ExitStack() as stack:
        running = {name: stack.enter_context(_process(command)) for name, command in commands.items()}
        found = {name: json.loads(_line(process)) for name, process in running.items()}
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        names = list(commands)
        end = time.perf_counter() + budget
        while time.perf_counter() < end or len(seconds[names[0]]) < LEAST_ROUNDS:
            for name in names:
                print("again", file=running[name].stdin, flush=True)
                seconds[name].append(float(_line(running[name])))
            names.append(names.pop(0))
        return Timing(seconds), found


@contextmanager
def _process(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    root = Path(__file__).parents[1]
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-m", *command], cwd=root, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def _line(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise SystemExit("a contestant stopped; what it said is above")
    return line
