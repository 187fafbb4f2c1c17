"""Photos in, jobs handed in, followed, stopped, and their results."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Header, HTTPException, UploadFile
from fastapi import Request as Received
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from seewhy.errors import UnknownName
from seewhy.models import DEFAULT_MODEL
from seewhy.verbs.compare import Comparison
from seewhy.web.services.hub import Request, Services, services
from seewhy.web.services.jobs import Job, Status
from seewhy.web.services.photos import Photo
from seewhy.web.services.reports import explanation_files, report_of, result_files, zipped
from seewhy.web.services.results import Explained
from seewhy.web.telling import without_places
from seewhy.web.visitors import Visitor, bearer_of, visitor_of

GLANCE = 0.02  # seconds between two looks whether a report is drawn
MOST = 60  # methods or metrics of one request


class Taken(BaseModel):
    """A photo that was taken in."""

    image: str = Field(description="Its id, a secret; for the requests that follow.")
    width: int
    height: int
    notes: list[str] = Field(description="What was done to it on the way in.")


class Sent(BaseModel):
    """What comes in. A field that is not known is refused: it is a request, misspelt, that nobody would hear."""

    model_config = ConfigDict(extra="forbid")


class Asked(Sent):
    """What every request about a photo says."""

    image: str = Field(description="The id of an uploaded photo, or sample:cat.")
    model: str | None = Field(None, description=f"One of /models, such as {DEFAULT_MODEL}; by default the first.")


class Predict(Asked):
    """What is in the photo?"""

    top: int = Field(5, ge=1, le=100, description="How many classes.")


class Explain(Asked):
    """Why?"""

    methods: list[str] = Field(["grad-cam"], min_length=1, max_length=MOST, description="Names of /methods.")
    target: StrictStr | StrictInt | None = Field(
        None, description='A class, its index, or "A vs B"; by default the likeliest.'
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Of all randomness.")


class Compare(Explain):
    """Which explanation is to be believed?"""

    methods: list[str] = Field([], max_length=MOST, description="Two or more of /methods; by default eight fast ones.")
    metrics: list[str] = Field([], max_length=MOST, description="Names of /metrics; by default four.")


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


@router.post("/predict", status_code=202, tags=["jobs"], summary="Ask what is in a photo")
def predict(at: At, who: Who, asked: Predict) -> Status:
    """Hand in a prediction."""
    job = at.predict(photo(at, asked.image), _model(at, asked), asked.top, visitor=who)
    return at.queue.status(job)


@router.post("/explain", status_code=202, tags=["jobs"], summary="Ask why")
def explain(at: At, who: Who, asked: Explain) -> Status:
    """Hand in an explanation."""
    return at.queue.status(at.explain(photo(at, asked.image), _request(at, asked), visitor=who))


@router.post("/compare", status_code=202, tags=["jobs"], summary="Ask which explanation to believe")
def compare(at: At, who: Who, asked: Compare) -> Status:
    """Hand in a comparison."""
    return at.queue.status(at.compare(photo(at, asked.image), _request(at, asked, asked.metrics), visitor=who))


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


@router.get("/jobs/{job}/result", tags=["jobs"], summary="What came of it, as JSON")
def result(at: At, job: str) -> Any:
    """What came of a job."""
    match _over(at, job).result:
        case Explained(explanations=found, failures=failures):
            told = {method: without_places(str(error)) for method, error in failures.items()}
            return {"explanations": [each.manifest() for each in found], "failures": told}
        case Comparison() as found:
            return found.to_dict()
        case tuple() as predictions:
            return {"predictions": [each.to_dict() for each in predictions]}
        case _:
            raise UnknownName("what came of this job is on the page that asked for it, and nowhere else")


@router.get("/jobs/{job}/{kind}", tags=["jobs"], summary="Its report, or all its files", response_class=Response)
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
    result = job.result
    if not isinstance(result, Explained | Comparison):
        raise UnknownName("this job left no files; its result says all there is")
    found = explanation_files(result) if isinstance(result, Explained) else result_files(result)
    if kind == "report.html":
        return Response(report_of(found), media_type="text/html")
    return Response(zipped(found), media_type="application/zip")


def photo(at: Services, name: str) -> Photo:
    """The photo that somebody names: an upload by its secret, or a sample."""
    return at.photos.find(name)


def _request(at: Services, asked: Explain, metrics: Sequence[str] = ()) -> Request:
    target = None if asked.target is None else str(asked.target)
    return Request(_model(at, asked), tuple(asked.methods), tuple(metrics), target, asked.seed)


def _model(at: Services, asked: Asked) -> str:
    return asked.model or at.models.names[0]


def _over(at: Services, name: str) -> Job[Any]:
    job = at.queue.find(name)
    if not job.state.is_over:
        raise HTTPException(409, f"the job is {job.state}; ask again when it is done")
    return job
