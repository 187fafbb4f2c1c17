"""Train: a classifier from a folder of pictures, and what came of it."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from seewhy.core.files import write_json, write_whole
from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.core.reading import read_json
from seewhy.core.text import shown
from seewhy.errors import UsageError
from seewhy.images import Folder
from seewhy.models import Classifier, load
from seewhy.models.card import CARD, Architecture, read_card
from seewhy.models.checkpoints import load_checkpoint
from seewhy.models.load import DEFAULT_MODEL, architecture_of
from seewhy.models.relation import RelationNetwork
from seewhy.report.evaluate import headline
from seewhy.report.page import save_page
from seewhy.report.train import train_charts, train_page
from seewhy.study.plan import canonical, difference
from seewhy.train.attention import Attention, Listened, check_attention, compared
from seewhy.train.data import Pictures, open_pictures
from seewhy.train.few_shot import Guided, check_few_shot, compared_maps, learn_by_episodes, with_relation_head
from seewhy.train.finetune import Epoch, Training, finetune, judged, save_classifier, with_new_head, with_thresholds
from seewhy.train.parts import PICTURES, Parts, open_parts, picture_rows
from seewhy.train.recipe import Recipe
from seewhy.verbs.result import Result

RUN, HISTORY, CHECKPOINTS = "run.json", "history.json", "checkpoints"
LISTENED, GUIDED = "listened.json", "guided.json"
REMOVE = "remove the folder and train again"

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class TrainResult(Training, Result):
    """A trained classifier, how it came to be, and how good it is on each part that it did not learn from."""

    architecture: Architecture
    seed: int
    listened: Listened | None = None
    guided: Guided | None = None

    def to_dict(self) -> dict[str, Any]:
        """The model's name, its classes, and the figures of each part."""
        metrics = {part: each.to_dict() for part, each in self.evaluations.items()}
        beside = {"listened": self.listened, "guided": self.guided}
        return {
            "model": self.model,
            "classes": list(self.parts.classes),
            "metrics": metrics,
            **{name: asdict(each) for name, each in beside.items() if each is not None},
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row for each part that was evaluated: its pictures, the accuracy and its 95 % interval.

        Of labels it is the mean average precision.
        """
        found: list[dict[str, Any]] = []
        for part, each in self.evaluations.items():
            name, share = headline(each)
            row = {"part": part, "pictures": len(each.truth), name: share.value, "low": share.low, "high": share.high}
            found.append(row)
        return found

    def page(self) -> str:
        """The report: how it learned, how good it is, and from what."""
        return train_page(self, self.listened, self.guided)

    def write(self, folder: Path) -> None:
        """Write the classifier, which `file:FOLDER` opens, what it was made from, the curves and the report."""
        rows = picture_rows(self.parts)
        about = {
            "backbone": self.backbone,
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
            "pictures": {part: len(each.entries) for part, each in self.parts.named.items()},
            "sha256": sha256(canonical(rows).encode()).hexdigest(),
            "metrics": {part: found.to_dict() for part, found in self.evaluations.items()},
        }
        write_json(folder / PICTURES, rows)
        write_json(folder / HISTORY, [asdict(epoch) for epoch in self.epochs])
        for name, beside in ((LISTENED, self.listened), (GUIDED, self.guided)):
            if beside is not None:
                write_json(folder / name, asdict(beside))
        for name, chart in train_charts(self).items():
            write_whole(folder / f"{name}.svg", chart.encode())
        save_page(folder, self.page())
        save_classifier(folder, self.classifier, self.architecture, about)  # last: with its card a run has ended


def train(
    folder: str | Path,
    backbone: str = DEFAULT_MODEL,
    out: str | Path = "seewhy-model",
    *,
    recipe: Recipe | None = None,
    classes: Sequence[str] = (),
    labels: str | Path | None = None,
    attention: str | Path | None = None,
    attention_weight: float = 1.0,
    weights: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress = silent,
    tell: Callable[[Epoch], None] | None = None,
) -> TrainResult:
    """Fine-tune `backbone` on the class folders of `folder`, and write it to `out`, which `file:OUT` opens.

    A run that was interrupted goes on where it was, and on one machine's processor ends with the same weights as one
    that was not. A run that had ended only gives its results.

    Args:
        folder: A sub-folder of pictures for each class, or train/ and val/ (and test/) that hold these.
        backbone: A model as `seewhy.load` takes it.
        out: Where the classifier goes.
        recipe: How to train. With `shots` a relation head learns from episodes of few photos, guided by explanations;
            a twin without guidance and a linear head are trained beside it, so that what it costs is told.
        classes: Leave all others out.
        labels: A CSV file that names the labels of each picture, of which several may be true, in place of class
            folders: a column of files, then one of 0 and 1 for each label, or one of labels joined by `;` or `|`. Each
            label then has a probability and, chosen on the pictures for validation, a threshold of its own.
        attention: A folder of masks of what matters, named like the pictures; the map of each picture's class is drawn
            into its mask. A twin is trained without it, so that what it costs and changes is told.
        attention_weight: How much that counts beside the cross entropy.
        weights: A local file for the backbone.
        seed: Of the split, the new head, the order and the changes of pictures.
        device: As `seewhy.load` takes it.
        progress: Told of training steps; raise `Cancelled` in it to stop, and run again to go on.
        tell: Told of each epoch.

    Raises:
        UsageError: The folder does not fit, or `out` holds another run.
        ModelError: The backbone cannot be loaded, or cannot be trained.
        NonFinite: The training diverged.

    Example:
        >>> result = seewhy.train("photos/", out="my-model")  # doctest: +SKIP
        >>> result.evaluations["validation"].accuracy.value  # doctest: +SKIP
        0.93
        >>> classifier = seewhy.load("file:my-model")  # doctest: +SKIP
    """
    out, recipe = Path(out), recipe or Recipe()
    if out.resolve().is_relative_to(Path(folder).resolve()):
        raise UsageError(f"{out} lies in {folder}, where every sub-folder is a class; give an --out outside of it")
    if attention and recipe.shots is not None:
        raise UsageError("--attention and --few-shot are two ways to train; leave one of them out")
    parts = open_parts(Path(folder), recipe.split, seed, classes, Path(labels) if labels else None)
    progress(0, None, f"loading {backbone}")
    given = _learner(backbone, weights, device)
    architecture = architecture_of(backbone, given)
    drawn = _hashes_of_masks(parts, attention, attention_weight) if attention else None
    claim_folder(out, _configuration(backbone, given, recipe, parts, seed, drawn))
    several = parts.train.labelled
    classifier = linear = with_new_head(given, architecture, parts.classes, recipe, seed, several=several)
    opened, failures = _opened(parts, classifier, progress)
    attentive = Attention.of(opened["train"], Path(attention), attention_weight) if attention else None
    learn, learn_plainly = partial(finetune, attention=attentive), finetune
    if attentive is not None:
        check_attention(classifier, attentive, several)
    if recipe.shots is not None:
        check_few_shot(opened["train"], recipe.shots)
        learn, learn_plainly = learn_by_episodes, partial(learn_by_episodes, guided=False)
        classifier, architecture = with_relation_head(copy.deepcopy(linear), architecture, parts.classes, seed)
    twin, seen, aside = copy.deepcopy(classifier), (opened["train"], opened["validation"]), out / CHECKPOINTS
    if (out / CARD).is_file():
        load_checkpoint(classifier.module, read_card(out).weights())
        epochs = read_json(out / HISTORY, list[Epoch], REMOVE)
    else:
        epochs = learn(classifier, *seen, recipe, seed=seed, checkpoints=aside, progress=progress, tell=tell)
    listened, guided = _kept(out, LISTENED, Listened), _kept(out, GUIDED, Guided)
    if (attentive or recipe.shots) and listened is guided is None:
        learn_plainly(twin, *seen, recipe, seed=seed, checkpoints=aside / "plain", progress=progress)
        if attentive is not None:
            listened = compared(classifier, twin, opened, attentive, Path(attention or ""))
        else:
            alone = replace(recipe, epochs=0, head_epochs=Recipe.head_epochs, shots=None)
            finetune(linear, *seen, alone, seed=seed, checkpoints=aside / "linear", progress=progress)
            guided = compared_maps(classifier, twin, linear, opened, recipe)
    if several:
        classifier = with_thresholds(classifier, opened["validation"])
    evaluations = {
        part: judged(classifier, pictures) for part, pictures in opened.items() if part != "train" and len(pictures)
    }
    result = TrainResult(
        out,
        backbone,
        classifier,
        recipe,
        parts,
        epochs,
        evaluations,
        failures,
        architecture=architecture,
        seed=seed,
        listened=listened,
        guided=guided,
    )
    result.write(out)  # file by file: what an earlier run left here stays until its successor is whole
    shutil.rmtree(aside, ignore_errors=True)
    return result


def _learner(backbone: str, weights: str | Path | None, device: str) -> Classifier:
    """What to start from."""
    given = load(backbone, weights, device)
    if "gradients" not in given.offers:
        raise UsageError(f"{backbone} gives no gradients to learn by; take a bundled:, torchvision: or timm: model")
    if isinstance(given.module, RelationNetwork):
        raise UsageError(f"{backbone} was trained by --few-shot; start from the backbone that it was made from")
    return given


def _kept(out: Path, name: str, kind: type[T]) -> T | None:
    """What a run that had ended says of its twin."""
    return read_json(out / name, kind, REMOVE) if (out / CARD).is_file() and (out / name).is_file() else None


def _hashes_of_masks(parts: Parts, masks: str | Path, weight: float) -> dict[str, Any]:
    """What people drew, and how much it counts."""
    return {"weight": weight, "masks": Folder.open(parts.train.root, masks).mask_hashes}


def _configuration(
    backbone: str, given: Classifier, recipe: Recipe, parts: Parts, seed: int, drawn: dict[str, Any] | None
) -> str:
    """Everything that decides the weights, as canonical JSON."""
    return canonical({
        **({} if drawn is None else {"attention": drawn}),
        "backbone": backbone,
        "weights": given.fingerprint,
        "device": given.device.type,
        "recipe": recipe.to_dict(),
        "seed": seed,
        "pictures": {
            part: {
                entry.path: folder.hashes[entry.path]
                if entry.labels is None
                else [folder.hashes[entry.path], *entry.labels]
                for entry in folder.entries
            }
            for part, folder in parts.named.items()
        },
    })  # fmt: skip


def claim_folder(out: Path, configuration: str) -> None:
    """Take the folder for this run, or go on with the same one."""
    path = out / RUN
    began = (out / CARD).exists() or (out / CHECKPOINTS).exists()
    if began and not path.is_file():
        raise UsageError(f"{out} holds a classifier already; give another --out")
    if began and (changes := difference(read_json(path, dict[str, Any], REMOVE), configuration)):
        raise UsageError(
            f"{out} holds another training ({shown('; '.join(changes))}); give another --out, or remove it"
        )
    write_whole(path, configuration.encode())


def _opened(
    parts: Parts, classifier: Classifier, progress: Progress
) -> tuple[dict[str, Pictures], list[Outcome[None]]]:
    """The pictures of each part that can be opened, and what is wrong with the others."""
    opened: dict[str, Pictures] = {}
    failures: list[Outcome[None]] = []
    for part, folder in parts.named.items():
        opened[part], bad = open_pictures(folder, parts.classes, classifier.preprocessing, progress)
        failures += bad
    learned = {name for entry in opened["train"].entries for name in (entry.label, *(entry.labels or ()))}
    if missing := [name for name in parts.classes if name not in learned]:
        raise UsageError(f"no picture of {', '.join(missing)} can be opened to learn from; {failures[0].error}")
    if not len(opened["validation"]):
        raise UsageError(f"none of the pictures for validation can be opened; {failures[0].error}")
    return opened, failures
