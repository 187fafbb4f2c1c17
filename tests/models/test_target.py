import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seewhy.errors import UnknownName, UsageError
from seewhy.models import Categories, Target
from seewhy.models.categories import parse_target

PETS = Categories(("cat", "dog", "red fox"))
floats = st.floats(-100, 100, width=32)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (1, Target(1)),
        ("dog", Target(1)),
        ("cat vs dog", Target(0, 1)),
        ("cat VS. Red Fox", Target(0, 2)),
        ("cat versus 1", Target(0, 1)),
        ("red fox rather than cat", Target(2, 0)),
    ],
)
def test_what_people_write(text, target):
    assert parse_target(text, PETS) == target


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("cat vs dog vs red fox", UsageError, "more than two"),
        ("cat vs 0", UsageError, "with itself"),
        ("cat vs wolf", UnknownName, "wolf"),
        ("", UnknownName, "no class ''"),
    ],
)
def test_what_has_no_meaning_is_refused(text, error, words):
    with pytest.raises(error, match=words):
        parse_target(text, PETS)


@given(st.lists(floats, min_size=2, max_size=6), st.data())
def test_a_contrast_is_the_difference_of_two_logits(row, data):
    first, second = (data.draw(st.integers(0, len(row) - 1)) for _ in range(2))
    logits = torch.tensor([row, row[::-1]])
    assert torch.equal(Target(first).score(logits), logits[:, first])
    assert torch.equal(Target(first, second).score(logits), logits[:, first] - logits[:, second])


def test_labels():
    assert Target(2).label(PETS) == "red fox"
    assert Target(2, 0).label(PETS) == "red fox rather than cat"
