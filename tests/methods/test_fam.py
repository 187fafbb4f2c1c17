"""Feature activation maps: closed forms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import zoo
from seewhy.errors import UsageError
from seewhy.methods import find_method
from seewhy.methods.similarity import fam
from seewhy.models import Target

features = arrays("float64", (3, 2, 4), elements=st.floats(-2, 2, width=16)).map(torch.from_numpy)


def cosine(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    return torch.cosine_similarity(one.mean((1, 2)), two.mean((1, 2)), dim=0, eps=0)


@given(features, features)
@settings(max_examples=60)
def test_the_map_averages_to_the_cosine_similarity(one, two):
    found = fam(one[None], two).mean()
    if one.mean((1, 2)).any() and two.mean((1, 2)).any():
        torch.testing.assert_close(found, cosine(one, two))
        torch.testing.assert_close(found, fam(two[None], one).mean())
        torch.testing.assert_close(fam(one[None], one).mean(), torch.ones((), dtype=torch.float64))
    else:
        assert found == 0, "what has no direction is like nothing"


@given(features, features)
@settings(max_examples=60)
def test_the_map_is_what_its_formula_says(one, two):
    f, r = ([sum(channel.flatten().tolist()) / channel.numel() for channel in maps] for maps in (one, two))
    norm = (sum(value**2 for value in f) * sum(value**2 for value in r)) ** 0.5
    wanted = torch.zeros(2, 4, dtype=torch.float64)
    for k, i, j in torch.cartesian_prod(*map(torch.arange, one.shape)).tolist() if norm else ():
        wanted[i, j] += one[k, i, j] * r[k] / norm
    torch.testing.assert_close(fam(one[None], two)[0], wanted)


def test_several_pictures_are_compared_each_for_itself():
    maps = torch.randn((3, 8, 4, 4), generator=torch.Generator().manual_seed(0))
    for index in range(3):
        torch.testing.assert_close(fam(maps, maps[0])[index], fam(maps[index : index + 1], maps[0])[0])


@pytest.mark.parametrize("name", ["residual", "tiny-vit", "channels-last"])
def test_a_picture_is_wholly_like_itself(name):
    image, other = zoo.photos(2)
    similarities = [
        find_method("fam", reference=reference)(
            zoo.classifier(name), [asked], [[Target(0)]], generator=torch.Generator()
        )[0].checks["similarity"]
        for asked, reference in [(image, image), (image, other), (other, image)]
    ]
    assert similarities[0] == pytest.approx(1, abs=1e-5)
    assert similarities[1] == pytest.approx(similarities[2], abs=1e-5)
    assert similarities[1] < 1


def test_it_names_the_other_picture_and_asks_for_it():
    image, other = zoo.photos(2)
    classifier, call = zoo.classifier("residual"), {"generator": torch.Generator()}
    found = find_method("fam", reference=other)(classifier, [image], [[Target(0)]], **call)
    assert found[0].target_label == "like photo 1"
    assert found[0].parameters["reference"] == {"name": "photo 1", "sha256": other.sha256}
    with pytest.raises(UsageError, match="cannot do without reference"):
        find_method("fam")(classifier, [image], [[Target(0)]], **call)
