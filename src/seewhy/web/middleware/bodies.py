"""How large a body may be, and how many bytes of bodies one visitor may have here at a time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Generator, Hashable, Mapping
from contextlib import contextmanager, suppress

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seewhy.web.middleware.visitors import refuse, visitor

LEAST = 1 << 16  # bytes that any file costs, so that many small ones are no way round
PARTS = 4  # of what is free, one of which a visitor may have
NO_ROOM = "Too much is being uploaded, or kept in open windows; try again soon, or close a window."


class Room:
    """Bytes that visitors have here: under way, or kept for a window.

    Nobody gets more than a quarter of what is then free, so that there is room for one who comes new.
    Source: Choudhury and Hahne 1998, Dynamic queue length thresholds for shared-memory packet switches, alpha = 1/4.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._coming: Counter[str] = Counter()
        self._kept: dict[Hashable, tuple[str, int, Callable[[], bool]]] = {}

    @contextmanager
    def reserved(self, who: str, size: int) -> Generator[bool]:
        """Take room for a body that is coming; says whether there was any."""
        with self._lock:
            self._kept = {key: each for key, each in self._kept.items() if each[2]()}
            held = self._held()
            given = not size or held[who] + size <= (self.most - held.total() - size) / PARTS
            taken = size if given else 0
            self._coming[who] += taken
        try:
            yield given
        finally:
            with self._lock:
                self._coming[who] -= taken
                self._coming += Counter()  # forgets those at zero

    def keep(self, who: str, key: Hashable, size: int, alive: Callable[[], bool]) -> None:
        """Count a file for as long as it is `alive`."""
        with self._lock:
            self._kept[key] = (who, max(size, LEAST), alive)

    def _held(self) -> Counter[str]:
        held = Counter(self._coming)
        for who, size, _ in self._kept.values():
            held[who] += size
        return held


class BodyLimit:
    """Answers 413 to bodies that are too large, by their announced length or while reading; 429 where there is no room.

    `limits` are bytes, by how a path begins, where files come in; all other paths take `most`. There, small bodies need
    no room: who has filled their share still clicks.
    """

    def __init__(self, app: ASGIApp, most: int, limits: Mapping[str, int], room: Room) -> None:
        self.app, self.most, self.limits, self.room = app, most, limits, room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        files = next((size for path, size in self.limits.items() if scope["path"].startswith(path)), None)
        most = files or self.most
        headers = Headers(scope=scope)
        announced = headers.get("content-length", "0")
        if not announced.isdigit() or int(announced) > most:
            await _too_large(scope, receive, send, most)
            return
        coming = most if "transfer-encoding" in headers else int(announced)
        needed = coming if coming > LEAST else LEAST if coming and files else 0
        with self.room.reserved(visitor(scope), needed) as given:
            if given:
                await self._read(scope, receive, send, most)
            else:
                await refuse(scope, receive, send, 429, NO_ROOM, {"Retry-After": "10"})

    async def _read(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        left, answered = most, False

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

        with suppress(ClientDisconnect):  # nobody is there to be answered, or it was only told so to end its reading
            await self.app(scope, count, answer)
        if left < 0 and not answered:
            await _too_large(scope, receive, send, most)


async def _too_large(scope: Scope, receive: Receive, send: Send, most: int) -> None:
    why = f"The request is larger than {most / (1 << 20):.3g} MB. Make it smaller."
    await refuse(scope, receive, send, 413, why)
