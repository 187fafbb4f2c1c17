"""Templates, pictures and words to pages: one file, which asks the network for nothing and runs no script."""

from __future__ import annotations

import os
import pickle
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from seewhy import __version__
from seewhy.core.files import whole_file, write_whole
from seewhy.core.text import is_plain, percent, visible
from seewhy.draw import bars_svg, fit, photo, photo_uri
from seewhy.images import Image
from seewhy.methods import Cost, Explanation, Method
from seewhy.methods.evidence import Rule, decides, sure
from seewhy.methods.explanation import NO_EVIDENCE, drawn_values, in_favour, sentence
from seewhy.models import Prediction
from seewhy.models.head import NOUN

PAGE = "report.html"
LARGE, SMALL = 640, 240

CHECKS = {
    "attention_layers": "Attention was followed through {:.0f} layers.",
    "class_specific": "1 − its correlation with the mean map of other likely classes is {:.2f}.",
    "change": "Hiding everything lowers the log-odds, or the value, by {:.3g}.",
    "completeness_gap": "What was shared out adds up to the change of the score but for {:.1%} of it.",
    "cuts": "The picture was cut anew {:.0f} times, so that the errors are those of the cut, too.",
    "followed": "The units that were followed make the pictures {:.2f} alike.",
    "keep": "A variation kept {:.0%} of the regions.",
    "left_aside": "Patterns that are strongest nowhere add {:+.3g} to the score, and have no region.",
    "layers": "The masks come from {:.0f} layers.",
    "left_out": "{:.0f} more masks that raised the score were left out.",
    "local_prediction": "The simple model of the regions gives the whole picture {:.3f}.",
    "masks": "{:.0f} masks raised the score and make the map.",
    "mean_score": "Masked pictures score {:.3f} on average.",
    "noise": "{:.0%} of the differences over the map are chance.",
    "patterns": "The layer's maps were divided into {:.0f} patterns.",
    "precision_bits": "The network computed with {:.0f} bits.",
    "precision_gap": "Rounding moves its answers by {:.1%} of what hiding parts does.",
    "precision_high": "The rule holds for {:.1%} of variations at most.",
    "precision_low": "The rule holds for {:.1%} of variations at least.",
    "r2": "A simple model of the regions repeats the network's answers with R² = {:.2f}, where 1 is perfect.",
    "regions": "{:.0f} regions of several cuts were ranked.",
    "relative_error": "Other samples would move the map by about {:.0%} of its size.",
    "relevance_kept": "The values add up to {:.0%} of the score: biases and the rules themselves take or add the rest.",
    "rounding": "Half precision moved the log-probabilities of the likeliest classes by {:.2g} (root mean square).",
    "samples": "{:.0f} samples were drawn.",
    "similarity": "To the network the two pictures are {:.2f} alike, where 1 is the same.",
    "standard_error": "Other masks would move a value of the map by about {:.2g}.",
    "steps": "The path was walked in {:.0f} steps.",
    "trial_forwards": "Choosing among segmenters took {:,.0f} forwards.",
    "units": "{:.0f} numbers of the embedding were followed back to the pixels.",
}
SEGMENTED = "r2_"  # and the name of a segmentation
OTHER_COLORS = (
    "Colours named here are seewhy's own, as are those of bars of weights; "
    "yours are explained by the scale below the picture."
)
FEW = 4
THIN = 16
ENLARGED = 4  # times, from which on most of what the model sees was made up in between
GUESS = 0.1  # probability of the likeliest class below which the model as good as guesses
ROWS, COLUMNS = ("top ", "", "bottom "), ("left", "centre", "right")


def render(template: str, **fields: Any) -> str:
    """The page that `template` makes of `fields`; text in them is escaped, a field that is missing is an error.

    Every template extends `base.html`, which wants `title` and `lead`.
    """
    return _environment().get_template(template).render(fields, versions=_versions())


def write_page(path: Path, template: str, **fields: Any) -> Path:
    """Render to `path`, whole or not at all, and return it; the same fields give the same bytes.

    Fields may be generators: the page is written part by part, so that a long one need not fit into memory.
    """
    with whole_file(path) as file:
        for part in _environment().get_template(template).generate(fields, versions=_versions()):
            file.write(part.encode("utf-8", errors="replace"))  # a file name may hold what UTF-8 cannot say
    return path


