"""Every defence that docs/threats.md names has a test, and the documents on security are true of what they name."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT.joinpath("docs/threats.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| what"))
]


@cache
def named_in(path: str) -> frozenset[str]:
    """The names of the tests of a file, those in classes too."""
    tree = ast.parse(ROOT.joinpath("tests", path).read_text("utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(each.name for each in functions if each.name.startswith("test_"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[-1].strip("`"))
def test_each_row_has_an_asset_an_attacker_a_defence_and_a_test_that_exists(row):
    assert len(row) == 4
    assert all(row)
    path, name = re.fullmatch(r"`([\w/]+\.py)::(test_\w+)`", row[-1]).groups()
    assert name in named_in(path)


def test_no_test_is_named_twice():
    assert len({row[-1] for row in ROWS}) == len(ROWS) >= 30


def test_the_policy_names_pages_that_exist_and_no_invented_address():
    policy = ROOT.joinpath("SECURITY.md").read_text("utf-8")
    for heading in ("promised", "report", "out of scope"):
        assert heading in policy
    for linked in re.findall(r"\]\(([^)]+)\)", policy):
        assert ROOT.joinpath(linked).is_file()
    assert "@" not in policy
    assert "threats.md" in ROOT.joinpath("mkdocs.yml").read_text("utf-8")
