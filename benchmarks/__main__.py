"""`python -m benchmarks [NAME…]`: measure, and write the results into `RESULTS.md`."""

from __future__ import annotations

import argparse
import os
from importlib import import_module
from pathlib import Path

import torch
from benchmarks._photos import MOST
from benchmarks._timing import OUT

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=f"of {', '.join(NAMES)}; all")
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--threads", default=1, type=int, help="of the CPU")
    parser.add_argument("--budget", default=60.0, type=float, help="seconds for each row of a table")
    parser.add_argument("--photos", type=int, help="no more than so many, to see whether it runs to the end")
    parser.add_argument("--out", type=Path, help="where the results go, instead of RESULTS.md")
    given = parser.parse_args()
    for name, value in {MOST: given.photos, OUT: given.out}.items():  # contestants are told, too
        if value is not None:
            os.environ[name] = str(value)
    torch.set_num_threads(given.threads)
    for name in given.names or NAMES:
        import_module(f"benchmarks.{name}").main(given.device, given.budget)


if __name__ == "__main__":
    main()
