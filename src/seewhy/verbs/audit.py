"""Wrong reasons over a folder: suspects that are tried on photos on which nothing was looked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from seewhy import __version__
from seewhy.audit.coco import Place, data_set, places
from seewhy.audit.looking import EVIDENCE, Asking, Looked, look
from seewhy.audit.marks import FEWEST, Mark, copies
from seewhy.audit.pasting import Layer
from seewhy.audit.photos import POOR, Photo, cells, photo_rows
from seewhy.audit.raising import raise_suspects
from seewhy.audit.rows import COLUMNS as TEST_COLUMNS
from seewhy.audit.rows import rows_of_tests
from seewhy.audit.slices import like_groups, slices, wrong_labels
from seewhy.audit.suspects import Known
from seewhy.audit.traits import Trait
from seewhy.audit.trial import Tried, power, try_all
from seewhy.core.files import write_array, write_csv, write_json, write_whole
from seewhy.core.folders import write_manifest
from seewhy.core.progress import Progress, silent
from seewhy.draw import png_bytes
from seewhy.errors import UnknownName, UsageError
from seewhy.images.folder import Folder
from seewhy.methods.relevance import left_without
from seewhy.models import Classifier, load
from seewhy.report.audit import AuditReport, audit_page
from seewhy.report.page import save_page
from seewhy.train.labels import labelled_folder
from seewhy.verbs.result import SCHEMA, Result

AUDIT, FINDINGS, TABLE, LAYERS = "audit.json", "findings.json", "findings.csv", "layers"
PHOTOS, TESTS, COCO = "photos.csv", "tests.csv", "masks.json"
KEPT = ".seewhy-audit"
FEWEST_PHOTOS = 4 * FEWEST
COLUMNS = ("class", "found", "effect", "low", "high", "p", "photos", "removal", "removal p", "sentence")


@dataclass(frozen=True, eq=False)
class AuditResult(AuditReport, Result):
    """What `audit` found: every suspect with its two tests, those that passed first."""

    @property
    def findings(self) -> list[Tried]:
        """The suspects that passed, strongest first."""
        return [each for each in self.tried if each.passed]

    def told(self, each: Tried) -> dict[str, Any]:
        """One finding as plain JSON values."""
        box, (tall, wide) = each.suspect.region, self.found_on.pixels.shape[2:]
        shares = (
            [round(side / whole, 4) for side, whole in zip(box, (wide, tall, wide, tall), strict=True)] if box else None
        )
        names = self.photos_of(each)
        return {
            "class": self.classifier.categories[each.suspect.target],
            "name": self.name_of(each) or None,
            "sentence": self.sentence(each),
            **each.figures(),
            "photos": len(names),
            "region": shares,
            "reasons": list(each.suspect.reasons),
            "names": names,
        }

    def to_dict(self) -> dict[str, Any]:
        """All of it, as plain JSON values."""
        return {
            "schema": SCHEMA,
            "seewhy": __version__,
            "model": self.classifier.name,
            "fingerprint": self.classifier.fingerprint,
            "seed": self.seed,
            "methods": [EVIDENCE],
            "without": list(self.without),
            "photos": len(self.photos),
            "findings": [self.told(each) for each in self.findings],
            "suspects": [self.told(each) for each in self.tried if not each.passed],
            "power": self.power._asdict(),
            "copies": [list(each) for each in self.copies],
            **labels_and_quality(self.photos, self.copies),
            "failures": [{"source": each.source, "error": str(each.error)} for each in self.failures],
        }

    def rows(self) -> list[dict[str, Any]]:
        """A row for each suspect."""
        return [row_of(self.told(each), found=each.passed) for each in self.tried]

    def places(self) -> list[Place]:
        """Where each finding lies, on every photo that carries it."""
        found: list[Place] = []
        for number, each in enumerate(self.findings, 1):
            name = self.name_of(each) or f"finding {number}"
            for looked, only in ((self.found_on, each.suspect.boxes), (self.others, each.suspect.carried(self.others))):
                found += places(name, each.suspect, looked, [*only], self.classifier.preprocessing)
        return found

    def page(self) -> str:
        """The report, findings first."""
        return audit_page(self)

    def write(self, folder: Path) -> None:
        """Write the report, the findings, all rows that figures follow from, and each part as it was laid over."""
        save_page(folder, self.page())
        write_csv(folder / PHOTOS, Photo._fields, map(cells, self.photos))
        write_csv(folder / TESTS, TEST_COLUMNS, rows_of_tests(self.tried, self.others))
        write_json(folder / FINDINGS, [self.told(each) for each in self.findings])
        write_csv(folder / TABLE, COLUMNS, [list(each.values()) for each in self.rows()])
        write_json(folder / COCO, data_set(self.places(), {row.photo: row.sha256 for row in self.photos}))
        (folder / LAYERS).mkdir()
        for number, each in enumerate(self.findings, 1):
            if isinstance(each.suspect.kind, Trait):
                each.suspect.kind.save(folder / LAYERS / f"{number}-trait.npz")
            if isinstance(each.suspect.kind, Mark):
                each.suspect.kind.save(folder / LAYERS / f"{number}-mark.npz")
            for place, layer in enumerate(each.suspect.layers):
                write_whole(folder / LAYERS / f"{number}-{place}.png", png_bytes(self.shown(layer)))
                if isinstance(layer, Layer):
                    write_array(folder / LAYERS / f"{number}-{place}-kept.npy", layer.kept.numpy())
                    write_array(folder / LAYERS / f"{number}-{place}-added.npy", layer.added.numpy())
                    write_array(folder / LAYERS / f"{number}-{place}-place.npy", np.array([layer.box[1], layer.box[0]]))
        write_manifest(folder, self.to_dict(), AUDIT)


def row_of(told: Mapping[str, Any], *, found: bool) -> dict[str, Any]:
    """A suspect as plain JSON values, as a row of the table of all."""
    low, high = told["interval"] or (None, None)
    removal = told["removal"] or {"effect": None, "p": 1.0}
    values = (told["class"], "yes" if found else "no", told["effect"], low, high, told["p"], told["photos"],
              removal["effect"], removal["p"], told["sentence"])  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def labels_and_quality(rows: Sequence[Photo], copied: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What the photos' rows say of labels and quality, as plain JSON values."""
    label = {row.photo: row.truth for row in rows}
    return {
        "slices": [{**each._asdict(), "rate": each.rate._asdict(), "found": each.found} for each in slices(rows)],
        "wrong_labels": [each._asdict() for each in wrong_labels(rows)],
        "copies_across_classes": [
            [*pair] for pair in copied if all(map(label.get, pair)) and len({*map(label.get, pair)}) > 1
        ],
        "poor": {word: [row.photo for row in rows if word in row.poor] for word in POOR},
    }


