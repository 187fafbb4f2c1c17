"""The interface described as one page that needs no script and nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

Schema = Mapping[str, Any]


def docs_page(openapi: Schema) -> str:
    """The page for this OpenAPI document."""
    environment = Environment(loader=PackageLoader("seewhy.web.rest"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("docs.html").render(
        title=openapi["info"]["title"],
        version=openapi["info"]["version"],
        about=openapi["info"]["description"],
        routes=list(_routes(openapi)),
    )


def _routes(openapi: Schema) -> Iterator[dict[str, Any]]:
    for path, methods in openapi["paths"].items():
        for method, route in methods.items():
            yield {
                "method": method.upper(),
                "path": path,
                "summary": route.get("summary", ""),
                "fields": list(_fields(openapi, route)),
            }


def _fields(openapi: Schema, route: Schema) -> Iterator[dict[str, str]]:
    """What goes in: path parameters, then the fields of the body."""
    for each in route.get("parameters", ()):
        if each["in"] != "header":
            yield {"name": each["name"], "kind": _kind(each["schema"]), "about": each.get("description", "")}
    for content in route.get("requestBody", {}).get("content", {}).values():
        body = _resolved(openapi, content["schema"])
        for name, field in body.get("properties", {}).items():
            yield {"name": name, "kind": _kind(field), "about": field.get("description", "")}


def _resolved(openapi: Schema, schema: Schema) -> Schema:
    reference = schema.get("$ref", "")
    return openapi["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def _kind(schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return " or ".join(schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    file = schema.get("format") == "binary" or "contentMediaType" in schema
    return "file" if file else {"string": "text", "integer": "number"}.get(schema.get("type", ""), "")
