from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from cases.squares import classifier, folder_of, square
from seewhy.errors import BadFile, Cancelled, UsageError
from seewhy.verbs import (
    CounterfactualsResult,
    TwinsResult,
    ask_each,
    build_cases,
    classifier_of_cases,
    find_counterfactuals,
    find_twins,
    open_cases,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A classifier, and the folders of two case bases of the same pictures."""
    root = tmp_path_factory.mktemp("cases")
    folder_of(root / "squares", each=4)
    colours = classifier()
    for embedding in ("penultimate", "cole"):
        build_cases(root / "squares", colours, root / embedding, embedding=embedding, model="py:planted:classifier")
    return colours, root


def test_what_was_built_can_be_asked(made):
    colours, root = made
    cases = open_cases(root / "penultimate", colours)
    with pytest.raises(BadFile, match="names code, py:planted:classifier"):
        classifier_of_cases(root / "penultimate")
    image = square("green", 70)
    found = find_twins(cases, image, top=2, beside=open_cases(root / "cole", colours))
    assert [twin.case.label for twin in found.twins] == ["green", "green"]
    assert found.beside.twins.embedding == "cole"
    with pytest.raises(FrozenInstanceError):
        found.trust = 1
    turned = find_counterfactuals(cases, image, "red")
    assert turned.unlike.case.label == "red"
    with pytest.raises(FrozenInstanceError):
        turned.swap = None


def test_results_are_told_and_saved_whole_or_not_at_all(made, tmp_path):
    colours, root = made
    cases = open_cases(root / "penultimate", colours)
    twins = find_twins(cases, square("green", 70), top=2)
    result = TwinsResult([twins, twins], cases.base.about)
    out = result.save(tmp_path / "out")
    assert {path.name for path in out.iterdir()} == {"green-70", "green-70-2", "report.html", "result.json"}
    told = json.loads((out / "green-70/manifest.json").read_text())
    assert [each["path"] for each in told["twins"]] == [row["twin"] for row in result.rows()[:2]]
    values = np.load(out / "green-70/twin-1/own.npy")
    assert values.mean() == pytest.approx(told["twins"][0]["layer_similarity"], abs=1e-5)
    broken = replace(twins, trust=float("nan"))  # JSON has none
    with pytest.raises(ValueError, match="JSON"):
        TwinsResult([replace(twins, trust=2.0), broken], cases.base.about).save(out)
    assert json.loads((out / "green-70/manifest.json").read_text()) == told
    assert not any(path.name.startswith(".") for path in out.iterdir())
    turned = CounterfactualsResult([find_counterfactuals(cases, square("green", 70))], cases.base.about)
    assert {row["predicted then"] for row in turned.rows()} <= {"red", "blue"}
    assert turned.save(tmp_path / "turned").joinpath("green-70/unlike/own.png").is_file()


def test_another_classifier_is_refused(made):
    _, root = made
    changed = classifier()
    changed.module.head.bias.data.add_(1)
    with pytest.raises(UsageError, match="another classifier"):
        open_cases(root / "cole", changed)


def test_what_goes_wrong_with_one_picture_does_not_stop_the_rest(tmp_path):
    def ask(image):
        if image.name.startswith("blue"):
            raise UsageError("no blue ones, please")
        return image.name

    for colour in ("red", "blue", "green"):
        square(colour, 1).to_pil().save(tmp_path / f"{colour}.png")
    sources = [tmp_path / name for name in ("red.png", "blue.png", "missing.png", "green.png")]
    told = []
    found, failures = ask_each(sources, ask, lambda *step: told.append(step))
    assert found == ["red.png", "green.png"]
    assert [each.source for each in failures] == [str(tmp_path / "blue.png"), str(tmp_path / "missing.png")]
    assert str(failures[0].error) == "no blue ones, please"
    assert told == [(1, 4, "pictures"), (2, 4, "pictures"), (3, 4, "pictures"), (4, 4, "pictures")]


def test_a_build_can_be_stopped_and_goes_on(made, tmp_path):
    colours, root = made

    def stop(done, total, message):
        raise Cancelled

    with pytest.raises(Cancelled):
        build_cases(root / "squares", colours, tmp_path, progress=stop)
    assert build_cases(root / "squares", colours, tmp_path).embedded == 12
