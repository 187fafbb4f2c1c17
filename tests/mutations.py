"""Seeded damage of files: flipped bits, cut and inserted bytes, and other values in JSON."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

ODD = (
    None, True, False, 0, -1, 1, 2**31, -(2**63), 2**64, 10**30, 1e308, -1e308, 1e-320, 0.5, "", "x", "x" * 10_000,
    "..", "../..", "/etc/passwd", "py:os:getcwd", "\x00", "\u202e", [], {}, [[]], {"": None}, [0] * 1000,
)  # fmt: skip
RAW = ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, '"\\ud800"', "[" * 5000)
HOLE = "\ue000"


def mutated(content: bytes, seed: int) -> bytes:
    """The content with one to three kinds of damage, the same for the same seed."""
    choose = random.Random(seed)  # noqa: S311 - nobody is kept out by it
    ways: list[Callable[[bytes, random.Random], bytes]] = [flipped, cut, inserted, zeroed]
    if content[:1] in {b"{", b"["}:
        ways += [other_value] * 8
    for _ in range(choose.choice((1, 1, 2, 3))):
        content = choose.choice(ways)(content, choose)
    return content


def flipped(content: bytes, choose: random.Random) -> bytes:
    """Some bits."""
    found = bytearray(content)
    for _ in range(choose.choice((1, 1, 8, 64))):
        if found:
            found[_place(choose, len(found))] ^= 1 << choose.randrange(8)
    return bytes(found)


def cut(content: bytes, choose: random.Random) -> bytes:
    """The end is missing, or a piece."""
    start = choose.randrange(len(content) + 1)
    return content[:start] + (content[start + choose.randrange(100) :] if choose.random() < 0.5 else b"")


def inserted(content: bytes, choose: random.Random) -> bytes:
    """Bytes of chance."""
    start = _place(choose, len(content) + 1)
    return content[:start] + choose.randbytes(choose.choice((1, 4, 100))) + content[start:]


def zeroed(content: bytes, choose: random.Random) -> bytes:
    """Eight bytes at the ends of what they may be."""
    start = _place(choose, len(content) + 1)
    return content[:start] + choose.choice((b"\x00", b"\xff", b"\x7f")) * 8 + content[start + 8 :]


def other_value(content: bytes, choose: random.Random) -> bytes:
    """Another value somewhere in JSON, or a key that is gone."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return flipped(content, choose)
    spots = list(_spots(value))
    if not spots:
        return content
    holder, key = choose.choice(spots)
    if choose.random() < 0.2:
        del holder[key]
        return json.dumps(value).encode()
    if choose.random() < 0.2:
        holder[key] = HOLE
        return json.dumps(value).replace(json.dumps(HOLE), choose.choice(RAW)).encode()
    holder[key] = choose.choice(ODD)
    return json.dumps(value).encode()


def _spots(value: Any) -> Any:
    """Every place in a JSON value, as what holds it and its key there."""
    if isinstance(value, dict | list):
        for key, inner in [*(value.items() if isinstance(value, dict) else enumerate(value))][:200]:
            yield value, key
            yield from _spots(inner)


def _place(choose: random.Random, length: int) -> int:
    """More often near the ends, where headers are."""
    ends = choose.random()
    near = min(length, 512)
    if ends < 0.4:
        return choose.randrange(near)
    return length - 1 - choose.randrange(near) if ends < 0.6 else choose.randrange(length)
