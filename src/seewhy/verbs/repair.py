"""A model whose last layer no longer leans on what an audit found, judged on photos that no step has seen."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import TypedDict

from seewhy.audit.marks import Mark
from seewhy.audit.pasting import Layer
from seewhy.audit.repair import Embedded, Head, Judged, choose, judge, ways, worth
from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.core.reading import damaged, read_array, read_json
from seewhy.engines.imputation import linear_imputation
from seewhy.errors import BadImage, ExplainError, UnknownName, UsageError
from seewhy.images.folder import Folder
from seewhy.models import Classifier, load
from seewhy.models.load import architecture_of
from seewhy.report.repair import WHAT, repair_page, verdict_words
from seewhy.train.finetune import save_classifier
from seewhy.verbs.audit import FINDINGS, LAYERS
from seewhy.verbs.result import Result

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
        before: of the old model.
        after: of the repaired one.
        counts: photos to learn from, to pick, to judge.
        failures: photos that could not be opened.
    """

    model: str
    classifier: Classifier
    finding: str
    way: str | None
    before: Judged
    after: Judged
    counts: tuple[int, int, int]
    failures: tuple[Outcome[None], ...]

    @property
    def usable(self) -> bool:
        """Whether it brings more than it costs, on photos that no step has seen."""
        return self.way is not None and worth(self.before, self.after)

    @property
    def verdict(self) -> str:
        """In one sentence."""
        return verdict_words(self.way, self.usable, self.before, self.after, self.counts[2])

    def to_dict(self) -> dict[str, Any]:
        """All of it, as plain JSON values."""
        return {
            "model": self.model,
            "fingerprint": self.classifier.fingerprint,
            "finding": self.finding,
            "way": self.way,
            "usable": self.usable,
            "verdict": self.verdict,
            "photos": dict(zip(("learned_from", "picked_by", "judged_on"), self.counts, strict=True)),
            "before": _plain(self.before),
            "after": _plain(self.after),
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
        """Write the report, and the model if it is usable."""
        super().write(folder)
        if self.usable:
            save_classifier(folder, self.classifier, architecture_of(self.model, self.classifier), self.to_dict())


class Finding:
    """A finding as an audit wrote it: the class, what is laid over photos, and which carry it.

    Raises:
        BadFile: the folder's files do not fit together.
        UnknownName: the model has no such class.
    """

    def __init__(self, folder: Path, number: int, told: Told, classifier: Classifier) -> None:
        self.target = classifier.categories.find(told["class"])
        self.sentence = told["sentence"]
        self.mark = Mark.read(folder / LAYERS / f"{number}-mark.npz")
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
        self.layer = Layer((left, top, left + width, top + height), torch.from_numpy(kept), torch.from_numpy(added))

    def variants(self, pixels: Tensor) -> tuple[Tensor, Tensor, bool]:
        """A photo `(1, C, h, w)` with the finding and without it, and whether it carries it."""
        seen = (pixels * 255).round().to(torch.uint8).numpy()
        if not self.mark.carried(seen)[0]:
            return self.layer.over(pixels), pixels, False
        hidden = self.layer.mask(pixels.shape[2:])
        return pixels, linear_imputation(pixels[0], ~hidden[None]).clamp(0, 1), True


def repair(
    model: str,
    findings: str | Path,
    data: str | Path,
    *,
    number: int = 1,
    weights: str | Path | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress = silent,
) -> RepairResult:
    """Change a model's last layer so that a finding of an audit no longer carries its class.

    Half of the photos are learned from. On a fifth the best of three ways is picked: the last layer retrained with the
    finding laid over all classes, retrained on groups of one size where there are such, or without the finding's
    direction. The rest, which no step has seen, judges it.

    Args:
        model: its name, as `seewhy.load` takes it.
        findings: the folder that an audit of it wrote.
        data: a sub-folder of photos for each class, named as the model calls it.
        number: which finding, counted from 1; those that lie in one place can be repaired.
        weights: a local file of weights.
        device: as `seewhy.load` takes it.
        seed: of the parts and of the subsets.
        progress: told of photos; raise `Cancelled` in it to stop.

    Raises:
        UsageError: there is no such finding, or the photos are in no classes of the model, or too few.
        ExplainError: the scores do not come from a linear layer.
    """
    classifier = load(model, None if weights is None else Path(weights), device)
    listed = read_json(Path(findings) / FINDINGS, list[Told], CURE)
    if not 1 <= number <= len(listed):
        raise UsageError(f"{findings} has {len(listed)} findings, so there is none of the number {number}")
    finding = Finding(Path(findings), number, listed[number - 1], classifier)
    photos, failures = _embedded(classifier, _labelled(classifier, Folder.open(data)), finding, progress)
    rows = _parts(photos, finding.target, seed)
    learned, kept, unseen = (photos.part(each) for each in rows)
    head = _head(classifier, photos)
    made = list(ways(head, learned, seed))
    chosen = choose(head, made, kept, finding.target)
    before = judge(head, unseen, finding.target)
    counts = (len(rows[0]), len(rows[1]), len(rows[2]))
    if chosen is None:
        return RepairResult(model, classifier, finding.sentence, None, before, before, counts, tuple(failures))
    way, repaired = chosen
    after = judge(repaired, unseen, finding.target)
    changed = _with_head(classifier, repaired)
    return RepairResult(model, changed, finding.sentence, way, before, after, counts, tuple(failures))


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


def _embedded(
    classifier: Classifier, data: tuple[Folder, Mapping[str, int]], finding: Finding, progress: Progress
) -> tuple[Embedded, list[Outcome[None]]]:
    folder, numbers = data
    entries = [entry for entry in folder.entries if entry.label in numbers]
    seen: list[tuple[Tensor, Tensor, Tensor]] = []
    labels: list[int] = []
    carries: list[bool] = []
    failures: list[Outcome[None]] = []
    for place, entry in enumerate(entries):
        progress(place, len(entries), "looking at photos with and without the finding")
        try:
            pixels = classifier.preprocessing.pixels([folder.image(entry)])
        except BadImage as error:
            failures.append(Outcome(entry.path, error=error))
            continue
        laid, taken, carried = finding.variants(pixels)
        x = classifier.preprocessing.normalize(torch.cat([pixels, laid, taken]).to(classifier.device, classifier.dtype))
        with torch.no_grad():
            one, two, three = classifier.embed(x).float().cpu()
        seen.append((one, two, three))
        labels.append(numbers[str(entry.label)])
        carries.append(carried)
    if not seen:
        raise UsageError(f"none of the photos of {folder.root} can be opened")
    plain, laid, taken = (torch.stack(each) for each in zip(*seen, strict=True))
    return Embedded(plain, laid, taken, torch.tensor(labels), torch.tensor(carries)), failures


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


def _plain(judged: Judged) -> dict[str, Any]:
    return {
        "accuracy": judged.accuracy,
        "groups": dict(judged.groups),
        "worst": judged.worst,
        "effect": judged.effect,
    }
