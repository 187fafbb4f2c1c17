"""Training from end to end, where the truth is known: what tells the classes apart, and where it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import planted
import planted_shapes
from prototypes import squares
from seewhy.errors import Cancelled, UsageError
from seewhy.images import Folder
from seewhy.models import Classifier, Preprocessing
from seewhy.prototypes.learning import Recipe, find_recipe
from seewhy.prototypes.training import train_prototypes
from seewhy.train.data import open_pictures

QUICK = Recipe(per_class=3, size=16, copies=2, probe_steps=40, warm_steps=60, learning_rate=1e-3)


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    root = tmp_path_factory.mktemp("squares")
    return squares.pictures(root / "train", 20), squares.pictures(root / "validation", 10, first=500)


@pytest.fixture(scope="module")
def quick(coloured):
    return train_prototypes(planted.classifier(), *coloured, QUICK, seed=1)


def test_it_learns_the_colours_and_every_box_is_on_the_square(quick):
    (reason,) = quick.model.diagnosis.reasons
    assert reason.endswith("all of them point at one place"), "there is nothing but the square to point at"
    assert quick.model.diagnosis.accuracy >= 0.95
    for prototype in quick.model.prototypes:
        label, name = prototype.source.split("/")
        assert squares.CLASSES[prototype.label] == label
        left, top = squares.place(label, int(name[:4]))
        middle = left + squares.SIDE / 2, top + squares.SIDE / 2
        assert prototype.box.left < middle[0] < prototype.box.right
        assert prototype.box.top < middle[1] < prototype.box.bottom


def test_prototypes_are_patches_of_their_pictures(quick, coloured):
    network, training = quick.model.network, coloured[0]
    places = {entry.path: place for place, entry in enumerate(training.entries)}
    for number, prototype in enumerate(quick.model.prototypes):
        with torch.no_grad():
            found = network.head.patches(network.backbone(training.batch([places[prototype.source]]).x))
        row, column = prototype.cell
        torch.testing.assert_close(found[0, :, row, column], network.head.unit_prototypes[number], atol=1e-5, rtol=0)
    assert len({prototype.source for prototype in quick.model.prototypes}) == len(quick.model.prototypes)


def test_prototypes_speak_for_their_own_class_alone(quick):
    weights = quick.model.network.head.weights
    for number, prototype in enumerate(quick.model.prototypes):
        assert weights[prototype.label, number] > 0
        assert (weights[:, number] != 0).sum() == 1


def test_the_same_seed_gives_the_same_network(quick, coloured):
    again = train_prototypes(planted.classifier(), *coloured, QUICK, seed=1)
    for one, other in zip(quick.model.network.parameters(), again.model.network.parameters(), strict=True):
        assert torch.equal(one, other)
    assert again.model.diagnosis == quick.model.diagnosis


def test_the_classifier_and_the_random_state_stay_as_they_were(coloured):
    classifier = planted.classifier()
    before = {name: tensor.clone() for name, tensor in classifier.module.state_dict().items()}
    state = torch.random.get_rng_state()
    train_prototypes(classifier, *coloured, Recipe(per_class=2, size=8, copies=0, warm_steps=2, joint_steps=2))
    assert all(torch.equal(before[name], tensor) for name, tensor in classifier.module.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not classifier.module.training


def test_joint_steps_train_the_backbone(coloured):
    recipe = Recipe(per_class=2, size=8, copies=1, probe_steps=20, warm_steps=20, joint_steps=5)
    found = train_prototypes(planted.classifier(), *coloured, recipe)
    assert [*found.history] == ["prototypes", "with the backbone"]
    assert found.history["with the backbone"][-1]["step"] == 5
    kernel = found.model.network.backbone.module.mix.weight
    assert not torch.equal(kernel, planted.classifier().module.mix.weight)


def test_the_failing_recipe_is_caught_by_the_gate(coloured):
    """Source 1's: few steps, no augmentation, prototypes anywhere. Everything is called one class."""
    found = train_prototypes(planted.classifier(), *coloured, find_recipe("source1"), seed=1).model.diagnosis
    assert max(found.predictions.values()) == 30
    assert found.backbone_accuracy == 1
    assert not found.usable
    assert any("points are lost" in reason for reason in found.reasons)


