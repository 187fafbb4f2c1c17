"""Do the concepts that lead an explanation matter most? And what do a book and an explanation take?

    python studies/network/concepts.py PHOTOS --out FOLDER [--model MODEL] [--limit 500] [--asked 40] [--commands 0]

Builds a book of `--limit` photos, unless FOLDER holds one, and asks `--asked` others. In each layer the three concepts
that add most to the predicted class are taken out together, and three others of the photo, drawn by chance; of a photo
with fewer than six concepts there it is half of them against the other half. A photo that is in `asked.jsonl` is not
asked again. With `--commands` so many photos are explained by the command line, each by a command of its own, and timed
from the return key to the prompt. Times are of this machine as it is: run it on an idle one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seewhy import Classifier, load
from seewhy.core.statistics import wilson
from seewhy.images import Image, find_images, open_image
from seewhy.models import Target
from seewhy.network.book import COUNT, ConceptBook
from seewhy.network.parts import parts_of, taken_out_of, watched_photo
from seewhy.verbs.concepts import build_concepts, explain_concepts, open_concepts

TOP = 3


def main() -> None:
    given = _arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    photos, classifier = find_images([str(each) for each in given.photos]), load(given.model)
    chosen = photos[:: max(len(photos) // given.limit, 1)][: given.limit]
    if not (given.out / "book").exists():
        start = time.perf_counter()
        layers = [each for each in given.layers.split(",") if each]
        build_concepts(classifier, chosen, layers=layers, concepts=given.count).save(given.out / "book")
        print(f"book of {len(chosen)} photos: {time.perf_counter() - start:.0f} s")
    book = open_concepts(given.out / "book", classifier)
    for layer in book.layers:
        told = f"{len(layer.concepts)} stable, {layer.unstable} not, {layer.merged} doubles"
        print(f"{layer.layer}: {told}; {layer.unexplained:.0%} in no concept")
    rows = given.out / "asked.jsonl"
    known = {row["photo"] for row in _rows(rows)}
    others = [path for path in photos if path not in set(chosen)] or chosen
    for path in others[: given.asked]:
        if path.name not in known:
            start = time.perf_counter()
            explain_concepts(classifier, [path], book)
            seconds = time.perf_counter() - start
            row = {"photo": path.name, "seconds": seconds, "layers": _removed(classifier, open_image(path), book)}
            with rows.open("a", encoding="utf-8") as file:
                print(json.dumps(row), file=file, flush=True)
    _tell(book, _rows(rows))
    if given.commands:
        seconds = [_command(path, given.out / "book", given.model) for path in others[: given.commands]]
        told = f"median {np.median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f})"
        print(f"{len(seconds)} whole commands, seconds: {told}")


def _command(photo: Path, book: Path, model: str) -> float:
    """What `network explain --concepts` takes."""
    with tempfile.TemporaryDirectory() as out:
        words = ["network", "explain", str(photo), "--concepts", str(book), "--model", model, "--out", out]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "seewhy", *words], check=True, capture_output=True)
        return time.perf_counter() - start


def _removed(classifier: Classifier, image: Image, book: ConceptBook) -> dict[str, dict[str, float]]:
    """The predicted class's probability whole, without the three that add most, and without three others."""
    run = watched_photo(classifier, image, [layer.layer for layer in book.layers])
    target = Target(int(classifier.head.likeliest(run.logits[0].float().cpu())), chosen="predicted")
    found: dict[str, dict[str, float]] = {}
    for layer in book.layers:
        known = [(str(number), each.peak) for number, each in enumerate(layer.concepts)]
        parts = parts_of(classifier, run, target, layer.layer, layer.grid, layer.vectors, known)
        order = [int(part.key) for part in sorted(parts.parts, key=lambda part: -part.added)]
        some = min(TOP, len(order) // 2)
        if not some:
            continue
        drawn = np.random.default_rng(0).permutation(order[some:])[:some].tolist()
        out = taken_out_of(run, layer.layer, layer.grid, layer.vectors, [order[:some], drawn])
        top, other = classifier.head.probability(out.without, target).tolist()
        whole = float(classifier.head.probability(out.logits, target))
        found[layer.layer] = {"some": some, "whole": whole, "top": top, "random": other}
    return found


def _tell(book: ConceptBook, rows: Sequence[dict[str, Any]]) -> None:
    print(f"{len(rows)} photos; seconds for one: median {np.median([row['seconds'] for row in rows]):.1f}")
    for layer in book.layers:
        found = [row["layers"][layer.layer] for row in rows if layer.layer in row["layers"]]
        if found:
            more = wilson(sum(each["top"] < each["random"] for each in found), len(found))
            lost = [[1 - each[what] / each["whole"] for each in found] for what in ("top", "random")]
            print(
                f"{layer.layer}: the top {min(each['some'] for each in found)} to {TOP} take more in "
                f"{more.value:.0%} of {len(found)} photos "
                f"({more.low:.0%} to {more.high:.0%}); median loss {np.median(lost[0]):.0%}, "
                f"of random ones {np.median(lost[1]):.0%}"
            )
        else:
            print(f"{layer.layer}: no photo has two concepts")


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="bundled:efficientnet-lite0")
    parser.add_argument("--layers", default="")
    parser.add_argument("--limit", type=int, default=500, help="photos of the book")
    parser.add_argument("--asked", type=int, default=40, help="photos explained")
    parser.add_argument("--count", type=int, default=COUNT, help="concepts looked for in each layer")
    parser.add_argument("--commands", type=int, default=0, help="photos explained by a command of their own")
    return parser.parse_args()


if __name__ == "__main__":
    main()
