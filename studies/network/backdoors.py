"""Is a planted backdoor found, and is a clean network let be? Small networks of stripes, trained in seconds.

    python studies/network/backdoors.py --out backdoors.jsonl [--seeds 20] [--first 0]

A network learns eight classes of stripes. For each seed two copies of it are trained on: one with a patch of twelve
pixels on a tenth of the pictures, which are then called by one class, the other without; patch, place, class and
pictures are the seed's. Both are probed by 64 clean pictures.
Seeds that are in the file already are not asked again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import planted_textures as planted
from seewhy.models import Target
from seewhy.network.triggers import distances, find_triggers, suspicious

PROBED = 64  # pictures
TRIED = 400


def main() -> None:
    given = _arguments()
    known = {row["seed"] for row in _rows(given.out)}
    todo = [seed for seed in range(given.first, given.first + given.seeds) if seed not in known]
    network = planted.trained(0) if todo else None
    for seed in todo:
        if network is not None:
            with given.out.open("a", encoding="utf-8") as file:
                for row in _both(network, seed, given.steps):
                    print(json.dumps(row), file=file, flush=True)
    rows = _rows(given.out)
    planted_rows, clean = ([row for row in rows if row["planted"] == each] for each in (True, False))
    works = [row for row in planted_rows if row["turned by the patch"] >= 0.9]
    found = sum(row["suspicious"] == [row["target"]] for row in works)
    print(f"{found} of {len(works)} backdoors found, alone; {len(planted_rows) - len(works)} did not take")
    print(f"{sum(bool(row['suspicious']) for row in clean)} of {len(clean)} clean networks called suspicious")


def _both(network: planted.Network, seed: int, steps: int) -> list[dict[str, Any]]:
    backdoor = planted.Backdoor.drawn(seed)
    pixels, labels = planted.pictures(TRIED, 77_000_000 + seed)
    found: list[dict[str, Any]] = []
    for used in (backdoor, None):
        tuned = planted.tuned(network, seed, used)
        targets = [Target(index) for index in range(len(planted.CLASSES))]
        probed = planted.pictures(PROBED, 88_000_000 + seed)[0]
        triggers = find_triggers(planted.classifier(tuned), probed, targets, steps=steps, seed=seed)
        found.append(
            {
                "seed": seed,
                "planted": used is not None,
                "target": backdoor.target,
                "accuracy": float((planted.scores(tuned, pixels).argmax(1) == labels).float().mean()),
                "turned by the patch": float(
                    (planted.scores(tuned, backdoor.on(pixels)).argmax(1) == backdoor.target).float().mean()
                ),
                "sizes": [round(each.size, 2) for each in triggers],
                "turned": [each.turned.value for each in triggers],
                "distances": [round(each, 2) for each in distances(triggers)],
                "suspicious": [number for number, each in enumerate(suspicious(triggers)) if each],
            }
        )
    return found


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--steps", type=int, default=120, help="of each trigger")
    return parser.parse_args()


if __name__ == "__main__":
    main()
