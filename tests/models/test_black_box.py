import numpy as np
import pytest
import torch

from seewhy.errors import ModelError, NonFinite
from seewhy.images import Image
from seewhy.models.classifier import black_box

PHOTO = Image(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8), "noise")


def redness(pictures):
    """The share of red, and the rest."""
    red = pictures[..., 0].mean((1, 2)) / 255
    return np.stack([red, 1 - red], 1)


def test_a_function_sees_the_pictures_and_its_probabilities_come_back():
    seen = []

    def score(pictures):
        seen.append(pictures)
        return redness(pictures)

    classifier = black_box(score, size=(20, 30), categories=["red", "not red"])
    found = classifier.predict(PHOTO)
    assert seen[-1].dtype == np.uint8
    assert np.array_equal(seen[-1][0], PHOTO.pixels)
    assert {each.name: each.probability for each in found}["red"] == pytest.approx(PHOTO.pixels[..., 0].mean() / 255)
    assert classifier.offers == {"scores"}


def test_logits_come_back_as_they_are_from_lists_and_tensors_too():
    for wrap in (list, torch.tensor):
        classifier = black_box(lambda pictures, wrap=wrap: wrap([[3.0, -4.0, 5.0]] * len(pictures)), gives="logits")
        assert torch.equal(classifier.logits(torch.rand(2, 3, 8, 8)), torch.tensor([[3.0, -4.0, 5.0]] * 2))


def test_certainty_is_no_infinity():
    classifier = black_box(lambda pictures: [[1.0, 0.0]] * len(pictures))
    assert classifier.probabilities([PHOTO])[0].tolist() == pytest.approx([1, 0])


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ([[2.0, -1.0]], ModelError, "say gives='logits'"),
        ([[np.nan, 1.0]], NonFinite, "NaN"),
        ([1.0, 0.0], ModelError, r"\(N, classes\)"),
        ([[0.5, 0.5]] * 3, ModelError, "answered 1 images with 3 rows"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(answer, error, words):
    with pytest.raises(error, match=words):
        black_box(lambda pictures: answer).probabilities([PHOTO])


def test_two_functions_have_two_fingerprints():
    first = black_box(redness, size=(8, 8)).fingerprint
    assert black_box(redness, size=(8, 8)).fingerprint == first
    assert black_box(lambda pictures: 1 - redness(pictures), size=(8, 8)).fingerprint != first
