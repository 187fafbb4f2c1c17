"""One of many may fail, and the rest goes on; names are answered with names that there are."""

from __future__ import annotations

import pytest

from seewhy.core.names import nearest, unknown
from seewhy.core.outcome import Outcome, attempt
from seewhy.core.progress import remarked, within
from seewhy.errors import BadImage, Cancelled, ExplainError


def failing(error):
    def work():
        raise error

    return work


def test_an_outcome_is_the_result_or_the_error():
    assert attempt("cat.png", lambda: 3) == Outcome("cat.png", 3)
    error = BadImage("empty", "it holds no bytes at all")
    assert attempt("cat.png", failing(error)) == Outcome("cat.png", error=error)


def test_a_network_that_fails_is_an_error_that_names_the_picture():
    failed = attempt("cat.png", failing(RuntimeError("sizes do not match")))
    assert isinstance(failed.error, ExplainError)
    assert str(failed.error) == "the network failed on cat.png: sizes do not match"


@pytest.mark.parametrize("error", [Cancelled("stopped"), TypeError("a bug"), KeyboardInterrupt()])
def test_to_stop_and_bugs_are_no_outcomes(error):
    with pytest.raises(type(error)):
        attempt("cat.png", failing(error))


def test_unknown_names_are_answered_with_the_nearest_or_all():
    assert nearest("Grad_CAM", ["lime", "grad-cam", "layer-cam"], 1) == ["grad-cam"]
    assert str(unknown("fill", "blak", ["grey", "black"])) == "there is no fill 'blak'; nearest: black"
    assert str(unknown("fill", "?", ["grey", "black"])).endswith("nearest: black, grey")
    assert str(unknown("fill", "?", ["grey"], "see the list")).endswith("nearest: see the list")


def test_progress_of_a_part_is_a_share_of_the_whole_or_a_remark_on_it():
    told = []

    def tell(*report):
        told.append(report)

    within(tell, 1, 3, "LIME")(5, 10, "samples")
    within(tell, 2, 3)(0, None, "loading")
    remarked(tell, 1, 3, "images")(1000, 2000, "samples")
    assert told == [(15, 30, "LIME · samples"), (2, 3, "loading"), (1, 3, "images · 1,000 of 2,000 samples")]
