"""Fine-tuning: what is kept, what is new, and that it learns, on networks of every source."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import zoo
from seewhy.errors import ModelError
from seewhy.images.folder import Folder
from seewhy.models import Classifier, Preprocessing, load
from seewhy.models.card import Architecture
from seewhy.models.load import SOURCES, architecture_of
from seewhy.train.data import open_pictures
from seewhy.train.finetune import _Stages, finetune, predict, with_new_head
from seewhy.train.recipe import Recipe

SMALL = {
    "timm:test_resnet": SOURCES["timm"].build,
    "timm:test_efficientnet": SOURCES["timm"].build,
    "timm:test_vit": SOURCES["timm"].build,
    "torchvision:squeezenet1_1": SOURCES["torchvision"].build,
}
QUICK = Recipe(epochs=1, head_epochs=2, batch_size=4, learning_rate=1e-3, head_learning_rate=1e-2)
SMALLER = Preprocessing((64, 64))  # than the networks were made for, where they take it


@pytest.fixture
def backbone(tmp_path):
    """A small network of a source, with ten classes and weights that are the same on every machine."""

    def make(name: str):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            module = SMALL[name](name.partition(":")[2], 10)
        save_file(module.state_dict(), tmp_path / "weights.safetensors")
        return load(name, tmp_path / "weights.safetensors", "cpu")

    return make


@pytest.fixture
def pictures(tints):
    def opened(classifier, **counts):
        folder = Folder.open(tints(**counts))
        return open_pictures(folder, folder.classes, classifier.preprocessing)[0]

    return opened


@pytest.mark.parametrize("name", SMALL)
def test_all_but_the_head_keeps_its_weights(backbone, name):
    given = backbone(name)
    new = with_new_head(given, architecture_of(name, given), ("ape", "bee"), QUICK, seed=3)
    assert list(new.categories) == ["ape", "bee"]
    before, after = given.module.state_dict(), new.module.state_dict()
    changed = {
        key for key in after if before[key].shape != after[key].shape or not torch.equal(before[key], after[key])
    }
    assert {key.rpartition(".")[2] for key in changed} == {"weight", "bias"}
    assert len({key.rpartition(".")[0] for key in changed}) == 1
    torch.testing.assert_close(new.embed(new.probe()), given.embed(given.probe()))
    again = with_new_head(given, architecture_of(name, given), ("ape", "bee"), QUICK, seed=3)
    other = with_new_head(given, architecture_of(name, given), ("ape", "bee"), QUICK, seed=4)
    (weight,) = [key for key in changed if key.endswith("weight")]
    assert torch.equal(again.module.state_dict()[weight], after[weight])
    assert not torch.equal(other.module.state_dict()[weight], after[weight])


@pytest.mark.parametrize("name", ["timm:test_resnet", "timm:test_vit", "torchvision:squeezenet1_1"])
def test_the_head_comes_first_and_alone(backbone, pictures, name):
    given, recipe = backbone(name), replace(QUICK, preprocessing=None if name == "timm:test_vit" else SMALLER)
    new = with_new_head(given, architecture_of(name, given), ("blue", "red"), recipe, seed=0)
    found = pictures(new, red=4, blue=4)
    before = {key: tensor.clone() for key, tensor in new.module.state_dict().items()}
    epochs = finetune(new, found, found, replace(recipe, epochs=0))
    after = new.module.state_dict()
    changed = {key.rpartition(".")[0] for key in after if not torch.equal(before[key], after[key])}
    assert len(changed) == 1
    assert [(each.stage, each.number) for each in epochs] == [("head", 1), ("head", 2)]
    assert epochs[-1].validation_loss == pytest.approx(
        float(torch.nn.functional.cross_entropy(predict(new, found), found.labels)), abs=1e-5
    )
    if name == "torchvision:squeezenet1_1":  # its random weights hardly pass anything on
        return
    every = finetune(new, found, found, recipe)
    assert [(each.stage, each.number) for each in every] == [("head", 1), ("head", 2), ("all", 1)]
    trunk = {key.rpartition(".")[0] for key in after if not torch.equal(before[key], new.module.state_dict()[key])}
    assert len(trunk) > 1


def test_on_kept_features_the_head_learns_what_it_would_through_the_network(backbone, pictures, monkeypatch):
    recipe = replace(QUICK, epochs=0, preprocessing=SMALLER)
    given = backbone("timm:test_resnet")
    found = pictures(given, red=4, blue=4)
    heads = []
    for _ in range(2):
        new = with_new_head(given, architecture_of("timm:test_resnet", given), ("blue", "red"), recipe, seed=0)
        finetune(new, found, found, recipe)
        heads.append(new.module.fc.weight)
        monkeypatch.setattr(_Stages, "_head_on_features", lambda self, head: None)
    torch.testing.assert_close(heads[0], heads[1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("asked", [False, True])
def test_batch_norm_keeps_its_statistics_unless_asked(backbone, pictures, asked):
    given = backbone("timm:test_resnet")
    recipe = replace(QUICK, head_epochs=0, batch_statistics=asked, preprocessing=SMALLER)
    new = with_new_head(given, architecture_of("timm:test_resnet", given), ("blue", "red"), recipe, seed=0)
    found = pictures(new, red=4, blue=4)
    before = new.module.bn1.running_mean.clone()
    finetune(new, found, found, recipe)
    assert torch.equal(new.module.bn1.running_mean, before) != asked


def test_it_learns_what_tells_the_classes_apart(backbone, pictures):
    given = backbone("timm:test_efficientnet")
    recipe = Recipe(
        epochs=6, head_epochs=20, batch_size=8, learning_rate=3e-3, head_learning_rate=1e-2, preprocessing=SMALLER
    )
    new = with_new_head(given, architecture_of("timm:test_efficientnet", given), ("blue", "red"), recipe, seed=0)
    found = pictures(new, red=12, blue=12)
    train, validation = found.part([*range(8), *range(12, 20)]), found.part([*range(8, 12), *range(20, 24)])
    epochs = finetune(new, train, validation, recipe)
    assert epochs[-1].validation_accuracy == 1
    assert epochs[-1].validation_loss < 0.35
    assert (predict(new, validation).argmax(1) == validation.labels).all()


def test_class_weights_count_rare_classes_more(backbone, tints):
    # Nothing tells the classes apart, so all there is to learn is how often each comes.
    root = tints(red=12)
    for place, path in enumerate(sorted((root / "red").iterdir())):
        folder = root / ("rare" if place < 2 else "usual")
        folder.mkdir(exist_ok=True)
        path.rename(folder / path.name)
    (root / "red").rmdir()
    folder, given = Folder.open(root), backbone("timm:test_vit")
    found, _ = open_pictures(folder, folder.classes, given.preprocessing)
    shares = []
    for weighed in (False, True):
        recipe = replace(QUICK, head_epochs=80, epochs=0, batch_size=12, class_weights=weighed)
        new = with_new_head(given, architecture_of("timm:test_vit", given), folder.classes, recipe, seed=0)
        finetune(new, found, found, recipe)
        shares.append(float(predict(new, found).softmax(1)[:, 0].mean()))
    assert shares == pytest.approx([2 / 12, 1 / 2], abs=0.12)


def test_ones_own_code_cannot_be_named_by_a_card():
    with pytest.raises(ModelError, match="no card could name"):
        architecture_of("py:mine:make", zoo.classifier("gap-linear"))


def test_a_network_without_a_linear_head_is_refused():
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.MaxPool1d(2))
    headless = Classifier.from_module(module.eval(), Preprocessing((32, 32)))
    with pytest.raises(ModelError, match="cannot be fine-tuned"):
        with_new_head(headless, Architecture("timm:test_resnet", {}), ("a", "b"), QUICK, 0)
