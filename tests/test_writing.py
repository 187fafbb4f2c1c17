"""Files are there whole, or as they were before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seewhy.core.writing import whole_file, write_json, write_whole


def test_a_file_is_written_into_a_folder_that_is_made(tmp_path):
    write_whole(tmp_path / "new/file", b"content")
    assert (tmp_path / "new/file").read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_what_fails_half_way_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        _stopped_half_way(path)
    assert path.read_bytes() == b"old"


def test_json_is_text_for_people_and_never_nan(tmp_path):
    write_json(tmp_path / "a.json", {"ä": 1})
    text = (tmp_path / "a.json").read_text("utf-8")
    assert json.loads(text) == {"ä": 1}
    assert "ä" in text
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert (tmp_path / "a.json").read_text("utf-8") == text


def _stopped_half_way(path: Path) -> None:
    with whole_file(path) as file:
        file.write(b"ne")
        raise KeyboardInterrupt
