"""What a browser reports of files that somebody brings."""

from __future__ import annotations

from types import SimpleNamespace

from seewhy.web.parts import questions


class File(SimpleNamespace):
    def getvalue(self) -> bytes:
        return b""


def test_a_file_that_is_reported_twice_is_one_photo(monkeypatch):
    stored: list[str] = []
    kept = SimpleNamespace(photos=[])

    def store(image: str, _who: object) -> str:
        stored.append(image)
        return f"secret of {image}"

    photos = SimpleNamespace(read=lambda _content, name: name, keep=store)
    state: dict[str, object] = {}
    monkeypatch.setattr(questions, "st", SimpleNamespace(session_state=state))
    monkeypatch.setattr(questions, "services", lambda: SimpleNamespace(photos=photos))
    monkeypatch.setattr(questions, "visitor", lambda: "ann")
    monkeypatch.setattr(questions, "keep", lambda change: change(kept))
    first, second = (File(file_id=name, name=name) for name in ("first.png", "second.png"))
    for given in ([second], [first, second], first, None):  # they arrive one by one; a camera gives one, or none
        state["key"] = given
        questions._bring("key")
    assert stored == ["second.png", "first.png"]
    assert kept.photos == ["secret of second.png", "secret of first.png"]
    assert state[questions.GIVEN] == 4
