"""Fills the documentation with what the package itself declares, each time the site is built.

A page has a marker `<!-- name -->` where a table belongs; mkdocs calls `on_page_markdown` (its event of that name).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, fields
from html import escape
from pathlib import Path
from typing import Any

import typer
from pydantic.fields import FieldInfo
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from seewhy.cli.app import app
from seewhy.core.registry import Declared
from seewhy.methods import Method, list_methods
from seewhy.metrics import Metric, list_metrics
from seewhy.models import Prediction
from seewhy.web.settings import Settings

__all__ = ["commands", "first", "letters", "methods", "metrics", "on_page_markdown", "variables"]

LETTERS = Path(__file__).resolve().parents[1] / "docs/img/letters.json"

FAMILIES = {
    "cam": "Class activation maps",
    "gradients": "Gradients",
    "masks": "Masks",
    "regions": "Regions",
    "relevance": "Relevance propagation",
    "shap": "Shapley values of pixels",
    "similarity": "Likeness",
    "faithfulness": "Faithfulness: does the map say what the network does?",
    "localisation": "Localisation: does the map fall on the object?",
    "robustness": "Robustness: does the map stay when nothing changed?",
    "complexity": "Complexity: how much of the picture does it take?",
    "sanity": "Sanity: does the map hang on the network at all?",
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with its markers replaced."""
    made: dict[str, Callable[[], str]] = {
        "methods": methods,
        "first": first,
        "metrics": metrics,
        "commands": commands,
        "variables": variables,
        "letters": letters,
    }
    return re.sub(r"<!-- (\w+) -->", lambda found: made[found[1]]() if found[1] in made else found[0], markdown)


def methods() -> str:
    """Every method, family by family: what it asks, how to read it, what it costs, what can be set."""
    return "\n\n".join(_families(list_methods(), _method))


def first() -> str:
    """The methods worth starting with, and what each asks."""
    return "\n".join(
        f"- [{each.title}](#{_anchor(each.name)}): {each.question}" for each in list_methods() if each.first
    )


def metrics() -> str:
    """Every metric, family by family."""
    return "\n\n".join(_families(list_metrics(), _metric))


def commands() -> str:
    """Every command with its arguments and options, as `--help` tells them."""
    root = typer.main.get_group(app)
    return "\n\n".join(_command(name, command) for name, command in _leaves(root, "seewhy"))


def variables() -> str:
    """Every environment variable that the app reads."""
    rows = [
        f"| `SEEWHY_{name.upper()}` | {_variable(field)} | {escape(field.description or '')} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | |", "|---|---|---|", *rows])


def letters() -> str:
    """What the network of the first picture said of each photo, as it was measured."""
    photos: list[dict[str, Any]] = json.loads(LETTERS.read_text("utf-8"))["photos"]
    shown = [name for name in photos[0] if name != "photo"]
    head = ["| photo | " + " | ".join(shown) + " |", "|---" * (1 + len(shown)) + "|"]
    return "\n".join(
        head + ["| " + " | ".join([each["photo"], *(_said(each[name]) for name in shown)]) + " |" for each in photos]
    )


def _said(answer: dict[str, Any]) -> str:
    return f"{answer['answer']} {Prediction(0, answer['answer'], answer['probability']).told}"


def _variable(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is None or default == ():
        return ""
    told = ",".join(map(str, default)) if isinstance(default, tuple) else str(default).lower()
    return f"`{told}`"


def _families(entries: Sequence[Any], section: Callable[[Any], str]) -> Iterator[str]:
    for family in dict.fromkeys(entry.family for entry in entries):
        yield f"## {FAMILIES.get(family, family.capitalize())}"
        yield from (section(entry) for entry in entries if entry.family == family)


def _method(info: type[Method]) -> str:
    needs = ", ".join(sorted(info.needs))
    return _section(
        info,
        [
            ("Costs", info.cost),
            ("Needs", needs),
            ("Values", "signed" if info.signed else "not signed"),
            ("Status", info.status),
            *([("The same for every class", "")] if info.class_blind else []),
        ],
    )


def _metric(info: type[Metric]) -> str:
    low, high = info.bounds
    better = "higher" if info.higher_is_better else "lower"
    facts = [("Better", better), ("Between", f"{low:g} and {high:g}".replace("inf", "∞").replace("-", "−"))]
    return _section(info, [*facts, *([("Needs", ", ".join(sorted(info.needs)))] if info.needs else [])])


def _section(info: type[Declared], facts: Iterable[tuple[str, str]]) -> str:
    source = f"[{info.paper}](https://arxiv.org/abs/{info.arxiv})" if info.arxiv else info.paper
    told = " · ".join(f"**{name}** {text}".strip() for name, text in facts)
    return "\n\n".join(
        [
            f"### {info.title} {{ #{_anchor(info.name)} }}",
            f"`{info.name}` · {source}",
            f"*{info.question}* {info.reading}",
            told,
            *([f"**Settings** {settings}"] if (settings := _settings(info)) else []),
        ]
    )


def _anchor(name: str) -> str:
    return name.replace("+", "p")


def _settings(info: type[Declared]) -> str:
    shown: list[str] = []
    for each in fields(info):
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        shown.append(f"`{each.name}`" if default is MISSING else f"`{each.name}={_plain(default)}`")
    return ", ".join(shown)


def _plain(value: object) -> str:
    return str(value) if isinstance(value, str | int | float | tuple) or value is None else type(value).__name__


def _leaves(command: TyperCommand | TyperGroup, name: str) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperGroup):
        for word, inner in command.commands.items():
            if isinstance(inner, TyperCommand | TyperGroup):
                yield from _leaves(inner, f"{name} {word}")
    else:
        yield name, command


def _command(name: str, command: TyperCommand) -> str:
    given = [each.metavar or str(each.name).upper() for each in command.params if isinstance(each, TyperArgument)]
    rows = [
        f"| {_names(each)} | {_default(each)} | {escape(each.help or '')} |"
        for each in command.params
        if isinstance(each, TyperOption) and each.name != "help"
    ]
    table = ["| option | default | |", "|---|---|---|", *rows] if rows else []
    return "\n".join(
        [f"## {name}", "", (command.help or "").strip(), "", f"    {' '.join([name, *given])}", "", *table]
    )


def _names(option: TyperOption) -> str:
    return ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _default(option: TyperOption) -> str:
    return "" if option.default in (None, "", False, []) or callable(option.default) else f"`{option.default}`"
