"""What a model's numbers mean may be said wherever a model is named: `--head`, `--output`, or in its name."""

from __future__ import annotations

import pytest
import torch

from seewhy import load, open_image

MODEL = "py:cli.nets:two_heads"


def wanted(path, count, function):
    """The probabilities that the plain network means, likeliest first."""
    classifier = load(MODEL, output="shape")
    with torch.no_grad():
        logits = classifier.module(classifier.preprocess([open_image(path)]))["shape"][0, :count]
    return function(logits).sort(descending=True).values.tolist()


@pytest.mark.parametrize(
    ("arguments", "count", "function"),
    [
        (("--model", MODEL, "--output", "colour"), 3, lambda z: z.softmax(0)),
        (("--model", MODEL, "--output", "1", "--head", "sigmoid"), 4, torch.sigmoid),
        (("--model", f"{MODEL}?output=shape&gives=sigmoid"), 4, torch.sigmoid),
        (("--model", f"{MODEL}?output=shape&gives=sigmoid", "--head", "logits"), 4, lambda z: z.softmax(0)),
        (("--model", f"{MODEL}?gives=sigmoid", "--output", "colour"), 3, torch.sigmoid),
    ],
)
def test_what_is_declared_is_what_is_told(seewhy, photos, arguments, count, function):
    done = seewhy("predict", photos / "a.png", "--json", *arguments)
    assert done.code == 0, done.err
    found = [each["probability"] for each in done.json[0]["predictions"]]
    assert found == pytest.approx(wanted(photos / "a.png", count, function))


def test_a_head_that_has_to_be_named_is_asked_for_and_a_wrong_word_refused(seewhy, photos):
    done = seewhy("predict", photos / "a.png", "--model", MODEL)
    assert done.code == 1
    assert "--output colour" in done.err
    done = seewhy("predict", photos / "a.png", "--model", MODEL, "--output", "size")
    assert "has no output 'size'" in done.err
    done = seewhy("predict", photos / "a.png", "--model", MODEL, "--output", "shape", "--head", "softmax")
    assert done.code == 2
    assert "gives is one of logits, probabilities" in done.err


def test_explaining_several_labels_of_a_head(seewhy, photos):
    arguments = ("--output", "shape", "--head", "sigmoid", "--target", "#1 and class 2", "--method", "gradient")
    done = seewhy("explain", photos / "a.png", "--model", MODEL, "--out", "out", *arguments)
    assert done.code == 0, done.err
    assert "class 1 and class 2" in done.out
