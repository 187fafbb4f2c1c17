"""Classes as the network sees them: their pictures, triggers that may be hidden in them, the axes they differ by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.images.opening import open_each
from seewhy.models import Classifier, Target
from seewhy.network.axes import AXES, Axes, find_axes
from seewhy.network.class_pictures import ROUNDS, STEPS, ClassPicture, class_picture
from seewhy.network.triggers import STEPS as TRIGGER_STEPS
from seewhy.network.triggers import Trigger, distances, find_triggers, suspicious, verdict
from seewhy.report.classes import axes_page, class_page, probe_page
from seewhy.verbs.result import Result

BATCH = 16
NEAREST = 4  # photos beside a class's picture


@dataclass(frozen=True, eq=False)
class ClassResult(Result):
    """What classes look like to a network; `near` has the photos nearest to each phase picture, and their cosines."""

    found: Sequence[ClassPicture]
    classifier: str
    near: Sequence[Sequence[tuple[Image, float]]]
    seed: int
    failures: Sequence[Outcome[Any]] = ()

    @override
    def to_dict(self) -> dict[str, Any]:
        return {
            "classifier": self.classifier,
            "seed": self.seed,
            "classes": [
                {
                    "class": each.label,
                    "phase picture": {"said": each.phase.said._asdict(), "probability": each.phase.probability},
                    "accumulated picture": {
                        "said": each.accumulated.said._asdict(),
                        "before": each.accumulated.before,
                    },
                    "near": [{"image": image.name, "cosine": cosine} for image, cosine in near],
                }
                for each, near in zip(self.found, self.near, strict=True)
            ],
        }

    @override
    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "class": each.label,
                "crops of the phase picture": f"{each.phase.said.value:.0%}",
                "mean probability": each.phase.probability,
                "noise turned": f"{each.accumulated.said.value:.0%}",
                "noise before": f"{each.accumulated.before:.0%}",
            }
            for each in self.found
        ]

    @override
    def page(self) -> str:
        return class_page(self.found, self.near, self.classifier, self.seed, self.failures)


def class_pictures(
    classifier: Classifier,
    targets: Sequence[str | int | Target],
    sources: Sequence[str | Path] = (),
    *,
    steps: int = STEPS,
    rounds: int = ROUNDS,
    seed: int = 0,
    progress: Progress = silent,
) -> ClassResult:
    """Draw what classes look like to a network, without a photo.

    Args:
        classifier: from `seewhy.load` or `Classifier.from_module`; it must offer gradients.
        targets: classes by index or name, or "A vs B".
        sources: photos, whose spectrum the phase picture then has, and of which the nearest are shown beside it.
        steps: of a phase picture.
        rounds: of an accumulated picture.
        seed: of all randomness.
        progress: told of the work done; may raise `Cancelled`.

    Raises:
        UsageError: the network gives values or no gradients, or a class is unknown.
    """
    asked = [classifier.target(each) for each in targets]
    opened, failures = open_each([Path(each) for each in sources])
    images = list(opened.values())
    photos = classifier.seen(images)[0] if images else None
    found = [
        class_picture(classifier, each, photos=photos, steps=steps, rounds=rounds, seed=seed, progress=progress)
        for each in asked
    ]
    return ClassResult(found, classifier.name, _near(classifier, found, images), seed, failures)


def _near(
    classifier: Classifier, found: Sequence[ClassPicture], images: Sequence[Image]
) -> list[list[tuple[Image, float]]]:
    """For each picture the photos whose embeddings are nearest by cosine, the nearest first."""
    if not images:
        return [[] for _ in found]
    size = classifier.at_once(BATCH)
    with torch.no_grad():
        photos = torch.cat(
            [
                classifier.embed(classifier.preprocess(images[start : start + size])).float().cpu()
                for start in range(0, len(images), size)
            ]
        )
        drawn = torch.cat([classifier.embed(_seen(classifier, each.phase.pixels)).float().cpu() for each in found])
    alike = torch.nn.functional.cosine_similarity(drawn[:, None], photos[None], dim=2)
    best = alike.topk(min(NEAREST, len(images)), dim=1)
    return [
        [(images[place], float(cosine)) for place, cosine in zip(places, cosines, strict=True)]
        for places, cosines in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def _seen(classifier: Classifier, pixels: np.ndarray) -> Tensor:
    """The whole picture as the network's input."""
    whole = torch.nn.functional.interpolate(
        torch.from_numpy(pixels)[None], classifier.preprocessing.size, mode="bilinear", antialias=True
    )
    return classifier.preprocessing.normalize(whole.to(classifier.device, classifier.dtype))


