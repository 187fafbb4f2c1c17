"""Whoever is killed while he saves over a finished result leaves the finished one, or the new one, whole.

A new verb is covered by one more line in `SAVED`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

import planted
import zoo
from cases.squares import classifier as squares_classifier
from cases.squares import folder_of, square
from killing import Moment, check_saved, contents, finished, killed, moments, random_moments
from network import pictures
from people.samples import export_from, rounds
from prototypes import backbones
from report.samples import explanation, photo
from seewhy.cases import find_counterfactuals, find_twins, open_cases
from seewhy.core.folders import settle, whole_folder, write_manifest
from seewhy.core.outcome import Outcome
from seewhy.methods import RegionWeights
from seewhy.models import Target
from seewhy.network import NetworkPicture
from seewhy.people.rounds import add_rounds
from seewhy.people.store import open_store
from seewhy.prototypes.learning import Recipe
from seewhy.verbs.cases import CounterfactualsResult, TwinsResult, build_cases
from seewhy.verbs.compare import compare
from seewhy.verbs.evaluate import evaluate
from seewhy.verbs.explanations import Explanations, write_explanations
from seewhy.verbs.prototypes import explain_prototypes, train_prototypes_on
from tints import write_tints

Save: TypeAlias = Callable[[Path], Any]


@dataclass(frozen=True)
class Two:
    """Two results that go into the same folder."""

    old: Save
    new: Save


REGIONS = RegionWeights(np.kron([[0, 1], [2, 3]], np.ones((3, 3))).astype(np.int32), np.array([2.0, -1.0, 0.5, 0.0]))
TABBY = explanation(target=Target(282), target_label="tabby", values=np.eye(6))
LIME = explanation(method="lime", values=REGIONS.painted, signed=True, regions=REGIONS, errors=np.ones((6, 6)))


def one_explanation(_: Path) -> Two:
    return Two(LIME.save, TABBY.save)


def explanations(_: Path) -> Two:
    return Two(Explanations([LIME, TABBY]).save, Explanations([TABBY, explanation(image=photo("dog.png"))]).save)


def comparison(_: Path) -> Two:
    def made(target: int) -> Save:
        chosen = ["grad-cam", "occlusion"]
        return compare(zoo.classifier("gap-linear"), zoo.photos(1), chosen, ["sparseness"], target=target).save

    return Two(made(0), made(1))


def of_cases(place: Path) -> Any:
    colours = squares_classifier()
    build_cases(folder_of(place / "squares", each=4), colours, place / "base", model="py:planted:classifier")
    return open_cases(place / "base", colours)


def twins(place: Path) -> Two:
    cases = of_cases(place)
    old, new = (TwinsResult([find_twins(cases, square("green", 70), top=top)], cases.base.about) for top in (3, 2))
    return Two(old.save, new.save)


def counterfactuals(place: Path) -> Two:
    cases = of_cases(place)
    old, new = (
        CounterfactualsResult([find_counterfactuals(cases, square("green", 70), target)], cases.base.about)
        for target in ("red", "blue")
    )
    return Two(old.save, new.save)


def network(_: Path) -> Two:
    view = pictures.view()
    other = replace(view, target_label="tabby", layers=view.layers[:2])
    return Two(NetworkPicture(view).save, NetworkPicture(other).save)


def evaluation(place: Path) -> Two:
    found = evaluate(planted.classifier(), write_tints(place / "tints", red=3, green=3, blue=3), model="colours")
    return Two(found.save, replace(found, model="others").save)


def prototypes(place: Path) -> Two:
    backbones.backbone_folder(backbones.picture_folder(place / "pictures"), place / "backbone")
    little = Recipe(per_class=2, size=8, copies=0, probe_steps=5, warm_steps=5)
    made = train_prototypes_on(place / "pictures", f"file:{place / 'backbone'}", place / "model", recipe=little)
    return Two(made.save, replace(made, made_from={**made.made_from, "seed": 7}).save)


def explained_prototypes(place: Path) -> Two:
    prototypes(place)
    old, new = (
        explain_prototypes(place / "model", [photo(name)], refused=True) for name in ("a/photo.png", "b/photo.png")
    )
    return Two(old.save, new.save)


def people(place: Path) -> Two:
    urls = [f"sqlite:///{place / f'{count}.sqlite'}" for count in (1, 2)]
    for count, url in enumerate(urls, start=1):
        with open_store(url) as store:
            add_rounds(store, list(rounds(count)))
    return Two(*(partial(export_from, url) for url in urls))


SAVED = {
    "an explanation": one_explanation,
    "explanations": explanations,
    "a comparison": comparison,
    "twins": twins,
    "counterfactuals": counterfactuals,
    "network": network,
    "an evaluation": evaluation,
    "prototypes": prototypes,
    "explained by prototypes": explained_prototypes,
    "people": people,
}


def check_kills(two: Two, place: Path, chosen: Callable[[int], Iterable[Moment]], *, fresh: bool = False) -> None:
    """Kill the second save at those moments of all that there are which are `chosen`."""
    two.old(place / "old")
    shutil.copytree(place / "old", place / "new")
    count = moments(two.new, place / "new", fresh=fresh)
    old, new = contents(place / "old"), contents(place / "new")
    assert old != new
    found = set[str]()
    for moment in chosen(count):
        out = place / "out"
        shutil.copytree(place / "old", out)
        killed(two.new, out, moment, fresh=fresh)
        settle(out)
        left = finished(out)
        state = "old" if left == old else "new" if left == new else ""
        assert state, f"killed at {moment} of {count}, there is something between old and new"
        assert check_saved(out), "no file of it tells the hashes of the others"
        found.add(state)
        two.new(out)
        assert contents(out) == new, "what was killed is in the way of the next"
        shutil.rmtree(out)
    assert found == {"old", "new"}


def every(count: int) -> list[Moment]:
    return [Moment(number, halved) for number in range(1, count + 1) for halved in (False, True)]


def few(count: int) -> list[Moment]:
    """Spread over all there are, the first and the last among them."""
    return [Moment(1 + step * (count - 1) // 3, halved) for step in range(4) for halved in (False, True)]


def random_and_the_ends(count: int) -> list[Moment]:
    return [*random_moments(count), Moment(1, halved=False), Moment(count, halved=False)]


def files(_: Path) -> Two:
    """Of the same name, of other names, and in a folder that has a manifest of its own."""

    def saved(**texts: str) -> Save:
        def save(out: Path) -> None:
            with whole_folder(out) as part:
                for name, text in texts.items():
                    (part / name / "inner").mkdir(parents=True)
                    (part / name / "inner/same.txt").write_text("same")
                    (part / name / f"{text}.txt").write_text(text)
                    write_manifest(part / name, {})
                write_manifest(part, {})

        return save

    return Two(saved(one="first", two="second"), saved(one="other", two="second"))


@pytest.mark.parametrize("chosen", [few, pytest.param(every, marks=pytest.mark.heavy)])
def test_killed_while_writing_files_the_old_or_the_new_is_whole(chosen, tmp_path):
    check_kills(files(tmp_path), tmp_path, chosen)


def test_killed_while_saving_an_explanation_the_old_or_the_new_is_whole(tmp_path):
    check_kills(one_explanation(tmp_path), tmp_path, few)


def check_killed_runs(place: Path, most: int) -> set[tuple[bool, ...]]:
    """Kill the second run of `explain` at up to `most` moments; which of its photos and its page were new then."""
    photos = ("cat", "dog")
    old, new = ([Outcome(f"{name}.png", (each,)) for name in photos] for each in (explanation(), TABBY))

    def again(out: Path) -> None:
        write_explanations(new, out)

    write_explanations(old, place / "old")
    shutil.copytree(place / "old", place / "new")
    count = moments(again, place / "new")
    before, after = contents(place / "old"), contents(place / "new")
    found = set[tuple[bool, ...]]()
    for moment in sorted({1 + step * (count - 1) // max(most - 1, 1) for step in range(most)}):
        out = place / "out"
        shutil.copytree(place / "old", out)
        killed(again, out, Moment(moment, halved=True))
        for folder in (out, *(out / name for name in photos)):
            settle(folder)
        left, states = finished(out), list[bool]()
        for part in (*photos, "report.html"):
            here, were, are = (
                {name: each for name, each in files.items() if name.startswith(part)} for files in (left, before, after)
            )
            assert here in (were, are), f"killed at change {moment} of {count}, {part} is neither old nor new"
            states.append(here == are)
        assert states == sorted(states, reverse=True), "what is later was there earlier"
        found.add(tuple(states))
        again(out)
        assert contents(out) == after, "what was killed is in the way of the next"
        shutil.rmtree(out)
    return found


def test_a_killed_run_keeps_the_photos_it_finished_and_the_former_page_until_its_end(tmp_path):
    assert check_killed_runs(tmp_path, 8) >= {(False, False, False), (True, True, True)}


@pytest.mark.heavy
def test_a_run_killed_at_every_moment_leaves_each_photo_old_or_new(tmp_path):
    states = check_killed_runs(tmp_path, 1000)
    assert states == {(False, False, False), (True, False, False), (True, True, False), (True, True, True)}


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", SAVED)
def test_killed_while_saving_the_old_or_the_new_is_whole(what, tmp_path):
    """In fresh processes, since some results are tables of polars, which hangs in what was forked of its user."""
    check_kills(SAVED[what](tmp_path), tmp_path, random_and_the_ends, fresh=True)
