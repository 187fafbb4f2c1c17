"""What methods declare, and how they are found."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

import zoo
from seewhy.core import registry
from seewhy.errors import UnknownName, UsageError
from seewhy.methods import CAM, Found, Method, find_method, list_methods, method_info, suitable_methods
from seewhy.models import Target

NAMES = [info.name for info in list_methods()]


@pytest.mark.parametrize("info", list_methods(), ids=lambda info: info.name)
def test_a_method_says_all_that_people_need(info):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*\+*", info.name)
    assert info.needs <= {"scores", "layers", "gradients", "attention"}
    assert info.status in {"verified", "approximate"}
    assert info.needs
    assert info.question.endswith("?")
    assert info.reading.endswith(".")
    assert info.title
    assert info.paper
    assert info.cost
    assert info.arxiv is None or re.fullmatch(r"\d{4}\.\d{4,5}", info.arxiv)
    assert info.__doc__
    assert type(find_method(info.name, **dict.fromkeys(info.required, "any"))) is info


def test_names_and_titles_are_told_apart():
    assert len(set(NAMES)) == len(NAMES)
    assert len({info.title for info in list_methods()}) == len(NAMES)


def test_a_method_is_found_with_its_parameters():
    method = find_method("finer-cam", comparisons=5, layers=("relu",))
    assert (method.name, method.comparisons, method.layers) == ("finer-cam", 5, ("relu",))
    assert method == find_method("finer-cam", comparisons=5, layers=("relu",)), "it is a value"


@pytest.mark.parametrize(
    ("written", "meant"), [("gradcam", "grad-cam"), ("Grad_CAM", "grad-cam"), ("eigencam", "eigen-cam")]
)
def test_a_name_is_known_however_it_is_written(written, meant):
    assert method_info(written) is method_info(meant)
    assert find_method(written) == find_method(meant)


@pytest.mark.parametrize(
    ("wrong", "right"), [("gradkam", "grad-cam"), ("Grad_KAM", "grad-cam"), ("eigen-camm", "eigen-cam")]
)
def test_an_unknown_name_is_answered_with_the_nearest(wrong, right):
    for find in (find_method, method_info):
        with pytest.raises(UnknownName, match=re.escape(right)):
            find(wrong)


def test_unknown_and_missing_parameters_are_named():
    with pytest.raises(UsageError, match="grad-cam has no parameter steps; it has signed, layers"):
        find_method("grad-cam", steps=3)
    with pytest.raises(UsageError, match=r"fam cannot do without reference=… \(--reference\)"):
        find_method("fam", layers=("relu",))


def test_a_classifier_gets_what_it_can_serve():
    open_one = zoo.classifier("residual")
    for offers in ({"scores"}, {"scores", "layers"}, {"scores", "layers", "gradients"}):
        suitable = suitable_methods(replace(open_one, offers=frozenset(offers)))
        assert [info.name for info in suitable] == [
            info.name
            for info in list_methods()
            if info.needs <= offers and not info.required and not info().obstacle(open_one)
        ]
    names = {info.name for info in suitable_methods(open_one)}
    assert "grad-cam" in names
    assert "fam" not in names, "it wants another picture"


@pytest.fixture
def newcomer(monkeypatch) -> Callable[[], type[Method]]:
    """Defines a method for the time of a test."""
    monkeypatch.setitem(Method.registry, "my-method", Method)  # afterwards it is gone again
    del Method.registry["my-method"]

    def define() -> type[Method]:
        class MyMethod(Method):
            """Finds nothing."""

            name = "my-method"

            samples: int = 10

            def find(self, task):
                return [Found(torch.zeros(task.size)) for _ in task.asked]

        return MyMethod

    return define


def test_a_class_with_a_name_is_known(newcomer):
    info = newcomer()
    assert info in list_methods()
    assert info.parameters == ("samples",)
    assert info.required == ()
    assert (info.title, info.needs, info.kind, info.signed) == ("my-method", {"scores"}, "method", False)
    made = find_method("my-method", samples=3)
    assert made.samples == 3
    (found,) = made(zoo.classifier("residual"), zoo.photos(1), [[Target(0)]], generator=torch.Generator())
    assert found.is_zero


def test_a_base_without_a_name_is_not_listed():
    assert all(info.name for info in list_methods())
    assert CAM not in list_methods()


def test_controls_are_methods_of_their_own_kind():
    controls = list_methods("control")
    names = {info.name.removeprefix("control:") for info in controls}
    assert names == {"empty", "gaussian", "prior", "random", "sobel"}
    assert not set(controls) & set(list_methods())
    assert find_method("control:random", cells=3).cells == 3


def test_an_installed_package_brings_its_methods(newcomer, monkeypatch):
    class Point:
        load = staticmethod(newcomer)

    monkeypatch.setattr(registry, "entry_points", lambda group: [Point()] if group == "seewhy.methods" else [])
    registry.import_all.cache_clear()
    assert find_method("my-method").samples == 10


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("lime", {"samples": "many"}, "lime wants a whole number for samples, not 'many'"),
        ("lime", {"samples": True}, "a whole number for samples, not True"),
        ("lime", {"keep": "0.5"}, "lime wants a number or auto for keep, not '0.5'"),
        ("grad-cam", {"signed": 1}, "grad-cam wants true or false for signed, not 1"),
        ("rise", {"batch_size": 1.5}, "a whole number or nothing for batch_size, not 1.5"),
    ],
)
def test_a_value_of_another_kind_is_refused(name, parameters, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        find_method(name, **parameters)


def test_whole_numbers_are_numbers():
    assert find_method("smooth-grad", noise=0).noise == 0
