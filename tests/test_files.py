"""A cell of a CSV file is text, whatever a spreadsheet would like to run."""

from __future__ import annotations

import csv
from io import StringIO

import pytest

from seewhy.core.files import csv_text, guard_cell, write_csv

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\tx", "\rx", "  =1+1"]
HIDDEN = [
    "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20A", " \uff1d1", "\u3000=1", "\u00a0=1", "\ufeff=1", "\u200b@A", "\0=1",
    " \t=1",
]  # fmt: skip


@pytest.mark.parametrize("text", [*FORMULAS, *HIDDEN], ids=ascii)
def test_a_formula_becomes_text(text):
    assert guard_cell(text) == f"'{text}"
    assert guard_cell(f"a{text}") == f"a{text}"
    assert list(csv.reader(StringIO(csv_text([text], [[text]])))) == [[f"'{text}"]] * 2


@pytest.mark.parametrize("text", ["", " ", "plain", " two words", "1=1", "'=1", "\u2212x", "#NAME"])
def test_other_text_stays_as_it_is(text):
    assert guard_cell(text) == text


def test_a_table_comes_back_with_its_numbers(tmp_path):
    write_csv(tmp_path / "new" / "table.csv", ["name", "x"], [['a "q", b\n', -1.5], ["-1", 2]])
    content = (tmp_path / "new" / "table.csv").read_bytes()
    assert content == b'"name","x"\n"a ""q"", b\n",-1.5\n"\'-1",2\n'
