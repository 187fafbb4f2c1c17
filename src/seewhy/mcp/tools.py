"""Questions as tools: what an agent may say, with paths of this machine in place of uploads, and what it is told."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent, Tool, ToolAnnotations
from pydantic import ValidationError

from seewhy.answers import schema_of
from seewhy.answers.common import AgentTool
from seewhy.cases.manifest import read_manifest
from seewhy.core.files import json_text, write_whole
from seewhy.errors import SeewhyError, UnknownName, UsageError
from seewhy.images import open_image
from seewhy.web.rest.found import files_of, lend, told
from seewhy.web.rest.jobs import QUESTIONS
from seewhy.web.rest.listing import case_bases, methods, metrics, models, prototypes, sample_photos, studies
from seewhy.web.rest.question import Question
from seewhy.web.services.bases import BASE
from seewhy.web.services.hub import Services
from seewhy.web.services.jobs import Job
from seewhy.web.services.photos import PREFIX
from seewhy.web.visitors import HERE

SHOWN = 4  # pictures of an answer that an agent sees
PICTURES = re.compile(r"(?:.*/)?(?:picture|network|twins|removal)\.png")
ANSWER = "answer"
CODE = "py:"  # models that run code are named by whoever starts the server
LISTS: dict[str, Callable[[Services], Any]] = {
    "models": models,
    "methods": lambda _: methods(),
    "metrics": lambda _: metrics(),
    "samples": lambda _: sample_photos(),
    "cases": case_bases,
    "prototypes": prototypes,
    "studies": studies,
}
PLACES = {
    "image": "Path of a photo on this machine, or sample:cat.",
    "pictures": "Path of a folder of pictures on this machine, with a folder for each class where classes matter.",
    "cases": "Path of a folder that `seewhy cases build` made, one of `list`, or a job of train or build-cases.",
    "prototypes": "Path of a folder that `seewhy prototypes train` made, one of `list`, or a job of train.",
    "concepts": "Path of a folder that `seewhy network concepts build` made, or a job of build-concepts.",
    "findings": "Path of a folder that `seewhy audit` made, or a job of audit.",
    "dossier": "Path of a folder that `seewhy dossier` wrote to, or a job of dossier.",
    "results": "Paths of folders that `seewhy audit`, `evaluate`, `study`, `repair` or `diff` made, or jobs of these.",
    "data": "Paths of folders of the photos that results rest on.",
    "model": "bundled:…, torchvision:…, timm:…, hf-hub:org/name, onnx:PATH or file:FOLDER, or a job that made one.",
}
FOLDERS = PLACES.keys() - {"image", "model"}  # what may be the path of a folder
OUT = "A folder below the working folder: report and files are written there."


def tools() -> list[Tool]:
    """All tools: a list of what there is, and each question."""
    listing = Tool(
        name="list",
        title="What there is to choose from",
        description="Models, methods, metrics, samples, case bases, prototypes or studies, with what they are.",
        input_schema={
            "type": "object",
            "properties": {"what": {"type": "string", "enum": list(LISTS)}},
            "required": ["what"],
            "additionalProperties": False,
        },
        output_schema=schema_of(dict[str, list[Any]]),
        annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
    )
    return [listing, *map(_tool, QUESTIONS.values())]


def told_tools() -> list[AgentTool]:
    """All tools as plain values."""
    return [
        {
            "name": each.name,
            "title": each.title or each.name,
            "description": each.description or "",
            "input": each.input_schema,
            "output": each.output_schema or {},
        }
        for each in tools()
    ]


def listed(at: Services, what: str) -> CallToolResult:
    """What the tool `list` tells."""
    if what not in LISTS:
        raise UnknownName(f"there is no list of '{what}'; there are {', '.join(LISTS)}")
    return _answer({what: LISTS[what](at)}, [])


def hand_in(at: Services, name: str, arguments: Mapping[str, Any]) -> tuple[Job[Any], Path | None]:
    """Hand in a tool's question; returns its job, and the folder to write to, if any.

    Raises:
        SeewhyError: it makes no sense, or names what is not there.
    """
    if name not in QUESTIONS:
        raise UnknownName(f"there is no tool '{name}'; there are list, {', '.join(QUESTIONS)}")
    asked, given = QUESTIONS[name], dict(arguments)
    out = given.pop("out", None)
    folder = _below_here(out) if out is not None else None
    try:
        body = asked.body.model_validate({key: _local(at, key, each) for key, each in given.items()})
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise UsageError(f"{name} cannot be asked so: {wrong}") from error
    return asked.hand_in(at, body, HERE), folder


def result_of(job: Job[Any], folder: Path | None) -> CallToolResult:
    """What came of a job: its values, its id, and its first pictures; its files lie in `folder` then.

    Raises:
        SeewhyError: why nothing came of it.
    """
    found = job.result
    values = told(found)
    try:
        files = files_of(found)
    except UnknownName:
        files = {}
    if folder:
        for path, content in files.items():
            write_whole(folder / path, content)
    words: list[ContentBlock] = [TextContent(text=f"The id of this job, by which others name what it made: {job.id}")]
    if folder:
        words.append(TextContent(text=f"Its files are in {folder}; report.html is for people."))
    shown = [files[name] for name in sorted(files) if PICTURES.fullmatch(name)][:SHOWN]
    pictures = [ImageContent(data=base64.b64encode(each).decode(), mime_type="image/png") for each in shown]
    return _answer(values, [*words, *pictures])


def refused(error: SeewhyError) -> CallToolResult:
    """What an agent is told of an error, so that it can mend what it asked."""
    return CallToolResult(content=[TextContent(text=str(error))], is_error=True)


def _tool(asked: Question) -> Tool:
    schema = deepcopy(asked.body.model_json_schema())
    for name, words in PLACES.items():
        if name in schema["properties"]:
            schema["properties"][name]["description"] = words
    schema["properties"]["out"] = {"type": "string", "description": OUT}
    answer = _as_object(asked.schema)
    hints = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
    return Tool(
        name=asked.name,
        title=asked.summary,
        description=asked.about,
        input_schema=schema,
        output_schema=answer,
        annotations=hints,
    )


def _as_object(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an answer that is an object, as the protocol wants it: a list stands in one, as `answer`."""
    if schema.get("type") != "array":
        return {"type": "object", **schema}
    inner = {key: each for key, each in schema.items() if key not in {"$schema", "$defs"}}
    outer = {key: schema[key] for key in ("$schema", "$defs") if key in schema}
    return {**outer, "type": "object", "properties": {ANSWER: inner}, "required": [ANSWER]}


