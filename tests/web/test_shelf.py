from __future__ import annotations

import threading
import time

import pytest

import planted
from seewhy.errors import UnknownName
from seewhy.web import shelf as home
from seewhy.web.shelf import Shelf, label


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
    shelf = Shelf(["a", "b"])
    for ask in (shelf.get, shelf.loaded, shelf.check):
        with pytest.raises(UnknownName, match="there are a, b"):
            ask(name)
    assert not loads


def test_many_who_ask_at_once_share_one(loads):
    shelf, found = Shelf(["a"]), []
    threads = [threading.Thread(target=lambda: found.append(shelf.get("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["a"]
    assert len(set(map(id, found))) == 1


def test_few_models_of_visitors_stay_in_memory(loads, monkeypatch):
    monkeypatch.setattr(home, "UNLISTED", 2)
    shelf = Shelf(["a"])
    for name in ("a", "b", "c", "d"):
        if name != "a":
            shelf.admit(name)
        shelf.get(name)
    assert [shelf.loaded(name) is not None for name in ("a", "b", "c", "d")] == [True, False, True, True]
    assert shelf.get("b")
    assert loads == ["a", "b", "c", "d", "b"]


def test_one_that_is_not_loaded_yet_is_nobodys_to_wait_for(loads):
    shelf = Shelf(["a"])
    assert shelf.loaded("a") is None
    shelf.get("a")
    assert shelf.loaded("a") is not None


@pytest.mark.parametrize(
    ("name", "said"), [("bundled:efficientnet-lite0", "efficientnet-lite0"), ("file:/home/me/cats", "cats")]
)
def test_models_have_names_for_people(name, said):
    assert label(name) == said