def save_page(folder: Path, page: str) -> Path:
    """Write a page as `folder/report.html`, whole or not at all; returns its path."""
    write_whole(folder / PAGE, page.encode("utf-8", errors="replace"))  # a file name may hold what UTF-8 cannot say
    return folder / PAGE


def render_macro(template: str, macro: str, *arguments: Any) -> Markup:
    """What a macro of a template makes of its arguments: a part of a page."""
    return getattr(_environment().get_template(template).module, macro)(*arguments)


@dataclass
class Sections:
    """Sections of a page that wait in a temporary file, as fields of its template: memory holds one at a time.

    They can be gone through again and again until the file is closed.
    """

    file: IO[bytes] = field(default_factory=TemporaryFile)
    count: int = 0

    def add(self, **fields: Any) -> None:
        """Add a section: plain values, `Markup` and `Picture`."""
        self.file.seek(0, os.SEEK_END)
        pickle.dump(fields, self.file)
        self.count += 1

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.file.seek(0)
        for _ in range(self.count):
            yield pickle.load(self.file)  # noqa: S301 - nobody else writes to it


@dataclass(frozen=True)
class Picture:
    """A picture as a `data:` address, its size in pixels, and what it shows, in words."""

    uri: str
    width: int
    height: int
    alt: str


def embed(pixels: np.ndarray, alt: str) -> Picture:
    """RGB uint8 `(H, W, 3)` as JPEG: a tenth of a PNG of the same photo."""
    return Picture(photo_uri(pixels), pixels.shape[1], pixels.shape[0], alt)


def drawing(svg: str) -> Markup:
    """A chart of `seewhy.draw`, which escapes what it is given, as it stands."""
    return Markup(svg)  # noqa: S704 - see above


def embed_photo(explanation: Explanation) -> tuple[Picture, bool]:
    """The photo, with a frame round what the model saw; and whether it saw the whole of it."""
    shown, whole, alt = framed_photo(explanation)
    return embed(shown, alt), whole


def framed_photo(explanation: Explanation) -> tuple[np.ndarray, bool, str]:
    """RGB uint8 `(H, W, 3)` of `embed_photo`, whether the model saw the whole of it, and what it shows in words."""
    image = explanation.image
    shown = photo(image.pixels, explanation.view, longest=LARGE)
    whole = np.array_equal(shown, fit(image.pixels, LARGE))
    framed = "" if whole else ", with a frame round the part that the model saw"
    return shown, whole, f"The photo {image.name}{framed}"


def thumbnail(image: Image) -> Picture:
    """The photo as an item of a list that names it; it stays silent beside its name."""
    return embed(fit(image.pixels, SMALL), "")


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""


def counted(count: int, noun: str) -> str:
    """`1 photo`, `2 photos`; the noun has a plain plural."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def title_of(method: str) -> str:
    """The title of a method or control, which tells where it makes the same map for every class."""
    known = Method.registry[method]
    return f"{known.title} (class-blind)" if known.class_blind else known.title


def number(value: float, digits: int = 3) -> str:
    """So many digits after the point, with a minus sign that is one."""
    return f"{value:z.{digits}f}".replace("-", "\N{MINUS SIGN}")


def asked_classes(explanations: Sequence[Explanation]) -> str:
    """Which classes of a photo were asked about."""
    predicted = {each.target for each in explanations if each.target.chosen == "predicted"}
    meaning = explanations[0].meaning
    if predicted and meaning != "values":
        few, many = ("label", "labels") if meaning == "labels" else ("class", "classes")
        return f"the {few if len(predicted) == 1 else f'{len(predicted)} {many}'} it finds likeliest"
    return listed(list(dict.fromkeys(f"“{_class_name(each)}”" for each in explanations)))


def cautions(explanation: Explanation) -> tuple[str, ...]:
    """Why this very photo can say little, whatever the method; begun in small letters, as an image's notes are."""
    left, top, right, bottom = explanation.view
    (tall, wide), (height, width) = explanation.image.pixels.shape[:2], explanation.values.shape
    best, found = explanation.predictions[0], list[str]()
    if _is_plain(explanation.image.pixels):
        found.append("the photo is of one colour, so that whatever the model says, it says of nothing")
    if min((bottom - top) * ENLARGED / height, (right - left) * ENLARGED / width) < 1:
        found.append(
            f"the photo is small, {wide} × {tall} pixels, and was much enlarged for the model, which has rarely seen "
            "such photos"
        )
    if explanation.meaning == "classes" and best.number < GUESS:
        found.append(f"the model as good as guesses: its likeliest class, {best.name}, has {best.told}")
    return tuple(found)


