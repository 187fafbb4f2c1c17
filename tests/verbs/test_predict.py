from __future__ import annotations

import pytest

import zoo
from seewhy.errors import Cancelled, NonFinite
from seewhy.images import open_image
from seewhy.verbs.predict import predict_each


@pytest.fixture(scope="module")
def toy():
    return zoo.classifier("gap-linear")


def test_each_picture_gets_its_likeliest_classes_best_first(toy, files):
    sources = files("abcd")
    answers = list(predict_each(toy, sources, top=3))
    assert [answer.source for answer in answers] == [str(source) for source in sources]
    for answer, source in zip(answers, sources, strict=True):
        row = toy.probabilities([open_image(source)])[0]
        assert [each.index for each in answer.value] == row.argsort(descending=True)[:3].tolist()
        assert [each.probability for each in answer.value] == pytest.approx(row.sort(descending=True)[0][:3].tolist())
        assert [each.name for each in answer.value] == [f"class {each.index}" for each in answer.value]


def test_what_cannot_be_opened_or_answered_does_not_stop_the_rest(dazzled, files):
    good, broken, missing, white, last = predict_each(dazzled, files("ax-wb"))
    assert [broken.error.code, missing.error.code] == ["not_an_image", "not_found"]
    assert isinstance(white.error, NonFinite)
    for answer in (good, last):
        assert answer.error is None
        assert len(answer.value) == zoo.CLASSES
    assert not any(answer.value for answer in (broken, missing, white))


def test_pictures_are_opened_one_after_the_other_and_told_of(toy, files):
    sources = files("a-x")
    told = []
    answers = predict_each(toy, sources, progress=lambda *now: told.append(now))
    assert not next(answers).error
    sources[1].write_bytes(sources[0].read_bytes())  # only now it is looked for
    assert [bool(answer.error) for answer in answers] == [False, True]
    assert told == [(1, 3, "images"), (2, 3, "images"), (3, 3, "images")]


def test_a_stop_stops_and_is_no_answer(toy, files):
    def stop(done, total, message):
        raise Cancelled("enough")

    finished = []
    with pytest.raises(Cancelled, match="enough"):
        finished.extend(predict_each(toy, files("ab"), progress=stop))
    assert len(finished) == 1
