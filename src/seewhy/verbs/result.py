"""What every verb's result can do: tell itself as plain values and as rows, show itself as a page, save itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from seewhy import __version__
from seewhy.core.files import photo_folders
from seewhy.core.folders import whole_folder, write_manifest
from seewhy.core.outcome import Outcome
from seewhy.report.page import save_page

VALUES = "result.json"
SCHEMA = 1
T = TypeVar("T")


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
            NotWritten: The disk is full, or the folder may not be written.
            UsageError: The name is that of a file, or another process is writing there.
        """
        with whole_folder(Path(folder)) as part:
            self.write(part)
        return Path(folder)

    def write(self, folder: Path) -> None:
        """Write the files of the result into an empty folder; a result with more files than these two adds them."""
        save_page(folder, self.page())
        write_manifest(folder, self.to_dict(), VALUES)


class PhotoResults(Result, Generic[T]):
    """What was found about several photos, and those that failed; `save` gives each photo a folder of its own."""

    found: Sequence[T]
    failures: Sequence[Outcome[Any]]

    @abstractmethod
    def values(self, each: T) -> dict[str, Any]:
        """All about one photo but pictures and maps, as plain JSON values; `image` holds its name."""

    @abstractmethod
    def write_photo(self, each: T, folder: Path) -> None:
        """Write the pictures and maps of one photo."""

    def to_dict(self) -> dict[str, Any]:
        """See `Result`."""
        failures = [{"source": each.source, "error": str(each.error)} for each in self.failures]
        return {"photos": [self.values(each) for each in self.found], "failures": failures}

    def write(self, folder: Path) -> None:
        """Write the report and for each photo a folder with pictures, maps and a manifest."""
        values = [self.values(each) for each in self.found]
        places = photo_folders([each["image"]["name"] for each in values], folder)
        for each, told, place in zip(self.found, values, places, strict=True):
            place.mkdir(parents=True)
            self.write_photo(each, place)
            write_manifest(place, {"schema": SCHEMA, "seewhy": __version__, **told})
        super().write(folder)
