"""The server as one: pages, REST interface and guard."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from streamlit.config import set_option
from streamlit.runtime import Runtime

from seewhy.web.rest.api import make_api
from seewhy.web.server import configuration, make_app, middleware
from seewhy.web.settings import Settings


@pytest.fixture
def client(start, monkeypatch):
    monkeypatch.setattr(Runtime, "_instance", None)  # Streamlit knows one for each process
    at = start(upload_mb=1)
    with TestClient(make_app(at.settings)) as found:
        yield found


def test_pages_and_routes_share_one_server(client):
    page, health = client.get("/"), client.get("/api/health")
    assert "<title>" in page.text
    assert health.json()["status"] == "ok"
    assert client.get("/_stcore/health").status_code == 200
    assert "REST interface" in client.get("/api/docs").text


def test_both_get_the_headers(client):
    for path in ("/", "/api/health", "/api/nowhere"):
        assert client.get(path).headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'self'" in client.get(path).headers["content-security-policy"]


def test_too_large_an_upload_is_refused_at_the_door(client):
    answer = client.post("/api/images", files={"file": ("a.png", bytes(3 << 20), "image/png")})
    assert answer.status_code == 413
    assert client.post("/api/images", headers={"origin": "http://evil.example"}).status_code == 403


def test_streamlits_own_door_takes_no_file_that_no_widget_asked_for(client):
    first, second = Runtime.instance().uploaded_file_mgr.get_upload_urls("session", ["a.png", "b.png"])
    assert first.file_id != second.file_id
    assert first.upload_url == first.delete_url == f"/_stcore/upload_file/session/{first.file_id}"
    near = first.file_id[:-1] + ("1" if first.file_id.endswith("0") else "0")
    invented = ("session/0", f"session/{'0' * 64}", f"other/{first.file_id}", f"session/{near}", "s", "")
    for method in ("PUT", "DELETE", "POST"):
        for path in invented:
            answer = client.request(method, f"/_stcore/upload_file/{path}", content=b"x")
            assert (answer.status_code, answer.json()["detail"]) == (403, "No window of the app asked for this file.")


def test_metrics_are_for_nobody(client):
    assert client.get("/_stcore/metrics").status_code == 404


CHANGING = ("/_stcore/upload_file/session/file", "/_stcore/agent/interact", "/auth/logout", "/api/images", "/")


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:9", "http://testserver:9", "null"])
def test_other_sites_pages_change_nothing_on_any_route(client, origin):
    for path in CHANGING:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = client.request(method, path, headers={"origin": origin})
            assert (answer.status_code, answer.json()) == (403, {"detail": "Requests from other sites are refused."})
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_stcore/stream", headers={"origin": origin}):
        pass


def test_the_apps_own_pages_need_no_cookie_to_do_so(client):
    own, option = {"origin": "http://testserver"}, "server.enableXsrfProtection"
    set_option(option, configuration(Settings(), "127.0.0.1", 8501)[option])
    try:
        asked = Runtime.instance().uploaded_file_mgr.get_upload_urls("session", ["a.png"])[0]
        assert "Invalid session_id" in client.put(asked.upload_url, headers=own).text
    finally:
        set_option(option, True)
    with client.websocket_connect("/_stcore/stream", headers=own):
        pass


def test_named_hosts_answer_and_this_machine(start):
    at = start(hosts="app.example.org")
    client = TestClient(Starlette(routes=[Mount("/api", app=make_api())], middleware=middleware(at.settings, b"")))
    assert client.get("/api/health", headers={"host": "evil.example"}).status_code == 400
    for host in ("app.example.org", "127.0.0.1:8501", "localhost"):  # the health check asks for the machine itself
        assert client.get("/api/health", headers={"host": host}).status_code == 200


def test_public_installations_take_no_training_sets():
    private, public = (configuration(Settings(public=public), "127.0.0.1", 8501) for public in (False, True))
    assert (private["server.maxUploadSize"], public["server.maxUploadSize"]) == (200, 20)


@pytest.mark.parametrize(
    ("tracebacks", "host", "shown"),
    [
        (False, "127.0.0.1", "none"),
        (True, "127.0.0.1", "full"),
        (True, "0.0.0.0", "none"),  # noqa: S104 - nothing listens
        (True, "192.0.2.1", "none"),
    ],
)
def test_tracebacks_are_for_developers_on_their_own_machine(tracebacks, host, shown):
    assert configuration(Settings(tracebacks=tracebacks), host, 8501)["client.showErrorDetails"] == shown


def test_the_guards_stand_in_order():
    names = [each.cls.__name__ for each in middleware(Settings(), b"")]
    assert names[:3] == ["SecureHeaders", "Forwarded", "Doorkeeper"]
    assert names[3:] == ["PaceLimit", "BodyLimit", "UploadDoor", "KeepsVisit"]
