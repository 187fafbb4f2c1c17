"""The door for files of data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from seewhy.core.reading import path_below, read_array, read_arrays, read_json
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
    with pytest.raises(BadFile, match=f"about.json is damaged .*{CURE}"):
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
