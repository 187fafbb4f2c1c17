from __future__ import annotations

import pytest
import torch

import glyphs
import zoo
from seewhy.engines.tail import Run
from seewhy.models import Classifier, Grid, Target
from seewhy.network.parts import LayerParts, parts_of, taken_out_of, watched_photo


def some_concepts(classifier: Classifier, layer: str, count: int = 3) -> torch.Tensor:
    drawn = torch.rand((count, classifier.require_grid(layer).channels), generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(drawn, dim=1)


def squares() -> tuple[Classifier, Run, Grid]:
    classifier = glyphs.network("classes")
    run = watched_photo(classifier, glyphs.picture(), ["relu"])
    return classifier, run, classifier.require_grid("relu")


def total(layer: LayerParts) -> float:
    return sum(part.added for part in layer.parts) + layer.together + layer.rest


@pytest.mark.parametrize("name", ["gap-linear", "residual", "tiny-vit", "channels-last", "branches"])
def test_parts_and_rest_are_the_score_of_every_network(name):
    classifier, image = zoo.classifier(name), zoo.photos(1)[0]
    layer = classifier.default_layer
    grid = classifier.require_grid(layer)
    vectors, run = some_concepts(classifier, layer), watched_photo(classifier, image, [layer])
    found = parts_of(classifier, run, Target(1), layer, grid, vectors, [(f"0-{each}", 0.0) for each in range(3)])
    with torch.no_grad():
        score = float(classifier.logits(classifier.preprocess([image]))[0, 1])
    assert total(found) == pytest.approx(score, rel=1e-4, abs=1e-5)
    assert 0 <= found.missed <= 1 + 1e-6


@pytest.mark.parametrize("meaning", ["labels", "classes", "binary", "values"])
def test_parts_and_rest_are_the_score_whatever_it_means(meaning):
    classifier, image = glyphs.network(meaning), glyphs.picture()
    run = watched_photo(classifier, image, ["relu"])
    grid, known = classifier.require_grid("relu"), [(f"0-{each}", 0.1) for each in range(3)]
    found = parts_of(classifier, run, Target(0), "relu", grid, torch.eye(3), known)
    with torch.no_grad():
        score = float(classifier.logits(classifier.preprocess([image]))[0, 0])
    assert total(found) == pytest.approx(score, rel=1e-4)
    assert found.missed == pytest.approx(0, abs=1e-6)
    assert abs(found.together) < 1e-3 * max(abs(score), 1)  # linear from there on


def test_what_is_taken_out_is_gone():
    """With all directions of the layer as concepts, nothing is left but what the network says of nothing."""
    classifier, run, grid = squares()
    out = taken_out_of(run, "relu", grid, torch.eye(3))
    assert out.bare == pytest.approx(classifier.module.dense.bias.detach(), abs=1e-4)
    one = taken_out_of(run, "relu", grid, torch.eye(3), [[1]])
    assert torch.allclose(one.without[0], out.without[1], atol=1e-5)
    assert len(one.without) == 1


def test_concepts_that_go_together_are_taken_out_together():
    """Without the first and the last channel's concept the linear layer loses what both alone lose."""
    _, run, grid = squares()
    alone = taken_out_of(run, "relu", grid, torch.eye(3))
    both = taken_out_of(run, "relu", grid, torch.eye(3), [[0, 2], [1]])
    assert torch.allclose(both.without[0], alone.without[0] + alone.without[2] - alone.logits, atol=1e-4)
    assert torch.allclose(both.without[1], alone.without[1], atol=1e-5)


@pytest.mark.parametrize("name", ["residual", "tiny-vit", "branches"])
def test_layers_of_one_run_say_what_each_says_alone(name):
    """And the photo passes through the whole network once, for however many layers."""
    classifier, image = zoo.classifier(name), zoo.photos(1)[0]
    layers = list(dict.fromkeys(layer.name for layer in classifier.layers if layer.grid))[-3:]
    forwards: list[int] = []
    handle = classifier.module.register_forward_pre_hook(lambda _part, args: forwards.append(len(args[0])))
    try:
        run = watched_photo(classifier, image, layers)
    finally:
        handle.remove()
    assert forwards == [1]
    for layer in layers:
        vectors, grid = some_concepts(classifier, layer), classifier.require_grid(layer)
        known = [(f"0-{each}", 0.0) for each in range(3)]
        shared = parts_of(classifier, run, Target(1), layer, grid, vectors, known)
        alone = parts_of(classifier, watched_photo(classifier, image, [layer]), Target(1), layer, grid, vectors, known)
        assert [part.key for part in shared.parts] == [part.key for part in alone.parts]
        assert [part.added for part in shared.parts] == [part.added for part in alone.parts]
        assert (shared.score, shared.rest, shared.missed) == (alone.score, alone.rest, alone.missed)
