"""Do cards tell what a layer's groups do? Their sizes and weights beside the loss when their channels are silenced.

    python studies/network/cards.py PHOTOS --out cards.jsonl [--model MODEL ...] [--weights FILE] [--limit 40]

A hook sets a group's channels to nought, apart from the engine of the view. Figures are of the last three layers;
photos that are in the file already are not asked again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seewhy import Classifier, load
from seewhy.images import Image, find_images, open_image
from seewhy.metrics.context import spearman
from seewhy.models import Target
from seewhy.network import NetworkPicture, look

LAST = 3  # layers
HALF, QUARTER = 0.5, 0.25  # a card may not say that less than a quarter is lost where half is


def main() -> None:
    given = _arguments()
    photos = find_images([str(each) for each in given.photos])
    chosen = photos[:: max(len(photos) // given.limit, 1)][: given.limit]
    known = {(row["model"], row["photo"]) for row in _rows(given.out)}
    for name in given.model:
        todo = [path for path in chosen if (name, path.name) not in known]
        classifier = load(name, weights=given.weights) if todo else None
        for path in todo:
            row = {"model": name, "photo": path.name, "cards": _cards(classifier, open_image(path))}
            with given.out.open("a", encoding="utf-8") as file:
                print(json.dumps(row), file=file, flush=True)
        _tell(name, [row for row in _rows(given.out) if row["model"] == name])


def _cards(classifier: Classifier, image: Image) -> list[dict[str, Any]]:
    view = look(classifier, image)
    x, depth = classifier.preprocess([image]), len(view.layers)
    place = {layer.name: number for number, layer in enumerate(view.layers)}
    whole = _probability(classifier, x, view.target)
    found: list[dict[str, Any]] = []
    for card in NetworkPicture(view).layout.cards:
        silent = _without(classifier, card.layer.name, card.cluster.maps, x, view.target)
        areas = [None, None] if card.cluster.effect is None else card.cluster.effect[1:]
        grey, filled = (None if each is None else 1 - each / view.probability for each in areas)
        found.append(
            {
                "last": depth - place[card.layer.name] <= LAST,
                "layer": card.layer.name,
                "weight": card.cluster.weight,
                "size": card.box.width * card.box.height,
                "told": card.fall,
                "lost": 1 - silent / whole,
                "grey": grey,
                "filled": filled,
            }
        )
    return found


def _without(classifier: Classifier, layer: str, channels: Sequence[int], x: Tensor, target: Target) -> float:
    grid = classifier.require_grid(layer)

    def silence(_module: Any, _inputs: Any, output: Any) -> Any:
        changed = (output[0] if isinstance(output, tuple) else output).clone()
        grid.fold(changed)[:, list(channels)] = 0
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    handle = classifier.module.get_submodule(layer).register_forward_hook(silence)
    try:
        return _probability(classifier, x, target)
    finally:
        handle.remove()


def _probability(classifier: Classifier, x: Tensor, target: Target) -> float:
    with torch.no_grad():
        return float(classifier.head.probability(classifier.logits(x)[0], target))


def _tell(model: str, rows: Sequence[dict[str, Any]]) -> None:
    """The median over photos of the rank correlation of each figure with the loss, in the last three layers."""
    print(f"{model}, {len(rows)} photos")
    for what in ("size", "weight", "grey", "filled"):
        found = [_agreement([card for card in row["cards"] if card["last"]], what) for row in rows]
        values = np.array([each for each in found if each is not None])
        told = f"{np.median(values):.2f} ({values.min():.2f} to {values.max():.2f})" if len(values) else "none"
        print(f"  {what} and loss, last {LAST} layers: rank correlation {told}")
    cards = [card for row in rows for card in row["cards"]]
    wrong = sum(card["lost"] >= HALF and (card["told"] or 0) < QUARTER for card in cards)
    print(f"  {wrong} of {len(cards)} cards say that less than a quarter is lost where half or more is")


def _agreement(cards: Sequence[dict[str, Any]], what: str) -> float | None:
    pairs = np.array([(card[what], card["lost"]) for card in cards if card[what] is not None])
    return spearman(pairs[:, 0], pairs[:, 1]) if len(pairs) > 2 and (np.ptp(pairs, 0) > 0).all() else None


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", nargs="+", default=["bundled:efficientnet-lite0"])
    parser.add_argument("--weights", type=Path, help="of the model, where its card has none")
    parser.add_argument("--limit", type=int, default=40)
    return parser.parse_args()


if __name__ == "__main__":
    main()
