"""Results to take away, as the command line writes them: report, pictures, raw maps and manifests by their names."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from seewhy.core.files import home
from seewhy.core.outcome import Outcome
from seewhy.draw import OURS, Colors
from seewhy.verbs.explanations import write_explanations
from seewhy.verbs.result import Result
from seewhy.web.services.hub import services
from seewhy.web.services.results import Explained

Files: TypeAlias = dict[str, bytes]

REPORT = "report.html"
TEXTS = (".html", ".json", ".csv", ".svg")
KEPT = (".", "ledger.lock")  # how names begin of what seewhy keeps to go on
TRAININGS = rb"(?:trainings/[\w-]+/(?:(?:classifier|cases|prototypes)/)?)?"


def report_of(files: Files) -> bytes:
    """The page among them."""
    return files[REPORT]


def zipped(files: Files) -> bytes:
    """All of them in one archive; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def report_page(found: Result) -> bytes:
    """The report of a result whose other files nobody wants yet."""
    return without_homes(found.page().encode())


def result_files(found: Result) -> Files:
    """What a result saves, by its names."""
    return written(found.save)


def explanation_files(found: Explained, colors: Colors = OURS) -> Files:
    """Report, pictures, raw maps and manifests of one photo, by their names."""
    outcome = Outcome(found.image.name, found.explanations)
    failures = [Outcome(f"{found.image.name}, {method}", error=error) for method, error in found.failures.items()]
    return written(lambda folder: write_explanations([outcome, *failures], folder, colors))


def written(write: Callable[[Path], object]) -> Files:
    """What `write` leaves in a folder, which is gone afterwards."""
    with TemporaryDirectory(prefix="seewhy-") as name:
        write(folder := Path(name))
        return files_below(folder)


def files_below(folder: Path) -> Files:
    """What people get of a folder of results: all but what seewhy keeps there to go on."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    kept = {name: path for name, path in paths.items() if not name.startswith(KEPT) and "/." not in name}
    found = {name: path.read_bytes() for name, path in kept.items()}
    return {name: without_homes(content) if name.endswith(TEXTS) else content for name, content in found.items()}


def without_homes(text: bytes) -> bytes:
    """The text without the names of folders that tell where this machine keeps things."""
    chosen = services().settings
    for folder in filter(None, (chosen.cases, chosen.photos, chosen.prototypes, chosen.studies)):
        text = text.replace(f"{folder}/".encode(), b"")
    return re.sub(re.escape(f"{home()}/".encode()) + TRAININGS, b"", text)
