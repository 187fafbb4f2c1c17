"""The reports of training and of evaluation."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import planted
from report.test_explain import Page
from seewhy.core.outcome import Outcome
from seewhy.errors import BadImage
from seewhy.report.evaluate import accuracy_words, judgement
from seewhy.report.train import train_charts, train_page
from seewhy.train.evaluate import Evaluation
from seewhy.train.finetune import Epoch, Training
from seewhy.train.parts import open_parts
from seewhy.train.recipe import RECIPES, Recipe
from seewhy.verbs.evaluate import evaluate
from tints import write_tints

EVIL = "<script>alert(1)</script>"


def evaluation(right: int, wrong: int, names: tuple[str, ...] = ("blue", "red")) -> Evaluation:
    truth = [number % 2 for number in range(right + wrong)]
    sure = [0.9 if (number < right) == (true == 0) else 0.1 for number, true in enumerate(truth)]
    table = np.zeros((right + wrong, len(names)))
    table[:, 0], table[:, 1] = sure, 1 - np.array(sure)
    return Evaluation.of(names, truth, table)


@pytest.fixture
def training(tmp_path):
    parts = open_parts(write_tints(tmp_path / "tints", red=6, blue=6), (0.7, 0.3))
    epochs = [
        Epoch(stage, number, 1 / number, 0.5, 1.1 / number, 0.6) for stage in ("head", "all") for number in (1, 2)
    ]
    (tmp_path / "out").mkdir()
    return Training(tmp_path / "out", "timm:tiny", planted.classifier(), Recipe(), parts, epochs,
                    {"validation": evaluation(18, 2)}, [])  # fmt: skip


def page_of(training: Training) -> Page:
    return Page(train_page(training))


def test_a_command_can_be_copied_though_its_folder_has_a_space(training):
    spaced = training.out.with_name("my pets")
    training.out.rename(spaced)
    page = page_of(replace(training, out=spaced))
    assert f"--model 'file:{spaced}'" in page.text


def test_the_page_says_how_good_it_is_and_how_it_learned(training):
    page = page_of(training)
    assert "A classifier of blue and red" in page.text
    assert "18 of 20 pictures right, which is 90.0% (69.9 to 97.2%)." in page.text
    assert "2 epochs of the new head alone, then 2 epochs of the whole network" in page.text
    assert page.source.count("<polyline") == 4
    assert "Adam on the cross entropy, 32 pictures a step" in page.text
    assert f"--model file:{training.out}" in page.text
    assert "Not explained" not in page.text
    assert set(train_charts(training)) == {"loss", "accuracy"}


def test_what_could_not_be_opened_is_listed(training):
    page = page_of(replace(training, failures=[Outcome(f"red/{EVIL}.png", error=BadImage("empty", "it is empty"))]))
    assert "it is empty" in page.text
    assert EVIL not in page.source


def test_notes_recipes_and_early_stopping_are_told(training):
    noted = replace(training.parts, notes=("too few pictures of red",))
    page = page_of(replace(training, parts=noted, recipe=replace(RECIPES["source1"], patience=2)))
    assert "Too few pictures of red." in page.text
    assert "224 × 224, mean and standard deviation 0.5 and 0.5" in page.text
    assert "The best epoch was chosen by the validation pictures" in page.text


def test_what_does_no_better_than_the_commonest_class_is_told():
    assert "does not show that it has learned anything" in accuracy_words(evaluation(11, 9))
    assert "and so would be better" in accuracy_words(evaluation(1, 19))
    assert accuracy_words(evaluation(18, 2)).endswith("would be right for 50.0%.")


def test_of_many_classes_the_commonest_confusions_are_listed():
    names = tuple(f"class {number}" for number in range(30))
    found = Evaluation.of(names, list(range(30)) * 2, np.eye(30)[[*range(30), *range(1, 30), 0]])
    told = judgement("title", found)
    assert told["confusion"] is None
    assert len(told["confusions"]) == 10
    assert told["confusions"][0] == "class 0 taken for class 1: 1"


def test_mistakes_stand_with_their_reason_and_their_twins(tmp_path):
    root = write_tints(tmp_path / "tints", red=4, green=3, blue=3)
    (root / "red" / "00.png").rename(root / "green" / "wrong.png")
    (root / "mauve").mkdir()
    (root / "red" / "01.png").rename(root / "mauve" / "01.png")
    judged = evaluate(planted.classifier(), root, model=f"py:{EVIL}")
    page = Page(judged.page())
    assert EVIL not in page.source
    assert "Its 1 mistake" in page.text
    assert "green/wrong.png is green, taken for red" in page.text
    captions = [Page(each).text for each in re.findall("<figcaption>.*?</figcaption>", page.source, re.DOTALL)]
    assert captions[2:4] == ["Photo", "Evidence for red"]
    assert [caption.partition(",")[0] for caption in captions[4:]] == ["Twin red"] * 2
    assert "no class 'mauve'" in page.text
    assert all(each["alt"] for each in page.named("img"))
    assert {path.name for path in judged.save(tmp_path / "out").iterdir()} == {
        "confusion.svg",
        "evaluation.json",
        "predictions.csv",
        "reliability.svg",
        "report.html",
    }


def test_without_mistakes_it_says_so(tmp_path):
    judged = evaluate(planted.classifier(), write_tints(tmp_path / "tints", red=2, green=2), model="colours")
    page = Page(judged.page())
    assert "It makes no mistakes here" in page.text
