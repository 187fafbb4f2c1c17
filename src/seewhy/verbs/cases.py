"""Cases: build a base of pictures, and explain decisions by the pictures in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image as Pillow

from seewhy.cases.building import Built, build
from seewhy.cases.counterfactuals import Counterfactuals
from seewhy.cases.embedders import find_embedder
from seewhy.cases.influence import CaseHead, Doubt, Influence, Influences, Pair, copies_across, doubted_labels
from seewhy.cases.manifest import About, model_of
from seewhy.cases.parts import Part, Parts
from seewhy.cases.pictures import removal_picture, similarity_pictures, swap_pictures, twins_panel
from seewhy.cases.queries import Case, Cases, Copy
from seewhy.cases.twins import Twin, Twins
from seewhy.core.outcome import Outcome, attempt
from seewhy.core.progress import Progress, silent
from seewhy.draw.units import odds_words
from seewhy.images import Folder, Image, open_image
from seewhy.models import Classifier, Prediction
from seewhy.report.cases import compositional_page, counterfactuals_page, influence_page, twins_page
from seewhy.verbs.result import PhotoResults

T = TypeVar("T")


def build_cases(
    folder: str | Path,
    classifier: Classifier,
    out: str | Path,
    *,
    embedding: str = "penultimate",
    classes: Sequence[str] = (),
    model: str | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> Built:
    """Make `out` a case base of the pictures in `folder`, embedding only what it does not hold yet.

    Args:
        folder: pictures, plain or in a sub-folder for each class.
        classifier: whose decisions the cases are to explain.
        out: where the base goes; an older one of the same classifier is brought up to date.
        embedding: `penultimate`, `cole`, or a model as second encoder, such as `timm:…` or `hf-hub:…`.
        classes: leave the sub-folders of all others out.
        model: the name by which the classifier can be loaded again, where that is not its own name.
        weights: the file that was given with that name.
        device: of the second encoder.
        progress: told of pictures; raise `Cancelled` in it to stop, and build again to go on.

    Raises:
        UsageError: `out` holds cases of another classifier or embedding, or the folder holds no pictures.
        ExplainError: not one picture can be embedded.
        ModelError: the second encoder cannot be had.
    """
    pictures = Folder.open(folder).of_classes(classes)
    embedder = find_embedder(embedding, classifier, device)
    about = About.of(pictures.root, embedder, model, Path(weights) if weights else None, Path(out))
    return build(pictures, embedder, Path(out), about, progress)


def classifier_of_cases(folder: str | Path) -> tuple[str, str | None]:
    """The model name and the weights by which the classifier of a case base can be loaded.

    Raises:
        BadFile: the base names code (`py:…`), which you have to name yourself, or is damaged.
        UsageError: the folder holds no case base.
    """
    return model_of(Path(folder))


def ask_each(
    sources: Sequence[str | Path], ask: Callable[[Image], T], progress: Progress = silent
) -> tuple[list[T], list[Outcome[T]]]:
    """What `ask` answers to the picture of each source, and what went wrong with others."""
    outcomes: list[Outcome[T]] = []
    for done, source in enumerate(sources, start=1):
        outcomes.append(attempt(source, lambda source=source: ask(open_image(source))))
        progress(done, len(sources), "pictures")
    return [each.value for each in outcomes if each.value is not None], [each for each in outcomes if each.error]


# --- Results ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class TwinsResult(PhotoResults[Twins]):
    """The twins of photos in the base `about`."""

    found: Sequence[Twins]
    about: About
    failures: Sequence[Outcome[Any]] = ()

    def values(self, each: Twins) -> dict[str, Any]:
        """See `PhotoResults`."""
        beside = each.beside
        return {
            **_head(each, self.about),
            **_twin_list(each),
            "vote": [vote._asdict() for vote in each.vote],
            "trust": each.trust,
            "left_out": _copies(each.left_out),
            "beside": beside
            and {
                **_twin_list(beside.twins),
                "overlap": beside.overlap,
                "correlation": beside.correlation,
                "candidates": beside.candidates,
            },
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row for each twin."""
        return [
            {
                "image": each.image.name,
                "predicted": each.predictions[0].name,
                "twin": twin.case.path,
                "similarity": twin.case.similarity,
                "twin predicted": twin.case.prediction.name,
                "label": twin.case.label,
            }
            for each in self.found
            for twin in each.twins
        ]

    def page(self) -> str:
        """See `Result`."""
        return twins_page(self.found, self.about, self.failures)

    def write_photo(self, each: Twins, folder: Path) -> None:
        """Write `twins.png` and for each twin the maps of similarity."""
        twins_panel(each).save(folder / "twins.png")
        for number, twin in enumerate(each.twins, start=1):
            _save_maps(twin, each.image, folder / f"twin-{number}")


