"""What pages claim: each kind of sentence with a number in it, and how it is held against the data behind it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from typing import Any

import numpy as np

from seewhy.core.outcome import Outcome
from seewhy.core.text import percent
from seewhy.methods import Explanation, method_info
from seewhy.methods.evidence import RegionWeights, decides, ranking, together
from seewhy.methods.explanation import drawn_values, in_favour
from seewhy.methods.other_classes import CHECK, class_specific
from seewhy.methods.sums import SummedOverRegions
from seewhy.models.head import MEANS
from seewhy.report.explain import ExplainReport
from seewhy.report.page import check_words

BLOCKS = {"p", "dd", "dt", "h1", "h2", "h3", "li", "summary", "figcaption", "div", "header", "footer", "section"}
SILENT = {"style", "title", "svg"}
ENDS = re.compile(r"(?<=[.!?:]) (?=[A-Z“\d])")


class Words(HTMLParser):
    """What a page says, block by block, with what its pictures say to those who cannot see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.blocks, self.spoken, self._silent, self._apart = [""], list[str](), 0, False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        self._silent += tag in SILENT
        self._apart |= given.get("class") in {"legend", "numbers"}
        if tag in BLOCKS or (tag == "span" and self._apart):
            self.blocks.append("")
        self.spoken += [plain(given[name]) for name in ("alt", "aria-label") if given.get(name)]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in SILENT
        self._apart &= tag != "p"
        if tag in BLOCKS or (tag == "span" and self._apart):
            self.blocks.append("")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.blocks[-1] += data

    @property
    def charted(self) -> list[str]:
        """What charts say, bar by bar."""
        return [bar for spoken in self.spoken for bar in spoken.split("; ")]

    def __iter__(self) -> Iterator[str]:
        for block in self.blocks:
            yield from filter(None, ENDS.split(plain(block)))
        yield from self.charted


def plain(text: str) -> str:
    """With plain spaces and minus signs."""
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-").split())


def page_of(explanations: Sequence[Explanation]) -> Words:
    report = ExplainReport()
    report.add(Outcome(explanations[0].image.name, tuple(explanations)))
    return Words(report.page())


# --- Numbers ----------------------------------------------------------------------------------------------------------


def number(text: str) -> float:
    return float(text.replace(",", ""))


def near(told: str, true: float) -> bool:
    """Whether it is the true number, as exactly as it was written."""
    if "e" in told:
        return abs(number(told) - true) <= 0.06 * abs(true)
    digits = len(told.partition(".")[2])
    return abs(number(told) - true) <= 0.5001 * 10.0**-digits


def times(told: str, log: float) -> bool:
    """Whether it is the factor of this logarithm; beyond a million it says no more than that."""
    return told == "over 1,000,000" if abs(log) > math.log(1e6) else near(told, math.exp(abs(log)))


def weight(found: Explanation, name: str) -> float:
    """That of the region that the picture calls so."""
    regions = found.regions
    return next(float(regions.weights[each]) for each, drawn in ranking(regions).items() if drawn.name == name)


def strongest(regions: RegionWeights) -> float:
    return float(np.abs(regions.weights).max())


def bar(regions: RegionWeights, told: str, value: float, margin: float | None) -> bool:
    """Whether a bar says this weight with its sign, margin and unit."""
    if regions.unit == "log-odds":
        match = re.fullmatch(rf"odds ([÷×]) ({FACTOR})(?: \((?:[÷×] )?({FACTOR}) to (?:[÷×] )?({FACTOR})\))?", told)
        ends = {match[3], match[4]} if match else {None}
        spans = (
            all(any(times(each, value + sign * margin) for sign in (-1, 1)) for each in ends)
            if margin
            else ends == {None}
        )
        return bool(match) and (match[1] == "÷") == (value >= 0) and times(match[2], value) and spans
    scale = {"probability": 100, "": 100 / strongest(regions)}.get(regions.unit, 1)
    form = {"probability": r"(.+) points", "": r"(.+)%"}.get(regions.unit, rf"{regions.unit} (.+)")
    match = re.fullmatch(form, told)
    own, _, wide = match[1].partition(" ± ") if match else ("", "", "")
    sign = "+" * (value > 0) + "-" * (value < 0)
    return (
        own.startswith(sign)
        and near(own.lstrip("+"), scale * value)
        and (near(wide, scale * margin) if margin else not wide)
    )


# --- Sentences --------------------------------------------------------------------------------------------------------

