from __future__ import annotations

from seewhy.web.memory import Memory


def test_what_was_asked_is_not_made_again():
    memory, made = Memory(), []
    for _ in range(2):
        assert memory.recall("key", lambda: made.append(1) or "answer") == "answer"
    assert made == [1]
    assert "key" in memory
    assert "other" not in memory


def test_what_was_used_longest_ago_goes_first():
    memory = Memory(most=2)
    for key in ("a", "b", "a", "c"):
        memory.recall(key, str)
    assert ["a" in memory, "b" in memory, "c" in memory] == [True, False, True]


def test_a_failure_is_not_remembered():
    memory = Memory()
    for answer in (lambda: 1 / 0, lambda: "fine"):
        try:
            found = memory.recall("key", answer)
        except ZeroDivisionError:
            found = "failed"
    assert found == "fine"
