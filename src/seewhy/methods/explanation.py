"""`Explanation`: what a method found, with all that is needed to draw it, keep it, repeat it and judge it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seewhy import __version__
from seewhy.core.files import write_array
from seewhy.core.folders import whole_folder, write_manifest
from seewhy.core.pickled import Pickled
from seewhy.core.text import shown
from seewhy.draw import (
    NOTHING,
    OURS,
    Colors,
    Legend,
    Tile,
    View,
    blank,
    crop,
    kept_overlay,
    odds_words,
    panel,
    peak,
    region_overlay,
    tile,
)
from seewhy.errors import BadFile, ExplainError, NonFinite, UsageError
from seewhy.images import Image, save_image
from seewhy.methods.effects import NONE_DECIDES, effect_sentences
from seewhy.methods.evidence import RegionWeights, Rule, decides, ranking, supporting, sure
from seewhy.methods.other_classes import class_words, specific_part
from seewhy.methods.saved import ERRORS, OTHERS, PHOTO, PICTURE, REGIONS, SCHEMA, VALUES, read_saved
from seewhy.methods.task import METHODS
from seewhy.models import Box, Prediction, Target
from seewhy.models.head import NOUN, Meaning, told

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

ARRAYS = {"values", "errors", "image", "others"}  # kept in files of their own

LARGE = 640
GRID = 64 * 64  # cells; a finer map may be one of pixels
SPECKLED = 0.5  # mean step from pixel to pixel over mean size: about 1 for single pixels, under 0.2 for areas
BLUR = 0.008  # of the shorter side: what people see of single pixels is where they gather
SHOWN = 99.5  # per cent of the values of a map, of which a few may drown the rest: a speckled one's always do
DROWNS = 2  # times as large as what is shown
HOW_TO_READ = (
    "The lines across the bars are 95 % intervals: regions whose line reaches zero have no colour, "
    "regions that share a number, such as 2a and 2b, cannot be told apart."
)
SMOOTHED = "single pixels are drawn a little blurred, so that it shows where they gather"
NO_EVIDENCE = "The method found no evidence: its map is zero throughout."
NOTHING_SURE = "no region stands out from chance"
NOTHING_NEEDED, NO_RULE, NOT_SAID = "no region has to stay", "no rule found", "not the model's answer"
NOTHING_FOR = "no region surely speaks for it"


class Cost(NamedTuple):
    """What the explanation took: forward and backward passes of the network for this image, and seconds."""

    forwards: int
    backwards: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Explanation(Pickled):
    """How much each part of the picture speaks for the target.

    `values` is float32 `(h, w)` over `view`, the part of the upright picture that the network saw; negative values
    speak against the target and occur only where `signed`. All zero means: no evidence found. `errors` `(h, w)` are
    the standard errors of sampled values, where the method knows them; those of regions are in `regions`. `others`
    `(h, w)` is the mean map of other likely classes, where that was hardly more work. `notes` are
    sentences that whoever sees the map has to know, of the method, the network and the picture; `computed` says what
    answered for the network, and what was left aside. `meaning` says what the numbers of `predictions` are:
    probabilities of classes of which one is right, of labels by themselves, or values.
    """

    values: np.ndarray
    image: Image
    view: Box
    target: Target
    target_label: str
    predictions: tuple[Prediction, ...]
    method: str
    signed: bool
    classifier: str
    fingerprint: str
    layer: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    cost: Cost = Cost(0, 0, 0.0)
    checks: Mapping[str, float] = field(default_factory=dict)
    errors: np.ndarray | None = None
    regions: RegionWeights | None = None
    rule: Rule | None = None
    notes: tuple[str, ...] = ()
    meaning: Meaning = "classes"
    computed: tuple[str, ...] = ()
    others: np.ndarray | None = None

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):  # too large for float32 is infinite, and refused below
            values = np.array(self.values, dtype=np.float32, order="C")
        if values.ndim != 2:
            raise ExplainError(f"{self.method} gave values of shape {values.shape}; expected (h, w)")
        if not (np.isfinite(values).all() and np.isfinite(list(self.checks.values())).all()):
            raise NonFinite(f"{self.method} gave NaN or infinity for '{self.target_label}' on {self.image.name}")
        if not self.signed and (values < 0).any():
            raise ExplainError(f"{self.method} declares no sign but gave negative values")
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    @property
    def specific(self) -> np.ndarray | None:
        """What is left of `values` without what `others` foretells of it; None where no other class was asked about."""
        return None if self.others is None else specific_part(self.values, self.others)

    @property
    def is_zero(self) -> bool:
        """Whether the method found no evidence at all."""
        return not self.values.any()

    @property
    def probability(self) -> float | None:
        """The probability of the explained class, of "A and B" that of both; None of a value."""
        return None if self.meaning == "values" else self.number

    @property
    def number(self) -> float:
        """The probability of what is explained, or the value."""
        known = {each.index: each.number for each in self.predictions}
        named = [known[index] for index in (self.target.index, *self.target.also)]
        return math.prod(named) if self.meaning == "labels" else sum(named)

    @property
    def told(self) -> str:
        """The probability in per cent, or the value; of "A rather than B" A's against B's."""
        own = told(self.number, self.meaning)
        rival = next((each for each in self.predictions if each.index == self.target.against), None)
        return f"{own} against {rival.told}" if rival else own

    def picture(self, colors: Colors = OURS, tile: Tile | None = None) -> Picture:
        """Original and overlay side by side, with legend; `tile` is the overlay, where it is drawn already."""
        return explanation_panel(self, colors, tile)

    def show(self) -> None:
        """Show the picture in the notebook, or open a window; `UsageError` where there is neither."""
        from seewhy.draw import display

        display(self.picture(), self.image.name, self)

    def save(self, folder: str | Path, colors: Colors = OURS, *, tile: Tile | None = None) -> Path:
        """Write the arrays (`.npy`), `image.png`, `picture.png` and `manifest.json`, whole or not at all.

        Args:
            folder: Where to; it is made if need be, and other files in it stay.
            colors: What the picture is drawn with.
            tile: The picture, where it is drawn already.

        Returns:
            The folder.
        """
        picture = self.picture(colors, tile)
        with whole_folder(Path(folder)) as part:
            self.write(part, picture)
        return Path(folder)

    def write(self, folder: Path, picture: Picture) -> None:
        """Write what `save` does, with this picture, into an empty folder that is part of a larger result."""
        write_array(folder / VALUES, self.values)
        if self.errors is not None:
            write_array(folder / ERRORS, self.errors.astype(np.float32))
        if self.others is not None:
            write_array(folder / OTHERS, self.others.astype(np.float32))
        if self.regions is not None:
            write_array(folder / REGIONS, self.regions.labels.astype(np.int32))
        save_image(self.image, folder / PHOTO)
        picture.save(folder / PICTURE)
        write_manifest(folder, self.manifest())

    @classmethod
    def load(cls, folder: str | Path) -> Explanation:
        """Read back what `save` wrote; a file that is not what it was then is not believed.

        Raises:
            BadFile: the folder holds no explanation, one of another schema, or one that was changed or damaged.
        """
        *arrays, about = read_saved(Path(folder))
        plain: dict[str, Any] = {entry.name: getattr(about, entry.name) for entry in fields(about)}
        plain |= zip(("values", "errors", "others", "regions", "image"), arrays, strict=True)
        plain["cost"] = Cost(**asdict(about.cost))
        try:
            return cls(**plain)
        except (ExplainError, NonFinite) as error:
            raise BadFile(f"{shown(folder)} is damaged ({error}); explain again") from error

    def manifest(self) -> dict[str, Any]:
        """All but the large arrays, as plain JSON values."""
        regions, image = self.regions, self.image
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name not in ARRAYS}
        nested = {
            "target": asdict(self.target),
            "predictions": [each.to_dict() for each in self.predictions],
            "cost": self.cost._asdict(),
            "regions": regions
            and {
                "weights": regions.weights.tolist(),
                "errors": None if regions.errors is None else regions.errors.tolist(),
                "unit": regions.unit,
                "least": regions.least,
                "company": regions.company,
                "alone": None if regions.alone is None else list(regions.alone),
                "pairs": [each._asdict() for each in regions.pairs],
            },
            "rule": self.rule and asdict(self.rule),
            "notes": [*self.notes],
            "computed": [*self.computed],
        }
        about: dict[str, Any] = {"name": image.name, "sha256": image.sha256, "notes": list(image.notes)}
        if image.composite:
            about["composite"] = True
        return {"schema": SCHEMA, "seewhy": __version__, "image": about, "explanation": {**plain, **nested}}

    def _repr_html_(self) -> str:
        from seewhy.draw import data_uri

        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f'<img alt="{escape(str(self))}" src="{data_uri(self.picture())}" style="max-width:100%">{notes}'

    def __str__(self) -> str:
        return f"{self.method}: why '{self.target_label}' on {self.image.name}"


def sentence(words: str) -> str:
    """Begun with a capital letter and closed by a full stop, as notes are.

    >>> sentence("turned upright as its EXIF says")
    'Turned upright as its EXIF says.'
    """
    return words[:1].upper() + words[1:] + "." * (not words.endswith((".", "!", "?")))


def explanation_panel(explanation: Explanation, colors: Colors = OURS, tile: Tile | None = None) -> Picture:
    """The photo, and beside it what the method found: the `tile`, where it is drawn already."""
    tile = tile or explanation_tile(explanation, colors=colors)
    return panel(
        explanation.image.pixels,
        explanation.view,
        [tile],
        title=f"Why “{explanation.target_label}”?",
        caption=_caption(explanation, has_intervals=any(weight.margin for weight in tile.weights)),
    )


def by_classes(explanations: Sequence[Explanation]) -> dict[str, list[Explanation]]:
    """Of one photo, by name the methods of regions that were asked about several classes."""
    methods: dict[str, list[Explanation]] = {}
    for each in explanations:
        if each.regions is not None:
            methods.setdefault(each.method, []).append(each)
    return {name: about for name, about in methods.items() if len(about) > 1}


def class_grid(explanations: Sequence[Explanation]) -> Picture:
    """What speaks for each of several classes, in one photo by one method of regions, and for nothing else.

    Raises:
        UsageError: the explanations are of several photos or methods, or not about regions.
    """
    if len({(each.image.sha256, each.method) for each in explanations}) != 1:
        raise UsageError("a grid of classes needs explanations of one photo by one method")
    one = explanations[0]
    return panel(
        *crop(one.image.pixels, one.view),
        [class_tile(each) for each in explanations],
        title=f"What speaks for each class? {METHODS[one.method].title}",
        caption=f"{one.image.name}, cut to what the model saw · {one.classifier}",
    )


def explanation_tile(
    explanation: Explanation,
    caption: str | None = None,
    *,
    colors: Colors = OURS,
    limit: float | None = None,
) -> Tile:
    """The picture alone, with its legend and weights; a rule is its own caption. `limit` puts several on one scale."""
    regions, rule = explanation.regions, explanation.rule
    title: str = METHODS[explanation.method].title
    caption = caption or (rule.sentence if rule else title)
    if regions is None:
        return tile(
            explanation.image.pixels,
            _drawn(explanation.values),
            explanation.view,
            caption,
            signed=explanation.signed,
            colors=colors,
            limit=limit or shared_limit([explanation]),
            evidence=not METHODS[explanation.method].class_blind,
        )
    if rule:
        keep = _needed(regions, rule)
        return Tile(_kept(explanation.image.pixels, explanation.view, regions, keep, _nothing(rule)), caption)
    return _region_tile(explanation, regions, caption, colors, limit)


def explanation_tiles(explanations: Sequence[Explanation], colors: Colors = OURS) -> list[Tile]:
    """The tiles of one photo's explanations; those by one method at one layer share the end of their colours."""
    asked = [(each.method, each.layer) for each in explanations]
    same = {key: [each for each, other in zip(explanations, asked, strict=True) if other == key] for key in asked}
    limits = {key: shared_limit(about) if len(about) > 1 else None for key, about in same.items()}
    return [
        explanation_tile(each, colors=colors, limit=limits[key]) for each, key in zip(explanations, asked, strict=True)
    ]


