"""The door for files of data."""

from __future__ import annotations

import sqlite3
import zipfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from seewhy.core.databases import guard_sqlite
from seewhy.core.reading import open_zip, path_below, read_array, read_arrays, read_json, read_table
from seewhy.core.text import is_plain, shown
from seewhy.errors import BadFile

CURE = "fetch it again"


@dataclass(frozen=True)
class About:
    """Something that a file may say."""

    count: int
    sizes: tuple[float, ...] = ()


def test_json_becomes_what_it_is_declared_to_be(tmp_path: Path):
    path = tmp_path / "about.json"
    path.write_text('{"count": 2, "sizes": [1, 2.5]}')
    assert read_json(path, About, CURE) == About(2, (1.0, 2.5))


@pytest.mark.parametrize(
    "text",
    ["", "[" * 100_000, '{"count": "2"}', '{"count": 1, "sizes": [NaN]}', '{"count": %s}' % ("9" * 10_000), "[]"],
)
def test_what_is_no_such_json_is_one_error_with_the_cure(tmp_path: Path, text: str):
    path = tmp_path / "about.json"
    path.write_text(text)
    with pytest.raises(BadFile, match=rf"about\.json is damaged .*{CURE}"):
        read_json(path, About, CURE)


def test_a_header_that_claims_more_than_the_file_holds_allocates_nothing(tmp_path: Path):
    path = tmp_path / "values.npy"
    np.save(path, np.ones((2, 3), np.float32))
    claimed = path.read_bytes().replace(b"(2, 3), }          ", b"(2, 3000000000), } ")
    assert claimed != path.read_bytes()
    path.write_bytes(claimed)
    with pytest.raises(BadFile, match="claims 6000000000 numbers"):
        read_array(path, CURE)


def test_arrays_have_the_kind_and_shape_that_is_wanted(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.ones((2, 3), np.float32))
    assert read_array(tmp_path / "a.npy", CURE, shape=(None, 3)).shape == (2, 3)
    with pytest.raises(BadFile, match="its shape is"):
        read_array(tmp_path / "a.npy", CURE, shape=(None, 4))
    with pytest.raises(BadFile, match="it holds float32"):
        read_array(tmp_path / "a.npy", CURE, kinds="iu")
    np.savez(tmp_path / "b.npz", x=np.arange(3))
    assert read_arrays(tmp_path / "b.npz", CURE, ["x"])["x"].tolist() == [0, 1, 2]
    with pytest.raises(BadFile, match=r"b\.npz is damaged"):
        read_arrays(tmp_path / "b.npz", CURE, ["y"])


@pytest.mark.parametrize(
    "name",
    ["../out.png", "a/../../out.png", "/etc/passwd", "", ".", "a\0b", "link/out.png", "link", "circle"],
)
def test_a_path_in_a_file_leads_to_nothing_outside_the_folder(tmp_path: Path, name: str):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "out.png").touch()
    (root / "link").symlink_to(outside)
    (root / "circle").symlink_to("circle")
    with pytest.raises(BadFile, match=f"not below root; {CURE}"):
        path_below(root, name, tmp_path / "table", CURE)


