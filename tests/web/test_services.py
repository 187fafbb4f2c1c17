"""Work handed in at the services, with a toy model."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

import planted
from seewhy.errors import Cancelled, UnknownName, UsageError
from seewhy.methods.task import METHODS
from seewhy.models.card import CARD
from seewhy.verbs.explain import explain
from seewhy.web.services import hub
from seewhy.web.services.hub import SHORT, Request
from seewhy.web.services.jobs import State

from .conftest import TOY

SOON = 30
AT_ONCE = 10  # seconds; a busy machine takes its time
REQUEST = Request(TOY, ("grad-cam", "occlusion"))


def done(job):
    assert job.wait(SOON)
    return job.result


def test_it_says_what_is_in_a_photo(at, photo):
    best, *_ = done(at.predict(photo, TOY, top=2, visitor="anna"))
    assert best.name == planted.classifier().predict(photo, 1)[0].name


def test_an_explanation_is_that_of_the_job(at, photo):
    found = done(at.explain(photo, REQUEST, visitor="anna"))
    assert [each.method for each in found.explanations] == ["grad-cam", "occlusion"]
    expected = explain(planted.classifier(), photo, "grad-cam")
    assert np.array_equal(found.explanations[0].values, expected.values)


def test_a_second_time_it_is_there_at_once(at, photo):
    first = done(at.explain(photo, REQUEST, visitor="anna"))
    again = at.explain(photo, REQUEST, visitor="anna")
    assert again.state is State.DONE
    assert [a.values.tolist() for a in again.result.explanations] == [a.values.tolist() for a in first.explanations]
    assert again.id != at.explain(photo, REQUEST, visitor="anna").id


def test_another_question_is_answered_anew(at, photo):
    red = done(at.explain(photo, replace(REQUEST, methods=("grad-cam",), targets=("red",)), visitor="anna"))
    green = done(at.explain(photo, replace(REQUEST, methods=("grad-cam",), targets=("green",)), visitor="anna"))
    rather = done(at.explain(photo, replace(REQUEST, methods=("grad-cam",), targets=("red vs green",)), visitor="anna"))
    maps = [each.explanations[0].values for each in (red, green, rather)]
    assert not np.array_equal(maps[0], maps[1])
    assert rather.explanations[0].target_label == "red rather than green"


def test_a_name_that_somebody_else_gave_the_same_photo_is_not_told(at, photo):
    done(at.explain(replace(photo, name="my secret"), REQUEST, visitor="anna"))
    found = done(at.explain(replace(photo, name="yours"), REQUEST, visitor="anna"))
    assert {each.image.name for each in found.explanations} == {"yours"}


def test_one_method_that_fails_does_not_stop_the_rest(at, photo):
    found = done(
        at.explain(photo, replace(REQUEST, methods=("grad-cam", "fam")), visitor="anna")
    )  # which wants a second photo
    assert [each.method for each in found.explanations] == ["grad-cam"]
    assert "reference" in str(found.failures["fam"])


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (replace(REQUEST, model="py:os:getcwd"), UnknownName),
        (replace(REQUEST, methods=("grad-spam",)), UnknownName),
        (replace(REQUEST, methods=()), UsageError),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_waits(at, photo, asked, error):
    with pytest.raises(error):
        at.explain(photo, asked, visitor="anna")


def test_an_unknown_class_is_refused_by_a_model_that_is_there(at, photo):
    at.models.get(TOY)
    asked = replace(REQUEST, targets=("purple",))
    for ask in (at.explain, at.compare):
        with pytest.raises(UnknownName, match="purple"):
            ask(photo, asked, visitor="anna")


def test_an_unknown_class_ends_the_job_of_a_model_that_is_not_there_yet(at, photo):
    job = at.explain(photo, replace(REQUEST, targets=("purple",)), visitor="anna")
    job.wait(SOON)
    assert job.state is State.FAILED
    assert "purple" in at.queue.status(job).error


@pytest.mark.parametrize(
    ("methods", "metrics", "words"),
    [
        (("grad-cam",), (), "two methods at least"),
        (("lrp", "lrp"), (), "two methods at least"),
        (("grad-cam", "lrp"), ("pointing-game", "sparseness"), "pointing-game cannot do without a mask"),
    ],
)
def test_a_comparison_that_could_not_be_made_is_refused_at_once(at, photo, methods, metrics, words):
    with pytest.raises(UsageError, match=words):
        at.compare(photo, Request(TOY, methods, metrics), visitor="anna")


def test_a_comparison_is_made_and_remembered(at, photo):
    asked = Request(TOY, ("grad-cam", "occlusion"), ("sparseness",))
    found = done(at.compare(photo, asked, visitor="anna"))
    assert found.scores[0].rivals == ("grad-cam", "occlusion")
    assert done(at.compare(photo, asked, visitor="anna")).table.equals(found.table)


def test_cancelled_in_the_middle_of_a_network_the_worker_is_free_soon(at, photo):
    def endless(classifier, _tell):
        while True:
            classifier.predict(photo)

    job = at.submit(TOY, "an endless loop", endless, visitor="anna", lane=SHORT)
    while job.state is State.WAITING:
        time.sleep(0.01)
    start = time.monotonic()
    job.cancel()
    assert done(at.predict(photo, TOY, visitor="anna"))
    assert time.monotonic() - start < AT_ONCE
    with pytest.raises(Cancelled):
        _ = job.result


def test_learned_explainers_are_offered_by_name_and_those_of_no_use_are_told_in_the_log(tmp_path, monkeypatch, caplog):
    def load(path):
        if path.endswith("bad"):
            raise UsageError("it is no better than the mean map")

    monkeypatch.setattr(hub, "load_explainer", load)
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
        (tmp_path / name / CARD).write_text("{}")
    try:
        hub.offer_explainers(tmp_path)
        found = METHODS.listed("learned:good")
        assert (found.name, found.title) == ("learned:good", "Learned explainer (good)")
        assert found().explainer == str(tmp_path / "good")
        assert "no better than the mean map" in caplog.text
        for other in ("learned:bad", f"learned:{tmp_path / 'bad'}"):
            with pytest.raises(UnknownName):
                METHODS.listed(other)
    finally:
        METHODS.pop("learned:good", None)


def test_the_default_model_is_loaded_before_anybody_asks(at):
    at.start()
    deadline = time.monotonic() + SOON
    while at.models.loaded(TOY) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
