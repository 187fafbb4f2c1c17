"""A model that no longer leans on what an audit found, judged on photos that no step has seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import TypedDict

from seewhy.audit.marks import Mark
from seewhy.audit.pasting import Layer
from seewhy.audit.repair import (
    Answers,
    Embedded,
    Head,
    Judged,
    answered,
    answers_of,
    heads,
    judged,
    worth,
    worthwhile,
)
from seewhy.audit.repair_rows import COLUMNS, repair_figures, rows_of_answers
from seewhy.audit.traits import Trait
from seewhy.audit.tuning import RATES, WAYS, Shown, chosen_ways, tuned
from seewhy.core.files import write_csv
from seewhy.core.folders import write_manifest
from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.core.reading import damaged, read_array, read_json
from seewhy.engines.imputation import linear_imputation
from seewhy.errors import BadImage, ExplainError, UnknownName, UsageError
from seewhy.images.folder import Folder
from seewhy.models import Classifier, load
from seewhy.models.load import architecture_of
from seewhy.report.page import save_page
from seewhy.report.repair import WHAT, judged_words, repair_page
from seewhy.train.finetune import save_classifier
from seewhy.verbs.audit import FINDINGS, LAYERS
from seewhy.verbs.result import Result

REPAIR, PHOTOS = "repair.json", "photos.csv"
LAST_LAYER = "last-layer"
BEHIND = 0.1  # accuracy that the worst group may lack
ALL_WAYS = (LAST_LAYER, *WAYS)
PARTS = (0.5, 0.2, 0.3)  # to learn from, to pick a way, and to judge it
BATCH = 16
CURE = "run `seewhy audit` again"
Told = TypedDict("Told", {"class": str, "sentence": str})


@dataclass(frozen=True, eq=False)
class RepairResult(Result):
    """What a repair brought: figures before and after on photos that no step has seen, and the model if it is worth it.

    Attributes:
        model: the name that opened it.
        classifier: the repaired one; the old one where no way was worth it.
        finding: the sentence of the finding.
        way: how it was repaired; None where no way was worth it on the photos kept aside to pick one.
        answers: of the old model and of the repaired one, on photos that no step has seen.
        unseen: the paths of these photos.
        counts: photos to learn from, to pick, to judge.
        tried: every way with what it gained on the photos kept aside, or None where it was not worth it.
        failures: photos that could not be opened.
        was: the fingerprint of the old model.
    """

    model: str
    classifier: Classifier
    finding: str
    way: str | None
    answers: tuple[Answers, Answers]
    unseen: tuple[str, ...]
    counts: tuple[int, int, int]
    tried: tuple[tuple[str, float | None], ...]
    failures: tuple[Outcome[None], ...]
    was: str

    @cached_property
    def before(self) -> Judged:
        """Of the old model."""
        return judged(self.answers[0])

    @cached_property
    def after(self) -> Judged:
        """Of the repaired one."""
        return judged(self.answers[1])

    @property
    def usable(self) -> bool:
        """Whether it brings more than it costs, on photos that no step has seen."""
        return self.way is not None and worth(self.before, self.after)

    @property
    def verdict(self) -> str:
        """In one sentence."""
        return judged_words(self.way, self.usable, self.before, self.after, self.counts[2])

    def to_dict(self) -> dict[str, Any]:
        """All of it, as plain JSON values."""
        return {
            "model": self.model,
            "fingerprint": self.classifier.fingerprint,
            "fingerprint_before": self.was,
            "finding": self.finding,
            "way": self.way,
            "usable": self.usable,
            "verdict": self.verdict,
            "photos": dict(zip(("learned_from", "picked_by", "judged_on"), self.counts, strict=True)),
            "tried": [{"way": way, "gain": gained} for way, gained in self.tried],
            **repair_figures(*self.answers),
        }

    def rows(self) -> list[dict[str, Any]]:
        """A row for each figure."""
        named = {WHAT["accuracy"]: (self.before.accuracy, self.after.accuracy)}
        named |= {name: (value, self.after.groups[name]) for name, value in self.before.groups.items()}
        named[WHAT["worst"]] = self.before.worst, self.after.worst
        named[WHAT["effect"]] = self.before.effect, self.after.effect
        return [{"figure": name, "before": before, "after": after} for name, (before, after) in named.items()]

    def page(self) -> str:
        """The report."""
        return repair_page(self.verdict, self.finding, self.rows(), self.counts)

    def write(self, folder: Path) -> None:
        """Write the report, the rows that its figures follow from, and the model if it is usable."""
        write_csv(folder / PHOTOS, COLUMNS, rows_of_answers(self.unseen, *self.answers))
        save_page(folder, self.page())
        write_manifest(folder, self.to_dict(), REPAIR)
        if self.usable:
            save_classifier(folder, self.classifier, architecture_of(self.model, self.classifier), self.to_dict())


class Finding:
    """A finding as an audit wrote it: the class, what is laid over photos, and which carry it.

    Raises:
        UsageError: it neither lies in one place nor is a trait of the whole photo.
        BadFile: the folder's files do not fit together.
        UnknownName: the model has no such class.
    """

    def __init__(self, folder: Path, number: int, told: Told, classifier: Classifier) -> None:
        self.target = classifier.categories.find(told["class"])
        self.sentence = told["sentence"]
        size = classifier.preprocessing.size
        mark, trait = (folder / LAYERS / f"{number}-{kind}.npz" for kind in ("mark", "trait"))
        self.kind: Mark | Trait
        if trait.exists():
            self.kind = Trait.read(trait)
            if self.kind.size != size:
                raise damaged(trait, f"it is not of a model that sees {size[1]} × {size[0]} pixels", CURE)
            self.laid, self.area = self.kind.laid, self.kind.area
        elif mark.exists():
            self.kind = Mark.read(mark)
            self.laid = _layer(folder, number, classifier)
            self.area = self.laid.mask(size)
        else:
            raise UsageError(f"finding {number} lies elsewhere on each photo, so that it cannot be laid over others or "
                             "taken out; give another --number")  # fmt: skip

    def variants(self, pixels: Tensor) -> tuple[Tensor, Tensor, bool]:
        """A photo `(1, C, h, w)` with the finding and without it, and whether it carries it."""
        seen = (pixels * 255).round().to(torch.uint8).numpy()
        if not self.kind.carried(seen)[0]:
            return self.laid.over(pixels), pixels, False
        if isinstance(self.kind, Trait):
            return pixels, self.kind.taken.over(pixels), True
        return pixels, linear_imputation(pixels[0], ~self.area[None]).clamp(0, 1), True


def _layer(folder: Path, number: int, classifier: Classifier) -> Layer:
    path = folder / LAYERS / f"{number}-0-kept.npy"
    kept = read_array(path, CURE, shape=(None, None), finite=True)
    added = read_array(folder / LAYERS / f"{number}-0-added.npy", CURE, shape=(None, *kept.shape), finite=True)
    top, left = (
        int(each) for each in read_array(folder / LAYERS / f"{number}-0-place.npy", CURE, kinds="iu", shape=(2,))
    )
    height, width = kept.shape
    size = classifier.preprocessing.size
    if len(added) != classifier.preprocessing.channels or top + height > size[0] or left + width > size[1]:
        raise damaged(path, f"it is not of a model that sees {size[1]} × {size[0]} pixels", CURE)
    return Layer((left, top, left + width, top + height), torch.from_numpy(kept), torch.from_numpy(added))


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A repaired network: what it answers on the photos kept aside and on those that no step has seen."""

    way: str
    kept: Answers
    unseen: Answers
    made: Callable[[], Classifier]


