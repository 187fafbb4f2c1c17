"""How a method and its findings are told in plain values."""

from __future__ import annotations

import json

import numpy as np

import zoo
from seewhy.engines import Blur, Images
from seewhy.methods import find_method
from seewhy.methods.method import describe


def test_fills_and_label_maps_are_described_by_what_makes_them():
    labels = np.arange(4).reshape(2, 2)
    found = describe(find_method("lime", regions=labels, fill=Blur(0.1)))
    assert found["fill"] == {"Blur": {"sigma": 0.1}}
    assert found["regions"]["shape"] == [2, 2]
    other = describe(find_method("lime", regions=labels + 1))
    assert found["regions"]["sha256"] != other["regions"]["sha256"]
    json.dumps(found, allow_nan=False)


def test_pictures_of_a_background_are_named_by_their_hashes():
    photos = tuple(zoo.photos(2))
    found = describe(find_method("deep-shap", background=Images(photos)))
    assert found["background"] == {
        "Images": {"images": [{"name": each.name, "sha256": each.sha256} for each in photos]}
    }