PCT, NUM, FACTOR = r"(?:[<>]?\d+\.\d%)", r"(?:[+-]?\d[\d,.]*(?:e[+-]\d+)?)", r"(?:over 1,000,000|[\d,.]+)"
SIZE = r"(?P<size>[\d.]+)(?P<points> points)?"
Check = Callable[[Explanation, re.Match[str]], bool]


def said(found: Explanation, name: str, told: str) -> bool:
    return any((each.name, plain(each.told)) == (name, told) for each in found.predictions)


def hiding(found: Explanation, m: re.Match[str]) -> bool:
    """What hiding the strongest region does: which it is, which way it goes, for what, averaged over what."""
    value = weight(found, m["name"])
    way = (value > 0) == (m["way"] in {"lowers", "smaller"})
    return (
        way
        and abs(value) == strongest(found.regions)
        and (m["of"], m["over"])
        == (
            found.target_label,
            found.regions.company,
        )
    )


def sized(m: re.Match[str], value: float) -> bool:
    return near(m["size"], abs(value) * (100 if m["points"] else 1))


def pair(found: Explanation, m: re.Match[str]) -> bool:
    first = together(found.regions)[0]
    more = (first.value > 0) == (m["way"] == "more") == (m["why"] == "they need each other")
    return more and f"{m['one']} + {m['two']}" == first.name and sized(m, first.value)


def cases(found: Explanation, m: re.Match[str]) -> bool:
    """Bounds in per cent, rounded outwards, how many variations were tried, and how much of the picture is kept."""
    look = found.rule.second if m[0].startswith("With hidden regions") else found.rule
    told = number(m["low"]), number(m["high"] or m["low"]), number(m["tried"])
    true = math.floor(100 * look.low + 1e-9), math.ceil(100 * look.high - 1e-9), look.variations
    areas = re.findall(r"\(([\d.]+) % of the picture\)", m[0])
    return told == true and all(near(area, 100 * found.rule.area) for area in areas)


def kept(found: Explanation, m: re.Match[str]) -> bool:
    count = len(found.rule.regions) if found.rule else int((found.regions.weights > 0).sum())
    return int(m["all"]) == len(found.regions.weights) and int(m["some"]) <= count


