"""What a network raises becomes one error of ours, which names the input and a cure that works."""

import re
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn

import seewhy
import zoo
from pairs import drawn
from seewhy.errors import ExplainError, ModelError, SeewhyError, UsageError
from seewhy.models import Classifier, Preprocessing
from seewhy.models.blame import explaining

SMALL = Preprocessing(zoo.SIZE)
PHOTO = zoo.photos(1)[0]


class Faulty(nn.Module):
    """A sound network that `fails` beforehand."""

    def __init__(self, fails):
        super().__init__()
        self.body = zoo.network("gap-linear")
        self.fails = fails

    def forward(self, x):
        return self.body(self.fails(x))


class TwoInputs(nn.Module):
    def forward(self, x, mask):
        return x.mean((2, 3)) + mask


class OptionalInput(nn.Module):
    def forward(self, x, other=None):
        return x.mean((2, 3)) + other


class Text(nn.Module):
    def forward(self, input_ids, attention_mask=None):
        return nn.functional.embedding(input_ids, torch.zeros(9, 3)).mean(1)


class Both(nn.Module):
    def forward(self, input_ids=None, pixel_values=None):
        return pixel_values.mean((2, 3)) + input_ids.sum()


class NoForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = zoo.network("gap-linear")


def wants_64(x):
    assert x.shape[-1] == 64, "want 64"
    return x


def says(error):
    def fails(x):
        raise error

    return fails


def on_meta():
    with torch.device("meta"):
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (TwoInputs(), r"self\.network\(x, mask=…\)"),
        (OptionalInput(), r"more than a picture.*self\.network\(x, …\)"),
        (Text(), r"reads text \(input_ids\)"),
        (Both(), r"self\.network\(pixel_values=x, input_ids=…\)"),
        (NoForward(), "it has no forward"),
        (Faulty(lambda x: x["image"]), r'wants a dict.*\{"image": x\}'),
        (Faulty(lambda x: x.pixel_values), "wants a dict"),
        (Faulty(wants_64), r"takes pictures of 64 × 64: Preprocessing\(size=\(64, 64\)\)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * 28 * 28, 10)), r"28 × 28: Preprocessing\(size=\(28, 28\)\)"),
        (Faulty(lambda x: x.to("cuda")), "device of its own"),
        (Faulty(lambda x: x.double()), "network.float"),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(2)), r"takes 1 channels, not 3: Preprocessing\(mean=\(0\.5,\)"),
        (nn.Sequential(nn.Conv2d(4, 4, 3), nn.Flatten(2)), r"takes 4 channels.*mean=\(0\.5, 0\.5, 0\.5, 0\.5,\)"),
        (on_meta(), "meta device, which holds no numbers"),
        (Faulty(says(KeyError("x"))), "raised KeyError: 'x'"),
        (Faulty(says(StopIteration())), "raised StopIteration – on"),
        (Faulty(says(ValueError("first\nsecond"))), "raised ValueError: first – on an input"),
    ],
)  # fmt: skip
def test_what_a_network_raises_is_told_with_its_input_and_a_cure(module, words):
    with pytest.raises(ModelError) as caught:
        Classifier.from_module(module, SMALL)
    assert re.search(words, str(caught.value), re.DOTALL), str(caught.value)
    assert "meta" in words or re.search(r"\(1, 3, 32, 32\) of torch\.float32 on cpu, from -\d", str(caught.value))


def test_the_cures_work():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 28 * 28, 10))
    assert len(Classifier.from_module(flat, Preprocessing(size=(28, 28))).categories) == 10

    class OneInput(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, x):
            return self.network(x, mask=torch.zeros(3))

    assert len(Classifier.from_module(OneInput(TwoInputs()), SMALL).categories) == 3


def test_an_error_of_ours_and_an_interrupt_stay_what_they_are():
    for error in (UsageError("ours"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            Classifier.from_module(Faulty(says(error)), SMALL)


class FailsBackward(torch.autograd.Function):
    @staticmethod
    def forward(_ctx, x):
        return x.clone()

    @staticmethod
    def backward(_ctx, _gradient):
        raise ValueError("backward's own")


def only_with_gradients(x):
    if x.requires_grad:
        raise IndexError("recorded")
    return x


class WholeNumbers(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = zoo.network("gap-linear")

    def forward(self, x):
        return (99 * self.body(x)).long()


FAULTS = {
    "backward": Faulty(FailsBackward.apply),
    "recorded": Faulty(only_with_gradients),
    "whole numbers": WholeNumbers(),
    "numpy inside": Faulty(lambda x: torch.from_numpy(x.detach().numpy())),
}  # fmt: skip


@drawn([each.name for each in seewhy.list_methods() if not each.required], "fault", list(FAULTS))
def test_nothing_raw_reaches_the_user(name, fault):
    classifier = Classifier.from_module(FAULTS[fault].eval(), SMALL)
    for call in (
        lambda: seewhy.explain(classifier, PHOTO, name, target=1),
        lambda: seewhy.attribute(classifier, classifier.preprocess([PHOTO]), 1, name),
    ):
        with suppress(SeewhyError):
            call()


def test_what_progress_and_a_target_function_raise_is_the_callers_own():
    classifier = zoo.classifier("gap-linear")

    def stop(*_):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        seewhy.explain(classifier, PHOTO, "lime", progress=stop)
    with pytest.raises(UsageError, match="the target function raised ZeroDivisionError"):
        seewhy.attribute(classifier, classifier.preprocess([PHOTO]), lambda z: z[0] / 0 if z is None else 1 / 0)


def test_memory_that_runs_out_is_told():
    with pytest.raises(ExplainError, match="memory ran out in lime; explain fewer"), explaining("lime"):
        raise MemoryError
    with pytest.raises(ExplainError, match="memory ran out"), explaining("lime"):
        np.zeros((2**50,))
