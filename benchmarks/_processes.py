"""Contestants in processes of their own, so that none runs on another's allocator, caches or threads."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from benchmarks._timing import Timing

from seewhy.cli.app import ENVIRONMENT

__all__ = ["answer", "contestant", "take_turns_apart"]


def contestant(module: str, **arguments: Any) -> argparse.Namespace:
    """In a contestant's process: what it was told, its own arguments by their type or choices, device and threads."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description="One contestant.")
    for name, kind in arguments.items():
        parser.add_argument(name, **({"type": kind} if callable(kind) else {"choices": kind}))
    parser.add_argument("device", type=torch.device)
    parser.add_argument("threads", type=int)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    return given


def answer(run: Callable[[int], Any], device: torch.device) -> None:
    """In a contestant's process: run once to warm up, then each time it is told; print what was found and seconds.

    `run` gets the number of the round, 0 for the first of all, and gives something that JSON can hold. On a CPU with
    one thread it is processor time that counts, elsewhere the clock.
    """
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    print(json.dumps(run(0)), flush=True)
    for number, _ in enumerate(sys.stdin, 1):
        start = clock()
        found = run(number)  # it lies on the CPU, so that a GPU has finished
        print(json.dumps({"seconds": clock() - start, "found": found}), flush=True)


def take_turns_apart(
    commands: Mapping[str, Sequence[str]], budget: float, *, rounds: int, ours: Container[str] = ()
) -> tuple[Timing, dict[str, list[Any]]]:
    """Tell each `python -m` command, a process that answers, to run in turn until `budget` seconds are gone.

    At least `rounds` times. `ours` have the environment that the command line makes for itself.

    Also gives what each found, round by round.
    """
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(_process(command, ENVIRONMENT if name in ours else {}))
            for name, command in commands.items()
        }
        for process in running.values():
            _line(process)  # warm
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        found: dict[str, list[Any]] = {name: [] for name in commands}
        names = list(commands)
        end = time.perf_counter() + budget
        while time.perf_counter() < end or len(seconds[names[0]]) < rounds:
            for name in names:
                print("again", file=running[name].stdin, flush=True)
                told = json.loads(_line(running[name]))
                seconds[name].append(told["seconds"])
                found[name].append(told["found"])
            names.append(names.pop(0))
        return Timing(seconds), found


@contextmanager
def _process(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    root, pipe = Path(__file__).parents[1], subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=root,
        env={**os.environ, **environment},
        stdin=pipe,
        stdout=pipe,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _line(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise SystemExit("a contestant stopped; what it said is above")
    return line