def photo_notes(explanations: Sequence[Explanation]) -> tuple[str, ...]:
    """What has to be known of a photo whatever the method: what several methods all note, and why it says little."""
    one = explanations[0]
    shared = [note for note in one.notes if all(note in each.notes for each in explanations)]
    own = {sentence(each) for each in one.image.notes}
    several = len({each.method for each in explanations}) > 1
    told = [note for note in shared if note in own or several]
    return tuple(dict.fromkeys([*told, *map(sentence, (*one.image.notes, *cautions(one)))]))


def method_notes(explanation: Explanation, told: Sequence[str] = ()) -> tuple[str, ...]:
    """What has to be known of one map, but for what was `told` beside it and that it is empty, which pages show."""
    known = {*told, *map(sentence, explanation.image.notes), NO_EVIDENCE}
    return tuple(note for note in explanation.notes if note not in known)


def notes_of_all(noted: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Of photos by name with their notes each note once, with the photos that it is about where it is not about all.

    >>> notes_of_all([("a.png", ["It is grey."]), ("b.png", [])])
    ['It is grey. (a.png)']
    """
    about: dict[str, dict[str, None]] = {}
    photos: dict[str, None] = {}
    for name, notes in noted:
        photos[name] = None
        for note in notes:
            about.setdefault(note, {})[name] = None
    return [note if len(names) == len(photos) else f"{note} ({shortened([*names])})" for note, names in about.items()]


def shortened(names: Sequence[str]) -> str:
    """The first few of them, and how many more."""
    more = [f"{len(names) - FEW:,} more"] if len(names) > FEW + 1 else list(names[FEW:])
    return listed([*names[:FEW], *more])


def says(predictions: Sequence[Prediction], *, most: int = FEW) -> str:
    """What a model says of a photo: the likeliest class, the labels that it finds, or the values."""
    found = [each for each in predictions if each.present or each.value is not None] or [*predictions[:1]]
    words = shortened([f"{each.name} ({each.told})" for each in found[: most + 1]])
    return words if predictions[0].present is not False else f"none of its labels; the likeliest is {words}"


def bars_of(predictions: Sequence[Prediction], explained: int | None, width: int) -> Markup:
    """Probabilities as bars, values as numbers; `explained` is the place of what is asked about."""
    named = [(each.name, each.number) for each in predictions]
    return drawing(bars_svg(named, explained=explained, width=width, values=predictions[0].value is not None))


def alternative(explanation: Explanation, info: type[Method]) -> str:
    """What the overlay shows, for those who cannot see it."""
    start, values = f"{info.title} on {explanation.image.name}: ", drawn_values(explanation)
    if explanation.rule and explanation.regions:
        return start + kept_words(explanation)
    if not explanation.values.any():
        return f"{start}the photo in grey, no evidence found for “{explanation.target_label}”"
    if explanation.regions and not decides(explanation.regions):
        return f"{start}the photo in grey, no single part decides"
    if explanation.regions and not sure(explanation.regions).any():
        return f"{start}the photo in grey, no region stands out from chance"
    if info.class_blind:
        return f"{start}strongest at the {_place(values)}, whatever the {NOUN[explanation.meaning]}"
    strongest = f"evidence for “{explanation.target_label}” is strongest at the {_place(values)}"
    if not (values < 0).any():
        return start + strongest
    against = f"evidence against it at the {_place(-values)}"
    return start + (f"{strongest}, {against}" if (values > 0).any() else against)


def kept_words(explanation: Explanation) -> str:
    """What a picture shows that keeps what speaks for a class, or the regions of a rule, in colour."""
    rule, keep, about = explanation.rule, in_favour(explanation), f"“{explanation.target_label}”"
    if rule and not rule.sought:
        return f"the photo in grey, not the model's answer: {about}"
    why = "in favour of"
    if rule:
        why = "that are enough for" if rule.holds else "of the best rule found, which does not hold, for"
    if not keep.any():
        why = "has to stay for" if rule and rule.holds else "surely in favour of"
        return f"the photo in grey, no region {why} {about}"
    return f"in colour, with the rest in grey, {keep.sum()} of {len(keep)} regions {why} {about}"


def facts(explanation: Explanation) -> dict[str, str]:
    """What is needed to repeat the explanation and to judge it."""
    target = explanation.target
    chosen = "chosen for its probability" if target.chosen == "predicted" else "as asked"
    if target.chosen == "predicted" and explanation.meaning == "values":
        chosen = "as the first one"
    places = (
        f"index {target.index}" if not target.also else f"indices {listed([*map(str, (target.index, *target.also))])}"
    )
    found = {
        NOUN[explanation.meaning].capitalize(): f"{_class_name(explanation)} ({places}), {chosen}",
        "Layer": explanation.layer,
        "Settings": _settings(explanation.parameters),
        "Cost": cost_words(explanation.cost),
        "Computed": " ".join(explanation.computed),
        "Checks": " ".join(check_words(name, value) for name, value in explanation.checks.items()),
        "Coverage": _coverage(explanation.rule) if explanation.rule else None,
        "Seed": None if explanation.seed is None else str(explanation.seed),
    }
    return {term: text for term, text in found.items() if text}


def cost_words(cost: Cost) -> str:
    """Passes of the network, and time."""
    seconds = f"{cost.seconds:,.0f}" if cost.seconds >= 10 else f"{cost.seconds:.2g}"
    return f"{counted(cost.forwards, 'forward')}, {counted(cost.backwards, 'backward')}, {seconds}\N{NO-BREAK SPACE}s"


def check_words(name: str, value: float) -> str:
    """A self-check of a method as a sentence; one that `CHECKS` lacks, as an added method's may be, by its name."""
    if name.startswith(SEGMENTED):
        return f"Regions of {name.removeprefix(SEGMENTED)} would give R² = {value:.2f}."
    return CHECKS[name].format(value) if name in CHECKS else f"{name.replace('_', ' ').capitalize()}: {value:.3g}."


def seen(value: Any) -> Any:
    """What a template prints: of text, escapes for what cannot be seen, line breaks aside; markup as it is."""
    if not isinstance(value, str) or isinstance(value, Markup) or is_plain(value):
        return value
    return "\n".join(map(visible, value.splitlines()))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("seewhy.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=seen,
    )
    filters: dict[str, Any] = {"counted": counted, "number": number, "percent": percent}
    environment.filters.update(filters)
    environment.globals["css"] = _css
    return environment


def _versions() -> dict[str, str]:
    return {"seewhy": __version__, "Python": platform.python_version(), "PyTorch": version("torch")}


@cache
def _css(name: str) -> Markup:
    """A style sheet among the templates."""
    return Markup(files("seewhy.report").joinpath("templates", name).read_text("utf-8"))  # noqa: S704 - our own


def _is_plain(pixels: np.ndarray) -> bool:
    """Whether all pixels are alike; a few of them tell for nearly every photo, and pages ask at every click."""
    first = pixels[0, 0]
    return bool((pixels[::THIN, ::THIN] == first).all() and (pixels == first).all())


def _class_name(explanation: Explanation) -> str:
    target, names = explanation.target, {each.index: each.name for each in explanation.predictions}
    name = " and ".join(names[index] for index in (target.index, *target.also))
    return name + ("" if target.against is None else f" rather than {names[target.against]}")


def _place(values: np.ndarray) -> str:
    """Where the largest value lies, of several the middle of them, in thirds of the map."""
    row, column = (int(places.mean()) for places in np.nonzero(values == values.max()))
    return ROWS[row * 3 // values.shape[0]] + COLUMNS[column * 3 // values.shape[1]]


def _coverage(rule: Rule) -> str | None:
    return f"The rule speaks about {100 * rule.coverage:g}% of all cases." if rule.sought else None


def _settings(parameters: Mapping[str, Any]) -> str:
    """Hyper-parameters, but for layers, which are named elsewhere."""
    shown = {name: value for name, value in parameters.items() if name != "layers"}
    return ", ".join(f"{name}={_setting(value)}" for name, value in shown.items())


def _setting(value: Any) -> str:
    """A picture by its name, a label map by its size, a fill by its own settings."""
    if not isinstance(value, Mapping):
        return f"{len(value)} items" if isinstance(value, list) and len(value) > FEW else str(value)
    if "name" in value:
        return str(value["name"])
    if "shape" in value:
        return f"a map of {' × '.join(map(str, value['shape']))}"
    return ", ".join(f"{kind}({_settings(settings)})" for kind, settings in value.items())
