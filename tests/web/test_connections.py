"""Connections to a real server: those that are too many, or that let it wait, are ended."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import contextmanager
from functools import partial

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from uvicorn import Config, Server

from seewhy.web.connections import Limits, TimedProtocol

QUICK = Limits(each=8, all=12, head=0.4, body=0.4, answer=0.4, pace=1000, tick=0.1)
SOON = 4.0  # seconds in which what has to be ended is, also on a busy machine; a server of itself takes five
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"


async def app(scope, receive, send):
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    if scope["path"] == "/refused":
        await PlainTextResponse("too large", 413)(scope, receive, send)
        return
    body = await Request(scope, receive).body() if scope["method"] == "POST" else b""
    text = "x" * (32 << 20) if scope["path"] == "/large" else str(len(body))
    await PlainTextResponse(text)(scope, receive, send)


@contextmanager
def serving(limits=QUICK):
    """The port of a server in a thread, with these limits."""
    config = Config(
        app, http=partial(TimedProtocol, limits=limits), lifespan="off", log_config=None, timeout_graceful_shutdown=1
    )
    server = Server(config)
    with socket.create_server(("127.0.0.1", 0)) as place:
        thread = threading.Thread(target=server.run, args=[[place]])
        thread.start()
        try:
            yield place.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(20)


@pytest.fixture(scope="module")
def port():
    with serving() as found:
        yield found


def connect(port):
    return socket.create_connection(("127.0.0.1", port), SOON)


def ended_after(connection, dribble=b"", every=0.05):
    """Seconds until the server ends a connection on which these bytes are sent one by one; `SOON` where it does not."""
    start, sent = time.monotonic(), 0
    connection.settimeout(every)
    while (passed := time.monotonic() - start) < SOON:
        try:
            if dribble:
                connection.send(dribble[sent % len(dribble) : sent % len(dribble) + 1])
                sent += 1
            if not connection.recv(65536):
                return passed
        except TimeoutError:
            continue
        except OSError:
            return passed
    return SOON


def answered(connection):
    connection.settimeout(SOON)
    return connection.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("first", [b"", b"G", GET, GET + b"X-Long: "])
def test_a_head_that_does_not_come_to_its_end_is_not_waited_for(port, first):
    with connect(port) as connection:
        connection.sendall(first)
        assert 0.2 < ended_after(connection, b"" if first == b"" else b"a") < SOON


def test_nor_is_the_next_head_on_a_connection_that_was_answered(port):
    with connect(port) as connection:
        connection.sendall(GET + b"\r\n")
        assert answered(connection)
        assert ended_after(connection, GET) < SOON


def test_a_body_that_comes_too_slowly_is_not_waited_for(port):
    for head in (b"Content-Length: 100000", b"Transfer-Encoding: chunked"):
        with connect(port) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
            assert 0.2 < ended_after(connection, b"1\r\nx\r\n") < SOON


def test_a_body_that_comes_slowly_but_at_the_least_pace_is_taken(port):
    with connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n\r\n")
        for _ in range(15):  # 1.5 seconds, more than three times the time for a body that stands still
            connection.sendall(bytes(200))
            time.sleep(0.1)
        assert answered(connection)


def test_who_sends_all_before_reading_gets_to_know_that_it_was_refused(port):
    with connect(port) as connection:
        connection.sendall(b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n" + bytes(8_000_000))
        assert b"413" in connection.recv(1000)
        connection.sendall(GET + b"\r\n")
        assert answered(connection)


def test_a_body_that_was_refused_is_not_waited_for_long(port):
    with connect(port) as connection:
        connection.sendall(b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n")
        assert b"413" in connection.recv(1000)
        assert ended_after(connection, b"xxxx", every=0.01) < SOON


def test_an_answer_that_nobody_takes_is_not_kept(port):
    with connect(port) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1.5)
        connection.settimeout(SOON)
        taken = 0
        try:
            while found := connection.recv(1 << 20):
                taken += len(found)
        except OSError:
            pass
        assert taken < 32 << 20


def test_an_answer_that_is_slow_to_make_or_to_take_is_given_in_full(port):
    with connect(port) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answered(connection)
    with connect(port) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        taken = 0
        while found := connection.recv(1 << 20):
            taken += len(found)
            time.sleep(0.01)
        assert taken > 32 << 20


def test_one_address_has_so_many_and_who_asks_quickly_is_answered_all_the_while():
    with serving(Limits(each=8, all=12, head=1.5, tick=0.1)) as port:
        many = [connect(port) for _ in range(20)]
        time.sleep(0.3)
        assert sum(ended_after(each, every=0.01) < SOON for each in many[8:]) == 12
        time.sleep(1.5)
        with connect(port) as connection:
            connection.sendall(GET + b"\r\n")
            assert answered(connection)
        for each in many:
            each.close()


@pytest.mark.parametrize(
    ("address", "others", "crowded"),
    [
        ("192.0.2.1", ["192.0.2.1"] * 7, False),
        ("192.0.2.1", ["192.0.2.1"] * 8, True),
        ("::ffff:192.0.2.1", ["192.0.2.1"] * 8, True),
        ("192.0.2.1", ["192.0.2.2"] * 11, False),
        ("192.0.2.1", ["192.0.2.2"] * 12, True),
        ("2001:db8::1", [f"2001:db8::{number}" for number in range(2, 10)], True),
        ("2001:db8::1", [f"2001:db8:0:{number}::" for number in range(2, 10)], False),
        ("10.0.0.1", ["10.0.0.1"] * 11, False),  # a proxy, behind which are many
        ("10.0.0.1", ["10.0.0.1"] * 12, True),
    ],
)
def test_who_is_one_too_many(address, others, crowded):
    assert Limits(each=8, all=12, proxies=("10.0.0.0/8",)).crowded(address, others) is crowded


@pytest.mark.heavy
def test_three_hundred_slow_sockets_are_dropped_and_the_app_answers():
    with serving(Limits()) as port:
        many = [connect(port) for _ in range(300)]
        start, alive = time.monotonic(), set(range(300))
        slowest = 0.0
        while time.monotonic() - start < 16:
            for number in sorted(alive):
                try:
                    many[number].send(b"G")
                    many[number].settimeout(0.0)
                    if not many[number].recv(10):
                        alive.discard(number)
                except BlockingIOError:
                    pass
                except OSError:
                    alive.discard(number)
            asked = time.monotonic()
            if len(alive) < 200:
                with connect(port) as connection:
                    connection.sendall(GET + b"\r\n")
                    assert answered(connection)
                slowest = max(slowest, time.monotonic() - asked)
            time.sleep(1)
        assert not alive
        assert slowest < 1
