"""The app with a toy model, in a home of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import planted
from seewhy.images import Image
from seewhy.people.rounds import add_rounds
from seewhy.people.store import Store, open_store
from seewhy.web.services.hub import Services, services
from seewhy.web.services.storage import close_store
from seewhy.web.settings import settings
from web.browsing import chromium, home_of, server

TOY = "py:planted:classifier"


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit's AppTest puts its page in the place of `__main__`, where new processes begin."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Services]]:
    """Make the services of this process anew, with these settings."""

    def anew(**chosen: object) -> Services:
        for name, value in {"models": TOY, "home": tmp_path / "home", **chosen}.items():
            monkeypatch.setenv(f"SEEWHY_{name.upper()}", str(value))
        stop()
        return services()

    monkeypatch.delenv("SEEWHY_DATABASE_URL", raising=False)
    yield anew
    stop()


def stop() -> None:
    if services.cache_info().currsize:
        services().close()
    close_store()
    services.cache_clear()
    settings.cache_clear()


@pytest.fixture
def at(start: Callable[..., Services]) -> Services:
    """The services with default settings."""
    return start()


@pytest.fixture
def photo() -> Image:
    """A red square and a green one."""
    return planted.picture()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """For one module at a time: its event loop is in the way of others."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Store]:
    """What people do, in a home of its own, with the module's `ROUNDS` to play."""
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('home') / 'people.sqlite'}") as found:
        add_rounds(found, getattr(request.module, "ROUNDS", ()))
        yield found


@pytest.fixture(scope="module")
def address(store: Store) -> Iterator[str]:
    """A server with the toy model and what people do."""
    with server(home_of(store), models=TOY) as found:
        yield found
