"""The REST interface as one FastAPI application, to be mounted at `/api`."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response

from seewhy import __version__
from seewhy.errors import BadImage, Conflict, QueueFull, SeewhyError, StoreError, UnknownName
from seewhy.web.desk import Desk, desk
from seewhy.web.rest import catalogue, jobs, people
from seewhy.web.rest.docs import docs_page

ABOUT = (
    "Ask why an image classifier decided what it did. Upload a photo, hand in a job, ask for its state until it is "
    "done, take its result. Ids of photos and jobs are secrets: whoever has one may use it, nobody else can."
)
STATUS = {QueueFull: 503, UnknownName: 404, Conflict: 409, StoreError: 503}
# What a client can mend by sending something else, by the code of a BadImage.
BAD_IMAGE = {"too_large": 413, "unsupported": 415, "not_an_image": 415}


def make_api() -> FastAPI:
    """All routes, over the desk of this process."""
    api = FastAPI(title="seewhy", version=__version__, description=ABOUT, docs_url=None, redoc_url=None)
    for routes in (catalogue, jobs, people):
        api.include_router(routes.router, dependencies=[Depends(_keyed)])
    api.add_api_route("/health", _health, tags=["about"], summary="Whether the server is up")
    api.add_api_route("/docs", lambda: HTMLResponse(docs_page(api.openapi())), include_in_schema=False)
    api.add_exception_handler(SeewhyError, _told)
    api.add_exception_handler(RequestValidationError, _misread)
    return api


def _health() -> dict[str, str]:
    return {"status": "ok", "version": __version__}


def _keyed(at: Annotated[Desk, Depends(desk)], authorization: Annotated[str, Header()] = "") -> None:
    """Where there are keys, one of them has to come along; where people sign in, there have to be keys."""
    if not at.settings.api_keys and at.settings.sign_in != "oidc":
        return
    given = authorization.removeprefix("Bearer ").encode()
    if not any(hmac.compare_digest(given, key.encode()) for key in at.settings.api_keys):
        raise HTTPException(401, "Send a key: Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"})


def _told(_request: Request, error: Exception) -> Response:
    """Errors that seewhy raises on purpose, each with the status that says whose turn it is."""
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, QueueFull) else None
    return JSONResponse({"detail": str(error)}, _status(error), headers)


def _misread(_request: Request, error: Exception) -> Response:
    """What is wrong with a request, without repeating what came: it need not even be text."""
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    return JSONResponse({"detail": [{name: each[name] for name in ("loc", "msg", "type")} for each in found]}, 422)


def _status(error: Exception) -> int:
    if isinstance(error, BadImage):
        return BAD_IMAGE.get(error.code, 422)
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 422)
