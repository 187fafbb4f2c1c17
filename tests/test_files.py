"""A cell of a CSV file is text, whatever a spreadsheet would like to run."""

from __future__ import annotations

import csv
import json
import re
from io import StringIO

import pytest

from seewhy.core.files import csv_text, guard_cell, json_text, write_csv
from seewhy.core.text import visible

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\tx", "\rx", "  =1+1"]
HIDDEN = [
    "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20A", " \uff1d1", "\u3000=1", "\u00a0=1", "\ufeff=1", "\u200b@A", "\0=1",
    " \t=1",
]  # fmt: skip


@pytest.mark.parametrize("text", [*FORMULAS, *HIDDEN], ids=ascii)
def test_a_formula_becomes_text(text):
    assert guard_cell(text) == f"'{text}"
    assert guard_cell(f"a{text}") == f"a{text}"
    assert list(csv.reader(StringIO(csv_text([text], [[text]])))) == [[visible(f"'{text}")]] * 2


@pytest.mark.parametrize("text", ["", " ", "plain", " two words", "1=1", "'=1", "\u2212x", "#NAME"])
def test_other_text_stays_as_it_is(text):
    assert guard_cell(text) == text


def test_a_table_comes_back_with_its_numbers(tmp_path):
    write_csv(tmp_path / "new" / "table.csv", ["name", "x"], [['a "q", b\n\u202e', -1.5], ["-1", 2]])
    content = (tmp_path / "new" / "table.csv").read_bytes()
    assert content == b'"name","x"\n"a ""q"", b\\n\\u202e",-1.5\n"\'-1",2\n'


def test_json_holds_no_control_character_and_reads_back_the_same():
    text = "Löwe\x1b[2J\x9b\x7f\u202e\u200b\ud83d\U000e0041\n"
    document = json_text({text: [text]})
    assert set(re.findall(r"[^ -~\n]", document)) == {"ö"}
    assert json.loads(document) == {text: [text]}
