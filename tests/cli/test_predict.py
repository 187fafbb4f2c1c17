from __future__ import annotations

import pytest

from cli import nets
from cli.nets import TOY
from seewhy import models
from seewhy.images import open_image


def test_a_row_for_each_of_the_likeliest_classes(seewhy, photos):
    run = seewhy("predict", photos, "--model", TOY, "--top", "2")
    assert run.code == 0
    assert run.rows == [
        [str(path), best.name, f"{best.probability:.1%}", str(best.index)]
        for path in (photos / "a.png", photos / "b.png")
        for best in nets.named().predict(open_image(path), 2)
    ]


def test_five_classes_unless_told_otherwise(seewhy, photos):
    assert len(seewhy("predict", photos / "a.png", "--model", TOY).rows) == len(nets.NAMES)


def test_json_is_all_that_goes_to_stdout(seewhy, photos, broken):
    run = seewhy("predict", photos, "--model", TOY, "--json")
    assert run.code == 3
    assert [each["image"] for each in run.json] == [str(photos / "a.png"), str(photos / "b.png")]
    for each in run.json:
        likely = [best["probability"] for best in each["predictions"]]
        assert likely == sorted(likely, reverse=True)
        assert sum(likely) == pytest.approx(1)
        assert {best["name"] for best in each["predictions"]} == set(nets.NAMES)
        assert all(nets.NAMES[best["index"]] == best["name"] for best in each["predictions"])
    assert str(broken) in run.err


def test_some_failed_is_3_and_each_is_named(seewhy, photos, broken):
    run = seewhy("predict", broken, photos / "a.png", "missing.png", "--model", TOY, "--top", "1")
    assert run.code == 3
    assert [row[0] for row in run.rows] == [str(photos / "a.png")]
    complaints = [line for line in run.err.splitlines() if line.startswith("seewhy:")]
    assert len(complaints) == 2
    assert str(broken) in complaints[0]
    assert "missing.png" in complaints[1]


def test_all_failed_is_1(seewhy, broken):
    run = seewhy("predict", broken, "missing.png", "--model", TOY, "--json")
    assert run.code == 1
    assert run.json == []
    assert seewhy("predict", broken.parent / "a.png", "--model", "py:cli.nets:undefined").code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["a.png", "--model", "py:cli.nets"], 1, "write py:module:factory"),
        (["a.png", "--model", "py:cli.nets:nowhere"], 1, "no function 'nowhere'"),
        (["a.png", "--model", "py:cli.nots:named"], 1, "cannot import 'cli.nots'"),
        (["a.png", "--model", "torchvision/resnet50"], 2, "write 'torchvision:resnet50'"),
        (["a.png", "--model", "bundled:efficientnet"], 2, "'bundled:efficientnet-lite0'"),
        (["a.png", "--model", "file:nowhere"], 1, "card.json"),
        (["a.png", "--model", TOY, "--weights", "nowhere.pth"], 1, "nowhere.pth"),
        (["a.png", "--model", TOY, "--device", "cuda:99"], 1, "use --device cpu"),
        (["a.png", "--model", TOY, "--device", "toaster"], 1, "device 'toaster' is not to be had here"),
        (["sample:cats", "--model", TOY], 2, "sample:cat"),
        (["empty", "--model", TOY], 2, "holds no pictures"),
    ],
)
def test_what_cannot_be_had_is_told_with_the_cure(seewhy, photos, tmp_path, arguments, code, words):
    (tmp_path / "empty").mkdir()
    (photos / "a.png").rename(tmp_path / "a.png")
    run = seewhy("predict", *arguments)
    assert (run.code, run.out) == (code, "")
    assert words in run.err


def test_the_default_model_sees_a_cat(seewhy, default_classifier, monkeypatch):
    asked = []
    monkeypatch.setattr(models, "load", lambda *arguments: asked.append(arguments) or default_classifier)
    run = seewhy("predict", "sample:cat", "--top", "1")
    assert run.code == 0
    assert asked == [("bundled:efficientnet-lite0", None, "auto")]
    assert "cat" in run.rows[0][1]
