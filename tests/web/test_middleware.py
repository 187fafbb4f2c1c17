"""What every request has to pass, with a small application behind it."""

from __future__ import annotations

import asyncio
import time

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from seewhy.web import middleware
from seewhy.web.middleware import BodyLimit, PaceLimit, SameOrigin, SecureHeaders, content_policy

MOST = 1000


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


def client(*guards: Middleware) -> TestClient:
    app = Starlette(routes=[Route("/api/echo", echo, methods=["GET", "POST"])], middleware=list(guards))
    return TestClient(app)


def chunks(count: int, taken: list[int] | None = None):
    for number in range(count):
        if taken is not None:
            taken.append(number)
        yield bytes(100)


class TestBodyLimit:
    ask = staticmethod(lambda: client(Middleware(BodyLimit, most=MOST)))

    def test_what_fits_passes(self):
        assert self.ask().post("/api/echo", content=bytes(MOST)).text == str(MOST)
        assert self.ask().post("/api/echo", content=chunks(10)).text == str(MOST)

    @pytest.mark.parametrize("content", [bytes(MOST + 1), pytest.param(None, id="chunked")])
    def test_what_does_not_is_refused(self, content):
        answer = self.ask().post("/api/echo", content=chunks(11) if content is None else content)
        assert answer.status_code == 413
        assert "larger than" in answer.json()["detail"]

    @pytest.mark.parametrize("length", ["abc", "-1", "1e9"])
    def test_a_length_that_is_none_is_refused(self, length):
        answer = self.ask().post("/api/echo", content=b"x", headers={"content-length": length})
        assert answer.status_code == 413

    def test_by_its_announced_length_it_is_refused_before_a_byte_is_read(self):
        read = []

        async def receive():
            read.append(1)
            return {"type": "http.request", "body": bytes(100), "more_body": True}

        sent = self.run({"content-length": "5000"}, receive)
        assert not read
        assert sent[0]["status"] == 413

    def test_of_an_endless_body_no_more_is_read_than_is_allowed(self):
        read = []

        async def receive():
            read.append(1)
            return {"type": "http.request", "body": bytes(100), "more_body": True}

        sent = self.run({"transfer-encoding": "chunked"}, receive)
        assert len(read) == MOST / 100 + 1
        assert sent[0]["status"] == 413

    def run(self, headers, receive):
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
        asyncio.run(BodyLimit(read_all, MOST)(scope, receive, send))
        return sent


class TestPaceLimit:
    def test_past_the_limit_one_waits_and_reading_is_free(self):
        ask = client(Middleware(PaceLimit, a_minute=3))
        assert [ask.post("/api/echo").status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = ask.post("/api/echo")
        assert 1 <= int(refused.headers["retry-after"]) <= 20
        assert ask.get("/api/echo").status_code == 200

    def test_the_bucket_fills_again(self, monkeypatch):
        now = [0.0]
        monkeypatch.setattr(middleware.time, "monotonic", lambda: now[0])
        pace = PaceLimit(echo, a_minute=2)
        assert [pace._wait("a") for _ in range(3)] == [0, 0, 30]
        now[0] = 30.0
        assert [pace._wait("a"), pace._wait("a")] == [0, 30]

    def test_each_address_has_its_own(self):
        pace = PaceLimit(echo, a_minute=1)
        assert [pace._wait("a"), pace._wait("b")] == [0, 0]
        assert pace._wait("a") > 0

    def test_many_addresses_fill_no_memory(self, monkeypatch):
        monkeypatch.setattr(middleware, "ADDRESSES", 5)
        pace = PaceLimit(echo, a_minute=1)
        start = time.monotonic()
        for number in range(100):
            pace._wait(str(number))
        assert len(pace._buckets) == 5
        assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://testserver", 200),
        ("http://evil.example", 403),
        ("http://testserver.evil.example", 403),
        ("null", 403),
    ],
)
def test_other_sites_pages_change_nothing(origin, status):
    headers = {"origin": origin} if origin else {}
    ask = client(Middleware(SameOrigin))
    assert ask.post("/api/echo", headers=headers).status_code == status
    assert ask.get("/api/echo", headers=headers).status_code == 200


def test_every_answer_has_the_headers():
    policy = content_policy(["https://example.org"])
    answer = client(Middleware(SecureHeaders, policy=policy)).get("/api/nowhere")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == policy
    assert "frame-ancestors 'self' https://example.org" in policy
    assert "unsafe-eval'" not in policy.replace("wasm-unsafe-eval'", "")
