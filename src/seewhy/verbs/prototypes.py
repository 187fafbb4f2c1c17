"""Prototypes: train them on a folder of pictures, and explain pictures by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from seewhy.core.files import write_array, write_json
from seewhy.core.folders import settle
from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.core.reading import read_json
from seewhy.core.text import shown
from seewhy.errors import UsageError
from seewhy.images import Folder, Image
from seewhy.models import load
from seewhy.models.card import CARD, Architecture, read_card
from seewhy.models.foreign import require_own
from seewhy.models.load import architecture_of
from seewhy.prototypes.explaining import PrototypeExplanation, explain_by_prototypes, explanation_panel
from seewhy.prototypes.learning import Recipe
from seewhy.prototypes.model import PrototypeModel
from seewhy.prototypes.storage import KIND, load_prototypes, save_prototypes
from seewhy.prototypes.training import PrototypeRun, Trained, train_prototypes
from seewhy.report.page import save_page
from seewhy.report.prototypes import prototype_explanations_page, prototypes_page
from seewhy.study.plan import canonical, difference
from seewhy.train.data import open_pictures
from seewhy.train.loop import Record
from seewhy.train.parts import PICTURES, Parts, PictureRow, open_parts, picture_rows, trained_rows
from seewhy.verbs.result import PhotoResults, Result

SPLIT = (0.7, 0.3)
REMOVE = "remove the folder and train again"


class _Recipe(TypedDict, total=False):
    split: tuple[float, float] | tuple[float, float, float]


class _Training(TypedDict, total=False):
    """What a card says of the training of a classifier or of prototypes, as far as it is read here."""

    recipe: _Recipe
    seed: int
    history: dict[str, list[Record]]


class _Card(TypedDict, total=False):
    training: _Training


@dataclass(frozen=True, eq=False, kw_only=True)
class PrototypeTraining(PrototypeRun, Result):
    """What came of a training; `made_from` is all that decides it, `learned_from` are rows of `pictures.json`."""

    architecture: Architecture
    made_from: Mapping[str, Any]
    learned_from: Sequence[PictureRow]

    def to_dict(self) -> dict[str, Any]:
        """Whether the model is usable, why not, and the figures."""
        return {"model": str(self.out), **self.model.diagnosis.to_dict()}

    def rows(self) -> list[dict[str, Any]]:
        """The figures, one a row."""
        diagnosis = self.model.diagnosis
        figures = {
            "usable": "yes" if diagnosis.usable else "no",
            "accuracy": f"{diagnosis.accuracy:.1%}",
            "backbone's accuracy": f"{diagnosis.backbone_accuracy:.1%}",
            "prototypes": f"{len(self.model.prototypes)} of {diagnosis.trained}",
            **{f"{name} found": f"{recall:.1%}" for name, recall in diagnosis.recalls.items()},
        }
        return [{"figure": name, "value": value} for name, value in figures.items()]

    def page(self) -> str:
        """See `Result`."""
        return prototypes_page(self)

    def write(self, folder: Path) -> None:
        """Write the model, usable or not, what it was made from, and the report."""
        about = {**self.made_from, "pictures": self.pictures, "history": self.history}
        write_json(folder / PICTURES, self.learned_from)
        save_page(folder, self.page())
        save_prototypes(folder, self.model, self.architecture, about)


def train_prototypes_on(
    folder: str | Path,
    backbone: str,
    out: str | Path,
    *,
    recipe: Recipe | None = None,
    layer: str | None = None,
    classes: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    progress: Progress = silent,
) -> PrototypeTraining:
    """Train prototypes on the class folders of `folder`, and write them to `out`, whether they are usable or not.

    A run that had ended only gives its results. The pictures are split as they were when the backbone was trained;
    what it learned from validates nothing.

    Args:
        folder: the pictures that the backbone was trained on.
        backbone: a classifier of the same classes, mostly `file:DIR` as `seewhy train` writes it.
        out: where the prototypes go.
        recipe: how to train.
        layer: where the backbone ends, by default the last layer that keeps a grid over the picture.
        classes: leave all other sub-folders out; without it, those that the backbone does not know.
        seed: of where prototypes start, the order and the changes of pictures.
        device: as `seewhy.load` takes it.
        progress: told of the work done; may raise `Cancelled`.

    Raises:
        UsageError: the folder and the backbone do not fit, or `out` holds another model.
        ModelError: the backbone cannot be loaded, or keeps no grid over the picture; what `out` holds is damaged.
        NonFinite: the training diverged.
    """
    out, recipe = Path(out), recipe or Recipe()
    progress(0, None, f"loading {backbone}")
    classifier = load(backbone, device=device)
    architecture = architecture_of(backbone, classifier)
    require_own(classifier.preprocessing, backbone)
    learned = trained_rows(backbone)
    seen = {row["sha256"] for row in learned}
    about: _Training = _training(folder_of(backbone)) if backbone.startswith("file:") else {}
    parts = _parts(Path(folder), about, seen, tuple(classes), tuple(classifier.categories))
    rows = picture_rows(parts)
    known = {row["sha256"] for row in rows}
    rows += [row for row in learned if row["sha256"] not in known]
    made_from = {
        "backbone": backbone,
        "weights": classifier.fingerprint,
        "device": classifier.device.type,
        "recipe": recipe.to_dict(),
        "layer": layer,
        "seed": seed,
        "sha256": sha256(canonical(rows).encode()).hexdigest(),
    }
    earlier = _earlier(out, made_from, device)
    training, bad = open_pictures(parts.train, parts.classes, classifier.preprocessing, progress)
    validation, worse = open_pictures(parts.validation, parts.classes, classifier.preprocessing, progress)
    model, history = earlier or train_prototypes(
        classifier, training, validation, recipe, layer=layer, seed=seed, progress=progress
    )
    result = PrototypeTraining(
        out,
        backbone,
        recipe,
        {"train": len(training), "validation": len(validation)},
        model,
        history,
        parts.notes,
        [*bad, *worse],
        architecture=architecture,
        made_from=made_from,
        learned_from=rows,
    )
    if not earlier:
        result.save(out)
    return result


def _earlier(out: Path, made_from: Mapping[str, Any], device: str) -> Trained | None:
    """What an earlier run of the same left in `out`, if anything is there.

    Raises:
        UsageError: it holds something else.
    """
    settle(out)
    if not (out / CARD).exists():
        return None
    card = read_card(out)
    old = card.fields.get("training") if card.kind == KIND else None
    known = {name: old[name] for name in made_from if name in old} if isinstance(old, dict) else {}
    if changes := difference(known, canonical(made_from)) if known else ["another kind"]:
        raise UsageError(f"{out} holds a model already ({shown('; '.join(changes))}); give another --out, or remove it")
    model = load_prototypes(out, refused=True, device=device)
    return Trained(model, _training(out).get("history", {}))


def _training(folder: Path) -> _Training:
    """What the card in a folder says of its training; raises `BadFile` where that cannot be understood."""
    return read_json(folder / CARD, _Card, REMOVE).get("training", {})


def _parts(folder: Path, about: _Training, learned: set[str], classes: tuple[str, ...], own: tuple[str, ...]) -> Parts:
    """The parts that the backbone was trained with; pictures that it has `learned` from validate nothing.

    Of the sub-folders those of `classes`, or without any the backbone's `own`.
    """
    split = about.get("recipe", {}).get("split", SPLIT)
    known = Folder.open(folder).classes
    parts = open_parts(folder, split, about.get("seed", 0), classes or (own if set(own) < set(known) else ()))
    fresh = [each for each in parts.validation.entries if parts.validation.hashes[each.path] not in learned]
    lost = len(parts.validation.entries) - len(fresh)
    if not lost:
        return parts
    note = f"{lost} pictures validate nothing, since the backbone has learned from them"
    return replace(parts, validation=replace(parts.validation, entries=tuple(fresh)), notes=(*parts.notes, note))


@dataclass(frozen=True, eq=False)
class PrototypeExplanations(PhotoResults[PrototypeExplanation]):
    """Photos explained by the prototypes of a model."""

    found: Sequence[PrototypeExplanation]
    model: PrototypeModel
    failures: Sequence[Outcome[Any]] = ()

    def values(self, each: PrototypeExplanation) -> dict[str, Any]:
        """See `PhotoResults`."""
        return {
            "image": {"name": each.image.name, "sha256": each.image.sha256, "notes": list(each.image.notes)},
            "model": each.model.name,
            "usable": each.model.diagnosis.usable,
            "view": list(each.view),
            "classes": [
                {
                    "class": prediction.name,
                    "probability": prediction.probability,
                    "score": float(each.scores[prediction.index]),
                    "start": each.start(prediction.index),
                    "prototypes": [
                        {
                            "prototype": match.number,
                            "similarity": match.similarity,
                            "weight": match.weight,
                            "points": match.points,
                            "box": list(match.box),
                            "source": match.prototype.source,
                        }
                        for match in each.matches(prediction.index)
                    ],
                }
                for prediction in each.predictions
            ],
        }

    def rows(self) -> list[dict[str, Any]]:
        """What the points of each photo's predicted class add up from."""
        columns = ("looks like", "similarity", "weight", "points")
        found: list[dict[str, Any]] = []
        for each in self.found:
            best = each.predictions[0]
            head = {"image": each.image.name, "class": f"{best.name} {best.probability:.1%}"}
            parts: list[tuple[str, float | None, float | None, float]] = [
                ("start", None, None, each.start(best.index)),
                *((one.prototype.source, one.similarity, one.weight, one.points) for one in each.matches(best.index)),
                ("score", None, None, float(each.scores[best.index])),
            ]
            found += [head | dict(zip(columns, part, strict=True)) for part in parts]
        return found

    def page(self) -> str:
        """See `Result`."""
        return prototype_explanations_page(self.found, self.model, self.failures)

    def write_photo(self, each: PrototypeExplanation, folder: Path) -> None:
        """Write the picture and the maps of similarity."""
        explanation_panel(each).save(folder / "picture.png")
        write_array(folder / "maps.npy", each.maps)


def explain_prototypes(
    model: str | Path,
    images: Sequence[Image],
    *,
    refused: bool = False,
    device: str = "auto",
    progress: Progress = silent,
) -> PrototypeExplanations:
    """Compare pictures with the prototypes in the folder `model`; those that the gate refused only if asked for.

    Raises:
        ModelError: the folder holds no prototypes, or they are not usable.
    """
    opened = load_prototypes(folder_of(model), refused=refused, device=device)
    return PrototypeExplanations(explain_by_prototypes(opened, images, progress), opened)


def folder_of(model: str | Path) -> Path:
    """`file:DIR` and `DIR` mean the same."""
    return Path(str(model).removeprefix("file:")).expanduser()
