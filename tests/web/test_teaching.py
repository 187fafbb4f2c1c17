"""One training: what it leaves, what can be taken away, and what is forgotten."""

from __future__ import annotations

import os

import pytest

from seewhy.core.progress import silent
from seewhy.errors import UnknownName
from seewhy.images import Image, open_image
from seewhy.models import DEFAULT_MODEL, load
from seewhy.verbs import classifier_of_cases, explain_prototypes, find_twins, open_cases
from seewhy.web.classes import members, unpack
from seewhy.web.shelf import Shelf
from seewhy.web.teaching import Lesson, Taught, forget_old, new_folder, teach
from web.zips import two_classes

MB = 1 << 20


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEWHY_HOME", str(tmp_path))
    return unpack(members(two_classes(), MB), tmp_path / "trainings/secret/pictures", MB, 10_000).folder


def written(files, folder):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def photo(pictures) -> Image:
    return open_image(min(pictures.rglob("*.png")))


def test_a_lesson_leaves_a_classifier_and_cases_that_fit_it(pictures, photo, tmp_path):
    shelf = Shelf((DEFAULT_MODEL,), "cpu")
    taught = teach(Lesson("mine", pictures, DEFAULT_MODEL, head_epochs=2), tmp_path / "trainings/other", shelf, silent)
    assert taught.model not in shelf.names
    classifier = shelf.get(taught.model)
    assert tuple(classifier.categories) == ("cat", "dog")
    assert classifier_of_cases(taught.cases)[0] == taught.model
    found = find_twins(open_cases(taught.cases, classifier), photo, 1)
    assert len(found.twins) == 1

    away = written(taught.files(), tmp_path / "away")
    assert load(f"file:{away / 'mine'}").fingerprint == classifier.fingerprint
    assert not taught.prototypes.exists()
    for path in away.rglob("*"):
        assert path.is_dir() or str(tmp_path).encode() not in path.read_bytes(), path
    assert b"--model file:mine" in taught.page()


@pytest.mark.heavy
def test_prototypes_are_learned_where_they_are_asked_for(pictures, photo, tmp_path):
    lesson = Lesson("mine", pictures, DEFAULT_MODEL, head_epochs=2, prototypes=True)
    taught = teach(lesson, tmp_path / "trainings/other", Shelf((DEFAULT_MODEL,), "cpu"), silent)
    (found,) = explain_prototypes(taught.prototypes, [photo], refused=bool(taught.objections))
    assert found.image.sha256 == photo.sha256
    away = written(taught.files(), tmp_path / "away")
    assert (away / "mine-prototypes/report.html").is_file()


def test_what_nobody_admitted_is_not_opened(tmp_path):
    with pytest.raises(UnknownName):
        Shelf((DEFAULT_MODEL,), "cpu").get(Taught("mine", tmp_path).model)


def test_folders_have_secret_names_and_old_ones_go(tmp_path):
    first, second = new_folder(tmp_path), new_folder(tmp_path)
    assert len({first.name, second.name}) == 2
    assert len(first.name) >= 32
    for folder in (first, second):
        (folder / "pictures").mkdir(parents=True)
    os.utime(first, (0, 0))
    forget_old(tmp_path)
    assert not first.exists()
    assert second.exists()
