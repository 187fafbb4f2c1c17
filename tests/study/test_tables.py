"""Results as files."""

from __future__ import annotations

import json

import polars as pl
import pytest

from seewhy.study import Failure, Result, Unit
from seewhy.study.results import FAILURES, NEEDED, RESULTS, failure_lines, table, write

UNITS = [Unit("m", "a", "1.png"), Unit("m", "b", "1.png"), Unit("m", "b", "2.png")]
RAN = [
    Result(UNITS[0], ({"metric": "road", "value": 1}, {"metric": "iou", "value": 0.5}), None, 3.0, 2),
    Result(UNITS[1], ({"metric": "road", "value": -0.25, "note": "flat"},), None, 4.0, 1),
    Result(UNITS[2], (), Failure("BadImage", "2.png is cut off"), 5.0, 1),
]


def test_one_line_for_each_row(tmp_path):
    write(RAN, (), tmp_path)
    found = pl.read_parquet(tmp_path / RESULTS)
    assert found.columns == ["model", "method", "image", "metric", "value", "note"]
    assert found.rows() == [
        ("m", "a", "1.png", "road", 1.0, None),
        ("m", "a", "1.png", "iou", 0.5, None),
        ("m", "b", "1.png", "road", -0.25, "flat"),
    ]


def test_failures_are_lines_of_json():
    assert [json.loads(line) for line in failure_lines(RAN).splitlines()] == [
        {"model": "m", "method": "b", "image": "2.png", "error": "BadImage", "message": "2.png is cut off"}
    ]
    assert failure_lines(RAN[:2]) == ""


def test_times_and_attempts_are_in_neither(tmp_path):
    write(RAN, (), tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in (RESULTS, FAILURES)}
    write([Result(each.unit, each.rows, each.failure, 9.9, 7) for each in RAN], (), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_without_a_single_row_the_columns_are_there():
    found = table(RAN[2:])
    assert found.columns == ["model", "method", "image", *NEEDED]
    assert {found.schema[name] for name in ("model", "method", "image", "metric")} == {pl.String}
    assert found.height == 0


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    write(RAN, (), tmp_path)
    before = (tmp_path / RESULTS).read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write(RAN[:1], (), tmp_path)
    assert (tmp_path / RESULTS).read_bytes() == before