def class_tile(explanation: Explanation) -> Tile:
    """What the model saw, the regions that speak for a class in colour and the rest grey, under its probability."""
    regions, rule = explanation.regions, explanation.rule
    if regions is None:
        raise UsageError(f"{explanation.method} is not about regions; a grid of classes needs a method that is")
    keep = in_favour(explanation)
    why = _nothing(rule) if rule else NOTHING_FOR if decides(regions) else NONE_DECIDES
    return Tile(
        _kept(*crop(explanation.image.pixels, explanation.view), regions, keep, why),
        _in_colour(regions, rule, keep) or sentence(why),
        heading=f"{explanation.target_label} · {explanation.told}",
    )


def _coloured(regions: RegionWeights) -> np.ndarray:
    """Float64 `(d,)`: the weights that get a colour: what is surely not zero, where any part decides."""
    return np.where(sure(regions) & decides(regions), regions.weights, 0)


def drawn_values(explanation: Explanation) -> np.ndarray:
    """Float `(h, w)`: what the picture's colours stand for, of regions one number for all pixels of each."""
    regions = explanation.regions
    return explanation.values if regions is None else _coloured(regions)[regions.labels]


def in_favour(explanation: Explanation) -> np.ndarray:
    """Bool `(d,)`: the regions of a rule, or the strongest that surely speak for the class, where any part decides."""
    regions, rule = explanation.regions, explanation.rule
    if regions is None:
        return np.zeros(0, bool)
    return _needed(regions, rule) if rule else supporting(regions) & decides(regions)


