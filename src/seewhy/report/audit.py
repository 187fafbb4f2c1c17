"""The report of an audit: findings first, each in one sentence, with its crops, its two tests and its photos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from markupsafe import Markup
from numpy.typing import NDArray

from seewhy.audit.looking import EVIDENCE, Looked
from seewhy.audit.pasting import Box, Layer
from seewhy.audit.photos import POOR, Photo
from seewhy.audit.slices import Slice, WrongLabel, slices, wrong_labels
from seewhy.audit.traits import Setting, Trait
from seewhy.audit.trial import EFFECT, SHARE, Power, Test, Tried
from seewhy.audit.words import sentence
from seewhy.core.outcome import Outcome
from seewhy.core.text import percent
from seewhy.draw import Dot, boxed, fit, intervals_svg
from seewhy.images.image import Pixels
from seewhy.models import Classifier
from seewhy.report.limits import LIMITS
from seewhy.report.page import counted, drawing, embed, listed, number, render, shortened

CROPS, THUMB, LISTED = 8, 160, 16
CONTROL = "what other photos have in the same place"
PAINTED = "filled in from around", "with the same area filled in elsewhere"
TAKEN = "with what photos without it have in its stead", "with what others that carry it have"


@dataclass(frozen=True, eq=False)
class AuditReport:
    """What an audit found, for its page.

    Attributes:
        classifier: whose reasons.
        found_on: the photos that were searched.
        others: the photos that suspects were tried on.
        tried: every suspect with its tests, those that passed first.
        power: what could have been found.
        copies: names of photos that are the same.
        failures: photos that could not be opened.
        seed: of all randomness.
        photos: a row for each photo.
        names: what people call the findings, by their numbers, counted from 1.
        without: methods that were not to be used.
    """

    classifier: Classifier
    found_on: Looked
    others: Looked
    tried: tuple[Tried, ...]
    power: Power
    copies: tuple[tuple[str, str], ...]
    failures: tuple[Outcome[None], ...]
    seed: int
    photos: tuple[Photo, ...]
    names: Mapping[int, str]
    without: tuple[str, ...]

    def sentence(self, each: Tried) -> str:
        """A suspect in one sentence."""
        name = self.classifier.categories[each.suspect.target]
        return sentence(each, name, self.found_on.pixels.shape[2:], self.name_of(each))

    def name_of(self, each: Tried) -> str:
        """What people call a finding; empty where nobody named it."""
        return self.names.get(1 + next(place for place, one in enumerate(self.tried) if one is each), "")

    def photos_of(self, each: Tried) -> list[str]:
        """The names of all photos that carry it, in both halves."""
        mine = [self.found_on.entries[place].path for place in each.suspect.boxes]
        return sorted([*mine, *(self.others.entries[place].path for place in each.suspect.carried(self.others))])

    def shown(self, layer: Layer | Setting) -> Pixels:
        """A part as it is laid over: on mid-grey, or a trait on a photo; uint8 RGB `(h, w, 3)`."""
        if isinstance(layer, Setting):
            return _laid(layer, self.others.pixels[0])
        grey = torch.full((1, len(layer.added), *self.found_on.pixels.shape[2:]), 0.5)
        left, top, right, bottom = layer.box
        laid = layer.over(grey)[0, :, top:bottom, left:right]
        return _rgb((laid * 255).round().byte().numpy())


def audit_page(found: AuditReport) -> str:
    """The page."""
    passed = [each for each in found.tried if each.passed]
    return render(
        "audit.html",
        limits=LIMITS["audit"],
        title="Does it answer for wrong reasons?",
        lead=lead(found),
        findings=[finding(found, each) for each in passed],
        refused=[_row(found, each) for each in found.tried if not each.passed],
        power=power_words(found.power),
        copies=[f"{one} and {other}{_labels_of(found, one, other)}" for one, other in found.copies],
        slices=[_slice_row(each) for each in slices(found.photos)],
        labelled=any(row.truth for row in found.photos),
        wrong=[_label_row(found, each) for each in wrong_labels(found.photos)[:LISTED]],
        more_wrong=max(0, len(wrong_labels(found.photos)) - LISTED),
        poor=_poor(found.photos),
        failures=[{"source": each.source, "error": str(each.error)} for each in found.failures],
        facts={
            "Model": found.classifier.name,
            "Fingerprint": found.classifier.fingerprint[:16],
            "Photos": f"{len(found.found_on)} searched, {len(found.others)} to try suspects on",
            "Evidence": f"{EVIDENCE} at {found.found_on.layer}",
            "Seed": str(found.seed),
        },
    )


def lead(found: AuditReport) -> str:
    """What the audit says in all."""
    photos = counted(len(found.found_on) + len(found.others), "photo")
    passed = [each for each in found.tried if each.passed]
    if passed:
        return " ".join(found.sentence(each) for each in passed[:2])
    raised = counted(len(found.tried), "suspect")
    what = f"{raised}, and none moved its class" if found.tried else "nothing to suspect"
    return f"In {photos} there is {what}. What that is worth is told below as power."


def power_words(found: Power) -> str:
    """What the audit could have found, from what it found of parts that were planted."""
    return (
        f"Of {found.planted} parts that were planted in one place of {counted(found.photos, 'photo')} "
        f"({percent(SHARE)} of the {found.searched} searched), the search found {found.found}. Of a part that moves "
        f"its class by {100 * EFFECT:.0f} points, the paste test with {counted(found.tested, 'photo')} tells so in "
        f"{percent(found.told)} of cases at least. Parts that lie in another place on each photo are suspected only "
        "where they are alike pixel by pixel, or where masks or labels give a reason."
    )


def finding(found: AuditReport, each: Tried) -> dict[str, Any]:
    """One finding as the parts of a page."""
    suspect = each.suspect
    searched = counted(len(suspect.boxes), "photo")
    name = found.classifier.categories[suspect.target]
    return {
        "sentence": found.sentence(each),
        "reasons": f"Suspected since it is {listed(suspect.reasons)}, on {searched} of those searched."
        + _evidence_words(suspect.evidence, name),
        "part": embed(_enlarged(found.shown(suspect.layers[0])), "The part as it is laid over photos, on grey"),
        "crops": [embed(shown, "") for shown in _crops(found, suspect.boxes)],
        "pasted": [embed(shown, "") for shown in _pasted(found, each)],
        "tests": [_test_words(each, name), _removal_words(each, name)],
        "chart": _chart(each),
        "photos": shortened(found.photos_of(each)),
        "count": counted(len(found.photos_of(each)), "photo"),
    }


def _row(found: AuditReport, each: Tried) -> dict[str, str]:
    mean = each.paste.interval[0]
    return {
        "sentence": found.sentence(each),
        "effect": number(100 * mean, 1) if np.isfinite(mean) else "not tried",
        "p": number(each.p_paste),
    }


def _labels_of(found: AuditReport, *names: str) -> str:
    """What two copies of one photo are labelled, where that is not one."""
    label = {row.photo: row.truth for row in found.photos}
    one, other = (label.get(name, "") for name in names)
    return f": labelled “{one}” and “{other}”" if one and other and one != other else ""


def _slice_row(each: Slice) -> dict[str, Any]:
    value, low, high = (percent(bound) for bound in each.rate)
    return {
        "name": each.name,
        "errors": f"{each.errors} of {each.photos}",
        "rate": f"{value} ({low} to {high})",
        "elsewhere": percent(each.elsewhere),
        "p": number(each.p),
        "found": each.found,
    }


def _label_row(found: AuditReport, each: WrongLabel) -> dict[str, Any]:
    looked, place = next(
        (half, place)
        for half in (found.found_on, found.others)
        for place, entry in enumerate(half.entries)
        if entry.path == each.photo
    )
    return {
        "shown": embed(fit(_rgb(looked.pixels[place]), THUMB), ""),
        "photo": each.photo,
        "words": f"labelled “{each.label}” ({percent(each.of_label)}), answered “{each.answer}” "
        f"({percent(each.probability)})",
    }


def _poor(rows: Sequence[Photo]) -> list[str]:
    """What quality lacks, in sentences."""
    told = {word: [row.photo for row in rows if word in row.poor] for word in POOR}
    return [f"{counted(len(names), 'photo')} {word}: {shortened(names)}." for word, names in told.items() if names]


def _evidence_words(share: float, name: str) -> str:
    return f" There lies {percent(share)} of the evidence for “{name}”." if np.isfinite(share) else ""


def _test_words(each: Tried, name: str) -> str:
    mean, low, high = each.paste.interval
    test = each.paste
    if not test.places:
        return "Paste test: there is no photo to lay it over."
    before, after, control = _means(test)
    compared = "what other photos have of it" if isinstance(each.suspect.kind, Trait) else CONTROL
    return (
        f"Paste test: laid over {counted(len(test.places), 'photo')} that neither carry it nor are “{name}”, it moves "
        f"the class from {before} to {after}; {compared} moves it to {control}. The "
        f"difference is {_points(mean, low, high)}, p {_p(each.p_paste)}."
    )


def _removal_words(each: Tried, name: str) -> str:
    mean, low, high = each.removal.interval
    test = each.removal
    if not test.places:
        return f"Removal test: no photo of the other half that carries it is “{name}”, so that it was not tried."
    before, after, control = _means(test)
    done, compared = TAKEN if isinstance(each.suspect.kind, Trait) else PAINTED
    told = (
        f"Removal test: {done} on {counted(len(test.places), 'photo')} that carry it, the class goes "
        f"from {before} to {after}; {compared} it is {control}. The difference is "
        f"{_points(mean, low, high)}"
    )
    if not each.removal_tells:
        return f"{told}; so few photos cannot tell it from chance."
    return f"{told}, p {_p(each.p_removal)}."


def _means(test: Test) -> tuple[str, ...]:
    return tuple(percent(float(each.mean())) for each in (test.before, test.after, test.control))


def _points(mean: float, low: float, high: float) -> str:
    words = f"{number(100 * mean, 1)} points"
    return f"{words} ({number(100 * low, 1)} to {number(100 * high, 1)})" if np.isfinite(low) else words


def _p(value: float) -> str:
    return f"= {number(value)}" if value >= 0.001 else "< 0.001"


def _chart(each: Tried) -> Markup | None:
    tests: dict[str, Test] = {"laid over": each.paste, "taken out": each.removal}
    rows = {name: [_dot(test)] for name, test in tests.items() if test.places}
    return drawing(intervals_svg(rows, ("moves the class by",), across="difference to the control")) if rows else None


def _dot(test: Test) -> Dot:
    mean, low, high = test.interval
    return Dot(mean, low, high) if np.isfinite(low) else Dot(mean, mean, mean)


def _crops(found: AuditReport, boxes: Mapping[int, Box]) -> Iterator[Pixels]:
    """Photos that carry it, with its place framed."""
    for place, box in list(boxes.items())[:CROPS]:
        yield boxed(_rgb(found.found_on.pixels[place]), box, longest=THUMB)


def _pasted(found: AuditReport, each: Tried) -> Iterator[Pixels]:
    """Photos of the other half with it laid over them."""
    for number_, place in enumerate(each.paste.places[:CROPS]):
        layer = each.suspect.layers[number_ % len(each.suspect.layers)]
        yield fit(_laid(layer, found.others.pixels[place]), THUMB)


def _laid(layer: Layer | Setting, photo: NDArray[np.uint8]) -> Pixels:
    """A photo, uint8 `(C, h, w)`, with a layer on it."""
    laid = layer.over(torch.from_numpy(photo[None]).float() / 255)[0]
    return _rgb((laid * 255).round().byte().numpy())


def _enlarged(pixels: Pixels) -> Pixels:
    times = max(1, THUMB // max(pixels.shape[:2]))
    return pixels.repeat(times, 0).repeat(times, 1)


def _rgb(pixels: NDArray[np.uint8]) -> Pixels:
    """uint8 `(C, h, w)` as RGB `(h, w, 3)`: of grey the same thrice, of bands the first three."""
    shown: Sequence[Any] = [0, 0, 0] if len(pixels) < 3 else [0, 1, 2]
    return np.ascontiguousarray(pixels[list(shown)].transpose(1, 2, 0))
