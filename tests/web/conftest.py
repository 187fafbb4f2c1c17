"""The app with a toy model, in a home of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import planted
from people.samples import new_round
from seewhy.images import Image
from seewhy.models import DEFAULT_MODEL
from seewhy.people.rounds import add_rounds
from seewhy.people.store import Store, open_store
from seewhy.web.services.hub import Services, services
from seewhy.web.services.storage import close_store
from seewhy.web.settings import settings
from web.browsing import free_port, home_of, server, site

TOY = "py:planted:classifier"
SLOW = "py:sleepy:classifier"
NAMESAKES = ("first", "second")  # as the identity provider tells them apart


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


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """What people do at `address`, with rounds to play. Players of different tests have different names."""
    with store_of_rounds(tmp_path_factory.mktemp("home")) as found:
        yield found


@contextmanager
def store_of_rounds(home: Path) -> Generator[Store]:
    with open_store(f"sqlite:///{home / 'people.sqlite'}") as found:
        add_rounds(found, [new_round(number, overlap=9) for number in range(6)])
        yield found


@pytest.fixture(scope="session")
def friend() -> Iterator[str]:
    """Another site, which may show the app in a frame."""
    with site() as found:
        yield found


@pytest.fixture(scope="session")
def address(store: Store, friend: str) -> Iterator[str]:
    """The one server of this process that is open to all."""
    with server(home_of(store), models=f"{TOY},{SLOW},{DEFAULT_MODEL}", embedded_in=friend) as found:
        yield found


@pytest.fixture(scope="session")
def provider() -> Iterator[str]:
    """An identity provider, on another site."""
    from oidc_provider_mock import User, run_server_in_thread

    people = [User(sub=each, claims={"name": "Ann Lee"}) for each in NAMESAKES]
    with run_server_in_thread(user_claims=people, require_nonce=True) as found:
        yield f"http://localhost:{found.server_port}"


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory, provider: str) -> Iterator[tuple[str, Store]]:
    """The one server of this process where people sign in, which no other site shows; and what they do there."""
    port = free_port()
    settings = {
        "address": f"http://127.0.0.1:{port}",
        "oidc_provider": provider,
        "oidc_client_id": "seewhy",
        "oidc_client_secret": "of the client",
        "api_keys": "key",
    }
    home = tmp_path_factory.mktemp("guarded")
    with store_of_rounds(home) as kept, server(home, port, models=TOY, sign_in="oidc", **settings) as found:
        yield found, kept
