"""Streamlit's own door for files, with a manager of Streamlit's behind it."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from seewhy.web.middleware import uploads
from seewhy.web.middleware.bodies import BodyLimit, Room
from seewhy.web.middleware.uploads import DOOR, UploadDoor, sign_file_ids

KEY = b"secret"
SIZE = 1 << 20


@pytest.fixture
def files(monkeypatch):
    found = MemoryUploadedFileManager(DOOR.rstrip("/"))
    sign_file_ids(found, KEY)
    monkeypatch.setattr(uploads, "_is_kept", lambda session, file: bool(found.get_files(session, [file])))
    return found


@pytest.fixture
def client(files):
    async def put(scope, receive, send):
        session, file = scope["path"].removeprefix(DOOR).split("/")
        if scope["method"] == "PUT":
            body = await Request(scope, receive).body()
            files.add_file(session, UploadedFileRec(file, "a.png", "image/png", body))
        else:
            files.remove_file(session, file)
        await Response(status_code=204)(scope, receive, send)

    room = Room(21 * SIZE)
    return TestClient(BodyLimit(UploadDoor(put, KEY, room), SIZE, {DOOR: SIZE}, room))


def test_what_is_kept_for_one_visitor_is_bounded_and_given_back_when_the_window_closes(files, client):
    urls = [each.upload_url for each in files.get_upload_urls("mine", ["a.png"] * 25)]
    answers = [client.put(url, content=bytes(SIZE)).status_code for url in urls]
    assert answers == [204] * 4 + [429] * 21
    assert sum(len(each.data) for each in files.file_storage["mine"].values()) == 4 * SIZE
    other = TestClient(client.app, client=("192.0.2.9", 1))
    assert other.put(files.get_upload_urls("yours", ["b.png"])[0].upload_url, content=bytes(SIZE)).status_code == 204
    assert client.delete(urls[0]).status_code == 204
    assert client.put(urls[5], content=bytes(SIZE)).status_code == 204
    files.remove_session_files("mine")
    assert client.put(urls[0], content=bytes(SIZE)).status_code == 204


def test_small_files_are_no_way_round(files, client, monkeypatch):
    monkeypatch.setattr("seewhy.web.middleware.bodies.LEAST", SIZE)
    urls = [each.upload_url for each in files.get_upload_urls("mine", ["a.png"] * 25)]
    assert [client.put(url, content=b"x").status_code for url in urls].count(204) <= 4


def test_one_choice_of_files_is_bounded(files):
    assert len(files.get_upload_urls("mine", ["a.png"] * 5000)) == uploads.FILES