def _in_colour(regions: RegionWeights, rule: Rule | None, keep: np.ndarray) -> str:
    """What the regions in colour are, in words; nothing where there are none."""
    count, share = int(keep.sum()), f"{keep.sum()} of {len(keep)} regions"
    if not count:
        return ""
    if rule:
        enough = "is enough" if count == 1 else "are enough"
        return f"{share} {enough}" if rule.holds else f"the best rule found, {share}, does not hold"
    surely = int((sure(regions) & (regions.weights > 0)).sum())
    words = f"{share} surely {'speaks' if count == 1 else 'speak'} for it"
    if count < surely:
        words = f"the {count} of {len(keep)} regions that speak for it most"
    if regions.unit != "log-odds":
        return words
    most, least = (odds_words(float(end(regions.weights[keep]))) for end in (np.max, np.min))
    return f"{words}; hiding {'it' if count == 1 else 'one'}: {most}{'' if most == least else f' to {least}'}"


def _region_tile(
    explanation: Explanation, regions: RegionWeights, caption: str, colors: Colors, limit: float | None
) -> Tile:
    """Only what is surely not zero gets a colour; the strongest get their ranks and bars in any case."""
    pixels, view, signed = explanation.image.pixels, explanation.view, explanation.signed
    ranked = ranking(regions)
    shown = _coloured(regions)
    if not shown.any():
        words = NOTHING if not ranked else NOTHING_SURE if decides(regions) else NONE_DECIDES
        return Tile(blank(pixels, view, words, longest=LARGE), caption, weights=tuple(ranked.values()))
    strongest = peak(shown[None], signed=signed)
    picture = region_overlay(
        pixels,
        regions.labels,
        shown,
        view,
        names={region: weight.name for region, weight in ranked.items()},
        signed=signed,
        colors=colors,
        limit=limit,
        longest=LARGE,
    )
    legend = Legend(signed, limit or strongest, strongest, colors, regions.unit)
    return Tile(picture, caption, legend, weights=tuple(ranked.values()))


