"""Commands that are killed at random moments: what was finished is intact, what resumes ends as if undisturbed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest
import torch

from commands import Command, Study
from killing import contents, finished, killed, moments, random_moments
from people.samples import rounds
from seewhy.core.folders import settle
from seewhy.errors import SeewhyError
from seewhy.images import save_image
from seewhy.models import load
from seewhy.models.building import build
from seewhy.models.card import Architecture, write_model
from seewhy.people.exchange import export_lines
from seewhy.people.rounds import add_rounds
from seewhy.people.store import open_store
from seewhy.prototypes.storage import load_prototypes
from seewhy.study import Plan
from seewhy.study.ledger import LEDGER, open_ledger, read_plan
from tints import tinted, write_tints

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(3600)]

TINY, SIDE = Architecture("timm:test_resnet", {}), 32
Files: TypeAlias = dict[str, bytes]


@dataclass(frozen=True)
class Case:
    """A command to be killed.

    Attributes:
        command: the words after `seewhy`.
        earlier: those of a command that has ended before, if any.
        out: where it writes.
        told: what must be the same in the end.
        look: raises AssertionError where what it left after a kill is not as it may be; is given `out`, and what was
            told before it began and what is told when it has ended.
        runs: how the command is run.
        codes: of a command that did not fail.
    """

    command: str
    earlier: str = ""
    out: str = "out"
    told: Callable[[Path], Files] = contents
    look: Callable[[Path, Files, Files], None] = lambda _out, _before, _after: None
    runs: Callable[[Path, tuple[str, ...], tuple[int, ...]], Command] = field(default=Command)
    codes: tuple[int, ...] = (0,)


def photo_by_photo(out: Path, before: Files, after: Files) -> None:
    """Each photo is as it was, or as it will be, those that come first earlier; so is the page."""
    for folder in (out, *(each for each in out.iterdir() if each.is_dir())):
        settle(folder)
    left, states = finished(out), list[bool]()
    for part in ("blue", "red", "report.html"):
        here, were, are = (
            {name: each for name, each in files.items() if name.startswith(part)} for files in (left, before, after)
        )
        assert here in (were, are), f"{part} is neither old nor new"
        states.append(here == are)
    assert states == sorted(states, reverse=True), "what is later was there earlier"


def whole_or_as_it_was(out: Path, before: Files, after: Files) -> None:
    settle(out)
    assert finished(out) in (before, after)


def a_classifier_or_none(out: Path, before: Files, after: Files) -> None:
    """Whatever can be opened is the one that was trained in the end, also while it is saved once more."""
    try:
        load(f"file:{out}", device="cpu")
    except SeewhyError:
        assert not before, "a finished one is lost"
        return
    assert {name: finished(out)[name] for name in ("card.json", "model.safetensors")}.items() <= after.items()


def prototypes_or_none(out: Path, before: Files, after: Files) -> None:
    try:
        load_prototypes(out, refused=True, device="cpu")
    except SeewhyError:
        return
    assert finished(out) == after


def units_in(out: Path) -> Files:
    """What a ledger holds but for seconds, and the results."""
    if not (out / LEDGER).exists():
        return {}
    try:
        plan = read_plan(out)
    except SeewhyError:  # killed before it stood there
        plan = None
    found = {name: each for name, each in finished(out).items() if not name.startswith(LEDGER)}
    return found | (units_of(out, plan) if plan else {})


def units_of(out: Path, plan: Plan) -> Files:
    with open_ledger(out, plan) as ledger:
        return {"/".join(each.unit): repr((each.rows, each.failure)).encode() for each in ledger.results()}


def done_units_stay(out: Path, before: Files, after: Files) -> None:
    """What is there will be there in the end, and what was there still is."""
    settle(out)
    left = units_in(out)
    assert {name: each for name, each in left.items() if not name.endswith(".part")}.items() <= after.items()
    assert before.keys() <= left.keys()


def people_in(home: Path) -> Files:
    """Everything in the store, line by line."""
    if not (home / "people.sqlite").exists():
        return {}
    with open_store(f"sqlite:///{home / 'people.sqlite'}") as store:
        return dict.fromkeys(export_lines(store), b"")


def picture_by_picture(home: Path, _before: Files, after: Files) -> None:
    assert people_in(home).items() <= after.items()


def all_or_nothing(home: Path, _before: Files, after: Files) -> None:
    assert people_in(home) in ({}, dict(list(after.items())[:1]), after)


CASES = {
    "explain": Case(
        "explain photos --model file:model --method lime,grad-cam --set samples=60 --target blue --out out",
        "explain photos --model file:model --method lime,grad-cam --set samples=60 --target red --out out",
        look=photo_by_photo,
    ),
    "network explain": Case(
        "network explain photos --model file:model --target blue --out out",
        "network explain photos --model file:model --target red --out out",
        look=photo_by_photo,
    ),
    "train": Case(
        "train pictures --backbone file:model --epochs 3 --head-epochs 2 --batch-size 4 --out out",
        look=a_classifier_or_none,
    ),
    "train, once more": Case(
        "train pictures --backbone file:model --epochs 1 --head-epochs 0 --batch-size 4 --out out",
        "train pictures --backbone file:model --epochs 1 --head-epochs 0 --batch-size 4 --out out",
        look=a_classifier_or_none,
    ),
    "prototypes train": Case(
        "prototypes train pictures --backbone file:model --per-class 2 --warm-steps 10 --copies 0 --out out",
        look=prototypes_or_none,
        codes=(0, 1),
    ),
    "study": Case(
        "study pictures --models file:model --methods grad-cam,control:random --metrics sparseness --out out",
        told=units_in,
        look=done_units_stay,
        runs=Study,
    ),
    "study, once more": Case(
        "study pictures --models file:model --methods grad-cam,control:random --metrics sparseness --out out",
        "study pictures --models file:model --methods grad-cam,control:random --metrics sparseness --out out",
        told=units_in,
        look=done_units_stay,
        runs=Study,
    ),
    "people rounds": Case(
        "people rounds photos --model file:model --target red --layer layer1 --seed 1",
        out="home",
        told=people_in,
        look=picture_by_picture,
    ),
    "people import": Case("people import people.jsonl", out="home", told=people_in, look=all_or_nothing),
    "people export": Case("people export --out out", "people import people.jsonl", look=whole_or_as_it_was),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A classifier of two classes, photos, a folder of pictures of each class, and what people did."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fields = {"architecture": TINY.name, "preprocessing": {"size": [SIDE, SIDE]}, "categories": ["blue", "red"]}
        write_model(tmp_path / "model", build(TINY, 2), fields)
    (tmp_path / "photos").mkdir()
    for name in ("blue", "red"):
        save_image(tinted(name, 0), tmp_path / f"photos/{name}.png")
    write_tints(tmp_path / "pictures", blue=6, red=6)
    with open_store(f"sqlite:///{tmp_path / 'template.sqlite'}") as store:
        add_rounds(store, list(rounds(4)))
        (tmp_path / "people.jsonl").write_text("".join(export_lines(store)))
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_killed_what_was_finished_is_intact_and_what_resumes_is_the_same(name: str, place: Path):
    case, out = CASES[name], place / CASES[name].out
    command, earlier = (case.runs(place, tuple(words.split()), case.codes) for words in (case.command, case.earlier))
    if case.earlier:
        moments(earlier, out, fresh=True)
    kept = [shutil.copytree(each, place / "kept" / each.name) for each in {out, place / "home"} if each.exists()]

    def begin_anew() -> None:
        for each in (out, place / "home"):
            shutil.rmtree(each, ignore_errors=True)
        for each in kept:
            shutil.copytree(each, place / each.name)

    before = case.told(out) if out.exists() else {}
    count = moments(command, out, fresh=True)
    after = case.told(out)
    assert count
    assert after
    for moment in random_moments(count):
        begin_anew()
        killed(command, out, moment, fresh=True)
        if out.exists():
            case.look(out, before, after)
        moments(command, out, fresh=True)
        assert case.told(out) == after, f"killed at {moment} of {count} and resumed, it ends otherwise"
