"""Pictures with several labels: the table that names them, what is learned, and how good that is."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score
from torch.nn import functional as F

import seewhy
from seewhy.core.statistics import Share
from seewhy.errors import ModelError, UsageError
from seewhy.images import Image
from seewhy.models.card import read_card
from seewhy.train.finetune import losses
from seewhy.train.label_evaluation import (
    LabelEvaluation,
    average_precision,
    best_thresholds,
    f1,
    f1_share,
    mean_share,
    ranked_share,
)
from seewhy.train.labels import labelled_folder, read_labels
from seewhy.train.parts import open_parts
from seewhy.train.recipe import Recipe
from tints import write_weights

NAMES = ("red", "green", "blue")


def table(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def write_pictures(root: Path, count: int) -> Path:
    """Dark noise with a square of each colour that the table names, and the table."""
    rng, rows = np.random.default_rng(0), []
    (root / "photos").mkdir(parents=True)
    for number in range(count):
        pixels, shown = rng.integers(20, 60, (40, 40, 3)).astype(np.uint8), rng.random(3) < 0.5
        for channel in np.flatnonzero(shown):
            top, left = rng.integers(0, 24, 2)
            pixels[top : top + 16, left : left + 16, channel] = 230
        Image(pixels, "made").to_pil().save(root / "photos" / f"{number:03}.png")
        rows.append([f"{number:03}.png", *map(int, shown)])
    with (root / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", *NAMES], *rows])
    return root / "photos"


# --- Tables ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "file,dog,cat\na.png,1,0\nb.png,1,1\nc.png,0,0\n",
        "\ufefffile;dog;cat\na.png;1;0\nb.png;1;1\nc.png;0;0\n",
        "file\tdog\tcat\r\na.png\tTrue\tfalse\r\nb.png\tyes\t1.0\r\nc.png\t0\tno\r\n",
        "picture,labels\na.png,dog\nb.png,cat; dog\nc.png,\n",
        "picture,labels\na.png,dog\nb.png,cat|dog|dog\nc.png,\n",
    ],
)
def test_tables_that_people_have(tmp_path, text):
    found = read_labels(table(tmp_path / "t.csv", text))
    assert set(found.names) == {"cat", "dog"}
    assert {file: set(mine) for file, mine in found.of.items()} == {
        "a.png": {"dog"}, "b.png": {"cat", "dog"}, "c.png": set()
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "0 columns"),
        ("file,dog,cat\n", "0 lines"),
        ("file\na.png\n", "1 columns"),
        ("file,dog,cat\na.png,1\n", "line 2 .* another number of columns"),
        ("file,dog,cat\na.png,1,0\nb.png,-1,0\n", "line 3 .* says '-1' of dog, not 0 or 1"),
        ("file,dog,cat\na.png,1,\n", "says '' of cat"),
        ("file,dog,cat\na.png,1,0\n./a.png,0,1\n", "names a.png twice"),
        ("file,dog\na.png,1\n", "knows one label"),
        ("file,dog,dog\na.png,1,0\n", "one label twice"),
    ],
)
def test_what_is_no_table_is_refused_with_the_cure(tmp_path, text, words):
    with pytest.raises(UsageError, match=f"(?s){words}.*a table of labels has a line of names|{words}"):
        read_labels(table(tmp_path / "t.csv", text))
    with pytest.raises(UsageError, match=r"is missing; a table of labels|is damaged"):
        read_labels(tmp_path / "none.csv")


def test_files_are_found_with_or_without_their_endings(tmp_path):
    root = write_pictures(tmp_path, 3)
    folder, notes = labelled_folder(root, table(tmp_path / "t.csv", "f,l\n000,x;y\n002.png,\n"))
    assert [(each.path, each.labels) for each in folder.entries] == [("000.png", ("x", "y")), ("002.png", ())]
    assert folder.classes == ("x", "y")
    assert notes == ["1 pictures have no line in t.csv and were left out"]
    with pytest.raises(UsageError, match=r"names 009\.png, which .* does not hold"):
        labelled_folder(root, table(tmp_path / "t.csv", "f,l\n009.png,x;y\n"))
    with pytest.raises(UsageError, match="has no label z"):
        labelled_folder(root, table(tmp_path / "t.csv", "f,l\n000,x;y\n"), ["z"])


def test_pictures_are_split_and_the_folders_own_parts_hold(tmp_path):
    root = write_pictures(tmp_path, 20)
    parts = open_parts(root, (0.5, 0.5), 0, (), tmp_path / "labels.csv")
    assert parts.classes == NAMES
    assert sum(len(each.entries) for each in parts.named.values()) == 20
    shares = [sum(name in each.labels for each in parts.train.entries) for name in NAMES]
    others = [sum(name in each.labels for each in parts.validation.entries) for name in NAMES]
    assert all(abs(mine - theirs) <= 3 for mine, theirs in zip(shares, others, strict=True)), "of each label about half"
    for part in ("train", "val"):
        (root / part).mkdir()
    for path in sorted(root.glob("*.png")):
        path.rename(root / ("val" if path.name >= "015" else "train") / path.name)
    text = (tmp_path / "labels.csv").read_text()
    rows = [line if n == 0 else f"{'val' if line >= '015' else 'train'}/{line}" for n, line in enumerate(text.split())]
    parts = open_parts(root, (0.5, 0.5), 0, (), table(tmp_path / "t.csv", "\n".join(rows)))
    assert [len(each.entries) for each in parts.named.values()] == [15, 5]


# --- Figures --------------------------------------------------------------------------------------------------------


def answers(seed: int = 0, count: int = 40):
    rng = np.random.default_rng(seed)
    truth = rng.random((count, 3)) < (0.2, 0.5, 0.7)
    likely = np.clip(0.4 * truth + 0.6 * rng.random((count, 3)), 0, 1).round(1)  # with ties
    return truth, likely


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_and_f1_are_scikit_learns(seed):
    truth, likely = answers(seed)
    for mine, scores in zip(truth.T, likely.T, strict=True):
        assert average_precision(mine, scores) == pytest.approx(average_precision_score(mine, scores))
        assert f1(mine, scores >= 0.5) == pytest.approx(f1_score(mine, scores >= 0.5))
    found = LabelEvaluation.of(NAMES, truth, likely, 0.5)
    assert found.mean_average_precision.value == pytest.approx(average_precision_score(truth, likely, average="macro"))
    assert found.macro_f1.value == pytest.approx(f1_score(truth, likely >= 0.5, average="macro"))
    assert found.exact.value == pytest.approx((truth == (likely >= 0.5)).all(1).mean())


def test_intervals_hold_the_value_and_narrow_with_pictures():
    few, many = (LabelEvaluation.of(NAMES, *answers(0, count), 0.5).labels[1].average_precision for count in (30, 600))
    assert few.low <= few.value <= few.high
    assert many.high - many.low < 0.5 * (few.high - few.low)


@pytest.mark.parametrize("pictures", [8, 20, 50])
@pytest.mark.parametrize(("common", "apart"), [(0.1, 1.5), (0.3, 0.5), (0.5, 3.0)])
def test_intervals_of_a_label_hold_what_many_pictures_would_give(pictures, common, apart):
    """Scores are normal, moved where the label is true; the bootstrap held the precision in 15 to 93 of 100 cases."""
    rng = np.random.default_rng(pictures)

    def drawn(count):
        truth = rng.random(count) < common
        return truth, rng.normal(size=count) + apart * truth

    truth, scores = drawn(100_000)
    wanted = average_precision(truth, scores), f1(truth, scores >= apart / 2)
    cases = [each for each in (drawn(pictures) for _ in range(400)) if each[0].any()]
    found = [(ranked_share(truth, scores), f1_share(truth, scores >= apart / 2)) for truth, scores in cases]
    for shares, value in zip(zip(*found, strict=True), wanted, strict=True):
        assert np.mean([each.low <= value <= each.high for each in shares]) > 0.9


def test_a_mean_over_labels_is_as_unsure_as_if_they_came_and_went_together():
    shares = [Share(0.5, 0.2, 0.8), None, Share(0.7, 0.6, 0.8)]
    assert mean_share(shares) == pytest.approx((0.6, 0.4, 0.8))
    assert mean_share([None]) == (0, 0, 1)


def test_a_label_that_no_picture_has_has_no_figures():
    truth, likely = answers()
    truth[:, 2] = False
    score = LabelEvaluation.of(NAMES, truth, likely, 0.5).labels[2]
    assert (score.pictures, score.average_precision, score.recall, score.f1) == (0, None, None, None)
    assert json.dumps(LabelEvaluation.of(NAMES, truth, likely, 0.5).to_dict(), allow_nan=False)


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_have_the_best_f1(seed):
    truth, likely = answers(seed)
    for mine, scores, limit in zip(truth.T, likely.T, best_thresholds(truth, likely), strict=True):
        assert f1(mine, scores >= limit) == pytest.approx(max(f1(mine, scores >= each) for each in [*scores, 0.5]))
        assert 0 < limit < 1
    assert best_thresholds(np.zeros((4, 1)), np.ones((4, 1))) == (0.5,)


def test_the_loss_is_that_of_each_label_by_itself():
    logits, truth = torch.randn(6, 3), (torch.rand(6, 3) < 0.5).float()
    weights = torch.tensor([1.0, 2.0, 3.0])
    wanted = -(weights * truth * F.logsigmoid(logits) + (1 - truth) * F.logsigmoid(-logits)).mean()
    assert float(losses(logits, truth, weights)["loss"]) == pytest.approx(float(wanted), rel=1e-5)
    assert float(losses(logits, truth, None)["accuracy"]) == pytest.approx(
        float(((logits > 0) == truth.bool()).float().mean())
    )


# --- The whole way --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("labels")
    photos = write_pictures(root, 30)
    found = seewhy.train(
        photos, "timm:test_efficientnet", root / "model", labels=root / "labels.csv",
        weights=write_weights(root / "w.safetensors"),
        recipe=Recipe(epochs=1, head_epochs=1, batch_size=8, split=(0.5, 0.25, 0.25)),
    )  # fmt: skip
    return root, photos, found


def test_the_model_opens_with_its_head_and_thresholds(trained):
    root, photos, found = trained
    card = read_card(root / "model")
    assert card.fields["gives"] == "sigmoid"
    classifier = seewhy.load(f"file:{root / 'model'}")
    assert classifier.head.meaning == "labels"
    assert classifier.head.limits(3) == found.classifier.head.limits(3) == tuple(card.fields["threshold"])
    image = seewhy.open_image(photos / "000.png")
    with torch.no_grad():
        wanted = classifier.module(classifier.preprocess([image]))[0].sigmoid()
    said = {each.index: each for each in classifier.predict(image)}
    for index, limit in enumerate(classifier.head.limits(3)):
        assert said[index].probability == pytest.approx(float(wanted[index]), abs=1e-5)
        assert said[index].present == (float(wanted[index]) >= limit)


def test_its_figures_are_those_of_an_evaluation(trained):
    root, photos, found = trained
    judged = seewhy.evaluate(f"file:{root / 'model'}", photos, labels=root / "labels.csv", shown=2)
    assert judged.learned == 15
    assert len(judged.pictures) == 15, "validation and test"
    page = judged.page()
    assert "Mean average precision" in page
    assert "confusion" not in page
    assert "what speaks for that label, by Grad-CAM" in " ".join(page.split())
    assert {*judged.rows()[0]} >= {"labels", "found", "right", "probability of red"}
    test = found.evaluations["test"]
    assert test.thresholds.tolist() == list(found.classifier.head.limits(3))
    assert "binary cross entropy of each label" in found.page()
    assert found.rows()[0].keys() == {"part", "pictures", "mean average precision", "low", "high"}


def test_a_table_and_class_folders_are_for_other_networks(trained, tmp_path):
    root, photos, _ = trained
    with pytest.raises(UsageError, match=r"in no class; .*, or a CSV of labels \(--labels\)"):
        seewhy.evaluate(f"file:{root / 'model'}", photos)
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "000.png").write_bytes((photos / "000.png").read_bytes())
    with pytest.raises(UsageError, match="each label by itself; to judge it give labels, a CSV"):
        seewhy.evaluate(f"file:{root / 'model'}", tmp_path)
    with pytest.raises(UsageError, match="exclude one another"):
        seewhy.evaluate(seewhy.load(), photos, labels=root / "labels.csv")


@pytest.mark.parametrize("wrong", [[0.5, 0.5], 2, [0.5, "x", 0.5], True])
def test_a_card_with_a_wrong_threshold_is_refused(trained, tmp_path, wrong):
    import shutil

    root, photos, _ = trained
    shutil.copytree(root / "model", tmp_path / "model")
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    (tmp_path / "model" / "card.json").write_text(json.dumps(card | {"threshold": wrong}))
    with pytest.raises(ModelError, match="threshold"):
        seewhy.load(f"file:{tmp_path / 'model'}").predict(photos / "000.png")
