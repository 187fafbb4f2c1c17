"""The shape of every answer, as `--json`, REST and the Model Context Protocol give it; loads nothing heavy.

Each is a typed dictionary, of which `schema_of` makes a JSON Schema.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import TypeAdapter

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@cache
def schema_of(answer: Any) -> dict[str, Any]:
    """The JSON Schema of an answer's type. Keys that it does not name may be added later, so they are allowed.

    >>> schema_of(list[str])["items"]
    {'type': 'string'}
    """
    return {"$schema": DIALECT, **TypeAdapter(answer).json_schema()}


def closed(schema: Any) -> Any:
    """The same schema without a place for keys that it does not name: for tests, so that what is told is documented."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    return {**inner, "additionalProperties": False} if "properties" in schema else inner
