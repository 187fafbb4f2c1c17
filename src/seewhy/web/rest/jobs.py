"""A route for each question, and jobs: where they stand, how to stop them, and what came of them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Header, HTTPException, UploadFile
from fastapi import Request as Received
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from seewhy.answers.folders import Set
from seewhy.errors import UnknownName
from seewhy.web.rest import about_photo, by_cases, offered, over_sets  # they declare questions
from seewhy.web.rest.found import files_of, told
from seewhy.web.rest.question import QUESTIONS, Question, check_private
from seewhy.web.rest.sets import keep_zip
from seewhy.web.services.hub import Services, services
from seewhy.web.services.jobs import Job, Status
from seewhy.web.services.reports import report_of, zipped
from seewhy.web.visitors import Visitor, bearer_of, visitor_of

__all__ = ["ANSWER", "QUESTIONS", "At", "Who", "about_photo", "by_cases", "offered", "over_sets", "router"]

OVER_SETS = "questions over sets"  # the tag of what strangers may not ask
STRANGERS = "\n\nNot where strangers may come."
GLANCE = 0.02  # seconds between two looks whether a report is drawn
FILES = {"text/html": {}, "application/zip": {"schema": {"type": "string", "format": "binary"}}}
ANSWER: Any = reduce(or_, (each.answer for each in QUESTIONS.values()))  # of any question


class Taken(BaseModel):
    """A photo that was taken in."""

    image: str = Field(description="Its id, a secret; for the requests that follow.")
    width: int
    height: int
    notes: list[str] = Field(description="What was done to it on the way in.")


router = APIRouter()
At = Annotated[Services, Depends(services)]


def visitor(received: Received, at: At, authorization: Annotated[str, Header()] = "") -> Visitor:
    """Who asks: whoever bears the key, where keys are asked for, else whoever comes from the address."""
    if at.settings.api_keys:
        return bearer_of(authorization)
    return visitor_of(received.client.host if received.client else None)


Who = Annotated[Visitor, Depends(visitor)]


@router.post("/images", status_code=201, tags=["photos"], summary="Upload a photo")
def upload(
    at: At, who: Who, file: Annotated[UploadFile, File(description="JPEG, PNG, WebP, GIF, BMP, TIFF, npy, DICOM.")]
) -> Taken:
    """Take in a photo; its id leads to it for a day."""
    image = at.photos.read(file.file.read(at.photos.max_bytes + 1), file.filename or "photo")
    return Taken(image=at.photos.keep(image, who), width=image.width, height=image.height, notes=list(image.notes))


@router.post("/sets", status_code=201, tags=["photos"], summary="Upload a set of pictures")
def upload_set(
    at: At,
    who: Who,
    file: Annotated[
        UploadFile, File(description="A zip of pictures, with a folder for each class where classes matter.")
    ],
) -> Set:
    """Take in pictures for questions about many; the set's id leads to them for a day. Not where strangers may come."""
    check_private(at)
    return keep_zip(at, file.file.read, who)


def _route(asked_about: Question) -> Callable[..., Status]:
    """What hands in a question, with the parameters that FastAPI reads."""

    def hand_in(**given: Any) -> Status:
        at: Services = given["at"]
        return at.queue.status(asked_about.hand_in(at, given["asked"], given["who"]))

    wanted = {"at": At, "who": Who, "asked": asked_about.body}
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, keyword, annotation=kind) for name, kind in wanted.items()]
    hand_in.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    hand_in.__name__ = asked_about.name.replace("-", "_")
    return hand_in


for _each in QUESTIONS.values():
    router.add_api_route(
        f"/{_each.name}",
        _route(_each),
        methods=["POST"],
        status_code=202,
        response_model=Status,
        tags=[OVER_SETS if _each.private else "questions"],
        summary=_each.summary,
        description=_each.about + (STRANGERS if _each.private else ""),
    )


@router.get("/jobs", tags=["jobs"], summary="Finished jobs, where results are public")
def listed(at: At) -> list[Status]:
    """Jobs of everybody, newest first."""
    if at.settings.results != "public":
        raise UnknownName("results are private here: only the id of a job leads to it")
    return [at.queue.status(job) for job in at.queue.finished()]


@router.get("/jobs/{job}", tags=["jobs"], summary="Where a job stands")
def status(at: At, job: str) -> Status:
    """Where a job stands."""
    return at.queue.status(at.queue.find(job))


@router.delete("/jobs/{job}", tags=["jobs"], summary="Stop a job")
def cancel(at: At, job: str) -> Status:
    """Stop a job; one that is over stays as it is."""
    found = at.queue.find(job)
    found.cancel()
    return at.queue.status(found)


@router.get("/jobs/{job}/result", tags=["jobs"], summary="What came of it, as JSON", responses={200: {"model": ANSWER}})
def result(at: At, job: str) -> Response:
    """What came of a job: the answer that its question names as `x-answer`."""
    return JSONResponse(told(_over(at, job).result))


@router.get(
    "/jobs/{job}/{kind}",
    tags=["jobs"],
    summary="Its report, or all its files",
    response_class=Response,
    responses={200: {"content": FILES}},
)
async def files(at: At, who: Who, job: str, kind: Literal["report.html", "files.zip"]) -> Response:
    """What the command line would have written. It is drawn anew, in turn with what else you asked for."""
    found = _over(at, job)
    drawn: list[Response] = []  # not kept with the results: it would push them out
    drawing = at.queue.submit(lambda _: drawn.append(_drawn(found, kind)), f"drawing {kind}", visitor=who)
    while not drawing.wait(0):  # no thread waits, of which there are few
        await asyncio.sleep(GLANCE)
    drawing.forget()
    if drawing.error:
        raise drawing.error
    return drawn[0]


def _drawn(job: Job[Any], kind: str) -> Response:
    found = files_of(job.result)
    if kind == "report.html":
        return Response(report_of(found), media_type="text/html")
    return Response(zipped(found), media_type="application/zip")


def _over(at: Services, name: str) -> Job[Any]:
    job = at.queue.find(name)
    if not job.state.is_over:
        raise HTTPException(409, f"the job is {job.state}; ask again when it is done")
    return job
