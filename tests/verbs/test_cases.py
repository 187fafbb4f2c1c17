from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from cases.squares import classifier, folder_of, square
from seewhy.errors import Cancelled, UsageError
from seewhy.verbs import ask_each, build_cases, classifier_of_cases, find_counterfactuals, find_twins, open_cases


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
    assert classifier_of_cases(root / "penultimate") == ("py:planted:classifier", None)
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


def test_another_classifier_is_refused(made):
    _, root = made
    changed = classifier()
    changed.module.head.bias.data.add_(1)
    with pytest.raises(UsageError, match="another classifier"):
        open_cases(root / "cole", changed)


def test_what_goes_wrong_with_one_picture_does_not_stop_the_rest():
    def ask(image):
        if image.name.startswith("blue"):
            raise UsageError("no blue ones, please")
        return image.name

    images = {Path(colour): square(colour, 1) for colour in ("red", "blue", "green")}
    told = []
    found, failures = ask_each(images, ask, lambda *step: told.append(step))
    assert found == ["red-1.png", "green-1.png"]
    assert [(each.source, str(each.error)) for each in failures] == [("blue", "no blue ones, please")]
    assert told == [(1, 3, "pictures"), (2, 3, "pictures"), (3, 3, "pictures")]


def test_a_build_can_be_stopped_and_goes_on(made, tmp_path):
    colours, root = made

    def stop(done, total, message):
        raise Cancelled

    with pytest.raises(Cancelled):
        build_cases(root / "squares", colours, tmp_path, progress=stop)
    assert build_cases(root / "squares", colours, tmp_path).embedded == 12
