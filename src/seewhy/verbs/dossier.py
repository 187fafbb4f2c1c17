"""A dossier: all that was found of a model below one folder, with what it rests on, in one HTML and one JSON file."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from seewhy import __version__
from seewhy.answers.dossier import Conclusion, Difference, DossierContent, DossierData, FileMark
from seewhy.answers.dossier import DossierResult as Facts
from seewhy.core.files import json_text, write_whole
from seewhy.core.folders import Mark, mark_of
from seewhy.core.progress import Progress, silent
from seewhy.core.text import shown
from seewhy.errors import BadFile, UsageError
from seewhy.images.folder import Folder
from seewhy.models import Classifier, load
from seewhy.report.dossier import dossier_page
from seewhy.verbs.judging import conclusions_of
from seewhy.verbs.recomputed import Recomputed, differing, find_results, recompute
from seewhy.verbs.result import Result

DOSSIER, PAGE = "dossier.json", "dossier.html"
SCHEMA = 1
LEDGER = "ledger."  # a study's, which its data base changes when it is read
PACKAGES = ("torch", "torchvision", "timm", "numpy", "scipy", "scikit-image", "Pillow", "polars")


@dataclass(frozen=True, eq=False)
class DossierResult(Result):
    """A dossier: its content; with its page and its seal it is what stands in dossier.json."""

    content: DossierContent

    @property
    def seal(self) -> str:
        """The SHA-256 of the file without its seal."""
        return self.to_dict()["seal"]

    def to_dict(self) -> dict[str, Any]:
        """What stands in dossier.json."""
        values = {**self.content, "page": asdict(Mark.of(_bytes(self.page())))}
        return {**values, "seal": seal_of(values)}

    def rows(self) -> list[dict[str, Any]]:
        """A row for each result."""
        return [
            {"kind": each["kind"], "file": each["file"], "says": " ".join(each["said"])}
            for each in self.content["results"]
        ]

    def page(self) -> str:
        """The page."""
        return dossier_page(self.content)

    def write(self, folder: Path) -> None:
        """Write `dossier.json` and `dossier.html`."""
        write_whole(folder / PAGE, _bytes(self.page()))
        write_whole(folder / DOSSIER, _bytes(json_text(self.to_dict()) + "\n"))


def dossier(
    folder: str | Path,
    *,
    models: Sequence[str | Classifier] = (),
    data: Sequence[str | Path] = (),
    purpose: str | None = None,
    conclusions: Mapping[str, str] | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> DossierResult:
    """Gather every audit, evaluation, study, repair and diff below a folder, and compute their figures again.

    Args:
        folder: what seewhy wrote, in sub-folders of any names.
        models: those that the results are about, or their names: they are opened, and have to be the very ones.
        data: folders of the photos that results rest on; the content of each is held.
        purpose: what the model is meant for, in its maker's words.
        conclusions: what somebody concluded, by their name; what people said of single findings is gathered, too.
        device: as `seewhy.load` takes it.
        progress: told of files; raise `Cancelled` in it to stop.

    Raises:
        UsageError: there is no result below the folder, or a model is not the one that a result tells of.
        BadFile: a result's file tells another figure than its rows give.
    """
    root = Path(folder)
    results = gathered(root, progress)
    known: dict[str, list[str]] = {}  # what each fingerprint is called
    for each in results:
        for name, fingerprint in each["models"].items():
            known[fingerprint] = list(dict.fromkeys([*known.get(fingerprint, ()), name]))
    opened = dict(_opened(model, device, progress) for model in models)
    if stray := sorted(name for fingerprint, name in opened.items() if fingerprint not in known):
        raise UsageError(
            f"{stray[0]} is not the model of any result in {root}: its fingerprint is another; give the one that was "
            "audited, or make the results anew"
        )
    said: list[Conclusion] = [{"who": who, "text": text, "about": None} for who, text in (conclusions or {}).items()]
    return DossierResult({
        "schema": SCHEMA,
        "purpose": purpose,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "models": [
            {"name": ", ".join(names), "fingerprint": each, "loaded": each in opened} for each, names in known.items()
        ],
        "data": [data_facts(Path(each)) for each in data],
        "results": results,
        "conclusions": [*said, *conclusions_of(root)],
        "files": files_of(root),
    })  # fmt: skip


def gathered(root: Path, progress: Progress = silent) -> list[Facts]:
    """Every result below a folder, its figures computed again.

    Raises:
        UsageError: there is none.
        BadFile: one is damaged, or tells another figure than its rows give.
    """
    listed = find_results(root)
    if not listed:
        raise UsageError(
            f"{root} holds no result of seewhy audit, evaluate, study, repair or diff; make some below it first"
        )
    found: list[Facts] = []
    for done, file in enumerate(listed):
        progress(done, len(listed), f"computing figures again, {file}")
        each = recompute(root / file)
        if wrong := next(differing(each.told, each.figures), None):
            raise BadFile(f"{root / file} tells what its rows do not give: {told_words(wrong)}; make the result again")
        found.append(facts_of(file, each))
    return found


def facts_of(file: str, found: Recomputed) -> Facts:
    """What a dossier holds of a result."""
    return {
        "file": file,
        "kind": found.kind,
        "said": [*found.said],
        "figures": {**found.figures},
        "models": {**found.models},
        "seed": found.seed,
        "limits": [*found.limits],
    }


def told_words(each: Difference) -> str:
    """A difference in words."""
    return f"{each['where']} is told as {each['told']}, and is {each['found']}"


def versions() -> dict[str, str]:
    """Of seewhy, of Python and of what computes."""
    found = {"seewhy": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def data_facts(folder: Path) -> DossierData:
    """The photos of a folder, by their contents.

    Raises:
        UsageError: there is no such folder, or it holds none.
    """
    opened = Folder.open(folder)
    return {"name": folder.resolve().name, "files": {**opened.hashes}}


def files_of(root: Path) -> dict[str, FileMark]:
    """Every file below a folder but the dossier itself and what seewhy keeps to go on, by its path."""
    found: dict[str, FileMark] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        hidden = any(part.startswith((".", LEDGER)) for part in name.parts)
        if path.is_file() and not hidden and name.as_posix() not in {DOSSIER, PAGE}:
            if not _is_text(name.as_posix()):
                raise UsageError(
                    f"the name {shown(str(name))} is not UTF-8, so no dossier can hold it; rename the file"
                )
            mark = mark_of(path)
            found[name.as_posix()] = {"size": mark.size, "sha256": mark.sha256}
    return found


def seal_of(values: Mapping[str, Any]) -> str:
    """The SHA-256 of plain values as their file holds them, but for the seal."""
    return sha256(_bytes(json_text({name: value for name, value in values.items() if name != "seal"}))).hexdigest()


def _opened(model: str | Classifier, device: str, progress: Progress) -> tuple[str, str]:
    """The fingerprint of a model, and its name."""
    if isinstance(model, Classifier):
        return model.fingerprint, model.name
    progress(0, None, f"loading {model}")
    return load(model, device=device).fingerprint, model


def _is_text(name: str) -> bool:
    return name.encode("utf-8", "replace").decode() == name


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
