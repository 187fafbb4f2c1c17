"""Wrong reasons over a folder: suspects that are tried on photos on which nothing was looked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seewhy import __version__
from seewhy.audit.looking import Asking, Looked, look
from seewhy.audit.marks import FEWEST, copies
from seewhy.audit.suspects import Known, raise_suspects
from seewhy.audit.trial import Test, Tried, power, try_all
from seewhy.core.files import write_array, write_csv, write_json, write_whole
from seewhy.core.folders import write_manifest
from seewhy.core.progress import Progress, silent
from seewhy.draw import png_bytes
from seewhy.errors import UnknownName, UsageError
from seewhy.images.folder import Folder
from seewhy.models import Classifier, load
from seewhy.report.audit import AuditReport, audit_page
from seewhy.report.page import save_page
from seewhy.verbs.result import SCHEMA, Result

FINDINGS, TABLE, LAYERS = "findings.json", "findings.csv", "layers"
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
        mean, low, high = each.paste.interval
        layer, (tall, wide) = each.suspect.layers[0], self.found_on.pixels.shape[2:]
        left, top, right, bottom = layer.box
        shares = [round(left / wide, 4), round(top / tall, 4), round(right / wide, 4), round(bottom / tall, 4)]
        return {
            "class": self.classifier.categories[each.suspect.target],
            "sentence": self.sentence(each),
            "effect": mean,
            "interval": None if np.isnan(low) else [low, high],
            "p": each.p_paste,
            "photos": len(self.photos_of(each)),
            "region": shares if each.suspect.fixed else None,
            "reasons": list(each.suspect.reasons),
            "before": float(each.paste.before.mean()) if each.paste.places else None,
            "after": float(each.paste.after.mean()) if each.paste.places else None,
            "tested_on": len(each.paste.places),
            "removal": _plain(each.removal, each.p_removal),
            "names": self.photos_of(each),
        }

    def to_dict(self) -> dict[str, Any]:
        """All of it, as plain JSON values."""
        return {
            "schema": SCHEMA,
            "seewhy": __version__,
            "model": self.classifier.name,
            "fingerprint": self.classifier.fingerprint,
            "seed": self.seed,
            "photos": len(self.found_on) + len(self.others),
            "findings": [self.told(each) for each in self.findings],
            "suspects": [self.told(each) for each in self.tried if not each.passed],
            "power": self.power._asdict(),
            "copies": [list(each) for each in self.copies],
            "failures": [{"source": each.source, "error": str(each.error)} for each in self.failures],
        }

    def rows(self) -> list[dict[str, Any]]:
        """A row for each suspect."""
        return [self._row(each) for each in self.tried]

    def _row(self, each: Tried) -> dict[str, Any]:
        mean, low, high = each.paste.interval
        removal = each.removal.interval[0]
        values = (self.classifier.categories[each.suspect.target], "yes" if each.passed else "no", mean,
                  *(None if np.isnan(bound) else bound for bound in (low, high)), each.p_paste,
                  len(self.photos_of(each)), None if np.isnan(removal) else removal, each.p_removal,
                  self.sentence(each))  # fmt: skip
        return dict(zip(COLUMNS, values, strict=True))

    def page(self) -> str:
        """The report, findings first."""
        return audit_page(self)

    def write(self, folder: Path) -> None:
        """Write the report, `findings.json`, a table of all suspects, and each finding's part as it was laid over."""
        save_page(folder, self.page())
        write_json(folder / FINDINGS, [self.told(each) for each in self.findings])
        write_csv(folder / TABLE, COLUMNS, [list(each.values()) for each in self.rows()])
        (folder / LAYERS).mkdir()
        for number, each in enumerate(self.findings, 1):
            if each.suspect.mark:
                each.suspect.mark.save(folder / LAYERS / f"{number}-mark.npz")
            for place, layer in enumerate(each.suspect.layers):
                write_array(folder / LAYERS / f"{number}-{place}-kept.npy", layer.kept.numpy())
                write_array(folder / LAYERS / f"{number}-{place}-added.npy", layer.added.numpy())
                write_array(folder / LAYERS / f"{number}-{place}-place.npy", np.array([layer.box[1], layer.box[0]]))
                write_whole(folder / LAYERS / f"{number}-{place}.png", png_bytes(self.shown(layer)))
        write_manifest(folder, self.to_dict(), "audit.json")


def audit(
    classifier: Classifier | str,
    photos: str | Path,
    out: str | Path = "seewhy-audit",
    *,
    masks: str | Path | None = None,
    labels: bool = False,
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
        labels: whether the sub-folders are the true classes, named as the classifier calls them.
        seed: of which half a photo is in, and of the controls.
        progress: told of photos and suspects; raise `Cancelled` in it to stop, and run again to go on.

    Raises:
        UsageError: there are fewer than 12 photos, no folder is a class of the classifier, or it gives values.
        ExplainError: the network shows no layer that covers the picture.
    """
    opened = Folder.open(photos, masks)
    if labels and not opened.classes:
        raise UsageError(
            f"{photos} has no sub-folder for each class; leave --labels out, or sort the photos into classes"
        )
    if isinstance(classifier, str):
        classifier = load(classifier)
    looked, failures = look(classifier, opened, Path(out) / KEPT, progress)
    if len(looked) < FEWEST_PHOTOS:
        raise UsageError(f"an audit takes {FEWEST_PHOTOS} photos at least, and {photos} has {len(looked)}; add photos")
    known = _known(classifier, opened, looked, labels)
    asking = Asking(classifier, Path(out) / KEPT)
    searched, tested = halves(looked, seed)
    found_on, others = looked.part(searched), looked.part(tested)
    suspects = raise_suspects(asking, found_on, known.part(searched), seed, progress)
    tried = try_all(asking, suspects, found_on, others, seed, progress)
    can = power(found_on, others, len(suspects), seed, progress)
    names = [(looked.entries[one].path, looked.entries[other].path) for one, other in copies(looked.pixels)]
    return AuditResult(classifier, found_on, others, tuple(tried), can, tuple(names), tuple(failures), seed)


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


def _known(classifier: Classifier, opened: Folder, looked: Looked, labels: bool) -> Known:
    """What masks and sub-folders say of the photos."""
    objects = []
    if any(entry.mask for entry in looked.entries):
        drawn = (opened.mask(entry) for entry in looked.entries)
        objects = [None if mask is None else classifier.preprocessing.mask(mask) for mask in drawn]
    if not labels:
        return Known(objects)
    numbers: dict[str | None, int] = {}
    for name in opened.classes:
        try:
            numbers[name] = classifier.categories.find(name)
        except UnknownName:
            numbers[name] = -1
    if max(numbers.values()) < 0:
        named = ", ".join(opened.classes[:4])
        raise UsageError(f"no sub-folder ({named} …) is a class of {classifier.name}; name them as it does, or leave "
                         "--labels out")  # fmt: skip
    return Known(objects, np.array([numbers.get(entry.label, -1) for entry in looked.entries]))


def _plain(test: Test, p: float) -> dict[str, Any] | None:
    if not test.places:
        return None
    mean, low, high = test.interval
    return {
        "effect": mean,
        "interval": None if np.isnan(low) else [low, high],
        "p": p,
        "tested_on": len(test.places),
        "before": float(test.before.mean()),
        "after": float(test.after.mean()),
    }
