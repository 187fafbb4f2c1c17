"""A model's folder: weights, read without running code from them, and the card that says what they are.

model.safetensors   the tensors of the network, by name
card.json           `schema`; `kind` ("classifier" where it is left out); `preprocessing` and `categories`; `sha256`
                    of the weights, may be left out; `gives` and `output`, what the network's numbers mean and which
                    tensor holds them, where they are not logits; `threshold`, the probability from which on a
                    label is there, or one for each; and what its kind adds, such as `architecture`
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from torch import nn

from seewhy.core.files import write_json, write_whole
from seewhy.core.folders import settle
from seewhy.core.reading import read_json
from seewhy.core.text import shown
from seewhy.errors import BadFile, ModelError
from seewhy.models.categories import Categories, imagenet
from seewhy.models.checkpoints import Checkpoint, read_checkpoint
from seewhy.models.head import Head
from seewhy.models.preprocessing import Preprocessing

CARD, WEIGHTS, SCHEMA = "card.json", "model.safetensors", 1
CLASSIFIER = "classifier"
IMAGENET = "imagenet-1k"

SHOWN = "docs/models.md shows a whole card"

T = TypeVar("T")
Kinds = Mapping[str, Any]  # type or tuple of types by field
REQUIRED: Kinds = {"schema": int, "preprocessing": dict, "categories": (list, str)}
OPTIONAL: Kinds = {"kind": str, "sha256": str, "gives": str, "output": (str, int), "threshold": (int, float, list)}


class Architecture(NamedTuple):
    """How a card names a network: such as `torchvision:resnet50`, and options of it."""

    name: str
    options: Mapping[str, Any] = {}


class Kind(NamedTuple):
    """Fields that cards of one kind have besides those of all, and what is said where a folder is of no such kind."""

    required: Kinds
    optional: Kinds
    cure: str


KINDS = {
    CLASSIFIER: Kind({"architecture": str}, {"options": dict}, f"a file: model is a folder with {WEIGHTS} and {CARD}"),
    "prototypes": Kind(
        {"usable": bool, "reasons": list, "prototypes": list, "diagnosis": dict},
        {},
        "`seewhy prototypes train` makes some from a classifier",
    ),
    "explainer": Kind(
        {"usable": bool, "reasons": list, "explainer": dict, "judged": dict},
        {},
        "`seewhy explainer train` makes one for a classifier",
    ),
}


@dataclass(frozen=True)
class Card:
    """What a model's folder says of itself; `fields` are those of the file, checked."""

    folder: Path
    fields: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """What kind of network it is, one of `KINDS`."""
        return self.fields.get("kind", CLASSIFIER)

    @property
    def architecture(self) -> Architecture:
        """The network of a plain classifier."""
        return Architecture(self.fields["architecture"], self.fields.get("options", {}))

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are prepared; raises `ModelError` where the card says nothing sensible."""
        return Preprocessing.from_dict(self.fields["preprocessing"])

    @property
    def categories(self) -> Categories:
        """Class names in the order of the scores; raises `ModelError` where the card says nothing sensible."""
        given = self.fields["categories"]
        if isinstance(given, list):
            if not given or not all(_is(each, (str, int, float)) for each in given):
                raise ModelError("the card's categories are no list of class names; " + SHOWN)
            return Categories(tuple(map(str, given)))
        if given == IMAGENET:
            return imagenet()
        raise ModelError(f"the card's categories are a list of class names or '{IMAGENET}', not '{shown(given)}'")

    @property
    def declared(self) -> Head:
        """What the network's numbers mean, as far as the card says."""
        limit = self.fields.get("threshold")
        limits = tuple(limit) if isinstance(limit, list) else limit
        known = limits if isinstance(limits, tuple) else () if limits is None else (limits,)
        if any(isinstance(each, bool) or not isinstance(each, int | float) or not 0 < each < 1 for each in known):
            raise ModelError(
                f"the card's threshold is a probability between 0 and 1, or one for each label, not {limit}"
            )
        return Head(self.fields.get("gives"), self.fields.get("output"), threshold=limits)

    def weights(self) -> Checkpoint:
        """What the file of weights holds; raises `ModelError` where it is not that of the card."""
        path = self.folder / WEIGHTS
        if path.is_file() and "sha256" in self.fields:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != self.fields["sha256"]:
                raise ModelError(
                    f"{path} is not the file its card was written for (sha256 {found[:12]}…, "
                    f"card says {self.fields['sha256'][:12]}…)"
                )
        return read_checkpoint(path)


def read_about(path: Path, kind: type[T], cure: str) -> T:
    """What a JSON file tells of a model, as `read_json` gives it; raises `ModelError` where it cannot be read."""
    try:
        return read_json(path, kind, cure)
    except BadFile as error:
        raise ModelError(str(error)) from error


def read_card(folder: Path, kind: str | None = None) -> Card:
    """The card in `folder`; raises `ModelError` where it is missing, damaged, or of another kind than `kind`."""
    settle(folder)
    path, wanted = folder / CARD, kind or CLASSIFIER
    if not path.is_file():
        raise ModelError(f"{folder} holds no {wanted}; {KINDS[wanted].cure}")
    fields = read_about(path, dict[str, Any], SHOWN)
    card = Card(folder, fields)
    if card.kind not in list(KINDS):  # of a list, since JSON may hold what has no hash
        raise ModelError(f"{path} is of the kind '{shown(card.kind)}'; this seewhy opens {', '.join(KINDS)}")
    if kind and card.kind != kind:
        raise ModelError(f"{folder} holds another kind of model, {card.kind}; {KINDS[kind].cure}")
    required, optional, _ = KINDS[card.kind]
    known = {**OPTIONAL, **optional}
    checked = {**REQUIRED, **required, **{field: known[field] for field in known if field in fields}}
    if bad := [field for field, types in checked.items() if not _is(fields.get(field), types)]:
        raise ModelError(f"{path}: missing or of the wrong kind are {bad}; {SHOWN}")
    if fields["schema"] != SCHEMA:
        raise ModelError(f"{path} has schema {fields['schema']}, this seewhy reads {SCHEMA}; update seewhy")
    return card


def _is(value: Any, types: type | tuple[type, ...]) -> bool:
    """As `isinstance`, but truth is no number."""
    return isinstance(value, types) and (not isinstance(value, bool) or types is bool)


def write_model(folder: Path, module: nn.Module, fields: Mapping[str, Any]) -> None:
    """Write weights and card; `fields` are all but `schema` and `sha256`. The same network gives the same bytes."""
    from safetensors.torch import save

    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()})
    write_whole(folder / WEIGHTS, content)
    # The card comes last: without it the folder is none that can be opened.
    write_json(folder / CARD, {"schema": SCHEMA, **fields, "sha256": hashlib.sha256(content).hexdigest()})
