"""Bodies: how large one may be, and how much one visitor may have here."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from seewhy.web.middleware import bodies
from seewhy.web.middleware.bodies import BodyLimit, Room

MOST = 1000
PLENTY = 1 << 30


async def echo(scope, receive, send):
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


def client(room=PLENTY, **limits):
    return TestClient(BodyLimit(echo, MOST, {f"/{path}": size for path, size in limits.items()}, Room(room)))


def chunks(count):
    for _ in range(count):
        yield bytes(100)


@pytest.mark.parametrize("path", ["/", "/api/echo", "/_stcore/agent/interact", "/auth/logout"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
def test_on_every_path_and_with_every_method_bodies_are_limited(path, method):
    assert client().request(method, path, content=bytes(MOST)).text == str(MOST)
    assert client().request(method, path, content=bytes(MOST + 1)).status_code == 413


def test_in_pieces_too():
    assert client().post("/", content=chunks(10)).text == str(MOST)
    answer = client().post("/", content=chunks(11))
    assert answer.status_code == 413
    assert "larger than" in answer.json()["detail"]


def test_some_paths_take_more():
    assert client(photos=5 * MOST).post("/photos/1", content=bytes(5 * MOST)).text == str(5 * MOST)
    assert client(photos=5 * MOST).post("/other", content=bytes(5 * MOST)).status_code == 413


@pytest.mark.parametrize("length", ["abc", "-1", "1e9"])
def test_a_length_that_is_none_is_refused(length):
    assert client().post("/", content=b"x", headers={"content-length": length}).status_code == 413


def run(headers, receive, app=None, room=None):
    sent = []

    async def send(message):
        sent.append(message)

    async def read_all(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await PlainTextResponse("read")(scope, receive, send)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/images",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(BodyLimit(app or read_all, MOST, {}, room or Room(PLENTY))(scope, receive, send))
    return sent


def endless(read):
    async def receive():
        read.append(1)
        return {"type": "http.request", "body": bytes(100), "more_body": True}

    return receive


def test_by_its_announced_length_it_is_refused_before_a_byte_is_read():
    read = []
    sent = run({"content-length": "5000"}, endless(read))
    assert not read
    assert sent[0]["status"] == 413


def test_of_an_endless_body_no_more_is_read_than_is_allowed():
    read = []
    sent = run({"transfer-encoding": "chunked"}, endless(read))
    assert len(read) == MOST / 100 + 1
    assert sent[0]["status"] == 413


def test_who_leaves_in_the_middle_is_no_error():
    async def gone(scope, receive, send):
        raise ClientDisconnect

    room = Room(PLENTY)
    assert run({"content-length": "10"}, endless([]), gone, room) == []
    assert not room._coming


class TestRoom:
    @pytest.fixture(autouse=True)
    def large(self, monkeypatch):
        monkeypatch.setattr(bodies, "LEAST", 100)

    def test_nobody_takes_more_than_a_quarter_of_what_is_then_free(self):
        room = Room(10_000)
        with room.reserved("a", 2001) as too_much, room.reserved("a", 2000) as first:
            assert (too_much, first) == (False, True)
            with room.reserved("a", 101) as more, room.reserved("b", 1600) as other, room.reserved("b", 101) as third:
                assert (more, other, third) == (False, True, False)
        with room.reserved("a", 2000) as again:
            assert again

    def test_one_who_comes_new_finds_room_beside_ten_who_take_what_they_can(self):
        room, step = Room(1 << 30), 1 << 20
        for number in range(10):
            who = str(number)
            while True:
                with room.reserved(who, step) as given:
                    if not given:
                        break
                room.keep(who, object(), step, lambda: True)
            with room.reserved("new", 20 << 20) as given:
                assert given

    def test_who_has_filled_their_share_still_clicks(self):
        room = Room(10_000)
        ask = TestClient(BodyLimit(echo, MOST, {"/files": MOST}, room), client=("192.0.2.1", 1))
        room.keep("192.0.2.1", "file", 9_000, lambda: True)
        assert [ask.post("/", content=bytes(size)).status_code for size in (0, 100, 101)] == [200, 200, 429]
        assert [ask.post("/files", content=bytes(size)).status_code for size in (0, 1)] == [200, 429]

    def test_what_streamlit_forgot_takes_none(self):
        room, kept = Room(10_000), [True]
        room.keep("a", "file", 2000, lambda: kept[0])
        with room.reserved("a", 101) as given:
            assert not given
        kept[0] = False
        with room.reserved("a", 101) as given:
            assert given
        assert not room._kept

    def test_a_body_for_which_there_is_no_room_is_told_to_come_again(self):
        answer = client(room=5 * MOST - 1).post("/", content=bytes(MOST))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
        assert client(room=5 * MOST).post("/", content=bytes(MOST)).status_code == 200
