import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nan

import zoo
from seewhy.errors import ModelError, NonFinite
from seewhy.models import Head

LOGITS = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
OTHER = torch.zeros(2, 7, 5)


@pytest.mark.parametrize(
    "output",
    [
        LOGITS,
        (LOGITS, OTHER),
        [LOGITS, OTHER],
        (None, LOGITS),
        zoo.Pair(LOGITS, OTHER),
        {"features": OTHER, "logits": LOGITS},
        {"loss": 0.3, "out": LOGITS},
        {"aux": None, "whatever": LOGITS},
        zoo.Output(LOGITS, OTHER),
        LOGITS[:, :, None, None],
    ],
    ids=["tensor", "tuple", "list", "gap", "named", "dict", "out", "first", "object", "1x1"],
)
def test_logits_are_found(output):
    assert torch.equal(Head().read(output), LOGITS)


@pytest.mark.parametrize("name", ["tuple", "named-tuple", "dict", "object"])
def test_a_wrapped_answer_is_the_plain_one(name):
    wrapped = zoo.classifier(name)
    assert torch.equal(wrapped.logits(zoo.inputs()), wrapped.module.body(zoo.inputs()))


@given(st.integers(1, 4), st.integers(2, 9))
def test_any_count_of_images_and_classes_passes(count, classes):
    logits = torch.arange(count * classes, dtype=torch.float32).view(count, classes)
    assert torch.equal(Head().read({"logits": logits}), logits)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("text", "returned str without a tensor"),
        ({"loss": 1.0}, "returned dict without a tensor"),
        ((), "returned tuple without a tensor"),
        (torch.zeros(3), r"shape \(3,\); a classifier returns \(N, classes\)"),
        (torch.zeros(2, 3, 8, 8), "segmentation or detection"),
        (torch.zeros(2, 1), "1 score for each image"),
    ],
)
def test_what_is_no_classifiers_answer_is_refused(output, words):
    with pytest.raises(ModelError, match=words):
        Head().read(output)


@pytest.mark.parametrize("value", [nan, torch.inf, -torch.inf])
def test_one_wrong_number_is_an_error_not_a_picture(value):
    logits = LOGITS.clone()
    logits[1, 2] = value
    with pytest.raises(NonFinite, match="NaN or infinity"):
        Head().read((logits,))
