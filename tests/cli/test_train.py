"""`seewhy train` and `seewhy evaluate` as a shell sees them."""

from __future__ import annotations

import json

import pytest

from tints import write_tints, write_weights

QUICK = ("--backbone", "timm:test_efficientnet", "--weights", "w.safetensors", "--epochs", 2, "--head-epochs", 2)


@pytest.fixture
def ground(tmp_path):
    write_weights(tmp_path / "w.safetensors")
    return write_tints(tmp_path / "tints", red=6, blue=6)


def test_a_folder_becomes_a_classifier_that_other_commands_open(seewhy, ground):
    found = seewhy("train", ground, *QUICK, "--batch-size", 4, "--out", "model")
    assert found.code == 0
    assert found.rows[0][:2] == ["validation", "4"]
    lines = [line.split() for line in found.err.splitlines()]
    assert [line[:2] for line in lines if line[:1] in (["head"], ["all"])] == [
        ["head", "1"],
        ["head", "2"],
        ["all", "1"],
        ["all", "2"],
    ]
    assert "--model file:model" in found.err
    folder = ground.parent / "model"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "accuracy.svg", "card.json", "history.json", "loss.svg", "model.safetensors", "pictures.json", "report.html",
        "run.json",
    }  # fmt: skip
    said = seewhy("predict", ground / "red" / "00.png", "--model", "file:model", "--json").json
    assert {each["name"] for each in said[0]["predictions"]} == {"blue", "red"}
    explained = seewhy("explain", ground / "red" / "00.png", "--model", "file:model", "--out", "why", "--json")
    assert explained.code == 0
    judged = seewhy("evaluate", ground, "--model", "file:model", "--out", "judged", "--json")
    assert judged.code == 0
    assert judged.json["pictures"] == 4
    assert "8 pictures that the model has learned from do not count" in judged.err
    assert {path.name for path in (ground.parent / "judged").iterdir()} == {
        "confusion.svg", "evaluation.json", "predictions.csv", "reliability.svg", "report.html",
    }  # fmt: skip


def test_a_picture_that_cannot_be_opened_is_listed_and_the_rest_goes_on(seewhy, ground):
    (ground / "red" / "broken.png").write_bytes(b"no picture")
    found = seewhy("train", ground, *QUICK, "--json")
    assert found.code == 3
    assert "red/broken.png" in found.err
    assert found.json["classes"] == ["blue", "red"]
    judged = seewhy("evaluate", ground, "--model", "file:seewhy-model")
    assert judged.code == 3
    assert "red/broken.png" in judged.err


def test_a_class_that_the_model_does_not_know_is_listed(seewhy, ground):
    seewhy("train", ground, *QUICK, "--out", "model")
    (ground / "red").rename(ground / "mauve")
    judged = seewhy("evaluate", ground, "--model", "file:model")
    assert judged.code == 3
    assert judged.err.count("no class 'mauve'") == 6


def test_a_changed_run_is_refused_with_the_difference(seewhy, ground):
    seewhy("train", ground, *QUICK, "--out", "model")
    found = seewhy("train", ground, *QUICK, "--out", "model", "--lr", "1e-2")
    assert found.code == 2
    assert "recipe.learning_rate: was 0.0001, now 0.01" in found.err


def test_the_first_source_is_one_option(seewhy, ground):
    arguments = (*QUICK[:4], "--recipe", "source1", "--epochs", 1, "--out", "model")
    assert seewhy("train", ground, *arguments).code == 0
    card = json.loads((ground.parent / "model" / "card.json").read_text("utf-8"))
    assert card["preprocessing"]["mean"] == [0.5, 0.5, 0.5]
    assert card["training"]["recipe"]["batch_size"] == 32
    assert [each["stage"] for each in json.loads((ground.parent / "model" / "history.json").read_text())] == ["all"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--split", "a"), "--split is one share"),
        (("--split", "1.2"), "--split is the share"),
        (("--recipe", "mine"), "default, bcos, few-shot, source1"),
        (("--few-shot", "2", "--batch-size", "3"), "leave --batch-size out"),
        (("--few-shot", "2", "--recipe", "bcos"), "leave --recipe bcos out"),
        (("--epochs", 0, "--head-epochs", 0), "nothing to do"),
        (("--classes", "red"), "one class, red"),
    ],
)
def test_requests_that_make_no_sense_say_why(seewhy, ground, arguments, words):
    found = seewhy("train", ground, *QUICK[:4], *arguments)
    assert found.code == 2
    assert words in found.err
