"""The reports of `network class`, `probe` and `axes`: classes as the network sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seewhy.core.outcome import Outcome
from seewhy.core.statistics import Share
from seewhy.draw import Colors, cut, fit, overlay, spotlight
from seewhy.images import Image
from seewhy.models.preprocessing import COLOURS
from seewhy.network.axes import Axes, AxisPhoto
from seewhy.network.class_pictures import ClassPicture
from seewhy.network.triggers import Trigger, distances, suspicious, verdict
from seewhy.report.page import Picture, counted, embed, listed, render

FACE, LARGE, SMALLEST = 220, 420, 96
SUCCEEDS = 0.5  # of crops or noise pictures
SHOWN = 12  # triggers
PALE = Colors(opacity=0.55)  # so that the photo is seen below


def class_page(
    found: Sequence[ClassPicture],
    near: Sequence[Sequence[tuple[Image, float]]],
    classifier: str,
    seed: int,
    failures: Sequence[Outcome[Any]] = (),
) -> str:
    """What classes look like to a network."""
    return render(
        "class.html",
        title=f"What the network looks for: {listed([each.label for each in found])}",
        lead="Pictures that the network was asked for, not photos; each with how far it succeeds.",
        classes=[_class(each, photos) for each, photos in zip(found, near, strict=True)],
        classifier=classifier,
        seed=seed,
        failures=failures,
    )


def _class(each: ClassPicture, near: Sequence[tuple[Image, float]]) -> dict[str, Any]:
    pixels = _colours(each.phase.pixels)
    return {
        "label": each.label,
        "phase": embed(pixels, f"The phase picture of {each.label}"),
        "lit": embed(spotlight(pixels, each.phase.felt), f"It, lit where {each.label} hung on it"),
        "phase_told": _told(each.phase.said, "crops of it", each.label),
        "probability": each.phase.probability,
        "accumulated": embed(_signed(each.accumulated.change), f"What turns noise into {each.label}"),
        "accumulated_told": _told(
            each.accumulated.said, "fresh noise pictures with it", each.label, each.accumulated.before
        ),
        "before": each.accumulated.before,
        "near": [(embed(fit(image.pixels, FACE), image.name), image.name, cosine) for image, cosine in near],
    }


def _told(said: Share, what: str, label: str, before: float = 0.0) -> str:
    """How far a picture succeeds; one that brings no more than there was `before` does not."""
    words = f"The network calls {said.value:.0%} of {what} {label} (95 % interval {said.low:.0%} to {said.high:.0%})."
    succeeds = said.value >= SUCCEEDS and said.low > before
    return words if succeeds else f"It does not succeed: {words[0].lower()}{words[1:]}"


def probe_page(
    found: Sequence[Trigger],
    names: Sequence[str],
    classifier: str,
    photos: int,
    seed: int,
    failures: Sequence[Outcome[Any]] = (),
) -> str:
    """Whether a trigger is hidden in a network."""
    rows = sorted(zip(names, found, distances(found), suspicious(found), strict=True), key=lambda row: row[1].size)
    return render(
        "probe.html",
        title="Is a trigger hidden in the network?",
        lead=verdict(found, names),
        rows=[_trigger(*row) for row in rows],
        shown=SHOWN,
        median=float(np.median([each.size for each in found])),
        classifier=classifier,
        photos=counted(photos, "photo"),
        seed=seed,
        failures=failures,
    )


def _trigger(name: str, trigger: Trigger, far: float, odd: bool) -> dict[str, Any]:
    shown = 0.5 + trigger.mask * (trigger.pattern - 0.5)
    return {
        "name": name,
        "picture": embed(_colours(shown), f"What is painted for {name}, on grey"),
        "size": trigger.size,
        "share": trigger.size / trigger.mask.size,
        "turned": trigger.turned,
        "works": trigger.works,
        "far": far,
        "odd": odd,
    }


def axes_page(axes: Axes, classifier: str, failures: Sequence[Outcome[Any]] = ()) -> str:
    """The axes by which classes differ most."""
    told = sum(each.share for each in axes.axes)
    lead = (
        f"{counted(len(axes.axes), 'direction')} of {axes.size} that separate the classes most: {told:.0%} of all by "
        f"which their weights differ. To {axes.blind} the classifier is blind."
    )
    return render(
        "axes.html",
        title="What separates the classes",
        lead=lead,
        axes=axes,
        photo=_axis_photo,
        classifier=classifier,
        failures=failures,
    )


def _axis_photo(each: AxisPhoto) -> Picture:
    seen = cut(each.image.pixels, each.view, FACE)
    if each.map is None:
        return embed(seen, each.image.name)
    box = (0.0, 0.0, float(seen.shape[1]), float(seen.shape[0]))
    lit = overlay(seen, each.map, box, signed=True, colors=PALE, longest=FACE)
    return embed(lit, f"{each.image.name}: orange pulls to the right end, blue to the left")


def _colours(pixels: np.ndarray) -> np.ndarray:
    """`(C, h, w)` in [0, 1] as RGB uint8 `(h, w, 3)`, small pictures with their pixels as squares."""
    picture = np.rint(255 * pixels.clip(0, 1)).astype(np.uint8).transpose(1, 2, 0)
    picture = picture if picture.shape[2] == COLOURS else np.repeat(picture[..., :1], COLOURS, 2)
    times = -(-FACE // max(picture.shape[:2])) if max(picture.shape[:2]) < SMALLEST else 1
    return fit(picture.repeat(times, 0).repeat(times, 1), LARGE)


def _signed(change: np.ndarray) -> np.ndarray:
    """A change as a picture: grey where there is none, as strong as the palette goes."""
    return _colours(0.5 + change / (2 * max(float(np.percentile(np.abs(change), 99.5)), 1e-9)))
