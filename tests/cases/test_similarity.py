from __future__ import annotations

import numpy as np
import pytest

import zoo
from cases.squares import square
from seewhy.cases import find_embedder
from seewhy.cases.twins import similarity_maps
from seewhy.errors import ExplainError


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


def test_nothing_is_asked_about_no_pictures(colours):
    assert similarity_maps(find_embedder("penultimate", colours), square("red", 1), []) == []


def test_a_network_without_a_grid_cannot_say_where():
    embedder = find_embedder("penultimate", zoo.classifier("no-grid"))
    one, two = zoo.photos(2)
    with pytest.raises(ExplainError, match="grid"):
        similarity_maps(embedder, one, [two])
