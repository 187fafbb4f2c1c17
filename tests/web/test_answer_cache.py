from __future__ import annotations

import numpy as np

from seewhy.web.services.caches import AnswerCache
from seewhy.web.services.shelf import LEAST


def test_what_was_asked_is_not_made_again():
    answers, made = AnswerCache(), []
    for _ in range(2):
        assert answers.recall("key", "anna", lambda: made.append(1) or "answer") == "answer"
    assert made == [1]
    assert answers.get("key") == "answer"
    assert answers.get("other") is None


def test_what_was_used_longest_ago_goes_first():
    answers = AnswerCache(most=2 * LEAST)
    for key in ("a", "b", "a", "c"):
        answers.recall(key, "anna", lambda key=key: key)
    assert [answers.get(key) for key in ("a", "b", "c")] == ["a", None, "c"]


def test_what_others_ask_takes_no_answers_from_who_asks_little():
    answers = AnswerCache(most=4 * LEAST)
    answers.recall("mine", "anna", lambda: "mine")
    for key in range(50):
        answers.recall(key, "bert", lambda: "his")
    assert answers.get("mine") == "mine"


def test_answers_are_bounded_by_their_bytes():
    answers = AnswerCache(most=1 << 20)
    for key in range(5):
        answers.recall(key, "anna", lambda: np.zeros(100_000))
    assert [answers.get(key) is not None for key in range(5)] == [False, False, False, False, True]


def test_a_failure_is_not_remembered():
    answers = AnswerCache()
    for answer in (lambda: 1 / 0, lambda: "fine"):
        try:
            found = answers.recall("key", "anna", answer)
        except ZeroDivisionError:
            found = "failed"
    assert found == "fine"
