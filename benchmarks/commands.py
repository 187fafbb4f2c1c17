"""Whole commands, as a user types them: from the return key to the prompt, beside what importing PyTorch takes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from benchmarks._networks import MODELS, card_of
from benchmarks._photos import about, photos
from benchmarks._timing import Timing, machine, write_section

IMPORT = "import torch"
COMMANDS = {
    "predict": ["predict"],
    "explain": ["explain"],
    "explain --method lime": ["explain", "--method", "lime"],
    "compare": ["compare"],
}
WANTED = {"predict": "+ 1 s", "explain": "+ 1 s", "explain --method lime": "6 s", "compare": "25 s, ResNet-50 70 s"}
PHOTOS = 10

ABOUT = f"""\
## Whole commands

Seconds by the clock, each run a process of its own and another photo ({{photos}}); after a first run that is not
counted, which fills the disk's cache and compiles the network. Median, quartiles, and the median of what it takes
longer than *{IMPORT}* in the same round. All cores. `compare` scores its eight methods.
"""


def main(device: torch.device, budget: float) -> None:  # noqa: ARG001
    """Measure, and write the section `commands` of the results; the number of rounds is that of the photos."""
    chosen = photos(PHOTOS)
    rows = [row for model in MODELS for row in _rows(model, device, chosen)]
    head = f"| network | command | seconds | more than *{IMPORT}* | wanted at most |\n|---|---|--:|--:|--:|"
    write_section("commands", "\n".join([ABOUT.format(photos=about(chosen)), machine(device), "", head, *rows]))


def _rows(model: str, device: torch.device, chosen: list[str]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        named = card_of(model, Path(folder))
        if not named:
            return [f"| {model} | no weights here | | | |"]
        options = ["--model", named[0], *(["--weights", named[1]] if named[1:] else []), "--device", str(device)]
        out = str(Path(folder, "out"))
        seconds: dict[str, list[float]] = {name: [] for name in [IMPORT, *COMMANDS]}
        for photo in [chosen[0], *chosen]:
            seconds[IMPORT].append(_timed(["-c", IMPORT]))
            for name, command in COMMANDS.items():
                kept = [] if name == "predict" else ["--out", out]
                seconds[name].append(_timed(["-m", "seewhy", *command, photo, *options, *kept]))
    timing = Timing({name: each[1:] for name, each in seconds.items()})
    return [f"| {model} | {name} | {_cells(timing, name)} | {WANTED[name]} |" for name in COMMANDS]


def _cells(timing: Timing, name: str) -> str:
    return f"{timing.spread(name)} | {timing.excess(name, IMPORT):.1f}"


def _timed(command: list[str]) -> float:
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return time.perf_counter() - start
