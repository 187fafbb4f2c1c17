"""What is kept of a visit: on disk, for whoever has the secret, and for nobody else."""

from __future__ import annotations

import os

import pytest

from seewhy.verbs.teach import TeachResult
from seewhy.web.parts.session import Session
from seewhy.web.services.disk import Disk
from seewhy.web.services.jobs import State
from seewhy.web.services.photos import Photos
from seewhy.web.services.queue import Queue
from seewhy.web.services.visits import LAST, Visit, Visits, digest

TOKEN, OTHER = "a" * 43, "b" * 43


def anew(home) -> Visits:
    """As after a new start of the server."""
    return Visits(home / "visits", Disk(home, 100 << 20, ("visits/??/*.json",)))


def test_photos_trainings_and_marks_survive_a_new_start(tmp_path):
    first = anew(tmp_path).find(TOKEN, "anna")
    taught = TeachResult("pets", tmp_path / "there", ("too few",))
    first.note("anna", lambda kept: kept.photos.append("secret"))
    first.note("anna", lambda kept: kept.trained.update({"what": taught}))
    first.note("anna", lambda kept: kept.marks.update({"one": "fine"}))
    again = anew(tmp_path).find(TOKEN, "elsewhere").kept
    assert (again.photos, again.trained, again.marks) == (["secret"], {"what": taught}, {"one": "fine"})


def test_another_browser_and_another_person_in_the_same_one_see_nothing_of_it(tmp_path):
    visits = anew(tmp_path)
    visits.find(TOKEN, "person 1").note("person 1", lambda kept: kept.photos.append("secret"))
    for token, who in ((OTHER, "person 1"), (TOKEN, "person 2"), (TOKEN, "anna")):
        assert visits.find(token, who).kept.photos == []
    assert not [path for path in tmp_path.rglob("*") if TOKEN in str(path)]


def test_what_is_damaged_or_a_day_old_is_a_visit_that_begins(tmp_path):
    anew(tmp_path).find(TOKEN, "anna").note("anna", lambda kept: kept.photos.append("secret"))
    (path,) = tmp_path.rglob("*.json")
    assert path.stat().st_mode & 0o077 == 0
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    assert anew(tmp_path).find(TOKEN, "anna").kept.photos == []
    path.write_bytes(whole)
    os.utime(path, (0, 0))
    assert anew(tmp_path).find(TOKEN, "anna").kept.photos == []


def test_a_visit_does_not_grow_without_end():
    visit = Visit()
    for number in range(3 * LAST):
        visit.note("anna", lambda kept, number=number: kept.photos.append(str(number)))
        visit.note("anna", lambda kept, number=number: kept.marks.update({str(number): "fine"}))
    assert visit.kept.photos == [str(number) for number in range(2 * LAST, 3 * LAST)]
    assert len(visit.kept.marks) == LAST


def test_what_was_asked_has_one_name_in_each_process():
    assert digest("train", ("a", 1)) == digest("train", ("a", 1))
    assert digest("train", ("a", 1)) != digest("train", ("a", 2))


def test_a_photo_is_found_after_a_new_start(tmp_path):
    import zoo

    (image,) = zoo.photos(1)

    def started() -> Photos:
        disk = Disk(tmp_path, 100 << 20, ("uploads/??/*.*", "tickets/??/*.json"))
        return Photos(tmp_path / "uploads", disk, 100_000, 1_000_000)

    secret = started().keep(image, "anna")
    found = started().find(secret)
    assert (found.sha256, found.name) == (image.sha256, image.name)
    assert not [path for path in tmp_path.rglob("*") if secret in str(path)]


@pytest.fixture
def queue():
    made = Queue()
    yield made
    made.close()


def test_two_windows_share_a_job_and_it_stops_with_the_last_of_them(queue):
    visit = Visit()
    job = queue.submit(lambda job: job.stopped.wait(30), "counting sheep", visitor="anna")
    first, second = Session(visit), Session(visit)
    visit.begin("key", "what", job)
    assert visit.job("key", "what") is job
    assert visit.job("key", "else") is None
    for window in (first, second):
        window.jobs["key"] = ("what", job)
    first.drop("key")
    assert not job.stopped.is_set()
    second.drop("key")
    assert job.stopped.is_set()
    assert job.wait(10)
    assert visit.job("key", "what") is None or job.state is State.DONE
