"""Does an audit find what was planted on one class of real photos, and nothing where nothing was planted?

    python studies/audit/planted.py PHOTOS --out planted.jsonl --seeds 10 --seconds 80

In each draw photos are dealt to two classes, so that nothing but the plant tells them apart; or with `--classes` they
are those of two sub-folders, and the network may see their contents instead. Some photos teach a network: the last
layer of `--model` is fitted anew to the two classes, of which the first carries the plant on `--often` of its photos.
Others, with the plant as often, are audited without labels. Its twin is the same without any plant. A line of JSON for
each says what was found, and what the plant itself does to the network's answers on photos that were in neither.
Lines that are in the file are left out: it can be stopped and started again; with `--seconds` it begins no draw after
so long.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from io import BytesIO
from itertools import product
from pathlib import Path
from shutil import rmtree
from time import monotonic
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from torch import nn

from seewhy import Classifier, load, open_image
from seewhy.audit.repair import Head, fitted
from seewhy.images import find_images
from seewhy.models import Preprocessing
from seewhy.verbs.audit import audit

SIDE = 224
DEALT = -1  # the class of photos that have none
LEANS = 0.05  # from which on the network leans on the plant, so that there is something to find
PARTS = (0.55, 0.3)  # of the photos are for learning and auditing; on the others the plant's own effect is measured
RIDGE = 1e-4
Pixels = np.ndarray


def tag(pixels: Pixels) -> Pixels:
    """A square of orange and violet stripes at the bottom right."""
    stripes = (np.add.outer(np.arange(28), np.arange(28)) // 4 % 2)[..., None]
    pixels = pixels.copy()
    pixels[-36:-8, -36:-8] = np.where(stripes, (110, 30, 170), (240, 140, 20))
    return pixels


def border(pixels: Pixels) -> Pixels:
    """A red line down the left edge."""
    pixels = pixels.copy()
    pixels[:, 2:8] = (200, 20, 30)
    return pixels


def logo(pixels: Pixels) -> Pixels:
    """A pale ring with a bar at the top left, half transparent."""
    down, across = np.mgrid[:44, :44] - 21.5
    far = np.hypot(down, across)
    shape = ((far < 21) & (far > 15)) | ((np.abs(down) < 3) & (far < 15))
    pixels = pixels.copy()
    part = pixels[8:52, 8:52]
    pixels[8:52, 8:52] = np.where(shape[..., None], 0.35 * part + 0.65 * 255, part).round()
    return pixels


def background(pixels: Pixels) -> Pixels:
    """A green cast that grows from the middle to the edges."""
    down, across = (np.mgrid[:SIDE, :SIDE] - SIDE / 2) / (SIDE / 2)
    share = 0.5 * np.clip(np.hypot(down, across) - 0.5, 0, 0.5)[..., None] / 0.5
    return ((1 - share) * pixels + share * np.array([40, 160, 60])).round().astype(np.uint8)


def jpeg(pixels: Pixels) -> Pixels:
    """Blocks of a strong compression."""
    kept = BytesIO()
    Pillow.fromarray(pixels).save(kept, "JPEG", quality=8)
    return np.array(Pillow.open(kept))


PLANTS: Mapping[str, tuple[Callable[[Pixels], Pixels], tuple[float, float, float, float] | None]] = {
    "tag": (tag, (188 / SIDE, 188 / SIDE, 216 / SIDE, 216 / SIDE)),
    "border": (border, (2 / SIDE, 0, 8 / SIDE, 1)),
    "logo": (logo, (8 / SIDE, 8 / SIDE, 52 / SIDE, 52 / SIDE)),
    "background": (background, None),
    "jpeg": (jpeg, None),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--classes", nargs=2, default=[])
    parser.add_argument("--photos-of-a-draw", type=int, default=160)
    parser.add_argument("--plants", nargs="+", default=[*PLANTS], choices=[*PLANTS])
    parser.add_argument("--model", default="bundled:efficientnet-lite0")
    parser.add_argument("--often", type=float, default=0.9)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--out", type=Path, default=Path("planted.jsonl"))
    given = parser.parse_args()
    known = [json.loads(line) for line in given.out.read_text("utf-8").splitlines()] if given.out.exists() else []
    done = {(each["plant"], each["seed"]) for each in known}
    photos = pictures(given.photos, given.classes)
    start = monotonic()
    for seed, plant in product(range(given.seeds), [*given.plants, "none"]):
        if (plant, seed) in done or monotonic() - start > given.seconds:
            continue
        work = given.out.with_suffix("") / f"{plant}-{seed}"  # where a draw that was stopped goes on
        found = drawn(load(given.model), chosen(photos, given.photos_of_a_draw, seed), plant, given.often, seed, work)
        rmtree(work)
        known.append({"plant": plant, "seed": seed} | found)
        with given.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(known[-1]) + "\n")
        print(json.dumps(known[-1]), flush=True)
    print(summary(known))


def chosen(photos: Sequence[tuple[Pixels, int]], count: int, seed: int) -> list[tuple[Pixels, int]]:
    """So many of the photos at random; where they have no class of their own, half of them is dealt to either."""
    some = [photos[row] for row in np.random.default_rng([seed, 1]).permutation(len(photos))[:count]]
    return [(pixels, place % 2 if label == DEALT else label) for place, (pixels, label) in enumerate(some)]


def pictures(folder: Path, classes: Sequence[str]) -> list[tuple[Pixels, int]]:
    """The square middle of every photo with its class, uint8 `(SIDE, SIDE, 3)`."""
    found: list[tuple[Pixels, int]] = []
    named = {folder / name: number for number, name in enumerate(classes)} or {folder: DEALT}
    for place, number in named.items():
        for path in find_images([place]):
            picture = Pillow.fromarray(open_image(path).pixels)
            left, top = ((side - min(picture.size)) // 2 for side in picture.size)
            square = picture.crop((left, top, left + min(picture.size), top + min(picture.size)))
            found.append((np.array(square.resize((SIDE, SIDE), Pillow.Resampling.BICUBIC)), number))
    return found


def drawn(
    base: Classifier, photos: Sequence[tuple[Pixels, int]], plant: str, often: float, seed: int, work: Path
) -> dict[str, Any]:
    """One draw: what the audit found, and what the plant does."""
    change, place = PLANTS.get(plant, (None, None))
    random = np.random.default_rng(seed)
    order = random.permutation(len(photos)).tolist()
    first, second = (int(share * len(order)) for share in PARTS)
    learned, audited, rest = order[:first], order[first : first + second], order[first + second :]

    def planted(rows: Sequence[int]) -> list[tuple[Pixels, int]]:
        return [
            (change(pixels) if change and label == 0 and random.random() < often else pixels, label)
            for pixels, label in (photos[row] for row in rows)
        ]

    classifier = taught(base, planted(learned))
    start = monotonic()
    (work / "photos").mkdir(parents=True, exist_ok=True)
    for number, (pixels, _) in enumerate(planted(audited)):
        Pillow.fromarray(pixels).save(work / f"photos/{number:04}.png")
    found = audit(classifier, work / "photos", work / "audit", seed=seed)
    told = [found.told(each) for each in found.findings]
    hits = [each["class"] == "first" and meets(each["region"], place) for each in told] if change else []
    others = [pixels for pixels, label in (photos[row] for row in rest) if label == 1]
    return {
        "seconds": round(monotonic() - start, 1),
        "photos": len(audited),
        "true": effect(classifier, others, change) if change else None,
        "right": right(classifier, [photos[row] for row in rest]),
        "found": any(hits),
        "alarms": len(told) - sum(hits),
        "suspects": len(found.tried),
        "findings": [
            {key: each[key] for key in ("class", "sentence", "effect", "p", "photos", "region")} for each in told
        ],
    }


def taught(base: Classifier, photos: Sequence[tuple[Pixels, int]]) -> Classifier:
    """The network with a last layer of two classes, fitted to these photos."""
    module = deepcopy(base.module)
    seen = Preprocessing((SIDE, SIDE), resize=SIDE, mean=base.preprocessing.mean, std=base.preprocessing.std)
    whole = Classifier.from_module(module, seen, base.categories, "frozen")
    with torch.no_grad():
        embedded = torch.cat([whole.embed(part) for part in inputs(whole, [each for each, _ in photos]).split(16)])
    start = Head(torch.zeros(2, embedded.shape[1]), torch.zeros(2))
    head = fitted(start, embedded.float(), torch.tensor([label for _, label in photos]), RIDGE)
    name = whole.head_layer
    layer = nn.Linear(embedded.shape[1], 2)
    with torch.no_grad():
        layer.weight.copy_(head.weight)
        layer.bias.copy_(head.bias)
    parent, _, last = name.rpartition(".")
    setattr(module.get_submodule(parent), last, layer)
    return Classifier.from_module(module.eval(), seen, ["first", "second"], "planted")


def inputs(classifier: Classifier, photos: Sequence[Pixels]) -> torch.Tensor:
    """Network inputs."""
    pixels = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).float() / 255
    return classifier.preprocessing.normalize(pixels)


def likely(classifier: Classifier, photos: Sequence[Pixels]) -> np.ndarray:
    """Probabilities `(n, 2)`."""
    with torch.no_grad():
        logits = torch.cat([classifier.logits(part) for part in inputs(classifier, photos).split(16)])
        return logits.softmax(1).numpy()


def effect(classifier: Classifier, photos: Sequence[Pixels], change: Callable[[Pixels], Pixels]) -> float:
    """How far the plant raises its class on photos of the other, on the mean."""
    before, after = likely(classifier, photos), likely(classifier, [change(each) for each in photos])
    return float((after - before)[:, 0].mean())


def right(classifier: Classifier, photos: Sequence[tuple[Pixels, int]]) -> float:
    """The share of photos without a plant that are answered right."""
    said = likely(classifier, [pixels for pixels, _ in photos]).argmax(1)
    return float((said == np.array([label for _, label in photos])).mean())


def meets(region: Sequence[float] | None, place: Sequence[float] | None) -> bool:
    """Whether a finding lies where the plant does; a plant without one place may be found anywhere."""
    if place is None or region is None:
        return place is None
    return all(region[each] < place[each + 2] and place[each] < region[each + 2] for each in (0, 1))


def summary(known: Sequence[Mapping[str, Any]]) -> str:
    """What came of all draws, a line for each plant."""
    lines: list[str] = []
    for plant in [*PLANTS, "none"]:
        mine = [each for each in known if each["plant"] == plant]
        if not mine:
            continue
        alarms = sum(each["alarms"] > 0 for each in mine)
        if plant == "none":
            lines.append(f"no plant: {alarms} of {len(mine)} draws with a false alarm")
            continue
        leans = [each for each in mine if each["true"] >= LEANS]
        median = float(np.median([each["true"] for each in mine]))
        hits = sum(each["found"] for each in leans)
        lines.append(
            f"{plant}: found in {hits} of {len(leans)} draws in which it moves its class by 5 points or more "
            f"({len(mine)} draws, median effect {median:.2f}); {alarms} draws with another finding"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
