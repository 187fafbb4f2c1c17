"""Templates to pages: one file, which asks the network for nothing and runs no script."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from seewhy import __version__
from seewhy.draw import percent


def render(template: str, **fields: Any) -> str:
    """The page that `template` makes of `fields`; text in them is escaped, a field that is missing is an error.

    Every template extends `base.html`, which wants `title` and `lead`.
    """
    return _environment().get_template(template).render(fields, versions=_versions())


def write_page(path: Path, template: str, **fields: Any) -> Path:
    """Render to `path`, making its folder; the same fields give the same bytes. Returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A file name may hold what UTF-8 cannot say.
    path.write_text(render(template, **fields), "utf-8", errors="replace", newline="\n")
    return path


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("seewhy.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["percent"] = percent
    return environment


def _versions() -> dict[str, str]:
    return {"seewhy": __version__, "Python": platform.python_version(), "PyTorch": version("torch")}
