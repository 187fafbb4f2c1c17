"""Twins of real photos: relatives in WordNet far more often than chance."""

from __future__ import annotations

import json

import numpy as np
import pytest

from seewhy.cases import Cases, find_embedder, find_twins

STEP = 4  # every fourth photo is asked about


@pytest.mark.heavy
@pytest.mark.parametrize("embedding", ["penultimate", "cole"])
def test_the_first_twin_is_a_relative_in_wordnet_ten_times_as_often_as_by_chance(
    shared_data, default_classifier, builds, tmp_path, embedding
):
    """Measured over all 500: 7.0 % by what goes into the last layer, 11.6 % by contributions; by chance 0.2 %."""
    tree = json.loads(shared_data("labels/imagenet1k_wordnet_hierarchy.json").read_text("utf-8"))["synsets"]
    embedder = find_embedder(embedding, default_classifier)
    base = builds(shared_data("imagenet-photos"), embedder, tmp_path / "base").base
    parents = {path: {*tree[path.partition("_")[0]]["hypernyms"]} for path in base.table["path"].to_list()}
    asked = list(range(0, len(base), STEP))
    paths = [base.table["path"][row] for row in asked]
    first = [find_twins(Cases(base, embedder), base.image(row), top=1).twins[0].case.path for row in asked]
    share = np.mean([bool(parents[one] & parents[other]) for one, other in zip(paths, first, strict=True)])
    chance = np.mean([bool(parents[one] & parents[other]) for one in paths for other in parents if other != one])
    assert share >= 10 * chance > 0
