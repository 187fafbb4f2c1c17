"""How benchmarks measure and report.

Contestants take turns, so that whatever else the machine does hits all of them alike, and are compared round by round.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

__all__ = ["Timing", "machine", "quartiles", "take_turns", "write_section"]

RESULTS = Path(__file__).with_name("RESULTS.md")
OUT = "SEEWHY_BENCHMARK_OUT"  # the file that stands in its place
LEAST_ROUNDS = 5


@dataclass(frozen=True)
class Timing:
    """Seconds by contestant, round by round."""

    seconds: Mapping[str, Sequence[float]]

    def milliseconds(self, name: str) -> float:
        """The median."""
        return 1000 * statistics.median(self.seconds[name])

    def ratio(self, name: str, reference: str) -> str:
        """How many times as long as `reference`: the median over rounds, with its quartiles."""
        pairs = zip(self.seconds[name], self.seconds[reference], strict=True)
        low, middle, high = quartiles([own / other for own, other in pairs])
        return f"{middle:.2f} ({low:.2f}–{high:.2f})"

    def spread(self, name: str) -> str:
        """Seconds: the median with its quartiles."""
        low, middle, high = quartiles(self.seconds[name])
        return f"{middle:.1f} ({low:.1f}–{high:.1f})"

    def excess(self, name: str, reference: str) -> float:
        """How many seconds longer than `reference`: the median over rounds."""
        pairs = zip(self.seconds[name], self.seconds[reference], strict=True)
        return statistics.median(own - other for own, other in pairs)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile, of a single value itself."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return low, middle, high


def take_turns(contestants: Mapping[str, Callable[[], object]], device: torch.device, *, budget: float) -> Timing:
    """Run every contestant in turn until `budget` seconds are gone, each once beforehand to warm up.

    On a CPU with one thread it is processor time that counts, which other work on the machine does not add to;
    elsewhere it is the clock.
    """
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for contestant in contestants.values():
        contestant()
    end = time.perf_counter() + budget
    while time.perf_counter() < end or len(seconds[names[0]]) < LEAST_ROUNDS:
        for name in names:
            _finish(device)
            start = clock()
            contestants[name]()
            _finish(device)
            seconds[name].append(clock() - start)
        names.append(names.pop(0))
    return Timing(seconds)


def machine(device: torch.device) -> str:
    """What was measured on."""
    threads = torch.get_num_threads()
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    what = f"{where}, {threads} thread{'s' * (threads > 1)} of {os.cpu_count()} cores"
    return f"{what}; Python {platform.python_version()}, PyTorch {torch.__version__}"


def write_section(name: str, text: str) -> None:
    """Put `text` between the markers of `name` in `RESULTS.md`, or where `--out` says; other sections stay."""
    out = Path(os.environ.get(OUT, RESULTS))
    opening, closing = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    content = out.read_text("utf-8") if out.exists() else "# Results\n"
    if opening not in content:
        content += f"\n{opening}{closing}"
    before, _, rest = content.partition(opening)
    after = rest.partition(closing)[2]
    out.write_text(f"{before}{opening}{text.strip()}\n{closing}{after}", "utf-8")


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text("utf-8").splitlines() if information.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
