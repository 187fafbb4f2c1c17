"""Results save themselves whole or not at all."""

from __future__ import annotations

import json

import pytest

from killing import check_saved
from seewhy.errors import BadFile
from seewhy.verbs.result import Result


class Sum(Result):
    def __init__(self, value, page="<p>ä</p>"):
        self.value, self.html = value, page

    def to_dict(self):
        return {"sum": self.value}

    def rows(self):
        return [self.to_dict()]

    def page(self):
        return self.html


def test_a_result_is_saved_as_values_and_as_a_page(tmp_path):
    assert Sum(3).save(str(tmp_path / "out")) == tmp_path / "out"
    assert json.loads((tmp_path / "out/result.json").read_bytes())["sum"] == 3
    assert (tmp_path / "out/report.html").read_text("utf-8") == "<p>ä</p>"


def test_what_cannot_be_written_leaves_the_result_that_was_there(tmp_path):
    Sum(3).save(tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        Sum(float("nan")).save(tmp_path)
    assert json.loads((tmp_path / "result.json").read_bytes())["sum"] == 3
    assert {path.name for path in tmp_path.iterdir()} == {"result.json", "report.html"}


def test_the_values_hold_the_hash_of_the_page(tmp_path):
    Sum(3).save(tmp_path)
    assert check_saved(tmp_path) == {"result.json"}
    (tmp_path / "report.html").write_text("<p>a</p>")
    with pytest.raises(BadFile, match=r"report.html is not the file that its manifest"):
        check_saved(tmp_path)


def test_a_file_name_that_is_no_text_does_not_spoil_the_page(tmp_path):
    Sum(3, "<p>cat\udcff.png</p>").save(tmp_path)
    assert (tmp_path / "report.html").read_text("utf-8") == "<p>cat?.png</p>"
