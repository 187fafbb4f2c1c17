"""What every verb's result can do: tell itself as plain values and as rows, show itself as a page, save itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from seewhy.core.files import whole_folder, write_json, write_whole

PAGE, VALUES = "report.html", "result.json"


class Result(ABC):
    """A result that can be told, shown and saved; the command line, the app and Python use it alike."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """All of it but large arrays, as plain JSON values; NaN is None."""

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """A table of it for people and spreadsheets: one dictionary of plain values a row."""

    @abstractmethod
    def page(self) -> str:
        """The report: one HTML page that needs no other file."""

    def save(self, folder: str | Path) -> Path:
        """Write the result and its report into `folder`, whole or not at all; returns the folder.

        Other files in the folder stay. What is interrupted leaves the result that was there before.

        Raises:
            OSError: The folder cannot be written.
        """
        with whole_folder(Path(folder)) as part:
            self.write(part)
        return Path(folder)

    def write(self, folder: Path) -> None:
        """Write the files of the result into an empty folder; a result with more files than these two adds them."""
        write_json(folder / VALUES, self.to_dict())
        write_page(folder, self.page())


def write_page(folder: Path, page: str) -> None:
    """Write a report as `folder/report.html`, whole or not at all."""
    # A file name in the page may hold what UTF-8 cannot say.
    write_whole(folder / PAGE, page.encode("utf-8", errors="replace"))
