"""Writes `questions.py` and `over_sets.py` of `src/seewhy/client` from the OpenAPI document."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from seewhy.web.rest.api import make_api
from seewhy.web.rest.jobs import STRANGERS

ROOT = Path(__file__).resolve().parents[1]
CLIENT, ANSWERS = ROOT / "src/seewhy/client", ROOT / "src/seewhy/answers"
HEAD = '''"""{about}; written by `scripts/client.py` from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast

{imports}
from seewhy.client.connection import Connection, Job


class {name}(Connection):
    """{says}."""
'''
MODULES = {  # by the tag of their questions
    "questions": ("Questions", "What an app can be asked, a method for each", "A job for each question, and lists"),
    "questions over sets": (
        "OverSets",
        "What an app can be asked over sets of pictures",
        "A job for each question that strangers may not ask",
    ),
}
WORDS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
LISTS = ("/models", "/methods", "/metrics", "/samples", "/cases", "/prototypes", "/studies")
UPLOADED = {"image", "pictures"}
NONE = " | None"
ONE_LINE = 105  # letters, beside quotes and indentation
Schema: TypeAlias = Mapping[str, Any]


def main() -> None:
    """Write the modules."""
    for path, text in written(make_api().openapi()).items():
        path.write_text(text, "utf-8")


def written(document: Schema) -> dict[Path, str]:
    """The text of each module, by its place."""
    return {
        CLIENT / f"{tag.removeprefix('questions ').replace(' ', '_')}.py": _module(document, tag) for tag in MODULES
    }


def _module(document: Schema, tag: str) -> str:
    used: set[str] = set()
    name, about, says = MODULES[tag]
    body = "\n".join([*(_lists(document, used) if tag == "questions" else ()), *_questions(document, tag, used)])
    homes = _homes()
    rooms = {homes[name] for name in used}
    imports = "\n".join(
        f"from seewhy.answers.{room} import {', '.join(sorted(name for name in used if homes[name] == room))}"
        for room in sorted(rooms)
    )
    text = f"{HEAD.format(imports=imports, name=name, about=about, says=says)}\n{body}"
    for step in (["check", "--select", "F401,I", "--fix-only", "--quiet"], ["format", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *step, "--config", str(ROOT / "pyproject.toml")]
        done = subprocess.run(
            [*command, "--stdin-filename", str(CLIENT / "questions.py"), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        text = done.stdout
    return text


def _lists(document: Schema, used: set[str]) -> Iterator[str]:
    for path in LISTS:
        routes = document["paths"][path]
        kind = _kind(routes["get"]["responses"]["200"]["content"]["application/json"]["schema"], used)
        name = f"list_{path[1:]}" if "post" in routes else path[1:]
        yield f'''    def {name}(self) -> {kind}:
        """{routes["get"]["summary"]}."""
        return cast("{kind}", self._json("{path}"))
'''


def _questions(document: Schema, tag: str, used: set[str]) -> Iterator[str]:
    for path, routes in document["paths"].items():
        if routes.get("post", {}).get("tags") == [tag]:
            yield _question(document, path[1:], routes["post"], used)


def _question(document: Schema, name: str, route: Schema, used: set[str]) -> str:
    reference = route["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    body = _resolved(document, reference)
    fields = {field: {**_resolved(document, each.get("$ref")), **each} for field, each in body["properties"].items()}
    needed = sorted(body.get("required", ()), key=lambda field: field not in UPLOADED)  # what it is about comes first
    free = [field for field in fields if field not in needed]
    answer = _kind(route["x-answer"], used)
    given = [f"{field}: {_argument(field, fields[field])}" for field in needed]
    given += ["*"] if free else []
    given += [f"{field}: {_argument(field, fields[field])} = {_default(fields[field])}" for field in free]
    told = "\n".join(_about(field, fields[field]) for field in (*needed, *free))
    asked = ", ".join(f'"{field}": {_value(field, each)}' for field, each in fields.items())
    return f'''    def {name.replace("-", "_")}(self, {", ".join(given)}) -> Job[{answer}]:
        """{_described(route)}

        Args:
{told}
        """
        return cast("Job[{answer}]", self._ask("{name}", {{{asked}}}))
'''


def _resolved(document: Schema, reference: str | None) -> Schema:
    """What a reference leads to; nothing without one."""
    return document["components"]["schemas"][reference.rpartition("/")[2]] if reference else {}


def _argument(name: str, field: Schema) -> str:
    """The type of an argument; any sequence will do, and photos and sets may be files."""
    kind = _kind({key: each for key, each in field.items() if key != "$ref"}, set()).replace("list[", "Sequence[")
    return f"{kind.removesuffix(NONE)} | Path{NONE if kind.endswith(NONE) else ''}" if name in UPLOADED else kind


def _default(field: Schema) -> str:
    default = field.get("default")
    return repr(tuple(default)) if isinstance(default, list) else repr(default)


def _value(name: str, field: Schema) -> str:
    """What is sent of an argument."""
    kinds = {each.get("type") for each in field.get("anyOf", [field])}
    if "array" not in kinds:
        return name
    return f"None if {name} is None else list({name})" if "null" in kinds else f"list({name})"


def _described(route: Schema) -> str:
    """What a route says of itself, as a docstring has it: its first sentence alone where all do not go on a line."""
    first, *more = route["description"].removesuffix(STRANGERS).split("\n\n")
    if len(first) > ONE_LINE:
        first, stop, rest = first.partition(". ")
        first, more = f"{first}{stop.strip()}", [*filter(None, [rest]), *more]
    return textwrap.indent("\n\n".join([first, *(textwrap.fill(each, 112) for each in more)]), " " * 8).strip()


def _about(name: str, field: Schema) -> str:
    return textwrap.fill(f"{name}: {field['description']}", 118, initial_indent=" " * 12, subsequent_indent=" " * 16)


def _kind(schema: Schema, used: set[str]) -> str:
    """A type as Python writes it; what answers are called is noted as used."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        used.add(name)
        return name
    if "anyOf" in schema:
        return " | ".join(sorted((_kind(each, used) for each in schema["anyOf"]), key=lambda kind: kind == "None"))
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    if "additionalProperties" in schema:
        return f"dict[str, {_kind(schema['additionalProperties'], used)}]"
    return f"list[{_kind(schema['items'], used)}]" if schema["type"] == "array" else WORDS[schema["type"]]


def _homes() -> dict[str, str]:
    """In which module of `answers` each type is."""
    found: dict[str, str] = {}
    for path in sorted(ANSWERS.glob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = path.stem
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = path.stem
    return found


if __name__ == "__main__":
    main()
