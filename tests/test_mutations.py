"""Thousands of damaged files of each kind: an error of seewhy's or a good answer, soon, and in bounded memory."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest

from mutations import mutated
from poison import SUBJECTS, Subject
from seewhy.errors import SeewhyError

COUNT = int(os.environ.get("SEEWHY_MUTATIONS", "2000"))
SECONDS = 2.0  # of the processor, for one
MEMORY = 1 << 30  # bytes more than before
KINDS = [(subject, file) for subject in SUBJECTS.values() for file in subject.files]


@pytest.mark.heavy
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("subject", "file"), KINDS, ids=lambda each: each if isinstance(each, str) else each.name)
def test_damage_is_an_error_or_nothing(tmp_path: Path, subject: Subject, file: str):
    folder = tmp_path / "sound"
    folder.mkdir()
    subject.make(folder)
    found = in_a_child(subject, file, folder, tmp_path)
    print(f"{subject.name}, {file}: {found}")
    assert found.startswith("ok "), found


def in_a_child(subject: Subject, file: str, folder: Path, scratch: Path) -> str:
    """What came of all mutations, in a fresh process with bounded memory: polars hangs in one that was forked."""
    words = [sys.executable, __file__, subject.name, file, str(folder), str(scratch)]
    paths = [str(Path(__file__).parent), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip() or f"the process ended by itself: {done.returncode} {done.stderr[-2000:]}"


def damage(subject: Subject, file: str, folder: Path, scratch: Path) -> str:
    """Open every mutation in turn."""
    subject.opens(folder)  # what is imported is not counted
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (4 << 30), resource.RLIM_INFINITY))
    content, slowest, refused = (folder / file).read_bytes(), 0.0, 0
    for seed in range(COUNT):
        place = scratch / "damaged"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder, place)
        (place / file).write_bytes(mutated(content, seed))
        if subject.seal and seed % 2:
            subject.seal(place)
        began = time.process_time()
        try:
            subject.opens(place)
        except SeewhyError:
            refused += 1
        except BaseException:  # noqa: BLE001 - any is a finding
            return f"seed {seed}:\n{traceback.format_exc()}"
        took = time.process_time() - began
        if took > max(SECONDS, slowest):
            print(f"{subject.name}, {file}: seed {seed} took {took:.1f} s", file=sys.stderr)
        slowest = max(slowest, took)
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - base
    verdict = "ok" if slowest < SECONDS and more < MEMORY else "too slow or too large:"
    return f"{verdict} {refused} of {COUNT} refused, {slowest:.2f} s, {more >> 20} MB more"


if __name__ == "__main__":
    name, file, *places = sys.argv[1:]
    subject = next(each for each in SUBJECTS.values() if each.name == name)
    print(damage(subject, file, *map(Path, places)))
