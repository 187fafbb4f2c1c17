"""The public conformance test: what keeps every promise passes, and what breaks one is told which."""

from __future__ import annotations

import re

import pytest
import torch

from methods.test_conformance import OWN, PARAMETERS
from seewhy.errors import ExplainError, UsageError
from seewhy.methods import Found, GradCAM, Method, check_method, list_methods


@pytest.mark.parametrize(
    "method",
    [each for each in (*list_methods(), *list_methods("control")) if each.family not in OWN],
    ids=lambda method: method.name,
)
def test_every_method_keeps_its_promises(method):
    check_method(method, **PARAMETERS.get(method.name, {}))


def test_an_object_may_be_given():
    check_method(GradCAM(layers=("0", "4")))


@pytest.mark.parametrize("wrong", ["grad-cam", None, int, object()])
def test_what_is_no_method_is_refused(wrong):
    with pytest.raises(UsageError, match=r"subclass of seewhy\.methods\.Method"):
        check_method(wrong)


class Sound:
    """Finds how bright the picture is."""

    question = "How bright?"
    reading = "Bright is bright."

    def find(self, task):
        task.progress(1, 1, "maps")
        return [Found(task.picture.mean(0)) for _ in task.asked]


def test_a_sound_newcomer_passes():
    class Newcomer(Sound, Method):
        """Finds how bright the picture is."""

        name = "newcomer"

    check_method(Newcomer)


def broken(base=Sound, **changed):
    return type("Broken", (base, Method), {"__doc__": "Is broken.", "name": "broken", "__annotations__": {}, **changed})


def half(self, task):
    return [Found(task.picture.mean(0)[::2]) for _ in task.asked]


def negative(self, task):
    return [Found(-task.picture.mean(0)) for _ in task.asked]


def one_only(self, task):
    return [Found(task.picture.mean(0))]


def from_global_state(self, task):
    return [Found(torch.rand(task.size)) for _ in task.asked]


def remembers(self, task):
    count = len(vars(type(self)).setdefault("seen", [])) if False else self.seen.append(1) or len(self.seen)
    return [Found(task.picture.mean(0) * count) for _ in task.asked]


def trains(self, task):
    task.classifier.module.eval()
    return Sound.find(self, task)


def hooks(self, task):
    task.classifier.module.register_forward_hook(lambda *_: None)
    return Sound.find(self, task)


def steps(self, task):
    with torch.no_grad():
        next(task.classifier.module.parameters()).add_(1)
    return Sound.find(self, task)


@pytest.mark.parametrize(
    ("changed", "promise"),
    [
        ({"name": "Not A Name"}, "lower case"),
        ({"__doc__": None}, "docstring"),
        ({"needs": ("magic",)}, "needs is of"),
        ({"question": "Why"}, "question mark"),
        ({"find": half}, "a map is"),
        ({"find": negative}, "negative values"),
        ({"find": one_only}, "one answer for each"),
        ({"find": from_global_state, "stochastic": True}, "as they were; it changed random numbers"),
        ({"find": remembers, "seen": []}, "would get alone"),
        ({"find": trains}, "changed training modes"),
        ({"find": hooks}, "changed hooks"),
        ({"find": steps}, "changed weights"),
    ],
)
def test_a_broken_promise_is_named(changed, promise):
    with pytest.raises(ExplainError, match=re.escape(promise)):
        check_method(broken(**changed))
