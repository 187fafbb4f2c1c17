"""What seewhy keeps in `SEEWHY_HOME` is its account's alone, and what people ask for goes where their umask says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import seewhy
import zoo
from seewhy import open_image
from seewhy.core.files import home, private_file, private_folder
from seewhy.people.players import join
from seewhy.people.store import open_store
from seewhy.verbs import best
from seewhy.web.services.disk import Disk
from seewhy.web.services.photos import Photos

BANDED = np.random.default_rng(0).integers(0, 255, (16, 16, 5), np.uint8)


@pytest.fixture(autouse=True)
def open_umask(tmp_path, monkeypatch) -> Iterator[None]:
    """The most generous umask, and a home that others may read."""
    monkeypatch.setenv("SEEWHY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SEEWHY_DATABASE_URL", raising=False)
    before = os.umask(0)
    (tmp_path / "home").mkdir()
    yield
    os.umask(before)


def keep_photos() -> None:
    photos = Photos(home() / "uploads", disk(), 1 << 20, 1 << 20)
    for picture in (open_image("sample:cat"), open_image(BANDED, name="bands")):
        photos.keep(picture, "anna")


def keep_trainings() -> None:
    with disk().filling(home() / "trainings/secret", "anna"):
        pass


def disk() -> Disk:
    return Disk(home(), 100 << 20, ("uploads/??/*.*", "trainings/*/"))


def keep_people() -> None:
    with open_store() as store:
        join(store, "Anna", fresh=True)
        assert {path.name for path in home().iterdir()} > {"people.sqlite"}  # the log is there, too


KEPT = {"photos": keep_photos, "people": keep_people, "trainings": keep_trainings}


@pytest.mark.parametrize("what", KEPT)
def test_what_is_kept_is_for_this_account_alone(what):
    KEPT[what]()
    found = [home(), *home().rglob("*")]
    assert len(found) > 1
    assert {path: oct(mode_of(path)) for path in found} == {
        path: "0o700" if path.is_dir() else "0o600" for path in found
    }


def test_the_answer_to_which_method_is_best_is_private(monkeypatch):
    monkeypatch.setattr(best, "calibrate", lambda *_: {"method": "lime", "images": 1, "ranks": {}})
    photo = home().parent / "photo.png"
    open_image("sample:cat").to_pil().save(photo)
    best.best_method(zoo.classifier("gap-linear"), photo)
    assert {oct(mode_of(path)) for path in (home() / "cache").rglob("*.json")} == {"0o600"}
    assert mode_of(home() / "cache/best") == 0o700


def test_older_files_and_folders_are_closed(tmp_path):
    older = tmp_path / "home/older/photos"
    older.mkdir(parents=True)
    (older / "photo.png").write_bytes(b"photo")
    assert private_folder(older) == older
    assert private_file(older / "photo.png").read_bytes() == b"photo"
    assert [mode_of(path) for path in (older, older.parent, older / "photo.png")] == [0o700, 0o700, 0o600]


def test_folders_outside_are_left_as_they_are(tmp_path):
    (tmp_path / "mine").mkdir(mode=0o755)
    private_folder(tmp_path / "mine/new/deep")
    assert [mode_of(tmp_path / name) for name in ("mine", "mine/new", "mine/new/deep")] == [0o755, 0o700, 0o700]


def test_results_follow_the_umask(tmp_path):
    os.umask(0o022)
    seewhy.explain(zoo.classifier("gap-linear"), zoo.photos(1)[0]).save(tmp_path / "out")
    assert {mode_of(path) for path in (tmp_path / "out").iterdir()} == {0o644}
    assert mode_of(tmp_path / "out") == 0o755


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
