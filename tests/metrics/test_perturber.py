"""What the network says of hidden pixels, against a literal loop; nothing hangs on what else is asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo
from metrics.samples import explanation, seeded
from seewhy.core.progress import silent
from seewhy.engines import find_fill
from seewhy.metrics import Context
from seewhy.metrics.context import NOTHING, TopK, soft_mask
from seewhy.models import Target

HIDDEN = [TopK("highest", 100), TopK("lowest", 700), TopK("highest", 0), TopK("lowest", 1024)]
TARGETS = [Target(0), Target(3), Target(1, against=2)]


@pytest.fixture(params=["residual", "tiny-vit"])
def subject(request) -> Context:
    return Context(zoo.classifier(request.param), zoo.photos(1)[0])


def maps(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(count, *zoo.SIZE)))


def answer(subject: Context, mask: np.ndarray, target: Target, fill: str = "mean") -> float:
    """The literal twin: one picture, one forward."""
    pixels = subject.classifier.preprocessing.pixels([subject.image])[0]
    kept = torch.from_numpy(mask).float()
    filler = find_fill(fill).prepare(pixels, None, seeded())
    hidden = filler(kept[None], torch.zeros(1, dtype=torch.int64))[0]
    mixed = subject.classifier.preprocessing.normalize((kept * pixels + (1 - kept) * hidden)[None])
    with torch.no_grad():
        return float(subject.classifier.head.probability(subject.classifier.logits(mixed)[0], target))


@pytest.mark.parametrize("fill", ["mean", "blur", "linear"])
def test_ranked_pixels_are_hidden_as_a_loop_does_it(subject, fill):
    found = [explanation(subject, *each) for each in zip(maps(3), TARGETS, strict=True)]
    asked = subject.perturber(fill, seeded(), silent).ranked(found, HIDDEN)
    for row, each in zip(asked, found, strict=True):
        order = np.argsort(each.values.ravel())
        for value, (end, count) in zip(row, HIDDEN, strict=True):
            kept = np.ones(order.size)
            kept[order[len(order) - count :] if end == "highest" else order[:count]] = 0
            assert value == pytest.approx(answer(subject, kept.reshape(zoo.SIZE), each.target, fill), abs=2e-5)


def test_soft_masks_are_applied_as_a_loop_does_it(subject):
    found = [explanation(subject, *each) for each in zip(maps(3), TARGETS, strict=True)]
    asked = subject.perturber("mean", seeded(), silent).softly(found, soft_mask)
    for value, each in zip(asked, found, strict=True):
        assert value == pytest.approx(answer(subject, soft_mask(each.values), each.target), abs=2e-5)


def test_the_whole_picture_is_what_the_classifier_says_itself(subject):
    hider = subject.perturber("mean", seeded(), silent)
    probabilities = subject.classifier.probabilities([subject.image])[0]
    found = [explanation(subject, maps(1)[0], Target(index)) for index in range(zoo.CLASSES)]
    np.testing.assert_allclose(hider.ranked(found, [NOTHING])[:, 0], probabilities, atol=1e-6)


def test_many_maps_are_asked_in_few_masks_at_a_time(subject, monkeypatch):
    hider = subject.perturber("mean", seeded(), silent)
    sizes: list[int] = []
    ask = hider.engine.maps
    monkeypatch.setattr(hider.engine, "maps", lambda masks: (sizes.append(len(masks)), ask(masks))[1])
    found = [explanation(subject, each) for each in maps(5)]
    together = hider.ranked(found, [TopK("highest", count) for count in range(120)])
    assert sum(sizes) == 5 * 119 + 1, "with nothing hidden they are all the same"
    assert max(sizes) <= 256
    alone = Context(subject.classifier, subject.image).perturber("mean", seeded(), silent)
    np.testing.assert_allclose(alone.ranked(found[3:4], [TopK("highest", 7)])[0, 0], together[3, 7], atol=1e-6)


def test_no_map_is_no_question(subject):
    hider = subject.perturber("mean", seeded(), silent)
    before = hider.engine.forwards
    assert hider.ranked([], HIDDEN).size == 0
    assert hider.softly([], soft_mask).size == 0
    assert hider.engine.forwards == before
