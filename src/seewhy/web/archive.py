"""Results to take away: the same page, pictures and raw maps as the command line writes."""

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
from seewhy.report import write_compare_report, write_explain_report
from seewhy.study.comparison import Comparison
from seewhy.verbs import save_comparison, save_each
from seewhy.web.work import Explained

Files: TypeAlias = dict[str, bytes]

REPORT = "report.html"
TEXTS = (".html", ".json", ".csv", ".svg")
TRAININGS = rb"(?:trainings/[\w-]+/(?:(?:classifier|cases|prototypes)/)?)?"


def explanation_files(found: Explained, colors: Colors = OURS) -> Files:
    """Report, pictures, raw maps and manifests of one photo, by their names."""
    outcome = Outcome(found.image.name, found.explanations)
    failures = [Outcome(f"{found.image.name}, {method}", error=error) for method, error in found.failures.items()]

    def write(folder: Path) -> None:
        saved = save_each([outcome], folder, colors)
        write_explain_report(folder, [*saved, *((each, None) for each in failures)], colors)

    return written(write)


def comparison_files(found: Comparison) -> Files:
    """Report, scores, pictures, raw maps and manifests of one comparison, by their names."""

    def write(folder: Path) -> None:
        save_comparison(found, folder)
        write_compare_report(folder, found)

    return written(write)


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


def written(write: Callable[[Path], None]) -> Files:
    """What `write` leaves in a folder that is there for it alone."""
    with TemporaryDirectory(prefix="seewhy-") as name:
        folder = Path(name)
        write(folder)
        return files_in(folder)


def files_in(folder: Path) -> Files:
    """What lies in a folder, if there is one; its texts do not tell where this machine keeps things."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return {name: file_in(folder, name) for name in names}


def file_in(folder: Path, name: str) -> bytes:
    """One file of a folder, as `files_in` gives it."""
    content = (folder / name).read_bytes()
    return re.sub(re.escape(f"{home()}/".encode()) + TRAININGS, b"", content) if name.endswith(TEXTS) else content
