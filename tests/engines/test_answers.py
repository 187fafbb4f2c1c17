"""What is kept of answers: who may share one, how many there are, and that nobody notices but the network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import zoo
from seewhy.engines import Blur, Constant, Images, Linear, MaskedForward, Noise
from seewhy.engines.answers import Answers, content
from seewhy.engines.baselines import Filler
from seewhy.engines.inference import Inference
from seewhy.models.classifier import Classifier, black_box

PHOTOS = zoo.photos(2)
NETWORK = zoo.classifier("residual")
REGIONS = np.kron(np.arange(16).reshape(4, 4), np.ones((8, 8), int))
POOL = torch.rand((40, 16), generator=torch.Generator().manual_seed(3)) < 0.5
SOFT = torch.rand((9, *zoo.SIZE), generator=torch.Generator().manual_seed(1))

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def rows(monkeypatch) -> list[int]:
    """How many pictures the copies were asked about, question by question."""
    asked: list[int] = []
    ask = Inference.__call__
    monkeypatch.setattr(Inference, "__call__", lambda self, x: (asked.append(len(x)), ask(self, x))[1])
    return asked


def engine(answers: Answers | None = None, *, classifier: Classifier | None = None, **options: Any) -> MaskedForward:
    options = {"picture": PHOTOS[0], "fill": "mean", "labels": REGIONS, "precision": "float32", **options}
    generator = torch.Generator().manual_seed(options.pop("seed", 0))
    return MaskedForward(classifier or NETWORK, generator=generator, answers=answers, **options)


def test_engines_that_share_answers_ask_nothing_twice_and_do_not_notice(rows):
    answers = Answers()
    first, second, alone = engine(answers), engine(answers), engine()
    assert torch.equal(first(POOL), second(POOL))
    assert torch.equal(first.maps(SOFT), second.maps(SOFT))
    assert torch.equal(first.logits, second.logits)
    assert sum(rows) == first.forwards - 1, "the network itself said what the whole picture is"
    assert torch.equal(alone(POOL), second(POOL))
    assert torch.equal(alone.maps(SOFT), second.maps(SOFT))
    assert torch.equal(alone.logits, second.logits)
    assert first.forwards == second.forwards == alone.forwards
    assert sum(rows) == 2 * (first.forwards - 1)


def test_what_is_asked_anew_is_asked_with_what_is_known(rows):
    answers = Answers()
    engine(answers)(POOL[:20])
    rows.clear()
    found = engine(answers)(POOL[10:30])
    assert sum(rows) == len({each.numpy().tobytes() for each in POOL[20:30]})
    torch.testing.assert_close(found, engine()(POOL[10:30]), rtol=0, atol=1e-5)


def test_the_whole_picture_is_one_question_whatever_would_hide_it(rows):
    answers = Answers()
    for fill in ("mean", "blur", "linear", "noise"):
        ours = engine(answers, fill=fill)
        ours(torch.ones(2, 16, dtype=torch.bool))
        ours.maps(torch.ones(2, *zoo.SIZE, dtype=torch.bool))
        assert ours.forwards == 1
    assert sum(rows) == 1


OTHERS = {
    "fill": {"fill": "black"},
    "draws of a fill": {"fill": Noise(draws=1), "seed": 1},
    "picture": {"picture": PHOTOS[1]},
    "regions": {"labels": REGIONS.T},
    "precision": {"precision": "bfloat16"},
    "network": {"classifier": zoo.classifier("tiny-vit")},
    "reading of the network": {"classifier": replace(NETWORK)},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_question_shares_no_answer(other, rows):
    def asked(answers: Answers | None = None) -> Tensor:
        rows.clear()
        ours = engine(answers, **other)
        found = ours(POOL[:9])
        assert torch.equal(found, ours(POOL[:9]))
        return found

    alone = asked()
    wanted, answers = sum(rows), Answers()
    engine(answers, fill=Noise(draws=1) if "seed" in other else "mean")(POOL[:9])
    assert torch.equal(asked(answers), alone)
    assert sum(rows) == wanted


def test_changed_weights_are_asked_again(rows):
    answers, classifier = Answers(), zoo.classifier("residual")
    before = engine(answers, classifier=classifier)(POOL[:9])
    with torch.no_grad():
        next(classifier.module.parameters()).mul_(2)
    assert not torch.equal(engine(answers, classifier=classifier)(POOL[:9]), before)


def test_a_black_box_is_asked_about_the_picture_once():
    asked: list[int] = []

    def service(pixels: np.ndarray) -> np.ndarray:
        asked.append(len(pixels))
        return pixels.reshape(len(pixels), -1)[:, :3].astype(np.float32)

    answers, classifier = Answers(), black_box(service, size=zoo.SIZE, gives="logits")
    _ = classifier.head
    asked.clear()
    for _ in range(2):
        ours = engine(answers, classifier=classifier)
        assert torch.equal(ours.logits, ours(torch.ones(1, 16, dtype=torch.bool))[0])
    assert asked == [1]


def test_what_there_is_no_room_for_is_asked_again_and_answered_alike(rows):
    held = zoo.CLASSES * 4
    narrow = engine(Answers(room=10 * held))
    first = narrow(POOL)
    rows.clear()
    assert torch.equal(narrow(POOL[-10:]), first[-10:])
    assert not rows, "the newest are kept"
    torch.testing.assert_close(narrow(POOL), first, rtol=0, atol=1e-5)
    assert sum(rows) == len(POOL) - 10


def test_the_oldest_are_forgotten_and_no_more_than_needed():
    answers = Answers(room=3 * 8)
    for number in range(5):
        answers.keep(number, torch.full((2,), float(number)))
    assert [answers.get(number) is None for number in range(5)] == [True, True, False, False, False]
    assert answers.get(4).tolist() == [4.0, 4.0]


def filler(fill: Any, seed: int = 0) -> Filler:
    pixels = torch.rand((3, 8, 8), generator=torch.Generator().manual_seed(5))
    return fill.prepare(pixels, None, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("fill", [Constant("mean"), Blur(), Noise(2), Linear(), Images(tuple(PHOTOS))], ids=str)
def test_a_fill_is_known_by_what_it_holds(fill):
    assert content(filler(fill)) == content(filler(fill))
    assert hash(content(filler(fill))) == hash(content(filler(fill)))
    changing = isinstance(fill, Noise | Linear)
    assert (content(filler(fill)) != content(filler(fill, seed=1))) == changing
    assert content(filler(fill)) != content(filler(Constant("black")))


class _Secret(Filler):
    """A filler that does more than its pictures say."""

    def __init__(self, pictures: Tensor, more: Any) -> None:
        super().__init__(pictures)
        object.__setattr__(self, "more", more)


def test_a_fill_of_somebody_else_is_known_by_all_it_holds_or_by_nothing():
    pictures = torch.zeros(1, 3, 2, 2)
    assert content(_Secret(pictures, 1)) == content(_Secret(pictures, 1)) != content(_Secret(pictures, 2))
    assert content(_Secret(pictures, [1])) != content(_Secret(pictures, [1])), "a list may change"
    assert content(_Secret(pictures, 1)) != content(Filler(pictures))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.bool, torch.int64, torch.float64])
def test_tensors_are_alike_where_kind_shape_and_numbers_are(dtype):
    numbers = torch.arange(6).to(dtype)
    assert content(numbers) == content(numbers.clone())
    assert content(numbers.view(2, 3).T.contiguous().T) == content(numbers.view(2, 3)), "however it lies in memory"
    assert len({content(each) for each in (numbers, numbers.view(2, 3), numbers.flip(0), numbers.to(torch.uint8))}) == 4
