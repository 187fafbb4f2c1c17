"""Diff: on which photos two classifiers give one answer for different reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate
from typing_extensions import TypedDict

from seewhy.audit.diff_rows import (
    DISTANCES,
    FEWEST,
    PHOTOS,
    Row,
    chance_of,
    changed_among,
    diff_figures,
    leaning_of,
)
from seewhy.core.files import write_array, write_csv, write_whole
from seewhy.core.folders import write_manifest
from seewhy.core.outcome import Outcome, attempt
from seewhy.core.progress import Progress, silent
from seewhy.core.reading import read_json
from seewhy.engines import MaskedForward
from seewhy.errors import UsageError
from seewhy.images import Image, find_images, open_image
from seewhy.methods import Method, find_method
from seewhy.models import Classifier, Target
from seewhy.report.diff import SHOWN, Compared, Difference, diff_page, markdown
from seewhy.report.page import save_page
from seewhy.study.difference import Floats, alone, apart, distances
from seewhy.verbs.result import Result

DIFF = "diff.json"
SEEDS = 3  # maps by each classifier, of a method that draws at random
CELLS = 28  # a map is kept as means over so many cells across
LOOKED = 0.25  # share of a map's cells that count as looked at
AGAIN = "give the folders that `seewhy audit` of both wrote"


@dataclass(frozen=True, eq=False)
class DiffResult(Difference, Result):
    """What `diff` found; see `Difference`.

    Attributes:
        seed: of all randomness.
        fingerprints: of the classifiers.
        tables: of each photo of one answer the distances of its maps.
        costs: of each changed photo what hiding costs more where one classifier looks and the other does not.
    """

    seed: int
    fingerprints: tuple[str, str]
    tables: tuple[Floats, ...]
    costs: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """See `Result`."""
        return {
            "models": list(self.names),
            "fingerprints": list(self.fingerprints),
            "method": self.method,
            "seed": self.seed,
            **diff_figures(self.photos(), self._distances(), self.seed),
            "findings": self.findings and {word: list(each) for word, each in self.findings.items()},
            "failures": [{"source": each.source, "error": str(each.error)} for each in self.failures],
        }

    def photos(self) -> list[Row]:
        """A row for each photo, those of one answer first, the most changed before others."""
        costs = [*self.costs, *[float("nan")] * (len(self.same) - len(self.costs))]
        return [
            *(
                Row(each.name, each.answer, each.answer, *each.probabilities, cost)
                for each, cost in zip(self.same, costs, strict=True)
            ),
            *(Row(name, one, two, *[float("nan")] * 3) for name, one, two in self.answers),
        ]

    def rows(self) -> list[dict[str, Any]]:
        """One row for each photo whose reason changed."""
        return self.to_dict()["changed"]

    def _distances(self) -> Floats:
        return np.stack(self.tables) if self.tables else np.zeros((0, 2, 2))

    def page(self) -> str:
        """See `Result`."""
        return diff_page(self)

    def write(self, folder: Path) -> None:
        """Write the report, `summary.md` and `junit.xml` for a pull request, and the rows that figures follow from."""
        write_whole(folder / "summary.md", markdown(self).encode("utf-8", errors="replace"))
        write_whole(folder / "junit.xml", ET.tostring(self.junit(), "utf-8", xml_declaration=True))
        write_csv(folder / PHOTOS, Row._fields, [row.cells() for row in self.photos()])
        write_array(folder / DISTANCES, self._distances())
        save_page(folder, self.page())
        write_manifest(folder, self.to_dict(), DIFF)

    def junit(self) -> ET.Element:
        """A test for each photo of one answer, failed where the reason changed, and for each new finding."""
        new = (self.findings or {}).get("new", ())
        failed = self.changed + len(new)
        suite = ET.Element("testsuite", name="seewhy diff", tests=str(len(self.same) + len(new)), failures=str(failed))
        for place, each in enumerate(self.same):
            case = ET.SubElement(suite, "testcase", classname="reasons", name=each.name)
            if place < self.changed:
                words = f"{each.answer}: the maps lie {each.apart.gap:.2f} farther apart than seeds move them"
                ET.SubElement(case, "failure", message=words)
        for sentence in new:
            case = ET.SubElement(suite, "testcase", classname="findings", name=sentence)
            ET.SubElement(case, "failure", message="a new finding")
        return suite


class _Looked(NamedTuple):
    """What both said of one photo, and the distances of their maps where they said the same."""

    answers: tuple[str, str]
    compared: Compared | None
    table: Floats | None


def diff(
    photos: str | Path | Sequence[str | Path],
    first: Classifier,
    second: Classifier,
    *,
    names: tuple[str, str] | None = None,
    method: str | Method = "grad-cam",
    findings: tuple[str | Path, str | Path] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> DiffResult:
    """Find the photos to which two classifiers give one answer for different reasons.

    Args:
        photos: a folder, or pictures.
        first: the classifier as it was.
        second: the classifier as it is now; it knows the same classes, in any order.
        names: what to call them.
        method: that explains both. One that draws at random makes three maps for each, so that what seeds do is known.
        findings: the folders of audits of both, so that new and lost findings are told.
        seed: of all randomness.
        progress: told of photos; raise `Cancelled` in it to stop.

    Raises:
        UsageError: the classifiers have no class in common, or a folder holds no findings.
    """
    chosen = find_method(method) if isinstance(method, str) else method
    if not {*first.categories.names} & {*second.categories.names}:
        raise UsageError(f"{first.name} and {second.name} have no class in common, so no answer of both is the same")
    told = _findings(*findings) if findings else None
    sources = find_images([photos] if isinstance(photos, str | Path) else photos)
    maps = 2 * SEEDS if chosen.stochastic else 2
    looked: list[tuple[str, _Looked]] = []
    failures: list[Outcome[Any]] = []
    for done, source in enumerate(sources, start=1):
        # Of each photo its own: seeds that all photos share would move all maps alike, and look like a difference.
        seeds = np.random.SeedSequence([abs(seed), done]).generate_state(maps).tolist()
        outcome = attempt(
            source, lambda source=source, seeds=seeds: _look(open_image(source), first, second, chosen, seeds)
        )
        if outcome.value is None:
            failures.append(outcome)
        else:
            looked.append((str(source), outcome.value))
        progress(done, len(sources), "photos")
    same = [(source, each.compared, each.table) for source, each in looked if each.compared and each.table is not None]
    same.sort(key=lambda each: -each[1].apart.gap)
    p = chance_of([table for _, _, table in same], seed)
    changed = changed_among([each.apart.gap for _, each, _ in same], p)
    costs = _costs((first, second), [(each, open_image(source)) for source, each, _ in same[:changed]], seed)
    images = {each.name: open_image(source) for source, each, _ in same[: min(changed, SHOWN)]}
    return DiffResult(
        names=names or (first.name, second.name),
        method=chosen.title,
        same=tuple(each for _, each, _ in same),
        changed=changed,
        p=p,
        answers=tuple(
            (Path(source).name, *each.answers) for source, each in looked if each.answers[0] != each.answers[1]
        ),
        leaning=leaning_of(costs),
        findings=told,
        failures=tuple(failures),
        images=images,
        seed=seed,
        fingerprints=(first.fingerprint, second.fingerprint),
        tables=tuple(table for _, _, table in same),
        costs=tuple(costs),
    )


def _look(image: Image, first: Classifier, second: Classifier, method: Method, seeds: Sequence[int]) -> _Looked:
    """Both classifiers' answers to a photo; where these are one, the maps of each, half of the seeds for either."""
    both = (first, second)
    shares = [each.probabilities([image])[0] for each in both]
    best = [int(each.argmax()) for each in shares]
    answers = [each.categories[index] for each, index in zip(both, best, strict=True)]
    if answers[0] != answers[1]:
        return _Looked((answers[0], answers[1]), None, None)
    half = len(seeds) // 2
    maps = [
        [_coarse(each, image, method, Target(index, chosen="predicted"), seed) for seed in mine]
        for each, index, mine in zip(both, best, (seeds[:half], seeds[half:]), strict=True)
    ]
    table = distances([*maps[0], *maps[1]])
    means = tuple(np.mean(each, axis=0) for each in maps)
    views = tuple(each.preprocessing.view(image) for each in both)
    probabilities = tuple(float(row[index]) for row, index in zip(shares, best, strict=True))
    compared = Compared(
        image.name, answers[0], _two(probabilities), apart(table, range(half)), _two(means), _two(views)
    )
    return _Looked((answers[0], answers[1]), compared, table)


