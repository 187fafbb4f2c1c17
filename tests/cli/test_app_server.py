"""`seewhy app`."""

from __future__ import annotations

import sys

import pytest

import seewhy.web.server as home


@pytest.fixture
def served(monkeypatch) -> list[tuple[str, int]]:
    """Where the app was asked to listen."""
    found: list[tuple[str, int]] = []
    monkeypatch.setattr(home, "serve", lambda host, port: found.append((host, port)))
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


def test_a_port_that_is_none_is_refused(seewhy, served):
    assert seewhy("app", "--port", "99999").code == 2
    assert not served


def test_without_the_extra_it_says_what_to_install(seewhy, monkeypatch):
    monkeypatch.setitem(sys.modules, "seewhy.web.server", None)
    run = seewhy("app")
    assert run.code == 2
    assert "pip install 'seewhy[app]'" in run.err
