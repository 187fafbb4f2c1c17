"""How much each visitor may ask: requests, windows and their messages."""

from __future__ import annotations

import asyncio
import math
from collections import Counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seewhy.web.buckets import Buckets
from seewhy.web.middleware.visitors import refuse, visitor

SAFE = {"GET", "HEAD", "OPTIONS"}
COSTLY = ("/report.html", "/files.zip", "/mask.png", "/coco.json")  # are made anew each time they are read
WAIT = "Too many requests; wait a little."
CLOSE = "Too many windows are open from here; close one."


class PaceLimit:
    """Answers 429 to a visitor who asks too much.

    Requests that change something have one bucket, and so has reading, with more tokens. A WebSocket is a window of the
    app: so many may be open, as many may be opened in a minute, and their messages are read no faster than they may
    come.
    """

    def __init__(self, app: ASGIApp, changes: int, reads: int, windows: int, messages: int) -> None:
        self.app, self.windows = app, windows
        self.changes, self.reads = Buckets(changes), Buckets(reads)
        self.openings, self.messages = Buckets(windows), Buckets(messages)
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._window(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        cheap = scope["method"] in SAFE and not scope["path"].endswith(COSTLY)
        if seconds := (self.reads if cheap else self.changes).take(visitor(scope)):
            await refuse(scope, receive, send, 429, WAIT, {"Retry-After": str(math.ceil(seconds))})
        else:
            await self.app(scope, receive, send)

    async def _window(self, scope: Scope, receive: Receive, send: Send) -> None:
        who = visitor(scope)
        if self._open[who] >= self.windows:
            await refuse(scope, receive, send, 429, CLOSE)
            return
        if seconds := self.openings.take(who):
            await refuse(scope, receive, send, 429, WAIT, {"Retry-After": str(math.ceil(seconds))})
            return

        async def paced() -> Message:
            message = await receive()
            while message["type"] == "websocket.receive" and (seconds := self.messages.take(who)):
                await asyncio.sleep(seconds)
            return message

        self._open[who] += 1
        try:
            await self.app(scope, paced, send)
        finally:
            self._open[who] -= 1
            if not self._open[who]:
                del self._open[who]
