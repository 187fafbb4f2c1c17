"""`seewhy app`."""

from __future__ import annotations

import socket
import sys

import pytest

import seewhy.web.server as home
from answering import KNOWN, against
from seewhy.web.settings import settings


@pytest.fixture
def served(monkeypatch) -> list[tuple[str, int]]:
    """Where the app was asked to listen."""
    found: list[tuple[str, int]] = []

    def serve(host, port, taken):
        taken()
        found.append((host, port))

    monkeypatch.setattr(home, "serve", serve)
    return found


def test_it_listens_for_this_machine_alone_unless_told(seewhy, served):
    run = seewhy("app")
    assert run.code == 0
    assert served == [("127.0.0.1", 8501)]
    assert "http://127.0.0.1:8501" in run.err
    assert "/api/docs" in run.err


def test_host_and_port_can_be_given(seewhy, served):
    seewhy("app", "--host", "0.0.0.0", "--port", "7860")  # noqa: S104 - nothing listens in a test
    assert served == [("0.0.0.0", 7860)]  # noqa: S104


def test_programs_are_told_where_it_listens(seewhy, served):
    told = seewhy("app", "--port", "7860", "--json").json
    assert not against(KNOWN["app"], told)
    assert told["rest"] == "http://127.0.0.1:7860/api"


def test_a_port_that_is_none_is_refused(seewhy, served):
    assert seewhy("app", "--port", "99999").code == 2
    assert not served


def test_without_the_extra_it_says_what_to_install(seewhy, monkeypatch):
    monkeypatch.setitem(sys.modules, "seewhy.web.server", None)
    run = seewhy("app")
    assert run.code == 2
    assert "pip install 'seewhy[app]'" in run.err


@pytest.fixture
def opened(monkeypatch):
    """The settings anew."""
    for name in ("PUBLIC", "SIGN_IN", "HOSTS", "PROXIES", "API_KEYS", "RESULTS"):
        monkeypatch.delenv(f"SEEWHY_{name}", raising=False)
    settings.cache_clear()
    yield monkeypatch
    settings.cache_clear()


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_for_this_machine_alone_there_is_nothing_to_warn_of(seewhy, served, host):
    assert "warning" not in seewhy("app", "--host", host).err
    assert served == [(host, 8501)]


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "seewhy.example.org"])  # noqa: S104
def test_open_to_others_it_says_what_is_open_and_how_to_close_it(seewhy, served, host):
    run = seewhy("app", "--host", host)
    assert run.out == ""
    for word in ("127.0.0.1", "train", "SEEWHY_PUBLIC=1", "SEEWHY_SIGN_IN", "HTTPS", "SEEWHY_HOSTS", "SEEWHY_API_KEYS"):
        assert word in run.err
    assert served == [(host, 8501)]


def test_what_was_closed_is_not_warned_of(seewhy, served, opened):
    for name, value in {"PUBLIC": "1", "SIGN_IN": "oidc", "PROXIES": "10.0.0.1", "HOSTS": "a.example"}.items():
        opened.setenv(f"SEEWHY_{name}", value)
    run = seewhy("app", "--host", "0.0.0.0")  # noqa: S104
    assert run.err.count("warning") == 1
    assert served


def test_names_and_any_host_are_warned_of(seewhy, served, opened):
    opened.setenv("SEEWHY_SIGN_IN", "names")
    opened.setenv("SEEWHY_HOSTS", "*")
    opened.setenv("SEEWHY_RESULTS", "public")
    run = seewhy("app", "--host", "0.0.0.0")  # noqa: S104
    assert "under any name" in run.err
    assert "in place of *" in run.err
    assert "SEEWHY_RESULTS=private" in run.err
    assert served


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1"])
def test_a_place_that_it_cannot_have_is_told_in_one_sentence(seewhy, monkeypatch, host):
    monkeypatch.setattr(home.os, "umask", lambda _: 0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = seewhy("app", "--host", host, "--port", str(port))
    assert run.code == 2
    (line,) = run.err.splitlines()
    assert line.count(host) == 1
    assert f"port {port} (" in line
    assert line.endswith("); choose another --host or --port")
    assert "while" not in line