def _kept(pixels: np.ndarray, view: View, regions: RegionWeights, keep: np.ndarray, words: str) -> np.ndarray:
    if not keep.any():
        return blank(pixels, view, words, longest=LARGE)
    return kept_overlay(pixels, regions.labels, keep, view, longest=LARGE)


def _needed(regions: RegionWeights, rule: Rule) -> np.ndarray:
    return np.isin(np.arange(len(regions.weights)), rule.regions)


def _nothing(rule: Rule) -> str:
    """What is said of a rule without regions."""
    if not rule.sought:
        return NOT_SAID
    return NOTHING_NEEDED if rule.holds else NO_RULE


def is_speckled(values: np.ndarray) -> bool:
    """Whether a map `(h, w)` of pixels jumps from one to the next, as gradients do, so that single ones mean little."""
    if values.size <= GRID:
        return False
    steps = np.abs(np.diff(values, axis=0)).mean() + np.abs(np.diff(values, axis=1)).mean()
    return bool(steps / 2 > SPECKLED * np.abs(values).mean())


def is_blurred(explanation: Explanation) -> bool:
    """Whether what is drawn are not the values themselves."""
    return explanation.regions is None and is_speckled(explanation.values)


def shared_limit(explanations: Sequence[Explanation]) -> float | None:
    """One end for the colours of several maps, so that they can be compared; None where none finds anything."""
    return max((_limit(each) for each in explanations), default=0.0) or None


