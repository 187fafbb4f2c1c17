from __future__ import annotations

from seewhy.web.services.caches import AnswerCache


def test_what_was_asked_is_not_made_again():
    answers, made = AnswerCache(), []
    for _ in range(2):
        assert answers.recall("key", lambda: made.append(1) or "answer") == "answer"
    assert made == [1]
    assert "key" in answers
    assert "other" not in answers


def test_what_was_used_longest_ago_goes_first():
    answers = AnswerCache(most=2)
    for key in ("a", "b", "a", "c"):
        answers.recall(key, str)
    assert ["a" in answers, "b" in answers, "c" in answers] == [True, False, True]


def test_a_failure_is_not_remembered():
    answers = AnswerCache()
    for answer in (lambda: 1 / 0, lambda: "fine"):
        try:
            found = answers.recall("key", answer)
        except ZeroDivisionError:
            found = "failed"
    assert found == "fine"