@dataclass(frozen=True, eq=False)
class CounterfactualsResult(PhotoResults[Counterfactuals]):
    """What would have turned the decisions about photos, by the base `about`."""

    found: Sequence[Counterfactuals]
    about: About
    failures: Sequence[Outcome[Any]] = ()

    def values(self, each: Counterfactuals) -> dict[str, Any]:
        """See `PhotoResults`."""
        swap, removal = each.swap, each.removal
        return {
            **_head(each, self.about),
            "embedding": each.embedding,
            "target": each.target,
            "unlike": each.unlike and _twin(each.unlike),
            "like": each.like and _twin(each.like),
            "borderline": each.borderline and _twin(each.borderline),
            "swap": swap
            and {
                "layer": swap.layer,
                "grid": [swap.height, swap.width],
                "pairs": [{"own": list(pair.own), "other": list(pair.other)} for pair in swap.pairs],
                "area": swap.area,
                "prediction": swap.prediction.to_dict(),
            },
            "removal": removal
            and {
                "hidden": list(removal.hidden),
                "regions": int(removal.labels.max()) + 1,
                "area": removal.area,
                "fill": removal.fill,
                "prediction": removal.prediction.to_dict(),
            },
            "left_out": _copies(each.left_out),
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row for each way to another class."""
        return [
            {"image": each.image.name, "predicted": each.predictions[0].name, **way}
            for each in self.found
            for way in _ways(each) or [{"what turns it": "nothing was found", "predicted then": None, "how": None}]
        ]

    def page(self) -> str:
        """See `Result`."""
        return counterfactuals_page(self.found, self.about, self.failures)

    def write_photo(self, each: Counterfactuals, folder: Path) -> None:
        """Write the maps of similar cases, and what was swapped or hidden."""
        for name, twin in (("unlike", each.unlike), ("like", each.like), ("borderline", each.borderline)):
            if twin:
                _save_maps(twin, each.image, folder / name)
        if each.swap and each.unlike:
            pictures = swap_pictures(each.swap, each.image, each.unlike.image)
            for name, picture in zip(("own", "other"), pictures, strict=True):
                Pillow.fromarray(picture).save(folder / f"swap-{name}.png")
        if each.removal:
            Pillow.fromarray(removal_picture(each.removal, each.image)).save(folder / "removal.png")
            np.save(folder / "removal-regions.npy", each.removal.labels.astype(np.int32), allow_pickle=False)


@dataclass(frozen=True, eq=False)
class InfluenceResult(PhotoResults[Influences]):
    """Which pictures of the base `about` decisions about photos hang on, and which of its labels to look at.

    `doubts` are pictures whose label the others contradict, `pairs` near-copies in different classes; the rest is of
    the head that was asked: its classes, the share of unseen pictures on which it is right, and whether its classes are
    folders.
    """

    found: Sequence[Influences]
    about: About
    names: tuple[str, ...]
    accuracy: float
    labelled: bool
    doubts: Sequence[tuple[Doubt, Image]]
    pairs: Sequence[Pair]
    failures: Sequence[Outcome[Any]] = ()

    @classmethod
    def of(
        cls, cases: Cases, trained: CaseHead, found: Sequence[Influences], failures: Sequence[Outcome[Any]]
    ) -> InfluenceResult:
        """With what is to be said of the base itself."""
        base = cases.base
        doubts = [(each, base.image(each.row)) for each in doubted_labels(base, trained)]
        pairs = [*copies_across(base, trained.head.classes, trained.names)]
        told = (trained.names, trained.accuracy, trained.labelled)
        return cls(found, base.about, *told, doubts, pairs, failures)

    def values(self, each: Influences) -> dict[str, Any]:
        """See `PhotoResults`."""
        return {
            **_head(each, self.about),
            "said": each.said,
            "probability": each.probability,
            "helpful": [_influence(one) for one in each.helpful],
            "harmful": [_influence(one) for one in each.harmful],
            "checked": each.checked,
            "correlation": each.correlation,
            "gap": each.gap,
            "cases": each.cases,
        }

    def to_dict(self) -> dict[str, Any]:
        """See `Result`."""
        return {
            **super().to_dict(),
            "classes": list(self.names),
            "accuracy": self.accuracy,
            "labelled": self.labelled,
            "doubted_labels": [each._asdict() for each, _ in self.doubts],
            "copies_across": [each._asdict() for each in self.pairs],
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row for each picture that a decision hangs on."""
        return [
            {
                "image": each.image.name,
                "said": each.said,
                "case": one.case.path,
                "label": one.case.label,
                "without it": odds_words(-one.real),
            }
            for each in self.found
            for one in (*each.helpful, *each.harmful)
        ]

    def page(self) -> str:
        """See `Result`."""
        return influence_page(
            self.found,
            self.about,
            classes=self.names,
            accuracy=self.accuracy,
            labelled=self.labelled,
            doubts=self.doubts,
            pairs=self.pairs,
            failures=self.failures,
        )

    def write_photo(self, each: Influences, folder: Path) -> None:
        """Write nothing more: the pictures are those of the base."""


@dataclass(frozen=True, eq=False)
class PartsResult(PhotoResults[Parts]):
    """What decisions are made of, by the base `about`."""

    found: Sequence[Parts]
    about: About
    failures: Sequence[Outcome[Any]] = ()

    def values(self, each: Parts) -> dict[str, Any]:
        """See `PhotoResults`."""
        return {
            **_head(each, self.about),
            "rival": each.rival and each.rival.to_dict(),
            "layer": each.layer,
            "parts": [_part(part) for part in each.parts],
            "bias": each.bias,
            "margin": each.margin,
            "cases": each.cases,
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row for each part."""
        return [
            {
                "image": each.image.name,
                "class": each.predictions[0].name,
                "rather than": each.rival.name if each.rival else "others",
                "part": number,
                "points": f"{part.points:+.2f}",
                "found in": ", ".join(twin.case.path for twin in part.twins),
                "doubt": "most of these are of another class" if part.doubtful else "",
            }
            for each in self.found
            for number, part in enumerate(each.parts, start=1)
        ]

    def page(self) -> str:
        """See `Result`."""
        return compositional_page(self.found, self.about, self.failures)

    def write_photo(self, each: Parts, folder: Path) -> None:
        """Write the map of each part, and where it is in each of its cases."""
        for number, part in enumerate(each.parts, start=1):
            np.save(folder / f"part-{number}.npy", part.map.astype(np.float32), allow_pickle=False)
            for place, twin in enumerate(part.twins, start=1):
                np.save(folder / f"part-{number}-case-{place}.npy", twin.map.astype(np.float32), allow_pickle=False)


def _part(part: Part) -> dict[str, Any]:
    return {
        "points": part.points,
        "same": part.same,
        "doubtful": part.doubtful,
        "cases": [{**_case(each.case), "part_similarity": each.alike} for each in part.twins],
    }


def _influence(each: Influence) -> dict[str, Any]:
    return {
        **_case(each.case),
        "pull": each.pull,
        "foretold": each.foretold,
        "real": each.real,
        "copy": each.copy,
    }


def _head(found: Twins | Counterfactuals | Influences | Parts, about: About) -> dict[str, Any]:
    return {
        "base": asdict(about.public()),
        "image": {"name": found.image.name, "sha256": found.image.sha256},
        "predictions": [each.to_dict() for each in found.predictions],
    }


def _twin_list(twins: Twins) -> dict[str, Any]:
    return {
        "embedding": twins.embedding,
        "same_class": twins.same_class,
        "twins": [_twin(each) for each in twins.twins],
        "cases": twins.cases,
    }


def _twin(twin: Twin) -> dict[str, Any]:
    return {
        **_case(twin.case),
        "layer": twin.maps.layer,
        "layer_similarity": twin.maps.similarity,
        "joined": _joined(twin),
    }


def _joined(twin: Twin) -> list[dict[str, Any]]:
    return [{"own": [*each.own], "other": [*each.other], "share": each.share} for each in twin.maps.joined]


def _case(case: Case) -> dict[str, Any]:
    values = {**case._asdict(), "prediction": case.prediction.to_dict()}
    del values["row"]
    return values


def _copies(left_out: Sequence[Copy]) -> list[dict[str, Any]]:
    return [{**_case(each.case), "reason": each.reason} for each in left_out]


def _ways(found: Counterfactuals) -> list[dict[str, Any]]:
    ways: list[dict[str, Any]] = []

    def add(what: str, prediction: Prediction, how: str) -> None:
        ways.append({"what turns it": what, "predicted then": prediction.name, "how": how})

    unlike, swap, removal = found.unlike, found.swap, found.removal
    if unlike:
        add(f"being {unlike.case.path}", unlike.case.prediction, f"{unlike.case.similarity:.3f} alike")
    if swap and unlike:
        words = f"{len(swap.pairs)} of {swap.height * swap.width} parts of {unlike.case.path}"
        add(words, swap.prediction, f"{swap.area:.0%} of the picture, at layer {swap.layer}")
    if removal:
        add(f"{len(removal.hidden)} regions less", removal.prediction, f"{removal.area:.0%} of the picture hidden")
    return ways


def _save_maps(twin: Twin, image: Image, folder: Path) -> None:
    folder.mkdir()
    maps = (twin.maps.own, twin.maps.other)
    for name, picture, values in zip(
        ("own", "other"), similarity_pictures(twin.maps, image, twin.image), maps, strict=True
    ):
        Pillow.fromarray(picture).save(folder / f"{name}.png")
        np.save(folder / f"{name}.npy", values.astype(np.float32), allow_pickle=False)