def _limit(explanation: Explanation) -> float:
    if explanation.rule:
        return 0.0
    if explanation.regions is not None:
        return peak(_coloured(explanation.regions)[None], signed=explanation.signed)
    drawn, signed = _drawn(explanation.values), explanation.signed
    largest, most = peak(drawn, signed=signed), peak(drawn, signed=signed, percentile=SHOWN)
    drowned = drawn.size > GRID and largest > DROWNS * most
    return most if drowned or is_speckled(explanation.values) else largest


def _drawn(values: np.ndarray) -> np.ndarray:
    """What is drawn of a map: a speckled one a little blurred."""
    if not is_speckled(values):
        return values
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(values, BLUR * min(values.shape))


def _caption(explanation: Explanation, *, has_intervals: bool) -> str:
    facts = [
        f"{explanation.image.name}, explained {NOUN[explanation.meaning]} at {explanation.told}",
        METHODS[explanation.method].title + (f" at layer {explanation.layer}" if explanation.layer else ""),
        explanation.classifier,
    ]
    if METHODS[explanation.method].class_blind:
        facts.append(class_words({}, blind=True))
    if is_blurred(explanation):
        facts.append(SMOOTHED)
    return " · ".join([*facts, *effects_of(explanation), *[HOW_TO_READ] * has_intervals, *explanation.notes])


def effects_of(explanation: Explanation) -> tuple[str, ...]:
    """What hiding its regions does, in sentences; none of what is not about regions, or is a rule."""
    if explanation.regions is None or explanation.rule or explanation.is_zero:
        return ()
    return effect_sentences(
        explanation.regions,
        explanation.target_label,
        _number_asked(explanation),
        explanation.meaning,
        explanation.checks,
        one=explanation.target.against is None and not explanation.target.also,
    )


def _number_asked(explanation: Explanation) -> float | None:
    """What people are told of the target: of "A rather than B" A's probability if there were no third, or A − B."""
    own, target = explanation.number, explanation.target
    if target.against is None:
        return own
    rival = next((each.number for each in explanation.predictions if each.index == target.against), None)
    if rival is None or target.also:
        return None
    if explanation.meaning == "values":
        return own - rival
    if explanation.meaning == "labels":
        own, rival = own * (1 - rival), rival * (1 - own)
    return own / (own + rival) if own + rival else None