def repair(
    model: str,
    findings: str | Path,
    data: str | Path,
    *,
    number: int = 1,
    ways: Sequence[str] = (),
    masks: str | Path | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress = silent,
) -> RepairResult:
    """Change a model so that a finding of an audit no longer carries its class.

    Half of the photos are learned from. On a fifth the best way is picked. The rest, which no step has seen, judges it.

    Args:
        model: its name, as `seewhy.load` takes it.
        findings: the folder that an audit of it wrote.
        data: a sub-folder of photos for each class, named as the model calls it.
        number: which finding, counted from 1; those that lie in one place can be repaired.
        ways: what to try: `last-layer` (seconds: retrained with the finding laid over all classes, retrained on groups
            of one size, or the finding's direction projected out), `augmentation`, `right-reasons`, `energy` (minutes:
            the whole network fine-tuned). Without any the last layer is, and the others where that leaves the worst
            group more than 10 points behind on the photos kept aside.
        masks: a folder of masks of the objects, named like the pictures: for `right-reasons` and `energy` all else is
            the wrong place; without, the finding's own place is.
        weights: a local file of weights.
        device: as `seewhy.load` takes it.
        seed: of the parts, of the subsets and of the steps.
        progress: told of photos and steps; raise `Cancelled` in it to stop.

    Raises:
        UsageError: there is no such finding or way, or the photos are in no classes of the model, or too few.
        ExplainError: the scores do not come from a linear layer.
    """
    if unknown := [way for way in ways if way not in ALL_WAYS]:
        raise UsageError(f"ways are {', '.join(ALL_WAYS)}; not {unknown[0]}")
    classifier = load(model, None if weights is None else Path(weights), device)
    listed = read_json(Path(findings) / FINDINGS, list[Told], CURE)
    if not 1 <= number <= len(listed):
        raise UsageError(f"{findings} has {len(listed)} findings, so there is none of the number {number}")
    finding = Finding(Path(findings), number, listed[number - 1], classifier)
    whole = not ways or any(way in WAYS for way in ways)
    seen = _looked(classifier, _labelled(classifier, Folder.open(data, masks)), finding, progress, pixels=whole)
    rows = _parts(seen.photos, finding.target, seed)
    learned, kept, unseen = (seen.photos.part(each) for each in rows)
    head = _head(classifier, seen.photos)
    before = answered(head, kept, finding.target), answered(head, unseen, finding.target)
    candidates: list[_Candidate] = []
    if LAST_LAYER in (ways or ALL_WAYS):
        for way, changed in heads(head, learned, seed):
            answers = answered(changed, kept, finding.target), answered(changed, unseen, finding.target)
            candidates.append(_Candidate(way, *answers, partial(_with_head, classifier, changed)))
    shown = [seen.shown.part(each) for each in rows] if seen.shown else []
    for way, rate in product(chosen_ways(ways or _needed(candidates)), RATES):
        new = tuned(classifier, shown[0], way, rate, seed, progress)
        answers = _answers(new, shown[1], finding.target), _answers(new, shown[2], finding.target)
        candidates.append(_Candidate(f"{WAYS[way][0]} ({rate:g})", *answers, partial(_itself, new)))
    gained = [worthwhile(judged(before[0]), judged(each.kept)) for each in candidates]
    best = max((place for place, gain in enumerate(gained) if gain is not None), key=lambda each: gained[each] or 0,
               default=None)  # fmt: skip
    chosen = None if best is None else candidates[best]
    return RepairResult(
        model,
        chosen.made() if chosen else classifier,
        finding.sentence,
        chosen and chosen.way,
        (before[1], chosen.unseen if chosen else before[1]),
        tuple(seen.names[row] for row in rows[2]),
        (len(rows[0]), len(rows[1]), len(rows[2])),
        tuple(zip((each.way for each in candidates), gained, strict=True)),
        seen.failures,
        classifier.fingerprint,
    )


