"""Scores and subjects: what they hold, and pictures of which the network sees exactly what is asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo
from metrics.samples import seeded
from seewhy.core.progress import silent
from seewhy.engines import Blur
from seewhy.errors import NonFinite, UsageError
from seewhy.metrics import Context, Score
from seewhy.models import Classifier, Preprocessing

PREPROCESSINGS = [
    Preprocessing((32, 32)),
    Preprocessing((24, 40)),
    Preprocessing((32, 32), resize=45),
    Preprocessing((24, 40), resize=41),
]


def subject(preprocessing: Preprocessing) -> Context:
    return Context(Classifier.from_module(zoo.network("residual"), preprocessing), zoo.photos(1)[0])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_is_a_number_or_a_reason(value):
    with pytest.raises(NonFinite, match="say why"):
        Score(value)
    assert Score.undefined("no reason").value is None
    assert Score.undefined("no reason").reason == "no reason"


@pytest.mark.parametrize("preprocessing", PREPROCESSINGS, ids=str)
def test_the_network_sees_exactly_what_was_framed(preprocessing):
    one = subject(preprocessing)
    levels = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (3, *preprocessing.size)))
    framed = one.framed(levels / 255)
    assert torch.equal((preprocessing.pixels([framed])[0] * 255).round().long(), levels)
    assert torch.equal(preprocessing.pixels([one.framed(one.pixels)])[0], one.pixels), "its own view comes back"


@pytest.mark.parametrize(("value", "level"), [(1.7, 255), (-0.2, 0), (100.6 / 255, 101), (100.4 / 255, 100)])
def test_pixels_are_clipped_and_rounded(value, level):
    framed = subject(PREPROCESSINGS[0]).framed(torch.full((3, 32, 32), value))
    assert (framed.pixels == level).all()


def test_a_soft_mask_shows_the_picture_or_the_fill():
    one = subject(PREPROCESSINGS[0])
    mask = np.zeros((32, 32), np.float32)
    mask[:, :16], mask[:, 16:20] = 1, 0.5
    seen = one.classifier.preprocessing.pixels([one.shown(mask, "black", seeded())])[0]
    assert torch.equal(seen[..., :16], one.pixels[..., :16])
    torch.testing.assert_close(seen[..., 16:20], one.pixels[..., 16:20] / 2, atol=0.5 / 255 + 1e-6, rtol=0)
    assert not seen[..., 20:].any()


@pytest.mark.parametrize("mask", [np.ones((32, 32)), np.ones((32, 31), bool)])
def test_a_mask_is_bool_over_what_the_network_sees(mask):
    with pytest.raises(UsageError, match=r"a mask is bool \(32, 32\)"):
        Context(zoo.classifier("residual"), zoo.photos(1)[0], mask)


def test_one_engine_serves_all_that_share_fill_and_seed():
    one = subject(PREPROCESSINGS[0])
    first = one.perturber(Blur(0.1), seeded(), silent)
    told: list[int] = []
    again = one.perturber(Blur(0.1), seeded(), lambda done, *_: told.append(done))
    assert again is first
    assert one.perturber(Blur(0.2), seeded(), silent) is not first
    assert one.perturber(Blur(0.1), seeded(1), silent) is not first
    again.logits(2, lambda part: torch.ones(part.stop - part.start, 32, 32))
    assert told, "and it reports to who asked last"
