"""`seewhy schema`: what the JSON of each command looks like, as a JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from pydantic import JsonValue

from seewhy.commands.console import Answer, Table
from seewhy.commands.run import command
from seewhy.core.files import json_text
from seewhy.errors import UnknownName


@command()
def schema(
    context: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND…", help="Which command's answer, such as: cases twins.")
    ] = None,
) -> Answer[dict[str, JsonValue]]:
    """Say what a command's `--json` looks like, as a JSON Schema; without a command, list those that have one."""
    from seewhy.answers import schema_of

    known = dict(commands(context.find_root().command))
    if not words:
        told = {name: (each.help or "").partition("\n")[0] for name, each in known.items()}
        return Answer(told, [Table(["command", "what it does"], [*map(list, told.items())])])
    name = " ".join(words)
    if name not in known:
        raise UnknownName(f"no command '{name}' has an answer in JSON; there are {', '.join(known)}")
    found = schema_of(answer_of(known[name]))
    return Answer(found, [Table(["schema"], [[line] for line in json_text(found).splitlines()])])


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The commands below a group that have an answer, by their words."""
    if answer_of(group) is not None:
        yield " ".join(path), group
    for name, each in getattr(group, "commands", {}).items():
        yield from commands(each, (*path, name))


def answer_of(command: Any) -> Any:
    """The type of a command's answer; None of one that has none."""
    return getattr(command.callback, "answer", None)
