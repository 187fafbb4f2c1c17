"""What a learned explainer is: a small network over a classifier's own features, and its folder.

Source: Ntrougkas et al. 2025 (P-TAME) and its family for masks; Jethani et al. 2022 (FastSHAP) for Shapley values.
Where the family goes from 960 channels straight to every class, this goes over 64: folders of hundreds of photos teach
no more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import TypedDict

from seewhy.core.reading import parse_json
from seewhy.core.text import shown
from seewhy.errors import BadFile, ModelError, UsageError
from seewhy.models import Classifier, Target, capture
from seewhy.models.card import CARD, WEIGHTS, read_card, write_model
from seewhy.models.checkpoints import load_weights
from seewhy.models.grids import folded

KIND = "explainer"
HIDDEN = 64
MOST_CELLS, MOST_CHANNELS = 64, 1 << 16
AGAIN = "train the explainer again: seewhy explainer train"
Objective = Literal["mask", "shapley"]


class About(TypedDict):
    """What the card says of an explainer: what it learned, about which classes of which network, from which layers."""

    objective: Objective
    cells: int
    classes: list[int]
    layers: list[str]
    channels: int
    fill: str
    model: str
    fingerprint: str


class LearnedHead(nn.Module):
    """Features `(N, C, g, g)` to a number for each class and cell, `(N, K, g, g)`."""

    def __init__(self, channels: int, classes: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.narrow = nn.Conv2d(channels, hidden, 1)
        self.around = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.whole = nn.Linear(hidden, hidden)
        self.last = nn.Conv2d(hidden, classes, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Each cell sees itself, those around it, and the mean of all."""
        own = F.relu(self.narrow(self.norm(features)))
        whole = self.whole(own.mean((2, 3)))[..., None, None]
        return self.last(F.relu(own + self.around(own) + whole))


@dataclass(frozen=True, eq=False)
class Explainer:
    """A head with what it learned; `reasons` say why it is of no use, `told` how far it errs, in sentences."""

    head: LearnedHead
    about: About
    reasons: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    def __call__(self, features: Tensor) -> Tensor:
        """What it says of all its classes, `(N, K, g, g)`; masks as they are before they are stretched."""
        with torch.no_grad():
            found = self.head.eval()(features)
        return found.sigmoid() if self.about["objective"] == "mask" else found

    def of_target(self, maps: Tensor, target: Target) -> Tensor:
        """The map of a target, `(..., g, g)` of those of all classes `(..., K, g, g)`.

        Raises:
            UsageError: it has not learned about one of the classes, or masks are asked for several.
        """
        place = {index: number for number, index in enumerate(self.about["classes"])}
        named = [target.index, *target.also, *([] if target.against is None else [target.against])]
        if unknown := [index for index in named if index not in place]:
            raise UsageError(
                f"the explainer has learned about {len(place)} classes, and class {unknown[0]} is none of them: "
                "too few of its photos were taken for it; train it on photos of that class, or take another method"
            )
        if self.about["objective"] == "mask" and len(named) > 1:
            raise UsageError("masks are of one class each; ask about one class, or train with --objective shapley")
        found = maps[..., [place[index] for index in (target.index, *target.also)], :, :].sum(-3)
        return found if target.against is None else found - maps[..., place[target.against], :, :]

    def refusal(self, classifier: Classifier) -> str | None:
        """Why it says nothing about this classifier; None where it does."""
        if self.about["fingerprint"] == classifier.fingerprint:
            return None
        return (
            f"the explainer was trained for {shown(self.about['model'])}, and this is another network, "
            f"{classifier.name}; train one for it: seewhy explainer train"
        )


def stage_features(classifier: Classifier, x: Tensor, layers: Sequence[str], cells: int) -> tuple[Tensor, Tensor]:
    """What these layers say of inputs `(N, C, h, w)` on one grid of `cells` a side, and the logits `(N, K)`."""
    grids = {layer: classifier.require_grid(layer) for layer in layers}
    with capture(classifier.module, [*grids], gradients=False) as seen, torch.no_grad():
        logits = classifier.logits(x)
    maps = [F.adaptive_avg_pool2d(folded(grid, seen[layer]), cells) for layer, grid in grids.items()]
    return torch.cat(maps, 1), logits


def closed(shares: Tensor, change: Tensor) -> Tensor:
    """Shares `(..., g, g)` moved by one number each, so that they add up to `change` `(...)`. Source: FastSHAP, 3.2."""
    gap = change - shares.sum((-2, -1))
    return shares + (gap / (shares.shape[-1] * shares.shape[-2]))[..., None, None]


# --- The folder ---------------------------------------------------------------------------------------------------


def save_explainer(
    folder: Path, explainer: Explainer, names: Sequence[str], classifier: Classifier, judged: Mapping[str, Any]
) -> None:
    """Write weights and card; the card says whether the gate was passed, and `judged` what it found."""
    fields = {
        "kind": KIND,
        "usable": not explainer.reasons,
        "reasons": list(explainer.reasons),
        "preprocessing": classifier.preprocessing.to_dict(),
        "categories": list(names),
        "explainer": dict(explainer.about),
        "judged": {**judged, "told": list(explainer.told)},
    }
    write_model(folder, explainer.head, fields)


def load_explainer(folder: str | Path, *, refused: bool = False) -> Explainer:
    """The explainer in a folder; one that the gate refused only where `refused` ones are asked for.

    Raises:
        ModelError: there is none, it is damaged, or it is no better than what needs no training.
    """
    path = Path(folder).expanduser()
    stamp = (path / CARD).stat().st_mtime_ns if (path / CARD).is_file() else 0
    explainer = _loaded(path, stamp)
    if explainer.reasons and not refused:
        raise ModelError(
            f"the explainer in {shown(path)} is not usable: {shown('; '.join(explainer.reasons))}. "
            "To look at it all the same: --set refused=true"
        )
    return explainer


def _check_sizes(channels: int, cells: int, classes: int, layers: Sequence[str]) -> None:
    """Refuse what no explainer has, before anything of that size is built."""
    if not (0 < channels <= MOST_CHANNELS and classes and 0 < cells <= MOST_CELLS and layers):
        raise ValueError("its sizes are those of no explainer")


@lru_cache(maxsize=8)
def _loaded(path: Path, _stamp: int) -> Explainer:
    card = read_card(path, KIND)
    try:
        about = parse_json(json.dumps(card.fields["explainer"]), About, path / CARD, AGAIN)
        told = card.fields["judged"].get("told", [])
        channels, classes, cells = about["channels"], about["classes"], about["cells"]
        _check_sizes(channels, cells, len(classes), about["layers"])
        head = LearnedHead(channels, len(classes))
        load_weights(head, card.weights().tensors, WEIGHTS)
    except (BadFile, LookupError, TypeError, ValueError) as error:
        raise ModelError(f"the explainer in {shown(path)} is damaged ({shown(error)}); {AGAIN}") from error
    return Explainer(head.eval(), about, tuple(map(str, card.fields["reasons"])), tuple(map(str, told)))
