"""B-cos networks: their maps are the score, they are trained and opened as others are, and they cost little."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from seewhy import explain, load
from seewhy.errors import UsageError
from seewhy.methods import find_method, suitable_methods
from seewhy.methods.method import require_suitable
from seewhy.models import Classifier, Preprocessing, Target
from seewhy.models.bcos import SCALE, BcosConv2d, BcosNetwork, fixed_scales
from seewhy.train.recipe import BACKBONES, find_recipe
from seewhy.verbs.train import train
from tints import write_tints


def network(classes: int = 4, seed: int = 0) -> BcosNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = BcosNetwork(classes)
        made(torch.rand(16, 3, 32, 32))  # its scales have seen something
    return made.eval()


def classifier(classes: int = 4) -> Classifier:
    preparing = Preprocessing((32, 32), mean=(0.0,) * 3, std=(1.0,) * 3)
    return Classifier.from_module(network(classes), preparing)


def test_a_layer_is_its_formula():
    layer = BcosConv2d(2, 3).eval()
    x = torch.rand(1, 2, 3, 3)
    middle, weights = x.flatten(), layer.weight.flatten(1)
    unit = weights / weights.norm(dim=1, keepdim=True)
    linear = (unit @ middle).view(3, 2).amax(1)
    torch.testing.assert_close(layer(x)[0, :, 1, 1], linear.abs() / middle.norm() * linear, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("target", [0, Target(1, against=3)])
def test_the_map_is_the_score(target):
    made, random = classifier(), np.random.default_rng(0)
    for _ in range(3):
        found = explain(made, random.integers(0, 256, (32, 32, 3)).astype(np.uint8), "bcos", target)
        x = made.preprocess([found.image])
        score = float(found.target.score(made.logits(x)[0]))
        assert float(found.values.astype(np.float64).sum()) == pytest.approx(score, abs=1e-5)


def test_what_is_fixed_is_linear():
    made = network()
    x = torch.rand(1, 3, 32, 32)
    with fixed_scales(made):
        encoded = made.encode(x).requires_grad_()
        scores = SCALE * made.head(made.features(encoded).mean((2, 3)))[0]
        rows = torch.stack([torch.autograd.grad(score, encoded, retain_graph=True)[0] for score in scores])
    torch.testing.assert_close((rows * encoded).flatten(1).sum(1), made(x)[0], rtol=1e-5, atol=1e-5)
    assert not any(part.fixed for part in made.modules() if isinstance(part, BcosConv2d))


def test_it_is_offered_where_it_works():
    own = classifier()
    other = Classifier.from_module(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
        Preprocessing((16, 16)),
    )
    names = [{info.name for info in suitable_methods(each)} for each in (own, other)]
    assert [("bcos" in each) for each in names] == [True, False]
    assert "grad-cam" in names[0]
    with pytest.raises(UsageError, match="--recipe bcos"):
        require_suitable(find_method("bcos"), other)


def test_it_is_trained_and_opened_as_others_are(tmp_path):
    folder = write_tints(tmp_path / "tints", red=8, blue=8)
    recipe = find_recipe("bcos", epochs=3, batch_size=4, augment=False)
    found = train(folder, BACKBONES["bcos"], tmp_path / "out", recipe=recipe, device="cpu")
    opened = load(found.model, device="cpu")
    picture = next((folder / "red").iterdir())
    shown = explain(opened, str(picture), "bcos")
    score = float(opened.logits(opened.preprocess([shown.image]))[0, shown.target.index])
    assert float(shown.values.astype(np.float64).sum()) == pytest.approx(score, abs=1e-5)


def test_a_channel_learns_nothing_from_being_larger():
    """What a layer gives has one scale while it learns, so that no step in its weights can change that."""
    layer = BcosConv2d(2, 3).train()
    found = layer(torch.rand(8, 2, 9, 9, generator=torch.Generator().manual_seed(0))).square().mean()
    (slopes,) = torch.autograd.grad(found, layer.weight)
    assert float(slopes.abs().max()) < 1e-3  # 0.7 where the scale is held fixed