def audit(
    classifier: Classifier | str,
    photos: str | Path,
    out: str | Path = "seewhy-audit",
    *,
    masks: str | Path | None = None,
    labels: bool | str | Path = False,
    names: Mapping[int, str] = MappingProxyType({}),
    without: Sequence[str] = (),
    seed: int = 0,
    progress: Progress = silent,
) -> AuditResult:
    """Look for wrong reasons over a folder of photos, and try each on photos on which it was not looked for.

    Half of the photos are searched: for marks, the same thing in the same place of several, and for parts with much
    evidence for a class that are alike pixel by pixel, off the object or mostly in mistakes. Each suspect is laid over
    photos of the other half, and taken out of those that carry it, against controls. What raises its class is found.

    Args:
        classifier: whose reasons to audit, or the name of a model as `seewhy.load` takes it.
        photos: a folder of pictures, plain or in sub-folders.
        out: what was looked at is kept there, so that another run goes on; `save` writes the result there or elsewhere.
        masks: a folder of masks of the objects, named like the pictures.
        labels: True where the sub-folders are the true classes, or a CSV file with a column of files and one of labels;
            both named as the classifier calls them.
        without: methods that may not be used, as `lrp`; an audit uses gradient × activation alone, and says so.
        names: what to call findings, by their numbers, counted from 1; run again to name what was found.
        seed: of which half a photo is in, and of the controls.
        progress: told of photos and suspects; raise `Cancelled` in it to stop, and run again to go on.

    Raises:
        UsageError: there are fewer than 12 photos, no folder is a class of the classifier, or it gives values.
        ExplainError: the network shows no layer that covers the picture.
    """
    left_without(without)  # which refuses what is no method
    opened = _labelled(Folder.open(photos, masks), labels)
    if isinstance(classifier, str):
        classifier = load(classifier)
    looked, failures = look(classifier, opened, Path(out) / KEPT, progress)
    if len(looked) < FEWEST_PHOTOS:
        raise UsageError(f"an audit takes {FEWEST_PHOTOS} photos at least, and {photos} has {len(looked)}; add photos")
    known = _known(classifier, opened, looked, labelled=bool(labels))
    asking = Asking(classifier, Path(out) / KEPT)
    searched, tested = halves(looked, seed)
    found_on, others = looked.part(searched), looked.part(tested)
    suspects = raise_suspects(asking, found_on, known.part(searched), seed, progress)
    tried = try_all(asking, suspects, found_on, others, seed, progress)
    if stray := sorted({*names} - {*range(1, 1 + sum(each.passed for each in tried))}):
        count = sum(each.passed for each in tried)
        raise UsageError(f"there is no finding {stray[0]} to name; the audit has {count}, counted from 1")
    hashes = [opened.hashes[entry.path] for entry in looked.entries]
    rows = photo_rows(looked, hashes, classifier.categories.names, known.truth, searched, like_groups(looked, seed))
    return AuditResult(
        classifier,
        found_on,
        others,
        tuple(tried),
        power(found_on, others, len(suspects), seed, progress),
        tuple((looked.entries[one].path, looked.entries[other].path) for one, other in copies(looked.pixels)),
        tuple(failures),
        seed,
        tuple(rows),
        names,
        tuple(without),
    )


