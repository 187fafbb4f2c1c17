"""One training: what it leaves, what can be taken away, and what is forgotten."""

from __future__ import annotations

import os

import pytest

from seewhy.errors import UnknownName
from seewhy.images import Image, open_image
from seewhy.images.uploads import members, unpack
from seewhy.models import DEFAULT_MODEL, load
from seewhy.verbs import classifier_of_cases, explain_prototypes, find_twins, open_cases
from seewhy.verbs.teach import TeachConfig, TeachResult, teach
from seewhy.web.services.caches import ModelCache
from seewhy.web.services.reports import report_page, result_files
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


def opener(models):
    """As the app opens what somebody trained."""

    def opened(name):
        models.admit(name)
        return models.get(name)

    return opened


@pytest.fixture
def photo(pictures) -> Image:
    return open_image(min(pictures.rglob("*.png")))


def test_a_lesson_leaves_a_classifier_and_cases_that_fit_it(pictures, photo, tmp_path):
    models = ModelCache((DEFAULT_MODEL,), "cpu")
    config = TeachConfig("mine", pictures, DEFAULT_MODEL, head_epochs=2)
    taught = teach(config, tmp_path / "trainings/other", opener(models))
    assert taught.model not in models.names
    classifier = models.get(taught.model)
    assert tuple(classifier.categories) == ("cat", "dog")
    assert classifier_of_cases(taught.cases)[0] == taught.model
    found = find_twins(open_cases(taught.cases, classifier), photo, 1)
    assert len(found.twins) == 1

    assert taught.rows() == [{"name": "mine", "model": f"file:{taught.classifier}", "objections": []}]
    away = written(result_files(taught), tmp_path / "away")
    assert load(f"file:{away / 'mine'}").fingerprint == classifier.fingerprint
    assert not taught.prototypes.exists()
    for path in away.rglob("*"):
        assert path.is_dir() or str(tmp_path).encode() not in path.read_bytes(), path
    assert b"--model file:mine" in report_page(taught)


@pytest.mark.heavy
def test_prototypes_are_learned_where_they_are_asked_for(pictures, photo, tmp_path):
    config = TeachConfig("mine", pictures, DEFAULT_MODEL, head_epochs=2, prototypes=True)
    taught = teach(config, tmp_path / "trainings/other")
    (found,) = explain_prototypes(taught.prototypes, [photo], refused=bool(taught.objections)).found
    assert found.image.sha256 == photo.sha256
    away = written(result_files(taught), tmp_path / "away")
    assert (away / "mine-prototypes/report.html").is_file()


def test_what_nobody_admitted_is_not_opened(tmp_path):
    with pytest.raises(UnknownName):
        ModelCache((DEFAULT_MODEL,), "cpu").get(TeachResult("mine", tmp_path).model)


def test_folders_have_secret_names_and_old_ones_go_with_their_models(at):
    first, second = (at.new_training_folder() for _ in range(2))
    assert len({first.name, second.name}) == 2
    assert len(first.name) >= 32
    for folder in (first, second):
        with at.disk.filling(folder, "anna"):
            (folder / "classifier").mkdir()
        at.models.admit(f"file:{folder / 'classifier'}")
    os.utime(first, (0, 0))
    at.sweep()
    assert not first.exists()
    assert second.exists()
    assert at.models.admitted == (f"file:{second / 'classifier'}",)
