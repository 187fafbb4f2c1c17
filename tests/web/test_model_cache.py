from __future__ import annotations

import threading
import time

import pytest

import planted
from seewhy.errors import UnknownName
from seewhy.web.services import caches as home
from seewhy.web.services.caches import ModelCache, model_label


@pytest.fixture
def loads(monkeypatch) -> list[str]:
    """Which models were loaded, each slowly."""
    found: list[str] = []

    def slow(name, device):
        found.append(name)
        time.sleep(0.05)
        return planted.classifier()

    monkeypatch.setattr(home, "load", slow)
    return found


@pytest.mark.parametrize("name", ["py:os:getcwd", "file:/etc", "onnx:elsewhere/x.onnx", "timm:resnet18", "", "B"])
def test_only_what_is_listed_is_ever_loaded(loads, name):
    models = ModelCache(["a", "b"])
    for ask in (models.get, models.loaded, models.check):
        with pytest.raises(UnknownName, match="there are a, b"):
            ask(name)
    assert not loads


def test_many_who_ask_at_once_share_one(loads):
    models, found = ModelCache(["a"]), []
    threads = [threading.Thread(target=lambda: found.append(models.get("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["a"]
    assert len(set(map(id, found))) == 1


def test_few_models_of_visitors_stay_in_memory(loads, monkeypatch):
    monkeypatch.setattr(home, "UNLISTED", 2)
    models = ModelCache(["a"])
    for name in ("a", "b", "c", "d"):
        if name != "a":
            models.admit(name)
        models.get(name)
    assert [models.loaded(name) is not None for name in ("a", "b", "c", "d")] == [True, False, True, True]
    assert models.get("b")
    assert loads == ["a", "b", "c", "d", "b"]


def test_one_that_is_not_loaded_yet_is_nobodys_to_wait_for(loads):
    models = ModelCache(["a"])
    assert models.loaded("a") is None
    models.get("a")
    assert models.loaded("a") is not None


@pytest.mark.parametrize(
    ("name", "said"), [("bundled:efficientnet-lite0", "efficientnet-lite0"), ("file:/home/me/cats", "cats")]
)
def test_models_have_names_for_people(name, said):
    assert model_label(name) == said