def _needed(candidates: Sequence[_Candidate]) -> Sequence[str]:
    """The ways that fine-tune, where none of the last layer brings the worst group near all others."""
    found = [judged(each.kept) for each in candidates]
    return () if any(each.accuracy - each.worst <= BEHIND for each in found) else ALL_WAYS


def _itself(classifier: Classifier) -> Classifier:
    return classifier


def _labelled(classifier: Classifier, folder: Folder) -> tuple[Folder, Mapping[str, int]]:
    """The folder and the class of each sub-folder that the model knows."""
    numbers: dict[str, int] = {}
    for name in folder.classes:
        try:
            numbers[name] = classifier.categories.find(name)
        except UnknownName:
            continue
    if len({*numbers.values()}) < 2:
        raise UsageError(f"{folder.root} has no sub-folders of two classes of {classifier.name}; sort photos into some")
    return folder, numbers


@dataclass(frozen=True, eq=False)
class _Looked:
    """What was seen of the photos: their embeddings, and where it is needed their pixels."""

    photos: Embedded
    shown: Shown | None
    names: tuple[str, ...]
    failures: tuple[Outcome[None], ...]


def _looked(
    classifier: Classifier,
    data: tuple[Folder, Mapping[str, int]],
    finding: Finding,
    progress: Progress,
    *,
    pixels: bool,
) -> _Looked:
    folder, numbers = data
    entries = [entry for entry in folder.entries if entry.label in numbers]
    embedded: list[Tensor] = []
    shown: list[Tensor] = []
    wrong: list[Tensor] = []
    fit: list[tuple[str, int, bool]] = []
    failures: list[Outcome[None]] = []
    for place, entry in enumerate(entries):
        progress(place, len(entries), "looking at photos with and without the finding")
        try:
            image, drawn = folder.masked(entry)
            photo = classifier.preprocessing.pixels([image])
        except BadImage as error:
            failures.append(Outcome(entry.path, error=error))
            continue
        laid, taken, carried = finding.variants(photo)
        three = torch.cat([photo, laid, taken])
        x = classifier.preprocessing.normalize(three.to(classifier.device, classifier.dtype))
        with torch.no_grad():
            embedded.append(classifier.embed(x).float().cpu())
        if pixels:
            shown.append((three * 255).round().to(torch.uint8))
            own = finding.area if carried else torch.zeros_like(finding.area)
            wrong.append(own if drawn is None else torch.from_numpy(~classifier.preprocessing.mask(drawn)))
        fit.append((entry.path, numbers[str(entry.label)], carried))
    if not fit:
        raise UsageError(f"none of the photos of {folder.root} can be opened")
    labels = torch.tensor([label for _, label, _ in fit])
    plain, laid, taken = torch.stack(embedded).unbind(1)
    photos = Embedded(plain, laid, taken, labels, torch.tensor([carried for *_, carried in fit]))
    kept = torch.stack(shown) if pixels else None
    whole = None if kept is None else Shown(kept[:, 0], kept[:, 1], kept[:, 2], labels, torch.stack(wrong))
    return _Looked(photos, whole, tuple(name for name, *_ in fit), tuple(failures))


