"""What a study does with one unit: explain the picture to the model, and score the explanation by every metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from seewhy.images import Entry, Folder, Image, Mask
from seewhy.methods import Explanation, Method
from seewhy.methods.method import describe
from seewhy.metrics import Metric, Score, Subject
from seewhy.metrics.cells import reduced, sees_cells
from seewhy.models import Classifier, Target, load
from seewhy.models.inference import BatchSize, inference_copy
from seewhy.study.plan import Plan, Unit, canonical
from seewhy.study.work import Row, Work

PRECISION = "float32"  # half precision is not the same on every machine


@dataclass(frozen=True)
class Scoring:
    """What workers need to know besides the unit; it travels to them once.

    Attributes:
        folder: the pictures and masks, at paths that every worker can open.
        methods: methods and controls by their names.
        metrics: what scores each explanation, in this order.
        weights: local weights of models, by the models' names.
        device: as in `models.load`.
        cells: metrics of faithfulness see maps as means of so many cells a side; 0 leaves maps as they are.
        batch_size: variations in one forward.
        seed: of all randomness.
    """

    folder: Folder
    methods: Mapping[str, Method]
    metrics: Sequence[Metric]
    weights: Mapping[str, Path]
    device: str
    cells: int
    batch_size: int
    seed: int

    @property
    def work(self) -> Work[Classifier]:
        """The two functions that workers run."""
        return Work(partial(_prepare, self), partial(_score, self))

    def plan(self, fingerprints: Mapping[str, str], threads: int) -> Plan:
        """The plan for models with these fingerprints, by their names."""
        return Plan(
            models=dict(fingerprints),
            methods={name: describe(method) for name, method in self.methods.items()},
            metrics={metric.info.name: self._settings(metric) for metric in self.metrics},
            images=self.folder.hashes,
            masks=self.folder.mask_hashes,
            batch_size=self.batch_size,
            precision=PRECISION,
            threads=threads,
            seed=self.seed,
        )

    def _settings(self, metric: Any) -> dict[str, Any]:
        return {**describe(metric), **({"cells": self.cells} if sees_cells(metric) else {})}


def pinned(method: Any, batch_size: int) -> Method:
    """The method without anything it would find out by timing: the same precision and batches on every machine."""
    wanted = {"precision": PRECISION, "batch_size": batch_size}
    return replace(method, **{name: wanted[name] for name in wanted.keys() & set(method.info.parameters)})


def unit_seed(seed: int, image: str) -> int:
    """The seed for a picture: the same for every method, so that all of them face the same draws."""
    return int.from_bytes(sha256(f"{seed}:{image}".encode()).digest()[:6])


def _prepare(scoring: Scoring, model: str) -> Classifier:
    return load(model, scoring.weights.get(model), scoring.device)


def _score(scoring: Scoring, classifier: Classifier, unit: Unit) -> list[Row]:
    """A row for each metric."""
    _fix_batches(classifier, scoring.batch_size)
    seed = unit_seed(scoring.seed, unit.image)
    entry = next(each for each in scoring.folder.entries if each.path == unit.image)
    method = scoring.methods[unit.method]
    explanation = _explain(classifier, scoring.folder.image(entry), method, seed)
    mask = _mask(scoring.folder, entry, classifier)
    in_cells = reduced(explanation, scoring.cells)
    subject = Subject(classifier, explanation.image, mask, {explanation: method})
    about = _about(explanation)
    rows: list[Row] = []
    for metric in scoring.metrics:
        shown = in_cells if sees_cells(metric) else explanation
        score = metric(subject, [shown], generator=torch.Generator().manual_seed(seed))[0]
        rows.append({**_row(metric, score), **about})
    return rows


def _fix_batches(classifier: Classifier, size: int) -> None:
    """Have the masked-forward engine ask in batches of this size, also where an earlier unit ran out of memory."""
    inference_copy(classifier, PRECISION).size = BatchSize(classifier.device, size)


def _explain(classifier: Classifier, image: Image, method: Method, seed: int) -> Explanation:
    """Of the class that the classifier finds likeliest."""
    target = Target(classifier.predict(image, 1)[0].index, chosen="predicted")
    return method(classifier, [image], [[target]], generator=torch.Generator().manual_seed(seed))[0]


def _mask(folder: Folder, entry: Entry, classifier: Classifier) -> Mask | None:
    mask = folder.mask(entry)
    return None if mask is None else classifier.preprocessing.mask(mask)


def _row(metric: Metric, score: Score) -> Row:
    return {"metric": metric.info.name, "value": score.value, "reason": score.reason or None}


def _about(explanation: Explanation) -> Row:
    """What was explained, and what the method says of itself, the latter as JSON."""
    return {
        "target": explanation.target.index,
        "label": explanation.target_label,
        "probability": explanation.probability,
        "layer": explanation.layer,
        "checks": canonical({name: float(value) for name, value in explanation.checks.items()}),
    }
