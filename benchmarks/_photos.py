"""The photos that results depend on: real ones where a folder of them is at hand, else the samples.

`SEEWHY_TEST_DATA` names the folder that holds `imagenet-photos`; none of its photos is part of this project.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks._networks import DATA

from seewhy.images import samples

__all__ = ["about", "photos"]


MOST = "SEEWHY_BENCHMARK_PHOTOS"  # no more than so many, for a trial


def photos(count: int, *, tuning: bool = False) -> Sequence[str]:
    """`count` photos, spread evenly over those at hand; those to tune on are others than those to report on."""
    found = sorted((DATA / "imagenet-photos").glob("*.jpg"))[int(tuning) :: 2]
    count = min(count, int(os.environ.get(MOST, count)))
    found = found or [Path(f"sample:{name}") for name in sorted(samples())]
    return [str(found[index * len(found) // count]) for index in range(min(count, len(found)))]


def about(chosen: Sequence[str]) -> str:
    """Which photos these are, in words."""
    noun = "photo" if len(chosen) == 1 else "photos"
    if chosen[0].startswith("sample:"):
        return f"{len(chosen)} sample {noun}"
    return f"{len(chosen)} ImageNet {noun}{', each of another class' * (len(chosen) > 1)}"