def _two(values: Sequence[Any]) -> tuple[Any, Any]:
    one, two = values
    return one, two


def _coarse(classifier: Classifier, image: Image, method: Method, target: Target, seed: int) -> np.ndarray:
    """The map of a photo, as means over cells `(CELLS, CELLS)`."""
    generator = torch.Generator().manual_seed(seed)
    (found,) = method(classifier, [image], [[target]], generator=generator)
    values = torch.from_numpy(np.array(found.values, np.float32))
    return adaptive_avg_pool2d(values[None], CELLS)[0].numpy()


def _costs(both: tuple[Classifier, Classifier], changed: Sequence[tuple[Compared, Image]], seed: int) -> list[float]:
    """How much more a class loses where one looks and the other does not: in the one that looks, less the other."""
    costs: list[float] = []
    for each, image in changed if len(changed) >= FEWEST else ():
        parts = alone(*each.maps, LOOKED)
        hidden = [
            _lost(classifier, image, each.answer, parts, torch.Generator().manual_seed(seed)) for classifier in both
        ]
        costs.append(((hidden[0][0] - hidden[1][0]) + (hidden[1][1] - hidden[0][1])) / 2)
    return costs


def _lost(
    classifier: Classifier, image: Image, answer: str, parts: Sequence[np.ndarray], generator: torch.Generator
) -> list[float]:
    """What the log-probability of the answer loses without each of the parts, bool `(CELLS, CELLS)`."""
    target, head = Target(classifier.categories.find(answer)), classifier.head
    engine = MaskedForward(classifier, image, "mean", generator=generator)
    shown = torch.from_numpy(~np.stack(parts)).float()[:, None]
    kept = interpolate(shown, classifier.preprocessing.size, mode="nearest")[:, 0] > 0.5

    def likely(logits: Tensor) -> Tensor:
        return head.log_probability(logits, target)

    return (likely(engine.logits[None]) - likely(engine.maps(kept))).tolist()