def test_a_path_in_a_file_may_lead_down_and_through_links_that_stay(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    for name in ("b.png", "a/b.png", "..b/c", "link/b.png"):
        assert path_below(tmp_path, name, tmp_path / "table", CURE).is_relative_to(tmp_path.resolve())
    assert path_below(tmp_path, "link/b.png", tmp_path / "table", CURE) == tmp_path.resolve() / "a/b.png"


def test_what_no_eye_sees_is_shown():
    assert shown("a\x1b[2J\u202eb\u200bc\n") == "a\\x1b[2J\\u202eb\\u200bc\\n"
    assert shown("Zoë 🐈 日本") == "Zoë 🐈 日本"
    assert len(shown("x" * 10_000)) == 500
    assert is_plain("Zoë")
    assert not is_plain("Zo\x9be")


def test_half_a_letter_of_a_file_name_is_read_as_unknown(tmp_path: Path):
    path = tmp_path / "names.json"
    path.write_bytes(rb'["caf\udce9", "\ud83d\ude00", "a\\udce9", "\u00e9"]')
    assert read_json(path, list[str], CURE) == ["caf\ufffd", "😀", "a\\udce9", "é"]


@pytest.mark.parametrize("number", ["1e999", "-1e999", str(2**64), "NaN", "-Infinity"])
def test_numbers_that_no_machine_counts_with_are_refused(tmp_path: Path, number: str):
    path = tmp_path / "numbers.json"
    path.write_text(f'{{"a": [{{"b": {number}}}]}}')
    with pytest.raises(BadFile, match=r"numbers\.json is damaged"):
        read_json(path, dict[str, Any], CURE)


def test_a_table_has_its_columns(tmp_path: Path):
    path = tmp_path / "table.parquet"
    pl.DataFrame({"a": ["x", "y"], "b": [1.0, None], "c": [1, 2]}).write_parquet(path)
    assert read_table(path, CURE, {"a": pl.String, "b": (pl.Float64, pl.Null)}, {"d": pl.Int8}).columns == ["a", "b"]
    with pytest.raises(BadFile, match="missing or of another type: c, e"):
        read_table(path, CURE, {"a": pl.String, "c": pl.String, "e": pl.String})


def test_a_table_of_more_rows_than_its_bytes_can_hold_is_not_unpacked(tmp_path: Path):
    path = tmp_path / "table.parquet"
    pl.DataFrame({"a": pl.repeat(True, 3_000_000, eager=True)}).write_parquet(path)
    assert path.stat().st_size < 40_000
    with pytest.raises(BadFile, match="claims 3000000 rows"):
        read_table(path, CURE, {"a": pl.Boolean})


def test_text_of_a_table_counts_each_time_it_stands_there(tmp_path: Path):
    path = tmp_path / "table.parquet"
    pl.DataFrame({"a": pl.repeat("x" * 100_000, 11_000, eager=True)}).write_parquet(path)
    with pytest.raises(BadFile, match="table"):
        read_table(path, CURE, {"a": pl.String})


def test_a_zip_gives_its_members_up_to_what_it_may_unpack_to(tmp_path: Path):
    path = tmp_path / "some.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.txt", "words" * 10)
        archive.writestr("c.txt", bytes(2_000_000))
    with open_zip(path, CURE) as found:
        assert found.names == ["a/b.txt", "c.txt"]
        assert found.read("a/b.txt") == b"words" * 10
        assert found.read("a/b.txt", 3) == b"wor"
    with open_zip(path, CURE, most=1_000_000) as found, pytest.raises(BadFile, match="claims to unpack to 2000000"):
        found.read("c.txt")
    with pytest.raises(BadFile, match="it has 2 entries"), open_zip(path, CURE, entries=1):
        pass
    with open_zip(Path("upload.zip"), CURE, content=path.read_bytes()) as found, pytest.raises(BadFile, match=CURE):
        found.read("missing")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"x" * 1000])
def test_what_is_no_zip_is_one_error(tmp_path: Path, content: bytes):
    (tmp_path / "some.zip").write_bytes(content)
    with pytest.raises(BadFile, match=r"some\.zip"), open_zip(tmp_path / "some.zip", CURE) as found:
        found.read("a")


SCHEMA = "CREATE TABLE IF NOT EXISTS units (name TEXT);"


@pytest.mark.parametrize(
    "made",
    [
        "CREATE VIEW units AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n FROM r) SELECT n AS name FROM r;",
        "CREATE TABLE units (name TEXT); CREATE TRIGGER t AFTER INSERT ON units BEGIN DELETE FROM units; END;",
        "CREATE TABLE units (name TEXT CHECK (name > randomblob(1000000000)));",
        "CREATE TABLE units (name TEXT); CREATE TABLE more (x);",
        "CREATE TABLE units (name TEXT, n AS (zeroblob(1000000000)));",
        "",
    ],
)
def test_a_database_with_other_than_our_tables_is_refused(tmp_path: Path, made: str):
    path = tmp_path / "some.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(made)
        with pytest.raises(BadFile, match=rf"some\.sqlite is damaged .*{CURE}"):
            guard_sqlite(connection, SCHEMA, path, CURE)


def test_a_database_of_our_tables_is_taken(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "some.sqlite")) as connection:
        connection.executescript(SCHEMA)
        guard_sqlite(connection, SCHEMA, tmp_path / "some.sqlite", CURE)
        assert connection.execute("PRAGMA trusted_schema").fetchone() == (0,)
