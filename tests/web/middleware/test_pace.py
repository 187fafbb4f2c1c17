"""How much each visitor may ask."""

from __future__ import annotations

import time

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from seewhy.web.middleware import pace
from seewhy.web.middleware.pace import Buckets, PaceLimit

PATHS = ("/", "/api/echo", "/_stcore/upload_file/a/b", "/static/none.js")


async def app(scope, receive, send):
    if scope["type"] == "http":
        await PlainTextResponse("here")(scope, receive, send)
        return
    socket = WebSocket(scope, receive, send)
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


def client(changes=1000, reads=1000, windows=1000, messages=1000, address="192.0.2.7"):
    return TestClient(PaceLimit(app, changes, reads, windows, messages), client=(address, 1))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
def test_what_changes_something_has_its_pace_on_every_path(path, method):
    ask = client(changes=3)
    assert [ask.request(method, path).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = ask.request(method, path)
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert ask.get(path).status_code == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_reading_has_a_pace_of_its_own(path, method):
    ask = client(reads=3)
    assert [ask.request(method, path).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert ask.post(path).status_code == 200


@pytest.mark.parametrize("path", ["/api/jobs/x/report.html", "/api/jobs/x/files.zip"])
def test_reading_what_is_made_anew_counts_as_a_change(path):
    ask = client(changes=1)
    assert [ask.get(path).status_code for _ in range(2)] == [200, 429]


def test_a_window_too_many_is_refused_and_another_may_open_when_one_is_closed(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    ask = client(windows=2)
    with ask.websocket_connect("/a"):
        with ask.websocket_connect("/b"):
            now[0] = 59.0
            with pytest.raises(WebSocketDenialResponse) as refused, ask.websocket_connect("/c"):
                pass
            assert refused.value.status_code == 429
        with ask.websocket_connect("/c"):
            pass


def test_windows_are_opened_no_faster_than_they_may():
    ask = client(windows=2)
    for _ in range(2):
        with ask.websocket_connect("/"):
            pass
    with pytest.raises(WebSocketDenialResponse), ask.websocket_connect("/"):
        pass


def test_messages_are_read_no_faster_than_they_may_come_and_none_is_lost():
    with client(messages=300).websocket_connect("/") as socket:
        start = time.monotonic()
        for number in range(305):
            socket.send_text(str(number))
        assert [socket.receive_text() for _ in range(305)] == [str(number) for number in range(305)]
        assert time.monotonic() - start > 0.8


class TestBuckets:
    @pytest.fixture
    def now(self, monkeypatch):
        found = [0.0]
        monkeypatch.setattr(pace.time, "monotonic", lambda: found[0])
        return found

    def test_one_fills_again(self, now):
        buckets = Buckets(2)
        assert [buckets.take("a") for _ in range(3)] == [0, 0, 30]
        now[0] = 30.0
        assert [buckets.take("a"), buckets.take("a")] == [0, 30]

    def test_each_visitor_has_their_own(self, now):
        buckets = Buckets(1)
        assert [buckets.take("a"), buckets.take("b")] == [0, 0]
        assert buckets.take("a") > 0

    def test_a_flood_of_others_gives_nobody_a_fresh_one(self, now, monkeypatch):
        monkeypatch.setattr(pace, "VISITORS", 5)
        buckets = Buckets(1)
        assert [buckets.take("mine"), buckets.take("mine") > 0] == [0, True]
        for number in range(100):
            now[0] += 0.01
            buckets.take(str(number))
        assert len(buckets) == 6
        assert buckets.take("mine") > 0

    def test_who_was_away_for_a_minute_is_forgotten(self, now):
        buckets = Buckets(5)
        for number in range(100):
            buckets.take(str(number))
        now[0] = pace.MINUTE
        buckets.take("new")
        assert len(buckets) == 1
