"""Files are there whole, or as they were before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seewhy.core.files import free_name, safe_name, whole_file, write_json, write_whole
from seewhy.core.folders import PART, whole_folder


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


def test_a_name_that_is_no_text_comes_back_from_json(tmp_path):
    write_json(tmp_path / "a.json", {"name": "cat\udcff.png"})
    assert json.loads((tmp_path / "a.json").read_bytes()) == {"name": "cat\udcff.png"}


def test_a_folder_is_there_when_all_of_it_is_written(tmp_path):
    with whole_folder(tmp_path / "new/out") as part:
        (part / "one").write_text("1")
        assert {path.name for path in (tmp_path / "new/out").iterdir()} == {PART}
        (part / "two").mkdir()
        (part / "two/three").write_text("3")
    assert contents(tmp_path) == {"new/out/one": "1", "new/out/two/three": "3"}


def test_a_folder_that_fails_half_way_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _folder_stopped_half_way(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_an_older_folder_keeps_its_other_files_and_loses_none_to_a_failure(tmp_path):
    old = {"one": "old", "sub/other": "other", "sub/two": "old", "mine": "mine"}
    for name, text in old.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    def rewrite(*, fail):
        with whole_folder(tmp_path) as part:
            (part / "one").write_text("new")
            (part / "sub").mkdir()
            (part / "sub/two").write_text("new")
            if fail:
                raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        rewrite(fail=True)
    assert contents(tmp_path) == old
    rewrite(fail=False)
    assert contents(tmp_path) == old | {"one": "new", "sub/two": "new"}


def test_what_a_killed_process_left_is_no_part_of_the_next_folder(tmp_path):
    (tmp_path / "out" / PART).mkdir(parents=True)
    (tmp_path / "out" / PART / "half").write_text("half")
    with whole_folder(tmp_path / "out") as part:
        (part / "one").write_text("1")
    assert contents(tmp_path) == {"out/one": "1"}


def test_names_are_safe_and_numbered_whatever_their_case():
    assert [safe_name(text) for text in ("../a b.png", "..", "кот", "x" * 300)] == [
        "a-b.png",
        "photo",
        "photo",
        "x" * 200,
    ]
    taken = set()
    assert [free_name(text, taken) for text in ("Cat", "cat", "c/t", "cat-2")] == ["Cat", "cat-2", "c-t", "cat-2-2"]


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def _stopped_half_way(path: Path) -> None:
    with whole_file(path) as file:
        file.write(b"ne")
        raise KeyboardInterrupt


def _folder_stopped_half_way(path: Path) -> None:
    with whole_folder(path) as part:
        (part / "one").write_text("1")
        raise KeyboardInterrupt