HIDING = r"Hiding region (?P<name>\w+)"
OVER = r", on average over (?P<over>.+)\."
CLAIMS: dict[str, Check] = {
    rf"(?:.* )?The model says .*?([\w ]+) \(({PCT}|{NUM})\).*": lambda f, m: said(f, m[1].removeprefix("and "), m[2]),
    rf"([\w ]+) \(({PCT}|{NUM})\)(?:, .*)?": lambda f, m: said(f, m[1], m[2]),
    r"Explained here: .*": lambda f, m: all(
        said(f, name.strip(), told) for name, told in re.findall(rf"([\w ]+) \(({PCT}|{NUM})\)", m[0][16:])
    ),
    rf"([\w ]+),? ({PCT}|{NUM})": lambda f, m: said(f, m[1], m[2]),
    rf"[\w ]+ · (({PCT})(?: against {PCT})?)(?: · layer .+)?": lambda f, m: plain(f.told) == m[1],
    rf"{HIDING} makes the odds of “(?P<of>.+)” (?P<by>{FACTOR}) times (?P<way>\w+){OVER}": lambda f, m: (
        hiding(f, m) and times(m["by"], weight(f, m["name"])) and f.regions.unit == "log-odds"
    ),
    rf"{HIDING} (?P<way>\w+) (?:the (?P<unit>\w+) of )?“(?P<of>.+)” by {SIZE}{OVER}": lambda f, m: (
        hiding(f, m) and sized(m, weight(f, m["name"])) and f.regions.unit == (m["unit"] or "value")
    ),
    rf"Against a class whose score stays the same, that makes it ({FACTOR}) times (less|more) likely\.": lambda f, m: (
        times(m[1], strongest(f.regions)) and f.regions.unit == "score"
    ),
    rf"Region (\w+) (adds|takes) {SIZE} (?:to|from) the score of “.+”, as this method shares it out\.": lambda f, m: (
        sized(m, weight(f, m[1])) and (m[2] == "adds") == (weight(f, m[1]) > 0) and not f.regions.company
    ),
    rf"Together, regions (?P<one>\w+) and (?P<two>\w+) add {SIZE} (?P<way>\w+) to .+ would: (?P<why>.+)\.": pair,
    rf"No single part decides: .+ by a factor of ({FACTOR}) at most, on average over (.+)\.": lambda f, m: (
        times(m[1], strongest(f.regions)) and m[2] == f.regions.company
    ),
    rf"Hiding everything makes them ({FACTOR}) times (smaller|larger)\.": lambda f, m: (
        times(m[1], f.checks["change"]) and (m[2] == "smaller") == (f.checks["change"] > 0)
        and abs(f.checks["change"]) > f.regions.least
    ),
    rf"Hiding everything changes them by a factor of ({FACTOR}): .*": lambda f, m: (
        times(m[1], f.checks["change"]) and abs(f.checks["change"]) <= f.regions.least
    ),
    rf"The whole picture gives “.+” ({PCT}|{NUM})\.": lambda f, m: (
        m[1] == plain(f.told) or (f.target.against is not None and near(m[1].rstrip("%"), 100 * rather(f)))
    ),
    r"With only one region hidden it gives (.+)\.": lambda f, m: all(
        percent(f.regions.alone[region]) == told
        for told, name in re.findall(rf"({PCT}) \((\w+)\)", m[1])
        for region, drawn in ranking(f.regions).items()
        if drawn.name == name
    ),
    r".*in (?P<low>\d+)(?: to (?P<high>\d+))? % of cases \((?P<tried>[\d,]+) tried, 90 % sure\).*": cases,
    r".*in all ([\d,]+) cases there are.*": lambda f, m: (
        f.rule.precision == 1 and number(m[1]) == f.rule.variations and all(
            near(area, 100 * f.rule.area) for area in re.findall(r"\(([\d.]+) % of the picture\)", m[0])
        )
    ),
    r"The rule speaks about ([\d.]+)% of all cases\.": lambda f, m: near(m[1], 100 * f.rule.coverage),
    r"(?:.*[:,] )?in colour, with the rest in grey, (?P<some>\d+) of (?P<all>\d+) regions .*": kept,
    rf"(?:[\w ]+ · {PCT} )?(?P<some>\d+) of (?P<all>\d+) regions (?:is|are) enough": kept,
    rf"(?:[\w ]+ · {PCT} )?(?:the )?(?P<some>\d+) of (?P<all>\d+) regions (?:surely speaks?|that speak) for it.*": kept,
    r"([\d,]+) forwards?, ([\d,]+) backwards?, [\d.,]+ s": lambda f, m: (number(m[1]), number(m[2])) == f.cost[:2],
    r".+ \(ind(?:ex|ices) ([\d, and]+)\), .+": lambda f, m: str(f.target.index) in m[1],
    r"(?:≥ )?100%|0%?": lambda f, _: True,
    r"strongest here (\d+)%": lambda f, m: int(m[1]) <= 100,
    r"(?:≥ )?(?:odds [÷×] .+|score .+|value .+|[+-]?[\d.]+ points)": lambda f, _: f.regions is not None,
    rf"([\w ]+) · ({PCT}) No (?:region surely speaks for it|single part decides)\.": lambda f, m: (
        said(f, m[1], m[2]) and not in_favour(f).any()
    ),
    r"The picture was cut into (\d+) regions only, which hardly say where\.": lambda f, m: (
        int(m[1]) == len(f.regions.weights) and f.layer is None
    ),
    rf"(?:Hardly .* alone: f|F)rom the mean map of other likely classes it differs by ({NUM}), .*": lambda f, m: (
        near(m[1], f.checks[CHECK]) and abs(class_specific(f.values, f.others) - f.checks[CHECK]) < 1e-6
    ),
    r"Only ([\d,]+)% of the score reached the pixels; .*": lambda f, m: near(m[1], 100 * f.checks["relevance_kept"]),
    r"What reached the pixels adds up to (-?[\d,]+)% of the score: .* (added|turned) .*": lambda f, m: (
        near(m[1], 100 * f.checks["relevance_kept"]) and (m[2] == "turned") == (f.checks["relevance_kept"] < 0)
    ),
    r"(\d+) steps did not get there; .*": lambda f, m: int(m[1]) == f.checks["steps"],
    rf"This map does not add up: its values sum to ({NUM}), while the score .*changed.* {NUM}\.": lambda f, m: (
        abs(number(m[1]) / (f.regions.weights if f.regions else f.values).astype(float).sum() - 1) < 1e-3
    ),
}  # fmt: skip
# Nobody's claim about a picture: years, versions, settings, how to read.
ELSEWHERE = [
    r".*\b(?:19|20)\d\d\b.*",
    r"arXiv:.*",
    r"Made with seewhy .*",
    r"[0-9a-f]{16}",
    r"\w+=.*",
    r"Lines across the bars are 95 % .*",
    r".*such as 2a and 2b\.",
]


