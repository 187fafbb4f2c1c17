"""Training from a folder to a classifier that every other job opens."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image as Pillow

from planted_shapes import write_folder
from seewhy import explain
from seewhy.errors import Cancelled, UsageError
from seewhy.models import Preprocessing, load
from seewhy.models.checkpoints import read_weights
from seewhy.train.parts import trained_rows
from seewhy.train.recipe import Recipe
from seewhy.verbs.train import train
from tints import write_tints, write_weights

BACKBONE = "timm:test_efficientnet"
RECIPE = Recipe(epochs=3, head_epochs=2, batch_size=4, learning_rate=1e-3, preprocessing=Preprocessing((48, 48)))
TESTS = Path(__file__).resolve().parents[1]


def write_ground(place):
    """A folder of two classes, and weights."""
    write_weights(place / "weights.safetensors")
    return write_tints(place / "tints", red=8, blue=8)


@pytest.fixture
def ground(tmp_path):
    """The folder of the classes, where nothing was trained."""
    return write_ground(tmp_path)


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """What an undisturbed run found, which is not to be changed; its folder of classes lies beside its `out`."""
    return run(write_ground(tmp_path_factory.mktemp("calm")), "out")


@pytest.fixture
def done(calm, tmp_path):
    """The folder of the classes, beside a copy of all that the undisturbed run has left."""
    shutil.copytree(calm.out.parent, tmp_path / "done")
    return tmp_path / "done" / "tints"


def run(root: Path, out: str = "out", **settings):
    given = {"recipe": RECIPE, "weights": root.parent / "weights.safetensors", "device": "cpu"} | settings
    return train(root, BACKBONE, root.parent / out, **given)


def test_a_trained_classifier_is_opened_and_explained_by_its_name(ground):
    told = []
    found = run(ground, tell=told.append)
    assert told == found.epochs
    opened = load(found.model, device="cpu")
    assert opened.fingerprint == found.classifier.fingerprint
    assert list(opened.categories) == ["blue", "red"]
    assert opened.default_layer == found.classifier.default_layer
    explanation = explain(opened, ground / "red" / "00.png", "grad-cam", target="red")
    assert explanation.target_label == "red"
    assert not (found.out / "checkpoints").exists()
    card = json.loads((found.out / "card.json").read_text("utf-8"))
    assert card["architecture"] == BACKBONE
    assert card["training"]["metrics"]["validation"] == found.evaluations["validation"].to_dict()
    assert card["training"]["pictures"] == {"train": 12, "validation": 4}
    assert {row["sha256"] for row in trained_rows(found.out)} == set(found.parts.train.hashes.values())


def test_what_masks_cost_and_change_is_told_beside_a_twin_without_them(ground):
    for path in ground.glob("*/*.png"):
        with Pillow.open(path) as picture:
            mask = Pillow.new("L", picture.size)
            mask.paste(255, (0, 0, picture.width // 2, picture.height))
        drawn = ground.parent / "masks" / path.relative_to(ground)
        drawn.parent.mkdir(parents=True, exist_ok=True)
        mask.save(drawn)
    recipe = replace(RECIPE, epochs=1, head_epochs=1)
    found = run(ground, "listening", attention=ground.parent / "masks", recipe=recipe)
    told = found.to_dict()["listened"]
    assert told["masks"] == len(found.parts.train.entries)
    assert told["part"] == "validation"
    assert all(0 <= share <= 1 for share in (*told["energy"], *told["accuracy"]))
    assert "What listening changed" in (found.out / "report.html").read_text()
    again = run(ground, "listening", attention=ground.parent / "masks", recipe=recipe)
    assert again.listened == found.listened
    with pytest.raises(UsageError, match="another training"):
        run(ground, "listening", recipe=recipe)


def test_the_result_tells_itself_and_can_be_saved_elsewhere(calm, tmp_path):
    found = calm
    (row,) = found.rows()
    assert (row["part"], row["pictures"]) == ("validation", 4)
    assert row["low"] < row["accuracy"] <= row["high"]
    assert {path.name for path in found.out.iterdir()} >= {"report.html", "loss.svg", "accuracy.svg"}
    moved = found.save(tmp_path / "moved")
    assert load(f"file:{moved}", device="cpu").fingerprint == found.classifier.fingerprint


def test_equal_runs_give_equal_bytes_and_other_seeds_others(calm, ground):
    one, two, other = calm, run(ground, "two"), run(ground, "other", seed=1)
    for name in ("model.safetensors", "card.json", "history.json", "pictures.json"):
        assert (one.out / name).read_bytes() == (two.out / name).read_bytes()
    assert (one.out / "model.safetensors").read_bytes() != (other.out / "model.safetensors").read_bytes()


def test_killed_and_stopped_it_ends_with_the_weights_of_an_undisturbed_run(calm, ground):
    out = ground.parent / "rough"
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from verbs.test_train import run\n"
        "import torch; torch.set_num_threads(int(sys.argv[3]))\n"
        "run(Path(sys.argv[1]), 'rough', progress=lambda *now: time.sleep(0.05))\n"
    )
    arguments = [str(ground), str(TESTS), str(torch.get_num_threads())]
    child = subprocess.Popen([sys.executable, "-c", code, *arguments])
    deadline = time.monotonic() + 240
    while not (out / "checkpoints" / "all.pt").exists() and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not (out / "card.json").exists()

    def stop(done: int, total: int | None, message: str) -> None:
        if message == "training steps" and done >= 7:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(ground, "rough", progress=stop)
    found = run(ground, "rough")
    assert found.epochs == calm.epochs
    for name in ("model.safetensors", "card.json", "history.json"):
        assert (out / name).read_bytes() == (calm.out / name).read_bytes()


def test_a_run_that_ended_only_gives_its_results(calm, done):
    steps = []
    again = run(done, progress=lambda done, total, message: steps.append(message))
    assert "training steps" not in steps
    assert again.epochs == calm.epochs
    assert again.evaluations["validation"].to_dict() == calm.evaluations["validation"].to_dict()


def test_another_run_in_its_folder_is_refused_with_the_difference(done):
    with pytest.raises(UsageError, match="seed: was 0, now 5"):
        run(done, seed=5)
    with pytest.raises(UsageError, match=r"recipe\.epochs: was 3, now 4"):
        run(done, recipe=replace(RECIPE, epochs=4))
    (done / "red" / "00.png").write_bytes((done / "red" / "01.png").read_bytes())
    with pytest.raises(UsageError, match="other"):
        run(done)


def test_a_folder_with_somebody_elses_classifier_is_left_alone(done):
    (done.parent / "out" / "run.json").unlink()
    with pytest.raises(UsageError, match="holds a classifier already"):
        run(done)


def test_what_cannot_be_opened_is_listed_and_does_not_stop_it(ground):
    (ground / "red" / "broken.png").write_bytes(b"no picture")
    found = run(ground)
    assert [each.source for each in found.failures] == ["red/broken.png"]
    assert found.evaluations["validation"].accuracy.value >= 0


def test_a_run_that_never_began_holds_nobody_up(ground):
    kept = {path: path.read_bytes() for path in (ground / "red").iterdir()}
    for path in kept:
        path.write_bytes(b"no picture, " + path.name.encode())
    with pytest.raises(UsageError, match="no picture of red can be opened"):
        run(ground)
    for path, content in kept.items():
        path.write_bytes(content)
    assert run(ground).failures == []


def test_a_folder_for_results_among_the_classes_is_refused(ground):
    with pytest.raises(UsageError, match="outside"):
        run(ground, "tints/model")
    assert not (ground / "model").exists()


def test_what_gives_no_gradients_is_refused(ground):
    with pytest.raises(UsageError, match="no gradients"):
        train(ground, "py:cli.nets:service", ground.parent / "out", device="cpu")


def test_a_trained_classifier_can_be_trained_further(calm, done):
    again = train(done, calm.model, done.parent / "again", recipe=RECIPE, device="cpu")
    assert json.loads((again.out / "card.json").read_text("utf-8"))["architecture"] == BACKBONE
    assert again.epochs[-1].validation_loss < calm.epochs[-1].validation_loss
    before, after = (read_weights(each.out / "model.safetensors") for each in (calm, again))
    assert before.keys() == after.keys()


@pytest.mark.heavy
def test_a_small_shape_in_a_random_place_is_found(tmp_path):
    write_folder(tmp_path / "shapes" / "train", 60)
    write_folder(tmp_path / "shapes" / "val", 100, first=1000)
    scale = {"mean": (127 / 255,) * 3, "std": (128 / 255,) * 3}
    recipe = Recipe(epochs=2, preprocessing=Preprocessing((96, 96), interpolation="bicubic", **scale))
    found = train(tmp_path / "shapes", "bundled:efficientnet-lite0", tmp_path / "out", recipe=recipe, device="cpu")
    assert [each.stage for each in found.epochs[-2:]] == ["all", "all"]
    assert found.evaluations["validation"].accuracy.value >= 0.98
