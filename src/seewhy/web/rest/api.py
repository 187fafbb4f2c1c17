"""The REST interface as one FastAPI application, to be mounted at `/api`."""

from __future__ import annotations

import hmac
from functools import cache, partial
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seewhy import __version__
from seewhy.errors import QueueFull, SeewhyError
from seewhy.web.rest import jobs, listing, people
from seewhy.web.rest.jobs import At
from seewhy.web.rest.manual import manual, openapi_of
from seewhy.web.telling import status_of, told

ABOUT = (
    "Ask why an image classifier decided what it did. Upload a photo, hand in a question, ask for the state of its job "
    "until it is done, take its result. Questions about many pictures take a set, a zip with a folder for each class. "
    "Ids of photos, sets and jobs are secrets: whoever has one may use it, nobody else can."
)


class Misread(BaseModel):
    """A field that makes no sense: where it is, and why."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(BaseModel):
    """What is wrong, with its cure; of a request that cannot be read, field by field."""

    detail: str | list[Misread]


class Health(BaseModel):
    """Whether the server is up, and its version."""

    status: str
    version: str


def make_api() -> FastAPI:
    """All routes, over the services of this process."""
    api = FastAPI(title="seewhy", version=__version__, description=ABOUT, docs_url=None, redoc_url=None)
    for routes in (listing.router, jobs.router, people.router):
        api.include_router(routes, dependencies=[Depends(_keyed)], responses={"4XX": {"model": Problem}})
    api.openapi = cache(partial(openapi_of, api))
    api.add_api_route("/health", _health, tags=["about"], summary="Whether the server is up")
    api.add_api_route("/docs", lambda: HTMLResponse(manual(api.openapi())), include_in_schema=False)
    api.add_exception_handler(SeewhyError, _told)
    api.add_middleware(Unexpected)
    api.add_exception_handler(RequestValidationError, _misread)
    return api


def _health() -> Health:
    return Health(status="ok", version=__version__)


def _keyed(at: At, authorization: Annotated[str, Header()] = "") -> None:
    """Where there are keys, one of them has to come along; where people sign in, there have to be keys."""
    if not at.settings.api_keys and at.settings.sign_in != "oidc":
        return
    given = authorization.removeprefix("Bearer ").encode()
    if not any(hmac.compare_digest(given, key.encode()) for key in at.settings.api_keys):
        raise HTTPException(401, "Send a key: Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"})


def _told(_request: Request, error: Exception) -> Response:
    """What went wrong, with the status that says whose turn it is."""
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, QueueFull) else None
    return JSONResponse({"detail": told(error)}, status_of(error), headers)


class Unexpected:
    """Answers what no handler knows; left to Starlette, each would be logged as often as there are apps in apps."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - whatever it is, strangers get a sentence
            answer = _told(Request(scope), error)
            if not started:
                await answer(scope, receive, send)


def _misread(_request: Request, error: Exception) -> Response:
    """What is wrong with a request, without repeating what came: it need not even be text."""
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    return JSONResponse({"detail": [{name: each[name] for name in ("loc", "msg", "type")} for each in found]}, 422)