def rather(found: Explanation) -> float:
    """The probability of A if there were but A and B; of labels if one of the two was there."""
    own, rival = found.number, next(each.number for each in found.predictions if each.index == found.target.against)
    if found.meaning == "labels":
        own, rival = own * (1 - rival), rival * (1 - own)
    return own / (own + rival)


# What a page says in words, and of what: there where, and only where, one of the explanations is such.
WORDS: dict[str, Callable[[Explanation], bool]] = {
    "No single part decides": lambda f: f.regions is not None and not (f.rule or f.is_zero or decides(f.regions)),
    "No region has to stay": lambda f: f.rule is not None and f.rule.holds and not f.rule.regions,
    "fragile, as a rule promises": lambda f: f.rule is not None and f.rule.fragile,
    "Not the model's answer": lambda f: f.rule is not None and not f.rule.sought,
    "This map does not add up": lambda f: f.checks.get("completeness_gap", 0) > 0.01,
    "lass plays ": lambda f: method_info(f.method).class_blind,  # no class, or the class no part
    "Hardly anything in it is about this class": lambda f: (
        f.checks.get(CHECK, 1.0) < 0.1 and not method_info(f.method).class_blind
    ),
    "Nothing in it is about this class": lambda f: method_info(f.method).class_blind,
    "of the score reached the pixels": lambda f: -0.005 <= f.checks.get("relevance_kept", 1.0) < 0.5,
    "What reached the pixels adds up to": lambda f: not -0.005 <= f.checks.get("relevance_kept", 1.0) <= 2,
    "each region holds the sum of its pixels": lambda f: (
        issubclass(method_info(f.method), SummedOverRegions)
        and np.allclose(f.regions.weights.sum(), f.values.astype(float).sum(), rtol=1e-3)
    ),
    "No evidence found": lambda f: f.is_zero and not f.rule,
    "rather than": lambda f: f.target.against is not None,
    "evidence for “": lambda f: not method_info(f.method).class_blind and (drawn_values(f) > 0).any() and not f.rule,
    "strongest evidence": lambda f: (
        not (f.is_zero or f.rule or f.signed or f.regions or method_info(f.method).class_blind)
    ),
    "whatever the class": lambda f: method_info(f.method).class_blind and not f.is_zero,
    "Against a class whose score stays the same": lambda f: (
        f.regions is not None
        and f.regions.unit == "score"
        and bool(f.regions.company)
        and f.meaning == "classes"
        and f.target.against is None
        and not f.target.also
    ),
    "little of the answer hangs on what hiding takes away": lambda f: (
        f.regions is not None
        and not (f.rule or f.is_zero or decides(f.regions))
        and abs(f.checks["change"]) <= f.regions.least
    ),
}


def unproved(explanations: Sequence[Explanation], words: Words) -> list[str]:
    """Sentences with a number in them that no claim knows, or that are true of none of the explanations."""
    known = {text for each in explanations for text in _known(each, words)}
    return [
        sentence
        for sentence in words
        if re.search(r"\d", sentence) and sentence not in known
        if not any(re.fullmatch(each, sentence) for each in ELSEWHERE)
        if not any(
            _holds(check, each, match)
            for pattern, check in CLAIMS.items()
            if (match := re.fullmatch(pattern, sentence))
            for each in explanations
        )
    ]


def _known(found: Explanation, words: Words) -> Iterator[str]:
    """What is written from the data by other words: checks, seed, what computed it, how to read; and the bars."""
    info = method_info(found.method)
    texts = [*(check_words(*each) for each in found.checks.items()), str(found.seed), *found.computed]
    for text in [*texts, " ".join(texts), f"{info.question} {info.reading}", MEANS[found.meaning]]:
        yield from ENDS.split(plain(text))
    for drawn in [*ranking(found.regions).values(), *together(found.regions)] if found.regions else ():
        for spoken in words.charted:
            name, _, told = spoken.partition(": ")
            if name == drawn.name and bar(found.regions, told, drawn.value, drawn.margin):
                yield spoken


def _holds(check: Check, found: Explanation, match: re.Match[str]) -> bool:
    """False as well of an explanation that has nothing of the kind."""
    try:
        return bool(check(found, match))
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, StopIteration):
        return False
