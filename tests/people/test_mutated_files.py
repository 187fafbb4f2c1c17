"""Files of people's work, changed at random: nothing but seewhy's errors, in bounded time and memory."""

from __future__ import annotations

import json
import random
import time

import pytest

from people.test_exports import fill
from seewhy.errors import SeewhyError
from seewhy.people.coco import export_coco
from seewhy.people.exchange import export_lines
from seewhy.people.masks import drawn
from seewhy.people.store import open_store
from seewhy.verbs.people import import_people

VALUES = (
    *(
        None,
        True,
        -1,
        0,
        10**30,
        -(10**30),
        2**31,
        2**63,
        0.5,
        1e300,
        "",
        "x",
        "\0",
        "\x1b[2J",
        "\u202e",
        "x" * 100_000,
    ),
    *([], {}, [[]], [[[]]], [0] * 1000, {"size": [2**31, 2**31], "counts": "0"}, "2026-01-01", "9" * 400),
)
BYTES = 0.3  # of mutations are of bytes, the others of values


def places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def changed(value, chance):
    """The JSON value with one part in place of which something else stands, or nothing."""
    path = chance.choice(list(places(value))[1:])
    whole = json.loads(json.dumps(value))
    at = whole
    for key in path[:-1]:
        at = at[key]
    if chance.random() < 0.2:
        del at[path[-1]]
    else:
        at[path[-1]] = chance.choice(VALUES)
    return whole


def damaged(content, chance):
    """Bytes with some changed, cut or doubled."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 3, 20))):
        place = chance.randrange(len(found))
        match chance.randrange(4):
            case 0:
                found[place] = chance.randrange(256)
            case 1:
                del found[place : place + chance.randrange(1, 50)]
            case 2:
                found[place:place] = found[place : place + chance.randrange(1, 50)]
            case _:
                del found[place:]
        if not found:
            break
    return bytes(found)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('full') / 'people.sqlite'}") as store:
        fill(store)
        return list(export_lines(store)), export_coco(drawn(store))


@pytest.mark.parametrize("count", [40, pytest.param(2000, marks=pytest.mark.heavy)])
@pytest.mark.parametrize("kind", ["people.jsonl", "masks.json"])
def test_mutations_are_taken_or_refused(originals, tmp_path, kind, count):
    lines, document = originals
    chance, refused, slowest = random.Random(count), [], 0.0  # noqa: S311
    with open_store(f"sqlite:///{tmp_path / 'people.sqlite'}") as store:
        for _ in range(count):
            if kind == "masks.json":
                content = json.dumps(changed(document, chance)).encode()
            else:
                place = chance.randrange(len(lines))
                line = json.dumps(changed(json.loads(lines[place]), chance)) + "\n"
                content = "".join([*lines[:place], line, *lines[place + 1 :]]).encode()
            if chance.random() < BYTES:
                content = damaged(content, chance)
            path = tmp_path / kind
            path.write_bytes(content)
            began = time.monotonic()
            try:
                import_people(store, path)
            except SeewhyError as error:
                refused.append(len(str(error)))
            slowest = max(slowest, time.monotonic() - began)
    print(f"{kind}: {len(refused)} of {count} refused, the slowest took {slowest:.2f} s")
    assert len(refused) > count / 4
    assert max(refused) < 3000  # letters
    assert slowest < 20
