"""Pairs of methods and what they are tried on: as few as cover all, and with time every one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from seewhy.methods import method_info


def kinds(names: Iterable[str]) -> list[list[str]]:
    """The methods that touch a network alike: they need the same of it, and are of one family."""
    found: dict[object, list[str]] = {}
    for name in names:
        info = method_info(name)
        found.setdefault((info.family, frozenset(info.needs)), []).append(name)
    return list(found.values())


def drawn(names: Sequence[str], what: str, values: Sequence[Any]) -> pytest.MarkDecorator:
    """Each of the methods called `names` with each of the `values`; those pairs are heavy that the others stand for.

    Each method is left one value at least, and each value one method of every kind.
    """
    quick = {
        (alike[number % len(alike)], number % len(values))
        for alike in kinds(names)
        for number in range(max(len(alike), len(values)))
    }
    return pytest.mark.parametrize(
        ("name", what),
        [
            pytest.param(name, value, marks=() if (name, number) in quick else pytest.mark.heavy)
            for name in names
            for number, value in enumerate(values)
        ],
    )
