"""What every request has to pass: size, pace, origin; and the headers that every answer gets."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

SAFE = {"GET", "HEAD", "OPTIONS"}
REFUSALS: dict[str, ASGIApp] = {
    "http": JSONResponse({"detail": "Requests from other sites are refused."}, 403),
    "websocket": WebSocketClose(1008),
}
ADDRESSES = 10_000  # that are remembered
MINUTE = 60.0
BELOW = "/api/"  # alone bodies and pace are limited: Streamlit holds its own uploads to its own limit


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


class BodyLimit:
    """Answers 413 to bodies of more than `most` bytes: by their announced length, or while reading."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or not scope["path"].startswith(BELOW):
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdigit() or int(announced) > self.most:
            await self._refusal()(scope, receive, send)
            return
        left, answered = self.most, False

        async def count() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            return {"type": "http.disconnect"} if left < 0 else message

        async def answer(message: Message) -> None:
            nonlocal answered
            if left >= 0 or answered:
                answered = True
                await send(message)

        try:
            await self.app(scope, count, answer)
        except ClientDisconnect:
            if left >= 0 or answered:
                raise
        if left < 0 and not answered:
            await self._refusal()(scope, receive, send)

    def _refusal(self) -> JSONResponse:
        message = f"The request is larger than {self.most >> 20} MB. Make the photo smaller."
        return JSONResponse({"detail": message}, 413, {"Connection": "close"})


class PaceLimit:
    """Answers 429 to an address that sends more than so many requests a minute that change something.

    A bucket of `a_minute` requests that fills evenly, so that a short burst is no offence.
    """

    def __init__(self, app: ASGIApp, a_minute: int) -> None:
        self.app, self.a_minute = app, a_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and scope["method"] not in SAFE and scope["path"].startswith(BELOW):
            seconds = self._wait(str((scope.get("client") or ("",))[0]))
            if seconds:
                detail = {"detail": "Too many requests; wait a little."}
                await JSONResponse(detail, 429, {"Retry-After": str(seconds)})(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _wait(self, address: str) -> int:
        """Take one request from the bucket; else the seconds until there is one."""
        now = time.monotonic()
        left, since = self._buckets.pop(address, (float(self.a_minute), now))
        left = min(left + (now - since) * self.a_minute / MINUTE, float(self.a_minute))
        allowed = left >= 1
        self._buckets[address] = (left - allowed, now)
        while len(self._buckets) > ADDRESSES:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, round((1 - left) * MINUTE / self.a_minute))


class SameOrigin:
    """Refuses other sites' pages: 403 to requests that change something, and no WebSocket.

    Browsers send the header Origin with each of both, and no page can change what it says.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        answer = self.app
        if scope["type"] in REFUSALS and scope.get("method") not in SAFE:
            headers = Headers(scope=scope)
            if (origin := headers.get("origin")) and urlsplit(origin).netloc != headers.get("host"):
                answer = REFUSALS[scope["type"]]
        await answer(scope, receive, send)
