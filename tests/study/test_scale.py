"""Studies of many photos: little memory in the driver, and a run that is stopped goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from seewhy.study.results import MAPS, RESULTS
from study import scale

MIB = 1 << 20


def study(out: Path, photos: int, stop: int | None = None) -> dict[str, float]:
    """What `scale` says of itself, in a process of its own."""
    tests = Path(__file__).parents[1]
    code = f"import sys; sys.path = {[str(tests), *sys.path]!r}; sys.argv[0] = 'scale'; from study import scale; "
    code += f"import json, pathlib; print(json.dumps(scale.main(pathlib.Path({str(out)!r}), {photos}, {stop})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_study_of_more_than_one_part_that_is_stopped_ends_like_one_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("seewhy.study.results.PART", 50)
    assert scale.done(tmp_path / "stopped", 60, 25) == 0
    assert scale.done(tmp_path / "stopped", 60, None) == scale.done(tmp_path / "calm", 60, None) == 60 * 4 * 9
    for name in (RESULTS, MAPS, "report.html"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()


@pytest.mark.heavy
def test_a_hundred_thousand_rows_take_less_than_150_mib(tmp_path):
    found = study(tmp_path, 2780)
    assert found["rows"] > 100_000
    assert found["taken"] < 150 * MIB


@pytest.mark.heavy
@pytest.mark.timeout(1200)
def test_fifty_thousand_photos_start_go_on_and_are_reported_within_two_gigabytes_and_ten_minutes(tmp_path):
    stages = [study(tmp_path, 50_000, stop) for stop in (20_000, None)]
    assert stages[-1]["rows"] == 1_800_000
    assert sum(each["seconds"] for each in stages) < 600
    assert max(each["peak"] for each in stages) < 2e9