def test_another_classifiers_classes_are_refused(coloured):
    training, validation = coloured
    stranger = Classifier.from_module(planted.ColourFinder(), training.preprocessing, ["a", "b", "c"], "stranger")
    with pytest.raises(UsageError, match=r"stranger knows other classes .* seewhy train"):
        train_prototypes(stranger, training, validation, QUICK)


def test_without_validation_pictures_nobody_can_tell(coloured):
    training, validation = coloured
    with pytest.raises(UsageError, match="without pictures to validate on"):
        train_prototypes(planted.classifier(), training, validation.part([]), QUICK)


def test_it_can_be_stopped(coloured):
    def stop(done, total, message):
        if message == "training steps" and done == 3:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        train_prototypes(planted.classifier(), *coloured, QUICK, progress=stop)


class SmallNet(nn.Module):
    """Convolutions to a grid of 8 × 8, average, linear."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()

        def block(channels: int, out: int, stride: int) -> nn.Sequential:
            convolution = nn.Conv2d(channels, out, 3, stride=stride, padding=1)
            return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True))

        self.features = nn.Sequential(
            block(3, width, 2),
            block(width, width, 1),
            block(width, 2 * width, 2),
            block(2 * width, 2 * width, 1),
            block(2 * width, 2 * width, 2),
        )
        self.head = nn.Linear(2 * width, 2)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Pictures of rings and crosses, and a network that was trained on them from nothing."""
    root = tmp_path_factory.mktemp("shapes")
    preprocessing = Preprocessing((64, 64), mean=(0.5,) * 3, std=(0.25,) * 3)
    training, validation = (
        open_pictures(
            Folder.open(planted_shapes.write_folder(root / name, count, first)), planted_shapes.CLASSES, preprocessing
        )[0]
        for name, count, first in (("train", 200, 0), ("validation", 100, 1000))
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = SmallNet()
    x, steps = training.batch(range(len(training))).x, 220
    optimizer = torch.optim.Adam(module.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, steps)
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        places = torch.randint(len(x), (32,), generator=generator)
        batch = x[places] if step % 2 else x[places].flip(3)
        optimizer.zero_grad()
        functional.cross_entropy(module(batch), training.labels[places]).backward()
        optimizer.step()
        schedule.step()
    return Classifier.from_module(module.eval(), preprocessing, planted_shapes.CLASSES), training, validation


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(3))
def test_planted_shapes_are_found_and_every_box_is_on_the_shape(shapes, seed):
    # With hundreds of pictures nothing is learned by heart, so that there may be more steps, and longer ones.
    recipe = Recipe(probe_steps=200, warm_steps=500, learning_rate=1e-3, diversity=1e-2)
    model = train_prototypes(*shapes, recipe, seed=seed).model
    assert model.diagnosis.accuracy >= 0.95
    assert model.diagnosis.usable
    assert all(on_the_shape(prototype) for prototype in model.prototypes)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(3))
def test_the_failing_recipe_fails_on_shapes_and_is_caught(shapes, seed):
    diagnosis = train_prototypes(*shapes, find_recipe("source1"), seed=seed).model.diagnosis
    assert diagnosis.backbone_accuracy > 0.95
    assert diagnosis.accuracy < 0.8
    assert not diagnosis.usable


def on_the_shape(prototype):
    label, name = prototype.source.split("/")
    x, y = planted_shapes.planted(label, int(name[:4])).middle
    left, top, right, bottom = prototype.box
    return bool(np.all([left <= x <= right, top <= y <= bottom]))
