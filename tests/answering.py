"""Answers held against their schemas."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from typer.main import get_command

from seewhy.answers import closed, schema_of
from seewhy.cli.app import app
from seewhy.cli.schema import answer_of, commands
from seewhy.core.files import json_text

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