def _answers(classifier: Classifier, shown: Shown, target: int) -> Answers:
    """What a network says of photos, `shown` to it."""

    def asked(pixels: Tensor) -> Tensor:
        x = classifier.preprocessing.normalize((pixels.float() / 255).to(classifier.device, classifier.dtype))
        return classifier.logits(x).float().cpu()

    with torch.no_grad():
        plain, laid, taken = (
            torch.cat([asked(part) for part in pixels.split(classifier.at_once(BATCH))])
            for pixels in (shown.plain, shown.laid, shown.taken)
        )
    return answers_of((plain, laid, taken), shown.labels, target)


def _parts(photos: Embedded, target: int, seed: int) -> list[np.ndarray]:
    """Three parts with these shares of the finding's class and of all others, with photos that carry it in each.

    Raises:
        UsageError: a part would lack the class or any other.
    """
    random = np.random.default_rng(seed)
    parts: list[list[int]] = [[] for _ in PARTS]
    mine = (photos.labels == target).numpy()
    for own in (True, False):
        rows = [row for carries in (True, False) for row in random.permutation(
            np.nonzero((mine == own) & (photos.carries.numpy() == carries))[0]
        ).tolist()]  # fmt: skip
        lacking = [share * len(rows) for share in PARTS]
        taken = [0] * len(PARTS)
        for row in rows:
            part = max(range(len(PARTS)), key=lambda each: lacking[each] - taken[each] if lacking[each] else 0)
            parts[part].append(row)
            taken[part] += 1
        if min(taken) < 1:
            who = "the finding's class" if own else "other classes"
            raise UsageError(
                f"there are {len(rows)} photos of {who}, and a repair needs some in each of three parts; add photos"
            )
    return [np.array(sorted(part)) for part in parts]


def _head(classifier: Classifier, photos: Embedded) -> Head:
    """The last layer.

    Raises:
        ExplainError: the scores are not what it makes of the embedding.
    """
    layer = _last_layer(classifier.module, classifier)
    if layer is None or layer.in_features != photos.plain.shape[1]:
        raise ExplainError(
            "this network's scores do not come from a linear layer over its embedding, so that there is none to repair"
        )
    return Head(layer.weight.detach().float().cpu(), layer.bias.detach().float().cpu())


def _last_layer(module: nn.Module, classifier: Classifier) -> nn.Linear | None:
    """The linear layer with biases that gives the scores, if there is one."""
    layer = module.get_submodule(classifier.head_layer)
    biased = next((True for name, _ in layer.named_parameters() if name == "bias"), False)
    return layer if isinstance(layer, nn.Linear) and biased else None


def _with_head(classifier: Classifier, head: Head) -> Classifier:
    module = deepcopy(classifier.module)
    if layer := _last_layer(module, classifier):
        with torch.no_grad():
            layer.weight.copy_(head.weight)
            layer.bias.copy_(head.bias)
    return Classifier(
        module, classifier.preprocessing, classifier.categories, classifier.name, declared=classifier.declared
    )
