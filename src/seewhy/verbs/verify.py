"""Verify a dossier: every figure computed again, every file, weight and version held against what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seewhy.answers.dossier import Difference, Dossier
from seewhy.core.files import json_text
from seewhy.core.folders import Mark
from seewhy.core.progress import Progress, silent
from seewhy.core.reading import JSON_BYTES, parse_json, read_whole
from seewhy.errors import SeewhyError, UsageError
from seewhy.images.folder import Folder
from seewhy.models import Classifier, load
from seewhy.report.dossier import dossier_page, verify_page
from seewhy.verbs.dossier import DOSSIER, PAGE, facts_of, files_of, seal_of, versions
from seewhy.verbs.judging import conclusions_of
from seewhy.verbs.recomputed import differing, find_results, recompute
from seewhy.verbs.result import Result

Kind = Literal["dossier", "file", "result", "figure", "version", "model", "data", "conclusion"]
CURE = "give the folder that `seewhy dossier` wrote to"


@dataclass(frozen=True, eq=False)
class VerifyResult(Result):
    """What differs from a dossier, what was held against it, and what could not be.

    Attributes:
        dossier: its path.
        seal: what it is now.
        differences: what is not as it says.
        checked: how many of each kind were held against it.
        unchecked: what was not, in sentences.
    """

    dossier: str
    seal: str
    differences: tuple[Difference, ...]
    checked: Mapping[str, int]
    unchecked: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def to_dict(self) -> dict[str, Any]:
        """See `Result`."""
        return {
            "dossier": self.dossier,
            "holds": self.holds,
            "seal": self.seal,
            "differences": [{**each} for each in self.differences],
            "checked": {**self.checked},
            "unchecked": [*self.unchecked],
        }

    def rows(self) -> list[dict[str, Any]]:
        """A row for each difference."""
        return [{**each} for each in self.differences]

    def page(self) -> str:
        """The report."""
        return verify_page(self.differences, self.checked, self.unchecked, self.seal)


def verify(
    dossier: str | Path,
    *,
    models: Sequence[str | Classifier] = (),
    data: Sequence[str | Path] = (),
    seal: str | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> VerifyResult:
    """Compute every figure of a dossier again from the files it gathers, and say what differs.

    Nothing that a dossier names is loaded: a model is opened only where `models` names it.

    Args:
        dossier: its folder, or dossier.json in it.
        models: the models that it is about, or their names, to hold their weights against it.
        data: folders of the photos, in the order in which the dossier was given them.
        seal: the seal that was noted elsewhere.
        device: as `seewhy.load` takes it.
        progress: told of what is checked; raise `Cancelled` in it to stop.

    Raises:
        UsageError: there is no dossier.
    """
    given = Path(dossier)
    path = given / DOSSIER if given.is_dir() else given
    if not path.is_file():
        raise UsageError(f"there is no dossier {path}; {CURE}")
    text = read_whole(path, CURE, JSON_BYTES)
    try:
        found, raw = parse_json(text, Dossier, path, CURE), json.loads(text)
    except (SeewhyError, ValueError) as error:
        return VerifyResult(str(path), "", (_differs("dossier", path.name, "a dossier", str(error)),), {}, ())
    differences = [*_of_itself(found, raw, text, seal, path.parent), *_of_files(found, path.parent)]
    of_results, figures = _of_results(found, path.parent, progress)
    differences += [*of_results, *_of_versions(found)]
    unchecked = [*_unchecked(found, models, data)]
    differences += _of_models(found, models, device, progress)
    differences += _of_data(found, data)
    checked = {
        "files": len(found["files"]),
        "results": len(found["results"]),
        "figures": figures,
        "versions": len(found["versions"]),
        "models": len(models),
        "photos": sum(len(each["files"]) for each in found["data"][: len(data)]),
    }
    return VerifyResult(str(path), seal_of(raw), tuple(differences), checked, tuple(unchecked))


def _of_itself(
    found: Dossier, raw: Mapping[str, Any], text: bytes, seal: str | None, root: Path
) -> Iterator[Difference]:
    """Whether the dossier is as it was written, and its page shows it."""
    now = seal_of(raw)
    if raw.get("seal") != now:
        yield _differs("dossier", DOSSIER, f"the seal {str(raw.get('seal'))[:16]}…", f"{now[:16]}…")
    if text != (json_text(raw) + "\n").encode("utf-8", "replace"):
        yield _differs("dossier", DOSSIER, "as seewhy writes it", "written otherwise")
    if seal and seal.lower() != now:
        yield _differs("dossier", DOSSIER, f"the seal {seal[:16]}…, as it was noted", f"{now[:16]}…")
    page = root / PAGE
    content = page.read_bytes() if page.is_file() else b""
    if raw.get("page") != vars(Mark.of(content)):
        yield _differs("file", PAGE, "the page that was written", "another" if content else "missing")
    elif found["versions"] == versions() and content != dossier_page(found).encode("utf-8", "replace"):
        yield _differs("file", PAGE, f"what {DOSSIER} says", "something else")
    said = conclusions_of(root)
    for each in said:
        if each not in found["conclusions"]:
            yield _differs("conclusion", str(each["about"]), "nothing", f"{each['who']}: {each['text']}")
    for each in found["conclusions"]:
        if each["about"] is not None and each not in said:
            yield _differs("conclusion", str(each["about"]), f"{each['who']}: {each['text']}", "nothing")


def _of_files(found: Dossier, root: Path) -> Iterator[Difference]:
    """Files that are others than those that were gathered, missing, or new."""
    there = files_of(root)
    for name, mark in found["files"].items():
        if name not in there:
            yield _differs("file", name, f"{mark['size']} bytes", "missing")
        elif there[name] != mark:
            now = there[name]
            told, seen = (
                (f"{mark['size']} bytes", f"{now['size']} bytes")
                if now["size"] != mark["size"]
                else (f"SHA-256 {mark['sha256'][:16]}…", f"{now['sha256'][:16]}…")
            )
            yield _differs("file", name, told, seen)
    for name in sorted(there.keys() - found["files"].keys()):
        yield _differs("file", name, "not there", "a new file")


def _of_results(found: Dossier, root: Path, progress: Progress) -> tuple[list[Difference], int]:
    """Figures that do not follow from their rows any more, and how many figures there are."""
    listed = find_results(root)
    differences: list[Difference] = []
    figures = 0
    for done, told in enumerate(found["results"]):
        file = told["file"]
        progress(done, len(found["results"]), f"computing figures again, {file}")
        figures += _count(told["figures"])
        if file not in listed:
            differences.append(_differs("result", file, told["kind"], "missing"))
            continue
        try:
            now = recompute(root / file)
        except SeewhyError as error:
            differences.append(_differs("result", file, told["kind"], str(error)))
            continue
        for each in (*differing(now.told, now.figures), *differing(told, facts_of(file, now))):
            each["where"] = f"{file}: {each['where'].removeprefix('figures.')}"
            if each not in differences:
                differences.append(each)
    return differences, figures


def _of_versions(found: Dossier) -> Iterator[Difference]:
    now = versions()
    for name in sorted({*found["versions"], *now}):
        told, here = found["versions"].get(name, "none"), now.get(name, "none")
        if told != here:
            yield _differs("version", name, told, here)


def _of_models(
    found: Dossier, models: Sequence[str | Classifier], device: str, progress: Progress
) -> Iterator[Difference]:
    told = {each["fingerprint"] for each in found["models"]}
    for model in models:
        progress(0, None, f"loading {model}")
        opened = load(model, device=device) if isinstance(model, str) else model
        if opened.fingerprint not in told:
            name = model if isinstance(model, str) else model.name
            named = (each["fingerprint"] for each in found["models"] if name in each["name"].split(", "))
            was = next(named, "another model")
            yield _differs("model", name, was[:16], opened.fingerprint[:16])


def _of_data(found: Dossier, data: Sequence[str | Path]) -> Iterator[Difference]:
    if len(data) > len(found["data"]):
        raise UsageError(f"the dossier tells of {len(found['data'])} folders of data, and {len(data)} are given")
    for told, folder in zip(found["data"], data, strict=False):
        now = Folder.open(folder).hashes
        for name in sorted({*told["files"], *now}):
            was, here = told["files"].get(name, "not there"), now.get(name, "missing")
            if was != here:
                yield _differs("data", f"{told['name']}/{name}", was[:16], here[:16])


def _unchecked(found: Dossier, models: Sequence[str | Classifier], data: Sequence[str | Path]) -> Iterator[str]:
    if len(models) < len(found["models"]):
        names = "; ".join(each["name"] for each in found["models"])
        yield f"Models that were opened: {len(models)} of {len(found['models'])} ({names}); name them with --model."
    if len(data) < len(found["data"]):
        yield f"Folders of data that were looked at: {len(data)} of {len(found['data'])}; name them with --data."
    if not found["data"]:
        yield "The dossier holds the content of no photos, so that they may be others."


def _differs(kind: Kind, where: str, told: str, found: str) -> Difference:
    return {"kind": kind, "where": where, "told": told, "found": found}


def _count(value: Any) -> int:
    """How many numbers and words there are."""
    if isinstance(value, Mapping):
        return sum(map(_count, value.values()))
    return sum(map(_count, value)) if isinstance(value, list | tuple) else 1
