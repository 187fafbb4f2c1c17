"""Few-shot training: relevance by a literal twin, episodes that a seed alone decides, and a network that opens."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from torch import nn

from seewhy import explain, load
from seewhy.errors import UsageError
from seewhy.models import Preprocessing
from seewhy.models.relation import RelationHead, paired
from seewhy.train.few_shot import ASKED, drawn, episode_loss, half_share, relation_loss
from seewhy.train.guidance import relevance, starts, weights
from seewhy.train.recipe import find_recipe
from seewhy.verbs.train import train
from tints import write_tints, write_weights

CHANNELS, CELLS, WAYS = 3, 2, 3
RECIPE = find_recipe("few-shot", shots=2, epochs=3, preprocessing=Preprocessing((48, 48)), split=(0.6, 0.4))


def head_of(seed: int = 0) -> RelationHead:
    """A head whose BatchNorm has seen something, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = RelationHead(CHANNELS).double()
        for _ in range(20):
            head(torch.randn(8, 2 * CHANNELS, CELLS, CELLS, dtype=torch.float64))
    return head.eval()


def pairs_of(seed: int = 1, count: int = 2 * WAYS):
    return torch.randn(
        count, 2 * CHANNELS, CELLS, CELLS, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def literal(head: RelationHead, pair: np.ndarray, start: float) -> np.ndarray:
    """The same relevance of one pair, layer by layer, by the matrix of each layer written out."""
    steps: list[tuple[nn.Module, np.ndarray]] = []
    seen = torch.from_numpy(pair)[None]
    for part in head:
        steps.append((part, seen.numpy()[0]))
        seen = part(seen).detach()
    found = np.array([start])
    for part, before in reversed(steps):
        if isinstance(part, nn.BatchNorm2d | nn.ReLU | nn.Flatten):
            found = found.reshape(before.shape)
            continue
        bare = copy.deepcopy(part)
        if getattr(bare, "bias", None) is not None:
            nn.init.zeros_(bare.bias)
        basis = torch.eye(before.size, dtype=torch.float64).view(-1, *before.shape)
        matrix = bare(basis).detach().flatten(1).numpy()  # (inputs, outputs)
        terms = matrix * before.ravel()[:, None]
        if isinstance(part, nn.Conv2d):
            terms = terms.clip(min=0)
        sums = terms.sum(0)
        shares = np.divide(terms, sums, out=np.zeros_like(terms), where=sums != 0)
        found = (shares * found.ravel()).sum(1).reshape(before.shape)
    return found


def test_relevance_is_that_of_the_literal_twin_and_none_is_lost():
    head, pairs = head_of(), pairs_of()
    with torch.no_grad():
        start = starts(head(pairs).view(-1, WAYS)).view(-1, 1)
        found = relevance(head, pairs, start).numpy()
    for each, pair, begun in zip(found, pairs.numpy(), start.flatten().tolist(), strict=True):
        np.testing.assert_allclose(each, literal(head, pair, begun), rtol=1e-5, atol=1e-7)
        assert each.sum() == pytest.approx(begun, rel=1e-5)


@pytest.mark.parametrize("ways", [2, 3, 5])
def test_relevance_starts_with_the_sign_of_what_is_likelier_than_chance(ways):
    chance = starts(torch.zeros(1, ways))
    assert chance.numpy() == pytest.approx(0, abs=0.05)
    found = starts(torch.tensor([[3.0] + [0.0] * (ways - 1)]))[0]
    assert found[0] > 0 > found[1]
    assert torch.isfinite(starts(torch.tensor([[900.0] + [0.0] * (ways - 1)]))).all()


def test_weights_are_of_evaluation_and_leave_the_head_as_it_was():
    head, pairs = head_of(), pairs_of().requires_grad_()
    head.train()
    before = copy.deepcopy(head.state_dict())
    found = weights(head, pairs, WAYS)
    assert head.training
    assert not found.requires_grad
    assert 0 <= float(found.min()) < 1 < float(found.max()) <= 2
    assert all(torch.equal(before[name], each) for name, each in head.state_dict().items())
    head.eval()
    assert torch.equal(weights(head, pairs, WAYS), found)


@pytest.mark.parametrize(("shots", "share"), [(1, 0.5), (2, 1.0)])
def test_the_guided_loss_is_that_of_the_source(shots, share):
    head = head_of()
    labels = torch.tensor([0, 1, 2] * 4)
    features = torch.randn(12, CHANNELS, CELLS, CELLS, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    episode = drawn(labels, shots, seed=0, step=0)
    pairs = paired(features[episode.shown].mean(1), features[episode.asked])
    plain = relation_loss(head(pairs).view(-1, WAYS), episode.truth)
    again = relation_loss(head(pairs * weights(head, pairs, WAYS)).view(-1, WAYS), episode.truth)
    assert episode_loss(head, features, episode, guided=False)["loss"].item() == pytest.approx(plain.item())
    guided = plain + share * again
    assert episode_loss(head, features, episode, guided=True)["loss"].item() == pytest.approx(guided.item())


def test_an_episode_asks_about_other_photos_of_its_classes():
    labels = torch.randint(0, 7, (90,), generator=torch.Generator().manual_seed(0))
    one, same, other = (drawn(labels, 3, seed=4, step=step) for step in (5, 5, 6))
    assert all(torch.equal(mine, its) for mine, its in zip(one, same, strict=True))
    assert not torch.equal(one.shown, other.shown)
    assert one.shown.shape == (5, 3)
    assert not set(one.shown.flatten().tolist()) & set(one.asked.tolist())
    ways = labels[one.shown[:, 0]]
    assert len(set(ways.tolist())) == 5
    assert torch.equal(labels[one.shown], ways[:, None].expand(5, 3))
    assert torch.equal(labels[one.asked], ways[one.truth])
    assert len(one.asked) <= 5 * ASKED


def test_half_a_map_is_the_least_that_holds_half():
    assert half_share(np.array([[4.0, 1.0], [1.0, 2.0]])) == 0.25
    assert half_share(np.ones((4, 5))) == 0.5
    assert half_share(-np.ones((2, 2))) == 1


def run(root, out="out", **settings):
    given = {"recipe": RECIPE, "weights": root.parent / "weights.safetensors", "device": "cpu"} | settings
    return train(root, "timm:test_efficientnet", root.parent / out, **given)


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    place = tmp_path_factory.mktemp("few")
    write_weights(place / "weights.safetensors")
    return write_tints(place / "tints", red=10, green=10, blue=10)


@pytest.fixture(scope="module")
def found(ground):
    return run(ground)


def test_it_learns_and_its_cost_is_told(found):
    assert found.evaluations["validation"].accuracy.value > 0.8
    guided = found.guided
    assert guided is not None
    assert (guided.part, guided.shots, guided.episodes, guided.mapped) == ("validation", 2, 75, 12)
    assert guided.agreement < 1 - 1e-6  # its twin learned something else
    assert guided.accuracy.listening == found.evaluations["validation"].accuracy.value
    assert found.to_dict()["guided"]["linear"] == guided.linear
    assert json.loads((found.out / "guided.json").read_text("utf-8"))["agreement"] == guided.agreement
    page = " ".join(found.page().split())
    assert "75 episodes, each of which shows 2 photos of each class" in page
    assert f"rank correlation of {guided.agreement:.2f}" in page


def test_it_is_opened_and_explained_by_its_name_without_weights(found, ground):
    opened = load(found.model, device="cpu")
    assert opened.fingerprint == found.classifier.fingerprint
    assert opened.default_layer == "backbone"
    picture = ground / "red/00.png"
    shown = explain(opened, picture, "grad-cam", target="red")
    x = opened.preprocess([shown.image])
    network = opened.module
    features = network.backbone(x)
    means = network.prototypes
    pairs = torch.cat([torch.cat([each[None], features], 1) for each in means])
    torch.testing.assert_close(opened.logits(x)[0], network.head(pairs).flatten())


def test_a_run_that_had_ended_gives_the_same(found, ground):
    again = run(ground)
    assert again.guided == found.guided
    assert again.epochs == found.epochs


def test_what_makes_no_episodes_is_refused(ground, tmp_path):
    with pytest.raises(UsageError, match=r"there are 6 to learn from.*--few-shot 5"):
        run(
            ground,
            "many",
            recipe=find_recipe("few-shot", shots=6, split=(0.6, 0.4), preprocessing=RECIPE.preprocessing),
        )
    with pytest.raises(UsageError, match="two ways to train"):
        run(ground, "both", attention=tmp_path)


def test_it_is_no_backbone_itself(found, ground):
    with pytest.raises(UsageError, match="start from the backbone"):
        train(ground, found.model, ground.parent / "further", device="cpu")
