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


def told_of(entry: Any, shape: Any) -> Any:
    """What an entry of a registry says of itself, as an answer of this shape: its attributes by the shape's names."""
    found = {name: getattr(entry, name) for name in shape.__annotations__}
    return {name: sorted(each) if isinstance(each, frozenset | set) else each for name, each in found.items()}
