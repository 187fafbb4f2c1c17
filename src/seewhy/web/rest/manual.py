"""The OpenAPI document, which names every answer, and the page that people read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import UnionType
from typing import Any, get_args, get_origin

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from jinja2 import Environment, PackageLoader, StrictUndefined

from seewhy.web.rest.question import QUESTIONS

Schema = Mapping[str, Any]


def openapi_of(api: FastAPI) -> dict[str, Any]:
    """The document; each question's route says as `x-answer` what its job's result is."""
    document = get_openapi(title=api.title, version=api.version, description=api.description, routes=api.routes)
    for each in QUESTIONS.values():
        document["paths"][f"/{each.name}"]["post"]["x-answer"] = _reference(each.answer)
    return document


def manual(document: Schema) -> str:
    """The page for this OpenAPI document."""
    environment = Environment(loader=PackageLoader("seewhy.web.rest"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("docs.html").render(
        title=document["info"]["title"],
        version=document["info"]["version"],
        about=document["info"]["description"],
        paths=document["paths"],
        fields_of=partial(_fields, document),
        answer_of=partial(_answer, document),
    )


def _reference(answer: Any) -> dict[str, Any]:
    if isinstance(answer, UnionType):
        return {"anyOf": [_reference(each) for each in get_args(answer)]}
    if get_origin(answer) is list:
        return {"type": "array", "items": _reference(get_args(answer)[0])}
    if get_origin(answer) is dict:
        return {"type": "object", "additionalProperties": _reference(get_args(answer)[1])}
    return {"$ref": f"#/components/schemas/{answer.__name__}"}


def _fields(document: Schema, route: Schema) -> list[tuple[str, str, str]]:
    """What goes in, by name, kind and description: path parameters, then the fields of the body."""
    given = {each["name"]: {**each["schema"], **each} for each in route.get("parameters", ()) if each["in"] != "header"}
    for content in route.get("requestBody", {}).get("content", {}).values():
        given |= _resolved(document, content["schema"]).get("properties", {})
    return [(name, _kind(field), field.get("description", "")) for name, field in given.items()]


def _answer(document: Schema, route: Schema) -> str:
    """What comes of it, in words."""
    told = route.get("x-answer", {})
    told = told.get("anyOf", [told])[0]
    each = _resolved(document, told.get("items") or told.get("additionalProperties") or told)
    words = f"{each['title']}: {each['description']}" if "description" in each else each.get("title", "")
    return f"several, each a {words}" if "type" in told else words


def _resolved(document: Schema, schema: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def _kind(schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return " or ".join(schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if "additionalProperties" in schema:
        return f"by name {_kind(schema['additionalProperties'])}"
    file = schema.get("format") == "binary" or "contentMediaType" in schema
    named = {"string": "text", "integer": "number", "number": "number", "boolean": "yes or no"}
    return "file" if file else named.get(schema.get("type", ""), "")
