"""Names of hosts, sites of pages, closed paths, headers."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient, WebSocketDenialResponse

from seewhy.web.middleware.origins import Doorkeeper, SecureHeaders, content_policy

HOSTS = ("localhost", "127.0.0.1", "::1", "app.example.org", "*.example.net")


async def here(scope, receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await PlainTextResponse("here")(scope, receive, send)


def own(host, hosts=HOSTS):
    return TestClient(Doorkeeper(here, hosts), base_url="http://192.0.2.1:8501").get("/x", headers={"host": host})


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8501",
        "127.0.0.1:8501",
        "[::1]:8501",
        "app.example.org",
        "app.example.org.:443",
        "a.example.net",
        "a.b.example.net",
        "192.0.2.1:8501",  # where the connection came in
    ],
)
def test_its_own_names_are_answered(host):
    assert own(host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8501",
        "example.net",
        "evilexample.net",
        "127.0.0.2",
        "192.0.2.2:8501",
        "",
        "localhost@evil.example",
        "evil.example#localhost",
        "localhost/evil",
        "[::1",
        "localhost:port",
    ],
)
def test_other_names_are_refused_for_pages_and_windows(host):
    answer = own(host)
    assert answer.status_code == 400
    assert "SEEWHY_HOSTS" in answer.json()["detail"]
    assert "evil" not in answer.text
    client = TestClient(Doorkeeper(here, HOSTS))
    with pytest.raises(WebSocketDenialResponse), client.websocket_connect("/_stcore/stream", headers={"host": host}):
        pass


def test_any_name_can_be_allowed():
    assert own("evil.example", ["*"]).status_code == 200
    assert own("", ["*"]).status_code == 400


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://testserver", 200),
        ("https://testserver", 200),
        ("http://evil.example", 403),
        ("http://testserver.evil.example", 403),
        ("http://testserver@evil.example", 403),
        ("http://[evil", 403),
        ("null", 403),
    ],
)
def test_other_sites_pages_change_nothing(origin, status):
    headers = {"origin": origin} if origin else {}
    ask = TestClient(Doorkeeper(here, ["testserver"]))
    assert ask.post("/api/echo", headers=headers).status_code == status
    assert ask.get("/api/echo", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/metrics/", "/_stcore/%6detrics"])
def test_closed_paths_are_not_found(path):
    ask = TestClient(Doorkeeper(here, ["testserver"], {"/_stcore/metrics"}))
    assert ask.get(path).status_code == 404
    assert ask.get("/_stcore/health").status_code == 200


def test_every_answer_has_the_headers():
    policy = content_policy(["https://example.org"])
    answer = TestClient(SecureHeaders(here, policy)).get("/api/nowhere")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == policy
    assert "frame-ancestors 'self' https://example.org" in policy
    assert "unsafe-eval'" not in policy.replace("wasm-unsafe-eval'", "")
