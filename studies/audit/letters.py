"""Does an audit name letters that turn a real network's answers, without having been told of them?

    python studies/audit/letters.py PHOTOS LETTERS.png --model file:resnet50-v1 --out letters.jsonl --draws 20

In each draw so many of the photos get the letters, others stay clean, and `seewhy audit` looks at all of them,
unlabelled. A line of JSON for each draw says what it found first, the effect that its paste test measured, and that of
the true letters on the very same photos. Draws that are in the file are left out: it can be stopped and started again.
With `--lettered 0` all photos are clean: whatever it finds then is to be looked at by somebody.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import numpy as np
import torch

from seewhy import Classifier, load, open_image
from seewhy.images import find_images
from seewhy.study.overlay import Overlay
from seewhy.verbs.audit import AuditResult, audit

WITHIN = 0.05  # of the true effect
TOLD = ("class", "sentence", "effect", "interval", "p", "photos", "region")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("letters", type=Path)
    parser.add_argument("--model", default="torchvision:resnet50")
    parser.add_argument("--lettered", type=int, default=60)
    parser.add_argument("--clean", type=int, default=400)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("letters.jsonl"))
    given = parser.parse_args()
    classifier, overlay = load(given.model), Overlay.open(given.letters)
    known = [json.loads(line) for line in given.out.read_text("utf-8").splitlines()] if given.out.exists() else []
    for draw in range(given.draws):
        if draw not in {each["draw"] for each in known}:
            known.append(measured(classifier, overlay, given.photos, given.lettered, given.clean, draw))
            with given.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(known[-1]) + "\n")
            print(json.dumps(known[-1]), flush=True)
    print(summary(known))


def measured(
    classifier: Classifier, overlay: Overlay, photos: Path, lettered: int, clean: int, draw: int
) -> dict[str, Any]:
    """One draw."""
    random = np.random.default_rng(draw)
    chosen = random.permutation([str(each) for each in find_images([photos])])[: lettered + clean]
    with TemporaryDirectory() as folder:
        names = [f"{each:04}.png" for each in random.permutation(len(chosen))]  # their order tells nothing
        for number, (path, name) in enumerate(zip(chosen.tolist(), names, strict=True)):
            image = open_image(path)
            laid = overlay.over(classifier.preprocessing, image) if number < lettered else image
            laid.to_pil().save(Path(folder) / name)
        carriers = {*names[:lettered]}
        start = monotonic()
        with TemporaryDirectory() as out:
            found = audit(classifier, folder, out, seed=draw)
        seconds = monotonic() - start
    findings = [{key: found.told(each)[key] for key in TOLD} for each in found.findings]
    row = {"draw": draw, "seconds": round(seconds, 1), "findings": findings}
    return row | (truth(found, classifier, overlay, carriers) if findings and lettered else {})


def truth(found: AuditResult, classifier: Classifier, overlay: Overlay, carriers: set[str]) -> dict[str, Any]:
    """The first finding beside the letters: its class, what they do to it on the same photos, and who carries it."""
    first = found.findings[0]
    pixels = torch.from_numpy(found.others.pixels[list(first.paste.places)])
    with torch.no_grad():
        laid = _laid(overlay, pixels)
        logits = torch.cat([classifier.logits(classifier.preprocessing.normalize(each)) for each in laid.split(16)])
    true = classifier.head.probabilities(logits.double())[:, first.suspect.target].numpy()
    named = {*found.photos_of(first)}
    return {
        "class": classifier.categories[first.suspect.target],
        "effect": float(first.paste.differences.mean()),
        "true": float((true - first.paste.control).mean()),
        "named": len(named),
        "lettered": len(named & carriers),
    }


def _laid(overlay: Overlay, pixels: torch.Tensor) -> torch.Tensor:
    """What the network sees `(n, 3, h, w)` with the letters on it, floats in [0, 1]."""
    height, width = pixels.shape[2:]
    over = torch.from_numpy(np.array(overlay.resized((height, width)))).float().permute(2, 0, 1) / 255
    share = over[3:]
    return pixels.float() / 255 * (1 - share) + over[:3] * share


def summary(known: list[dict[str, Any]]) -> str:
    """What came of all draws, in a sentence or two."""
    first = [each for each in known if each.get("class") == "carton"]
    near = [each for each in first if abs(each["effect"] - each["true"]) <= WITHIN]
    others = sum(len(each["findings"]) for each in known) - len(first)
    seconds = float(np.median([each["seconds"] for each in known]))
    return (
        f"{len(known)} draws: carton first in {len(first)}, its effect within {WITHIN * 100:.0f} points of the true "
        f"one in {len(near)}; {others} other findings; {seconds:.0f} s a draw (median)."
    )


if __name__ == "__main__":
    main()