def halves(looked: Looked, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The photos to search and those to try suspects on; of each answer half, and copies of one photo on one side."""
    same = np.arange(len(looked))
    for one, other in copies(looked.pixels):
        same[same == same[other]] = same[one]
    random = np.random.default_rng(seed)
    groups = random.permutation(np.unique(same))
    ordered = sorted(groups.tolist(), key=lambda group: int(looked.said[group]))  # stable: shuffled within an answer
    start = int(random.integers(2))
    first = {group for number, group in enumerate(ordered) if number % 2 == start}
    inside = np.isin(same, list(first))
    return np.nonzero(inside)[0], np.nonzero(~inside)[0]


def _labelled(opened: Folder, labels: bool | str | Path) -> Folder:
    """The photos with their labels, where there are any: of their sub-folders, or of a table."""
    if labels is True and not opened.classes:
        raise UsageError(
            f"{opened.root} has no sub-folder for each class; give a CSV file of labels, or sort the photos into some"
        )
    if isinstance(labels, bool):
        return opened
    table, _ = labelled_folder(opened.root, Path(labels))
    if several := next((entry.path for entry in table.entries if len(entry.labels or ()) > 1), None):
        raise UsageError(
            f"{labels} gives {several} several labels, and an audit takes one of each photo; keep the true one"
        )
    named = {entry.path: next(iter(entry.labels or ()), None) for entry in table.entries}
    entries = tuple(entry._replace(label=named.get(entry.path)) for entry in opened.entries)
    return replace(opened, entries=entries, classes=table.classes)


def _known(classifier: Classifier, opened: Folder, looked: Looked, *, labelled: bool) -> Known:
    """What masks and labels say of the photos."""
    objects = []
    if any(entry.mask for entry in looked.entries):
        drawn = (opened.mask(entry) for entry in looked.entries)
        objects = [None if mask is None else classifier.preprocessing.mask(mask) for mask in drawn]
    if not labelled:
        return Known(objects)
    numbers: dict[str | None, int] = {}
    for name in opened.classes:
        try:
            numbers[name] = classifier.categories.find(name)
        except UnknownName:
            numbers[name] = -1
    if max(numbers.values()) < 0:
        named = ", ".join(opened.classes[:4])
        raise UsageError(f"no label ({named} …) is a class of {classifier.name}; name them as it does, or leave "
                         "--labels out")  # fmt: skip
    return Known(objects, np.array([numbers.get(entry.label, -1) for entry in looked.entries]))
