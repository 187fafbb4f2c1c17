"""Case bases from elsewhere and damaged ones: nothing of theirs is run, and all that comes of them is one error."""

from __future__ import annotations

import random
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from cases.poisoned import FILES, POISONS, look_at_cases, seal, write_cases
from seewhy.errors import BadFile, BadImage, SeewhyError, UsageError

MUTATIONS = 2000


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A base and what belongs to it, which nobody changes."""
    folder = tmp_path_factory.mktemp("made")
    write_cases(folder)
    return folder


@pytest.fixture
def copy(made, tmp_path) -> Path:
    """The same, to be spoiled; pictures and classifier are its own."""
    folder = tmp_path / "copy"
    shutil.copytree(made, folder)
    path = folder / "base/manifest.json"
    path.write_text(path.read_text().replace(str(made), str(folder)))
    return folder


def test_a_sound_one_opens(copy):
    twins, turned = look_at_cases(copy)
    assert len(twins.twins) == 6
    assert turned.predictions == twins.predictions


@pytest.mark.parametrize("name", POISONS)
def test_a_poisoned_one_is_one_error_and_runs_nothing(copy, name, monkeypatch):
    monkeypatch.chdir(copy)
    monkeypatch.syspath_prepend(copy)
    canary = copy / "canary"
    POISONS[name](copy, canary)
    with pytest.raises((UsageError, BadImage)) as told:
        look_at_cases(copy)
    assert not canary.exists()
    assert "\0" not in str(told.value)
    assert ";" in str(told.value) or isinstance(told.value, BadImage)


@pytest.mark.parametrize("name", ["code as model", "code as embedding", "a picture above", "a header of terabytes"])
def test_a_poisoned_one_is_refused_by_the_command_line(copy, name, monkeypatch, capsys):
    from seewhy.cli import main

    monkeypatch.chdir(copy)
    POISONS[name](copy, copy / "canary")
    for command in ("twins", "counterfactual"):
        monkeypatch.setattr("sys.argv", ["seewhy", "cases", command, "asked.png", "--cases", "base", "--device", "cpu"])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code in {1, 2}
        told = capsys.readouterr().err
        assert "seewhy:" in told
        assert "Traceback" not in told
    assert not (copy / "canary").exists()


def test_a_name_is_written_so_that_it_can_be_seen(copy, capsys):
    POISONS["a picture above"](copy, copy)
    seal(copy, about={**_about(copy), "model": "\x1b[2J\u202eevil"})
    with pytest.raises(BadFile) as told:
        look_at_cases(copy)
    assert "\\x1b[2J\\u202eevil" in str(told.value)


def test_nothing_outside_is_moved_by_a_base_whose_next_one_is_a_link(copy):
    other = copy / "other"
    shutil.copytree(copy / "base", other)
    (copy / "base/next").symlink_to(other)
    look_at_cases(copy)
    assert sorted(path.name for path in other.iterdir()) == sorted((*FILES, ".lock"))
    assert (copy / "base/next").is_symlink()


def test_an_index_of_an_older_seewhy_is_not_looked_at(copy):
    (copy / "base/index.faiss").write_bytes(b"IwFl" + b"\xff" * 100)
    look_at_cases(copy)


def _about(folder: Path) -> dict[str, str]:
    import json

    return json.loads((folder / "base/manifest.json").read_text())["about"]


def mutated(data: bytes, generator: random.Random) -> bytes:
    """The bytes with some of them changed, taken away, doubled, or cut."""
    found = bytearray(data)
    for _ in range(generator.choice((1, 1, 1, 4, 20))):
        place = generator.randrange(len(found) or 1)
        match generator.randrange(6):
            case 0:
                found[place : place + 1] = bytes([generator.randrange(256)])
            case 1:
                found[place : place + 8] = bytes(8)
            case 2:
                found[place : place + 8] = b"\xff" * 8
            case 3:
                del found[place : place + generator.randrange(1, 64)]
            case 4:
                found[place:place] = found[place : place + generator.randrange(1, 64)]
            case _:
                found[place : place + 1] = generator.choice((b"9", b"-", b'"', b"[", b"{", b"9" * 30, b"\0", b"null"))
    return bytes(found)


@pytest.mark.heavy
def test_mutations_are_told_or_do_no_harm(copy):
    """Half of them with the hash that belongs to them, as whoever means harm would write it."""
    generator = random.Random(0)  # noqa: S311 - no secret
    kept = {name: (copy / "base" / name).read_bytes() for name in FILES}
    opened = refused = 0
    for number in range(MUTATIONS):
        name = generator.choice(FILES)
        (copy / "base" / name).write_bytes(mutated(kept[name], generator))
        if name != "manifest.json" and number % 2:
            seal(copy)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                twins, _ = look_at_cases(copy)
            assert all(np.isfinite(each.case.similarity) for each in twins.twins)
            opened += 1
        except SeewhyError:
            refused += 1
        for each in (name, "manifest.json"):
            (copy / "base" / each).write_bytes(kept[each])
    assert opened + refused == MUTATIONS
    assert refused > MUTATIONS / 2
