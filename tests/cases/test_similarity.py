from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import zoo
from cases.squares import square
from seewhy.cases import find_embedder
from seewhy.cases.twins import ACROSS, similarity_maps, strongest_pairs
from seewhy.errors import ExplainError
from seewhy.methods.similarity import fam, pair_shares


@pytest.mark.parametrize("name", ["penultimate", "cole"])
def test_both_maps_average_to_the_similarity_of_the_vectors(colours, name):
    embedder = find_embedder(name, colours)
    image, *others = [square(colour, seed) for seed, colour in enumerate(("red", "red", "green", "blue"))]
    vectors = embedder([image, *others]).vectors.numpy()
    for found, vector in zip(similarity_maps(embedder, image, others), vectors[1:], strict=True):
        cosine = float(vector @ vectors[0])
        assert float(found.own.mean()) == pytest.approx(cosine, abs=1e-5)
        assert float(found.other.mean()) == pytest.approx(cosine, abs=1e-5)
        assert found.similarity == pytest.approx(cosine, abs=1e-5)
        assert found.layer == "third"


def test_they_do_in_the_default_model(default_classifier):
    embedder = find_embedder("penultimate", default_classifier)
    images = zoo.photos(2, 300, 260)
    vectors = embedder(images).vectors
    (found,) = similarity_maps(embedder, images[0], images[1:])
    assert found.similarity == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-5)
    assert found.own.shape == found.other.shape == (7, 7)


def test_the_map_lies_where_the_common_colour_is(colours):
    image, other = square("red", 1), square("red", 2)
    (found,) = similarity_maps(find_embedder("penultimate", colours), image, [other])
    for values, picture in ((found.own, image), (found.other, other)):
        row, column = np.unravel_index(values.argmax(), values.shape)
        red, green, _ = picture.pixels[4 * row + 2, 4 * column + 2].astype(int)
        assert red > 160 > green


@pytest.mark.parametrize("shape", [(4, 5), (3, 3)])
def test_pairs_add_up_to_the_cosine_and_over_one_side_to_fam(shape):
    generator = torch.Generator().manual_seed(0)
    own, other = (
        torch.rand((7, 4, 5), generator=generator).double(),
        torch.rand((7, *shape), generator=generator).double(),
    )
    found = pair_shares(own, other)
    cosine = torch.nn.functional.cosine_similarity(own.mean((1, 2)), other.mean((1, 2)), dim=0)
    assert float(found.sum()) == pytest.approx(float(cosine), abs=1e-12)
    torch.testing.assert_close(found.sum(1).view(4, 5) * 20, fam(own[None], other)[0])
    lengths = own.mean((1, 2)).norm() * other.mean((1, 2)).norm() * 20 * shape[0] * shape[1]
    assert float(found[6, 2]) == pytest.approx(float(own[:, 1, 1] @ other[:, 0, 2] / lengths))


def test_areas_that_are_joined_show_the_same_and_lie_apart(colours):
    image, other = square("red", 1), square("red", 2)
    (found,) = similarity_maps(find_embedder("penultimate", colours), image, [other])
    assert [each.share for each in found.joined] == sorted((each.share for each in found.joined), reverse=True)
    assert sum(each.share for each in found.joined) <= found.similarity
    first = found.joined[0]
    for cell, picture in ((first.own, image), (first.other, other)):
        side = 4 * ACROSS
        red, green, _ = picture.pixels[4 * cell.row :, 4 * cell.column :][:side, :side].mean((0, 1))
        assert red > green + 50
    for one, two in itertools.combinations(found.joined, 2):
        for mine, theirs in ((one.own, two.own), (one.other, two.other)):
            assert max(abs(mine.row - theirs.row), abs(mine.column - theirs.column)) >= ACROSS


def test_the_strongest_pair_of_areas_by_trying_all():
    shares = torch.rand((4 * 5, 6 * 3), generator=torch.Generator().manual_seed(1))
    best = max(
        (float(shares.view(4, 5, 6, 3)[a : a + 2, b : b + 2, c : c + 2, d : d + 2].sum()), a, b, c, d)
        for a, b, c, d in itertools.product(range(3), range(4), range(5), range(2))
    )
    first = next(iter(strongest_pairs(shares, (4, 5), (6, 3))))
    assert first.share == pytest.approx(best[0], rel=1e-5)
    assert (*first.own, *first.other) == best[1:]


def test_nothing_is_asked_about_no_pictures(colours):
    assert similarity_maps(find_embedder("penultimate", colours), square("red", 1), []) == []


def test_a_network_without_a_grid_cannot_say_where():
    embedder = find_embedder("penultimate", zoo.classifier("no-grid"))
    one, two = zoo.photos(2)
    with pytest.raises(ExplainError, match="grid"):
        similarity_maps(embedder, one, [two])