# --- Findings of two audits -----------------------------------------------------------------------------------------


# What of a finding says which it is; its place is None where it has none of its own.
_Finding = TypedDict("_Finding", {"class": str, "sentence": str, "region": list[float] | None})


def _findings(first: str | Path, second: str | Path) -> Mapping[str, Sequence[str]]:
    """Findings of the second audit that the first has not, those it lost, and those of both."""
    old, new = (_read_findings(Path(each)) for each in (first, second))
    return {
        "new": [each["sentence"] for each in new if not any(_alike(each, one) for one in old)],
        "lost": [each["sentence"] for each in old if not any(_alike(each, one) for one in new)],
        "kept": [each["sentence"] for each in new if any(_alike(each, one) for one in old)],
    }


def _read_findings(folder: Path) -> list[_Finding]:
    path = folder / "findings.json"
    if not path.is_file():
        raise UsageError(f"{folder} holds no findings.json; {AGAIN}")
    return read_json(path, list[_Finding], AGAIN)


def _alike(one: _Finding, other: _Finding) -> bool:
    """Whether two findings are one: of one class, and in places that share half of what both cover."""
    if one["class"] != other["class"]:
        return False
    mine, theirs = one["region"], other["region"]
    if mine is None or theirs is None:
        return mine is theirs
    wide = min(mine[2], theirs[2]) - max(mine[0], theirs[0])
    high = min(mine[3], theirs[3]) - max(mine[1], theirs[1])
    common = max(wide, 0.0) * max(high, 0.0)
    areas = [(each[2] - each[0]) * (each[3] - each[1]) for each in (mine, theirs)]
    return common >= 0.5 * (sum(areas) - common)
