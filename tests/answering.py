"""Answers held against their schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from typer.main import get_command

from seewhy.answers import schema_of
from seewhy.cli.app import app
from seewhy.commands.schema import answer_of, commands
from seewhy.core.files import json_text

WORDS = {"title", "description", "default"}  # what says nothing of a field's kind
KNOWN = {name: answer_of(each) for name, each in commands(get_command(app))}


def command_of(words: list[str]) -> str:
    """The command that these words call; empty where they call none."""
    return next(
        (name for name in sorted(KNOWN, key=len, reverse=True) if words[: name.count(" ") + 1] == name.split()), ""
    )


def against(answer: Any, values: Any) -> str:
    """What is wrong with these values as an answer of this type; keys that it does not name are wrong, too."""
    found = best_match(_validator(answer).iter_errors(json.loads(json_text(values))))
    return f"{found.json_path}: {found.message[-300:]}" if found else ""


@cache
def _validator(answer: Any) -> Draft202012Validator:
    return Draft202012Validator(closed(schema_of(answer)))


def closed(schema: Any) -> Any:
    """The same schema without a place for keys that it does not name: so that what is told is documented."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    return {**inner, "additionalProperties": False} if "properties" in schema else inner


def open_places(schema: Any, path: str = "") -> Iterator[str]:
    """Places where a schema allows whatever there is, but for JSON that is passed through."""
    for key, each in schema.items() if isinstance(schema, dict) else enumerate(schema):
        named = key == "properties" and isinstance(each, dict)
        yield from (f"{path}.{name}" for name, field in (each.items() if named else ()) if not set(field) - WORDS)
        if key in {"items", "additionalProperties"} and each in ({}, True):
            yield f"{path}.{key}"
        if isinstance(each, dict | list):
            yield from open_places(each, f"{path}.{key}")
