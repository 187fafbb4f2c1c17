"""Thousands of damaged pictures: each is an image or a `BadImage`, and nothing else ever."""

from __future__ import annotations

import numpy as np
import pytest

from corpus import SEEDS
from seewhy.errors import BadImage
from seewhy.images import open_image

FILES = [case.make() for case in SEEDS]
OUTCOMES = {"opened", "empty", "not_an_image", "unsupported", "truncated", "too_large", "too_small", "nonfinite"}


def flip(data: bytearray, rng: np.random.Generator) -> None:
    for at in rng.integers(len(data), size=rng.choice([1, 1, 2, 8, 32])):
        data[at] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])


def flip_in_head(data: bytearray, rng: np.random.Generator) -> None:
    for at in rng.integers(min(len(data), 200), size=rng.choice([1, 2, 4])):
        data[at] = rng.choice([0, 255, rng.integers(256)])


def cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[rng.integers(len(data)) :]


def drop(data: bytearray, rng: np.random.Generator) -> None:
    start = rng.integers(len(data))
    del data[start : start + rng.integers(1, 64)]


def repeat(data: bytearray, rng: np.random.Generator) -> None:
    start = rng.integers(len(data))
    data[start:start] = data[start : start + rng.integers(1, 256)]


def graft(data: bytearray, rng: np.random.Generator) -> None:
    other, start = FILES[rng.integers(len(FILES))], rng.integers(len(data))
    data[start:] = other[rng.integers(len(other)) :]


DAMAGES = (flip, flip, flip_in_head, flip_in_head, cut, drop, repeat, graft)


def damaged(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    data = bytearray(FILES[seed % len(FILES)])
    DAMAGES[rng.integers(len(DAMAGES))](data, rng)
    return bytes(data)


def outcome(seed: int) -> str:
    try:
        open_image(damaged(seed), max_pixels=1_000_000)
    except BadImage as error:
        return error.code
    except Exception as error:
        error.add_note(f"from the seed {seed}")
        raise
    return "opened"


@pytest.mark.filterwarnings("error")
def test_damage_never_surprises():
    assert {outcome(seed) for seed in range(1_500)} <= OUTCOMES


@pytest.mark.heavy
@pytest.mark.filterwarnings("error")
def test_much_damage_never_surprises():
    assert {outcome(seed) for seed in range(1_500, 11_500)} <= OUTCOMES
