"""Poisoned files behind the app: whoever asks is told in a sentence, and nothing of them runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest

from poison import POISONS, Poison, Sound
from seewhy.core.text import is_plain
from seewhy.errors import SeewhyError
from seewhy.study.results import RESULTS
from seewhy.web.rest.api import make_api
from web.rest.test_api import over

pytestmark = pytest.mark.heavy  # each begins an app of its own

SENTENCE = 2000  # letters


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    return Sound(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def spoil(sound: Sound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a poisoned one at a place, where code that it names could be imported from; returns the canary."""

    def spoiled(poison: Poison, place: Path) -> Path:
        sound.copied(poison.subject, place)
        poison.spoil(place, tmp_path / "canary")
        monkeypatch.chdir(place)
        monkeypatch.setattr(sys, "path", [*sys.path, str(place)])
        monkeypatch.delitem(sys.modules, "poisonous", raising=False)
        return tmp_path / "canary"

    return spoiled


def of(*subjects: str) -> list[Poison]:
    return [each for each in POISONS if each.subject in subjects]


@pytest.mark.parametrize("poison", of("classifier", "prototypes"), ids=str)
def test_who_asks_a_poisoned_model_is_told_in_a_sentence(start, spoil, tmp_path, poison: Poison):
    canary = spoil(poison, tmp_path / "model")
    at = start(models=f"file:{tmp_path / 'model'}")
    ask = TestClient(make_api(), raise_server_exceptions=False)
    job = over(ask, ask.post("/predict", json={"image": "sample:cat"}).json())
    assert job["state"] == "failed"
    assert type(at.queue.find(job["id"]).error) is not SeewhyError, "nobody foresaw it"
    assert is_plain(job["error"])
    assert 0 < len(job["error"]) < SENTENCE
    assert "Traceback" not in job["error"]
    assert not canary.exists()


@pytest.mark.parametrize("poison", of("study"), ids=str)
def test_a_poisoned_study_is_a_sentence_on_the_page(start, spoil, tmp_path, poison: Poison):
    at = start()
    canary = spoil(poison, at.settings.studies_folder / "first")

    def page() -> None:
        from seewhy.web.pages.studies import show

        show()

    found = AppTest.from_function(page, default_timeout=60).run()
    assert not found.exception
    assert not canary.exists()
    if not (at.settings.studies_folder / "first" / RESULTS).exists():
        assert found.info[0].value.startswith("There are no studies")
        return
    (told,) = found.warning
    assert is_plain(told.value)
    assert len(told.value) < SENTENCE
    assert "Traceback" not in told.value
