"""Streamlit's own door for files, `/_stcore/upload_file/SESSION/FILE`: only for files that a widget asked for."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Sequence
from functools import partial

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime.uploaded_file_manager import UploadedFileManager, UploadFileUrlInfo

from seewhy.web.middleware.bodies import Room
from seewhy.web.middleware.visitors import refuse, visitor

DOOR = "/_stcore/upload_file/"
FILES = 1000  # that one choice of files may have
LENGTH = 32  # letters of an id, and of its signature
UNASKED = "No window of the app asked for this file."


def file_id(key: bytes, session: str, name: str) -> str:
    """A name, signed for one session."""
    return name + hmac.digest(key, f"{session}/{name}".encode(), "sha256").hex()[:LENGTH]


def sign_file_ids(files: UploadedFileManager, key: bytes) -> None:
    """Make Streamlit give out signed ids, so that the door knows them again without a list of them."""
    endpoint = DOOR.rstrip("/")

    def get_upload_urls(session_id: str, file_names: Sequence[str]) -> list[UploadFileUrlInfo]:
        ids = [file_id(key, session_id, secrets.token_hex(LENGTH // 2)) for _ in file_names[:FILES]]
        urls = [f"{endpoint}/{session_id}/{each}" for each in ids]
        return [UploadFileUrlInfo(*each) for each in zip(ids, urls, urls, strict=True)]

    files.get_upload_urls = get_upload_urls  # Streamlit builds its manager itself, and has no other place for this


class UploadDoor:
    """Refuses, with 403, what no widget asked for; counts what is kept as the room of who sent it."""

    def __init__(self, app: ASGIApp, key: bytes, room: Room) -> None:
        self.app, self.key, self.room = app, key, room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or not scope["path"].startswith(DOOR) or scope["method"] == "OPTIONS":
            await self.app(scope, receive, send)
            return
        session, _, file = scope["path"].removeprefix(DOOR).partition("/")
        if not re.fullmatch(rf"[0-9a-f]{{{2 * LENGTH}}}", file) or not hmac.compare_digest(
            file, file_id(self.key, session, file[:LENGTH])
        ):
            await refuse(scope, receive, send, 403, UNASKED)
            return
        size = 0

        async def count() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            return message

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 204 and scope["method"] == "PUT":
                self.room.keep(visitor(scope), (session, file), size, partial(_is_kept, session, file))
            await send(message)

        await self.app(scope, count, keep)


def _is_kept(session: str, file: str) -> bool:
    """Whether Streamlit has this file still; it forgets the files of a session that ends."""
    from streamlit.runtime import exists, get_instance

    return exists() and bool(get_instance().uploaded_file_mgr.get_files(session, [file]))