def _answer(values: Any, more: list[ContentBlock]) -> CallToolResult:
    told = {ANSWER: values} if isinstance(values, list) else values
    return CallToolResult(content=[TextContent(text=json_text(told)), *more], structured_content=told)


def _local(at: Services, key: str, value: Any) -> Any:
    """A value as the question takes it: paths become ids that lead to them, models may be asked."""
    match key, value:
        case "image", str() if not value.startswith(PREFIX):
            return at.photos.keep(open_image(value, max_pixels=at.settings.upload_pixels, isolated=True), HERE)
        case "model", str():
            return _admitted(at, value)
        case "models", list():
            return [_local(at, "model", each) for each in value]
        case (("findings" | "results" | "data"), list()):
            return [_local(at, key, each) for each in value]
        case name, str() if name in FOLDERS and _is_folder(value):
            if key == "cases" and (Path(value) / BASE).is_file():
                about = read_manifest(Path(value)).about
                _admitted(at, about.model)
                _admitted(at, about.embedding)
            return lend(Path(value))
        case _:
            return value


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # no name of a file is so long
        return False


def _admitted(at: Services, name: str) -> str:
    if ":" in name and name not in at.models and not name.startswith(CODE):
        at.models.admit(name)
    return name


def _below_here(out: str) -> Path:
    folder = Path(out)
    if not folder.resolve().is_relative_to(Path.cwd().resolve()) or folder.resolve() == Path.cwd().resolve():
        raise UsageError(f"out is '{out}', which is not below the working folder; name a folder such as seewhy-out")
    return folder
