"""Does an audit find what was planted on one class of real photos, and nothing where nothing was planted?

    python studies/audit/planted.py cats=PHOTOS --classes real not_a_cat_photo --out planted.jsonl --seeds 10
    python studies/audit/planted.py things=PHOTOS --network small --out planted.jsonl --table README.md

In each draw photos are dealt to two classes, so that nothing but the plant tells them apart; or with `--classes` they
are those of two sub-folders, and the network may see their contents instead. Some photos teach a network, of which the
first class carries the plant on `--often` of its photos: `head` fits the last layer of `--model` anew, `tuned` also
fine-tunes the later half of its weights, `small` learns four convolutions from nothing else. Others, with the plant as
often, are audited without labels. Its twin is the same without any plant. A line of JSON for each says what was found,
and what the plant itself does to the network's answers on photos that were in neither. Lines that are in the file are
left out: it can be stopped and started again; with `--seconds` it begins no draw after so long. `--table` writes all
that is in the file into a page, between two marks.
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
LEANS = 0.1  # from which on the network leans on the plant, so that there is something to find
MARKS = "<!-- planted -->", "<!-- /planted -->"  # of a page, between which the table stands
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
    parser.add_argument("photos", help="NAME=FOLDER", type=lambda given: given.split("=", 1))
    parser.add_argument("--classes", nargs=2, default=[])
    parser.add_argument("--photos-of-a-draw", type=int, default=160)
    parser.add_argument("--plants", nargs="+", default=[*PLANTS], choices=[*PLANTS])
    parser.add_argument("--model", default="bundled:efficientnet-lite0")
    parser.add_argument("--network", default="tuned", choices=[*NETWORKS])
    parser.add_argument("--often", type=float, default=0.9)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--out", type=Path, default=Path("planted.jsonl"))
    parser.add_argument("--table", type=Path)
    given = parser.parse_args()
    name, folder = given.photos
    known = [json.loads(line) for line in given.out.read_text("utf-8").splitlines()] if given.out.exists() else []
    case = {"photos": name, "network": given.network}
    done = {(each["photos"], each["network"], each["plant"], each["seed"]) for each in known}
    photos = pictures(Path(folder), given.classes)
    base, start = load(given.model), monotonic()
    for seed, plant in product(range(given.seeds), [*given.plants, "none"]):
        if (*case.values(), plant, seed) in done or monotonic() - start > given.seconds:
            continue
        work = (
            given.out.with_suffix("") / f"{name}-{given.network}-{plant}-{seed}"
        )  # where a draw that was stopped goes on
        found = drawn(base, given.network, chosen(photos, given.photos_of_a_draw, seed), plant, given.often, seed, work)
        rmtree(work)
        known.append({**case, "plant": plant, "seed": seed} | found)
        with given.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(known[-1]) + "\n")
        print(json.dumps(known[-1]), flush=True)
    print(table(known))
    if given.table:
        before, rest = given.table.read_text("utf-8").split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        given.table.write_text(f"{before}{MARKS[0]}\n{table(known)}\n{MARKS[1]}{after}", "utf-8")


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
    base: Classifier,
    network: str,
    photos: Sequence[tuple[Pixels, int]],
    plant: str,
    often: float,
    seed: int,
    work: Path,
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

    classifier = taught(base, network, planted(learned), seed)
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
        "audited": len(audited),
        "true": effect(classifier, others, change) if change else None,
        "right": right(classifier, [photos[row] for row in rest]),
        "found": any(hits),
        "alarms": len(told) - sum(hits),
        "suspects": len(found.tried),
        "findings": [
            {key: each[key] for key in ("class", "sentence", "effect", "p", "photos", "region")} for each in told
        ],
    }


def headed(base: Classifier, photos: Sequence[tuple[Pixels, int]], _seed: int) -> nn.Module:
    """The network with a last layer of two classes, fitted to these photos."""
    module = deepcopy(base.module)
    with torch.no_grad():
        embedded = torch.cat([base.embed(part) for part in inputs(base, [each for each, _ in photos]).split(16)])
    start = Head(torch.zeros(2, embedded.shape[1]), torch.zeros(2))
    head = fitted(start, embedded.float(), torch.tensor([label for _, label in photos]), RIDGE)
    layer = nn.Linear(embedded.shape[1], 2)
    with torch.no_grad():
        layer.weight.copy_(head.weight)
        layer.bias.copy_(head.bias)
    parent, _, last = base.head_layer.rpartition(".")
    setattr(module.get_submodule(parent), last, layer)
    return module


def tuned(base: Classifier, photos: Sequence[tuple[Pixels, int]], seed: int) -> nn.Module:
    """That, and the later half of its weights fine-tuned."""
    module = headed(base, photos, seed)
    weights = list(module.parameters())
    return learned(module.eval(), weights[len(weights) // 2 :], inputs(base, [each for each, _ in photos]), photos,
                   epochs=6, rate=3e-4, seed=seed)  # fmt: skip


def small(base: Classifier, photos: Sequence[tuple[Pixels, int]], seed: int) -> nn.Module:
    """A network of four convolutions that learned from nothing but these photos."""
    torch.manual_seed(seed)
    sizes = ((3, 16, 7, 4), (16, 32, 3, 2), (32, 64, 3, 2), (64, 64, 3, 1))
    blocks = [
        [nn.Conv2d(before, after, side, step, side // 2), nn.BatchNorm2d(after), nn.ReLU()]
        for before, after, side, step in sizes
    ]
    module = nn.Sequential(*(part for block in blocks for part in block), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                           nn.Linear(64, 2))  # fmt: skip
    return learned(module.train(), list(module.parameters()), inputs(base, [each for each, _ in photos]), photos,
                   epochs=30, rate=3e-3, seed=seed)  # fmt: skip


def learned(
    module: nn.Module,
    weights: Sequence[nn.Parameter],
    x: torch.Tensor,
    photos: Sequence[tuple[Pixels, int]],
    *,
    epochs: int,
    rate: float,
    seed: int,
) -> nn.Module:
    """The module after some epochs of Adam over these of its weights."""
    y, generator = torch.tensor([label for _, label in photos]), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(weights, rate)
    for parameter in module.parameters():
        parameter.requires_grad_(any(parameter is each for each in weights))
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(16):
            loss = nn.functional.cross_entropy(module(x[rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    for parameter in module.parameters():
        parameter.requires_grad_(True)
    return module.eval()


NETWORKS = {"head": headed, "tuned": tuned, "small": small}


def taught(base: Classifier, network: str, photos: Sequence[tuple[Pixels, int]], seed: int) -> Classifier:
    """A network of two classes that learned from these photos."""
    seen = Preprocessing((SIDE, SIDE), resize=SIDE, mean=base.preprocessing.mean, std=base.preprocessing.std)
    whole = Classifier.from_module(base.module, seen, base.categories, "frozen")
    return Classifier.from_module(NETWORKS[network](whole, photos, seed), seen, ["first", "second"], "planted")


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


def table(known: Sequence[Mapping[str, Any]]) -> str:
    """What came of all draws, as a table with a row for each plant of each set and network."""
    rows = [
        "| photos | network | plant | draws | effect (median) | found | found of those that lean | other findings |",
        "|---|---|---|---|---|---|---|---|",
    ]
    cases = dict.fromkeys((each["photos"], each["network"]) for each in known)
    for (photos, network), plant in product(cases, [*PLANTS, "none"]):
        mine = [row for row in known if (row["photos"], row["network"], row["plant"]) == (photos, network, plant)]
        if not mine:
            continue
        alarms = sum(each["alarms"] > 0 for each in mine)
        told = ["–", "–", "–"]
        if plant != "none":
            leans = [each["found"] for each in mine if each["true"] >= LEANS]
            median = 100 * float(np.median([each["true"] for each in mine]))
            told = [f"{median:.0f} points", f"{sum(each['found'] for each in mine)}", f"{sum(leans)} of {len(leans)}"]
        rows.append(f"| {' | '.join([photos, network, plant, str(len(mine)), *told, str(alarms)])} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
