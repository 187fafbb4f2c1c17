"""Where requests come from and go to: names of hosts, sites of pages; and the headers that every answer gets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seewhy.web.middleware.pace import SAFE
from seewhy.web.middleware.visitors import refuse

GUARDED = {"http", "websocket"}
STRANGE = "This is not a name of the app. Whoever runs it can allow it: SEEWHY_HOSTS."
FOREIGN = "Requests from other sites are refused."


def content_policy(embedded_in: Sequence[str] = ()) -> str:
    """The Content-Security-Policy: nothing from elsewhere, no `eval`, and frames only where they were allowed."""
    rules = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline' 'wasm-unsafe-eval' blob:",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "media-src": "'self' data: blob:",
        "connect-src": "'self' data: blob:",
        "worker-src": "'self' blob:",
        "frame-src": "'self' blob: data:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": " ".join(["'self'", *embedded_in]),
    }
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


class SecureHeaders:
    """Adds headers that keep browsers from guessing types, telling addresses, and showing the app in strange frames."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self.app = app
        self.headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
            "Cross-Origin-Opener-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


class Doorkeeper:
    """Refuses, with 400, 404 or 403, what asks for another host, for a closed path, or from another site's page.

    Other sites' names may be made to lead here (DNS rebinding). The address of this machine at which a connection came
    in is its own name, too. Browsers send the header Origin with each WebSocket and each request that changes
    something, and no page can change what it says.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], closed: Collection[str] = ()) -> None:
        self.app, self.closed = app, closed
        self.hosts = {host.lower().strip("[]").rstrip(".") for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] in GUARDED and (wrong := self._wrong(scope)):
            await refuse(scope, receive, send, *wrong)
        else:
            await self.app(scope, receive, send)

    def _wrong(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_own(host_of(host), (scope.get("server") or ("",))[0]):
            return 400, STRANGE
        if scope["path"].rstrip("/") in self.closed:
            return 404, "Not Found"
        origin = headers.get("origin") if scope.get("method") not in SAFE else None
        return (403, FOREIGN) if origin and origin.partition("://")[2] != host else None

    def _is_own(self, host: str, arrived: str) -> bool:
        wide = ("*", *(f"*{host[dot:]}" for dot, letter in enumerate(host) if letter == "."))
        return bool(host) and (host in self.hosts or host == arrived or not self.hosts.isdisjoint(wide))


def host_of(header: str) -> str:
    """The name in a header Host, without its port; empty where the header is none.

    >>> host_of("App.Example.org.:8501"), host_of("[::1]:8501"), host_of("a@b"), host_of("a/b")
    ('app.example.org', '::1', '', '')
    """
    try:
        found = urlsplit(f"//{header}")
        found.port  # noqa: B018 - raises where it is no number
    except ValueError:
        return ""
    odd = found.username is not None or found.path or found.query or found.fragment
    return "" if odd else (found.hostname or "").rstrip(".")