@dataclass(frozen=True, eq=False)
class ProbeResult(Result):
    """The smallest trigger found for each class, and which are far smaller than the rest."""

    found: Sequence[Trigger]
    names: Sequence[str]
    classifier: str
    photos: int
    seed: int
    failures: Sequence[Outcome[Any]] = ()

    @property
    def suspicious(self) -> tuple[str, ...]:
        """The classes that a small trigger turns photos into."""
        return tuple(name for name, each in zip(self.names, suspicious(self.found), strict=True) if each)

    @property
    def verdict(self) -> str:
        """What can be said of them all, in a sentence or two."""
        return verdict(self.found, self.names)

    @override
    def to_dict(self) -> dict[str, Any]:
        return {
            "classifier": self.classifier,
            "photos": self.photos,
            "seed": self.seed,
            "suspicious": list(self.suspicious),
            "classes": [
                {
                    "class": name,
                    "pixels": each.size,
                    "share": each.size / each.mask.size,
                    "turned": each.turned._asdict(),
                    "distance": far,
                }
                for name, each, far in zip(self.names, self.found, distances(self.found), strict=True)
            ],
        }

    @override
    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "class": name,
                "pixels": f"{each.size:.1f}",
                "of the picture": f"{each.size / each.mask.size:.1%}",
                "other photos turned": f"{each.turned.value:.0%}",
                "below the median": f"{far:.1f}",
                "suspicious": "yes" if odd else "no",
            }
            for name, each, far, odd in sorted(
                zip(self.names, self.found, distances(self.found), suspicious(self.found), strict=True),
                key=lambda row: row[1].size,
            )
        ]

    @override
    def page(self) -> str:
        return probe_page(self.found, self.names, self.classifier, self.photos, self.seed, self.failures)


def probe(
    classifier: Classifier,
    sources: Sequence[str | Path],
    targets: Sequence[str | int | Target] = (),
    *,
    steps: int = TRIGGER_STEPS,
    seed: int = 0,
    progress: Progress = silent,
) -> ProbeResult:
    """Look for a backdoor: which class do photos become by a change far smaller than other classes need?

    Args:
        classifier: from `seewhy.load` or `Classifier.from_module`; it must give gradients.
        sources: clean photos of several classes, some dozens; half of them find triggers, the other half tries them.
        targets: classes by index or name, four at least; without any, all.
        steps: of descent for each class, sixteen photos each.
        seed: of all randomness.
        progress: told of the work done; may raise `Cancelled`.

    Raises:
        UsageError: too few photos or classes, or the network gives values or no gradients.
    """
    asked = [classifier.target(each) for each in targets or range(len(classifier.categories))]
    opened, failures = open_each([Path(each) for each in sources])
    images = list(opened.values())
    if not images:
        raise UsageError("no photo could be opened, and a trigger is tried on photos")
    pixels = classifier.seen(images)[0].to(classifier.dtype)
    found = find_triggers(classifier, pixels, asked, steps=steps, seed=seed, progress=progress)
    names = [each.label(classifier.categories) for each in asked]
    return ProbeResult(found, names, classifier.name, len(images), seed, failures)


@dataclass(frozen=True, eq=False)
class AxesResult(Result):
    """The axes by which a network's classes differ most."""

    axes: Axes
    classifier: str
    failures: Sequence[Outcome[Any]] = ()

    @override
    def to_dict(self) -> dict[str, Any]:
        return {
            "classifier": self.classifier,
            "directions": self.axes.size,
            "blind": self.axes.blind,
            "unseen": self.axes.unseen,
            "axes": [
                {"axis": each.number, "share": each.share, "low": list(each.low), "high": list(each.high)}
                for each in self.axes.axes
            ],
            "photos": [
                {"image": name, "coordinates": row.tolist()}
                for name, row in zip(self.axes.photos, self.axes.coordinates, strict=True)
            ],
        }

    @override
    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "axis": each.number,
                "of all differences": f"{each.share:.1%}",
                "one end": ", ".join(each.low),
                "other end": ", ".join(each.high),
            }
            for each in self.axes.axes
        ]

    @override
    def page(self) -> str:
        return axes_page(self.axes, self.classifier, self.failures)


def class_axes(
    classifier: Classifier, sources: Sequence[str | Path], *, count: int = AXES, progress: Progress = silent
) -> AxesResult:
    """The directions that separate a network's classes most, with photos at both ends, and those that it cannot see.

    Args:
        classifier: from `seewhy.load` or `Classifier.from_module`, with a linear last layer.
        sources: photos to place on the axes.
        count: how many axes.
        progress: told of the work done; may raise `Cancelled`.

    Raises:
        UsageError: no photo can be opened, or the last layer is not linear.
    """
    opened, failures = open_each([Path(each) for each in sources])
    return AxesResult(
        find_axes(classifier, list(opened.values()), count=count, progress=progress), classifier.name, failures
    )
