"""Plans: their units, their hash, and how two of them differ in words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.study import Unit
from seewhy.study.plan import canonical, difference
from study import toys

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def changed(**changes) -> str:
    return "; ".join(difference(json.loads(toys.plan().configuration), replace(toys.plan(), **changes).configuration))


def test_units_are_every_combination_model_by_model():
    assert toys.plan(["b", "a"], models=2, methods=2).units == [
        Unit(model, method, image)
        for model in ("model0", "model1")
        for image in ("b", "a")
        for method in ("method0", "method1")
    ]


def test_the_hash_forgets_order_and_nothing_else():
    plan = toys.plan(["a", "b"])
    assert plan.sha256 == toys.plan(["b", "a"]).sha256 == replace(plan).sha256
    others = [
        replace(plan, **change)
        for change in (
            {"models": {"model0": "x"}},
            {"methods": {"method0": {}}},
            {"metrics": {}},
            {"images": {"a": "x"}},
            {"masks": {"a": "x"}},
            {"batch_size": 9},
            {"precision": "float16"},
            {"threads": 2},
            {"seed": 1},
        )
    ]
    assert len({plan.sha256, *(other.sha256 for other in others)}) == 10


@given(JSON)
def test_canonical_text_is_json_and_one(value):
    assert json.loads(canonical(value)) == value
    assert canonical(json.loads(canonical(value))) == canonical(value)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": -float("inf")}])
def test_what_is_no_number_is_no_json(value):
    with pytest.raises(ValueError, match="JSON"):
        canonical(value)


def test_equal_plans_do_not_differ():
    assert changed() == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 7}, "seed: was 0, now 7"),
        ({"precision": "float16"}, "precision: was float32, now float16"),
        ({"methods": {"method0": {"samples": 0}}}, "methods: no longer method1"),
        ({"methods": {"method0": {"samples": 5}, "method1": {"samples": 1}}}, "methods.method0.samples: was 0, now 5"),
        (
            {"methods": {"method0": {"keep": 0.5}, "method1": {"samples": 1}}},
            "methods.method0: no longer samples; methods.method0: newly keep",
        ),
        ({"images": toys.plan(12).images}, "images: newly photo10.png, photo11.png"),
        ({"images": toys.plan(2).images}, "images: no longer photo2.png, photo3.png, photo4.png and 5 more"),
        (
            {"images": dict.fromkeys(toys.plan().images, "0" * 64)},
            "images: other content in photo0.png, photo1.png, photo2.png and 7 more",
        ),
        ({"models": {"model0": "0" * 64, "model1": "1" * 64}}, "models: other content in model0, model1"),
    ],
)
def test_what_changed_is_said_in_words(changes, words):
    assert changed(**changes) == words


def test_several_changes_are_all_named():
    assert changed(seed=1, batch_size=1) == "batch_size: was 8, now 1; seed: was 0, now 1"
