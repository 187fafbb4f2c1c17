"""What strangers are told of an error, over REST too."""

from __future__ import annotations

import errno
import logging
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from seewhy.core.files import home
from seewhy.errors import BadImage, ModelError, SeewhyError, StoreError, UnknownName
from seewhy.web import telling
from seewhy.web.rest import people
from seewhy.web.rest.api import make_api
from seewhy.web.telling import status_of, told, without_places

PLACE = "/srv/secret/place"
PRIVATE = [
    StoreError(f"the database sqlite:///{PLACE}/people.sqlite failed (file is not a database)"),
    StoreError("the database postgresql+psycopg://anna:pass@db.internal:5432/crowd failed"),
    OSError(errno.ENOSPC, "No space left on device", f"{PLACE}/photo.png"),
    PermissionError(errno.EACCES, "Permission denied", f"{PLACE}/photo.png"),
    ConnectionError("db.internal refused anna"),
    RuntimeError(f"{PLACE}/net.pt is odd"),
    KeyError(PLACE),
    MemoryError(PLACE),
]
PUBLIC = [
    ModelError(f"{PLACE}/net.pt cannot be read; download it again"),
    UnknownName(f"there is no case base '{PLACE}/birds'"),
    SeewhyError(r"C:\Users\anna\secret\place\net.pt failed at postgresql://anna@db.internal/crowd"),
]
LEAK = re.compile(r"srv|secret|place|anna|pass@|internal|5432|sqlite:|Users")


@pytest.mark.parametrize("error", PRIVATE, ids=lambda error: type(error).__name__)
def test_our_own_faults_are_in_the_log_and_a_stranger_gets_their_number(error, caplog):
    with caplog.at_level(logging.ERROR, telling.LOG.name):
        said = told(error)
    assert not LEAK.search(said)
    (record,) = caplog.records
    number = re.search(r"[0-9a-f]{8}", said)
    assert number
    assert record.getMessage().startswith(number[0])
    assert record.exc_info
    assert status_of(error) in {500, 503, 507}


@pytest.mark.parametrize("error", PUBLIC, ids=lambda error: type(error).__name__)
def test_other_errors_name_cause_and_cure_and_no_places(error, caplog):
    assert not LEAK.search(told(error).replace("net.pt", ""))
    assert not caplog.records


def test_a_full_disk_has_a_status_of_its_own():
    assert status_of(OSError(errno.ENOSPC, "full")) == status_of(OSError(errno.EDQUOT, "full")) == 507
    assert status_of(BadImage("too_large", "too large")) == 413


@pytest.mark.parametrize("folder", [home, Path.home, Path.cwd])
def test_folders_of_this_machine_are_taken_out_with_their_blanks(folder, monkeypatch, tmp_path):
    odd = tmp_path / "Anna Smith's own"
    monkeypatch.setenv("SEEWHY_HOME", str(odd))
    telling._places.cache_clear()
    try:
        assert without_places(f"{folder() / 'net.pt'} is odd") == "net.pt is odd"
    finally:
        telling._places.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        "there is no method 'grad-cum'; nearest: 'grad-cam'",
        "cats and/or dogs, 3/4 of a / b",
        "weights/net.pt is no file below the case base",
        "the classifier has no class 'a/b'",
    ],
)
def test_what_is_no_place_stays(text):
    assert without_places(text) == text


def test_what_is_told_is_short_and_plain():
    assert len(without_places("x" * 10**6)) <= telling.LONGEST
    assert "\x1b" not in without_places("\x1b[2J")


class TestOverRest:
    @pytest.fixture
    def client(self, at):
        return TestClient(make_api())

    @pytest.mark.parametrize("error", [*PRIVATE, *PUBLIC], ids=lambda error: type(error).__name__)
    def test_no_answer_tells_where_it_happened(self, client, monkeypatch, error):
        def fail(*_args, **_names):
            raise error

        monkeypatch.setattr(people, "leaderboard", fail)
        answer = client.get("/leaderboard")
        assert answer.status_code == status_of(error)
        assert not LEAK.search(answer.json()["detail"].replace("net.pt", ""))

    def test_a_database_that_is_none(self, start, tmp_path, caplog):
        folder = tmp_path / "home"
        folder.mkdir()
        folder.joinpath("people.sqlite").write_bytes(b"x" * 9000)
        start()
        answer = TestClient(make_api()).get("/leaderboard")
        assert answer.status_code == 503
        assert "sqlite" not in answer.text
        assert str(tmp_path) not in answer.text
        assert str(tmp_path) in caplog.text

    def test_it_is_logged_once(self, client, monkeypatch, caplog):
        monkeypatch.setattr(people, "leaderboard", lambda *_: 1 / 0)
        assert client.get("/leaderboard").status_code == 500
        assert [record.name for record in caplog.records if record.levelno >= logging.ERROR] == ["seewhy.web"]
