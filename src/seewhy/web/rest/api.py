"""The REST interface as one FastAPI application, to be mounted at `/api`; what there is to choose from; its manual."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seewhy import __version__
from seewhy.core.registry import Declared
from seewhy.errors import QueueFull, SeewhyError
from seewhy.images import samples
from seewhy.methods import list_methods
from seewhy.metrics import list_metrics
from seewhy.web.rest import jobs, people
from seewhy.web.rest.jobs import At
from seewhy.web.telling import status_of, told

Schema = Mapping[str, Any]

ABOUT = (
    "Ask why an image classifier decided what it did. Upload a photo, hand in a job, ask for its state until it is "
    "done, take its result. Ids of photos and jobs are secrets: whoever has one may use it, nobody else can."
)
SHOWN = ("name", "title", "family", "question", "reading", "paper", "arxiv")  # of a method or a metric

router = APIRouter(tags=["about"])


def make_api() -> FastAPI:
    """All routes, over the services of this process."""
    api = FastAPI(title="seewhy", version=__version__, description=ABOUT, docs_url=None, redoc_url=None)
    for routes in (router, jobs.router, people.router):
        api.include_router(routes, dependencies=[Depends(_keyed)])
    api.add_api_route("/health", _health, tags=["about"], summary="Whether the server is up")
    api.add_api_route("/docs", lambda: HTMLResponse(_docs_page(api.openapi())), include_in_schema=False)
    api.add_exception_handler(SeewhyError, _told)
    api.add_middleware(Unexpected)
    api.add_exception_handler(RequestValidationError, _misread)
    return api


@router.get("/models", summary="The models to choose from; the first is the default")
def models(at: At) -> list[str]:
    """Names of models."""
    return list(at.models.names)


@router.get("/methods", summary="The methods that explain")
def methods() -> list[dict[str, Any]]:
    """Methods that need no more than a photo."""
    return [
        {**_about(each), **{name: getattr(each, name) for name in ("cost", "status", "first", "class_blind")}}
        for each in list_methods()
        if not each.required
    ]


@router.get("/metrics", summary="The metrics that say how far to believe an explanation")
def metrics() -> list[dict[str, Any]]:
    """Metrics."""
    return [{**_about(each), "higher_is_better": each.higher_is_better} for each in list_metrics()]


@router.get("/samples", summary="Photos that are always there")
def sample_photos() -> list[str]:
    """Names that stand for photos."""
    return [f"sample:{name}" for name in samples()]


def _about(entry: type[Declared]) -> dict[str, Any]:
    return {**{name: getattr(entry, name) for name in SHOWN}, "needs": sorted(entry.needs)}


def _health() -> dict[str, str]:
    return {"status": "ok", "version": __version__}


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


def _docs_page(openapi: Schema) -> str:
    """The page for this OpenAPI document."""
    environment = Environment(loader=PackageLoader("seewhy.web.rest"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("docs.html").render(
        title=openapi["info"]["title"],
        version=openapi["info"]["version"],
        about=openapi["info"]["description"],
        paths=openapi["paths"],
        fields_of=partial(_fields, openapi),
    )


def _fields(openapi: Schema, route: Schema) -> list[tuple[str, str, str]]:
    """What goes in, by name, kind and description: path parameters, then the fields of the body."""
    given = {each["name"]: {**each["schema"], **each} for each in route.get("parameters", ()) if each["in"] != "header"}
    for content in route.get("requestBody", {}).get("content", {}).values():
        body = content["schema"]
        if "$ref" in body:
            body = openapi["components"]["schemas"][body["$ref"].rpartition("/")[2]]
        given |= body.get("properties", {})
    return [(name, _kind(field), field.get("description", "")) for name, field in given.items()]


def _kind(schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return " or ".join(schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    file = schema.get("format") == "binary" or "contentMediaType" in schema
    return "file" if file else {"string": "text", "integer": "number"}.get(schema.get("type", ""), "")
