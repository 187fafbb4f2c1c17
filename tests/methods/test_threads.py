"""One network, many threads: each gets the answer it would get alone, and the network is left as it was."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

import seewhy
from seewhy.models import Preprocessing, black_box, state
from seewhy.models.load import SOURCES
from seewhy.models.state import evaluating, owning

METHODS = ["grad-cam", "layer-cam", "eigen-cam", "score-cam", "lime", "lrp", "integrated-gradients"]
MORE = ["ablation-cam", "deep-shap", "attn-lrp", "guided-backprop", "occlusion", "grad-cam++"]


def photo(seed, side=32):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


class Meet(nn.Module):
    """Waits in the middle of its forward for another thread's forward: if two can be inside at once, they are."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU()
        )
        self.b = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(8, 4))
        self.gate = None

    def forward(self, x):
        x = self.a(x)
        if self.gate:
            self.gate.meet()
        return self.b(x)


class Gate:
    """A door at which two threads wait for each other, but not for long; copies of a network share it."""

    def __init__(self, seconds):
        self.barrier, self.seconds = threading.Barrier(2), seconds

    def meet(self):
        try:
            self.barrier.wait(self.seconds)
        except threading.BrokenBarrierError:
            self.barrier.reset()

    def __deepcopy__(self, memo):
        return self


def wrap(module, side=16):
    return seewhy.Classifier.from_module(module, Preprocessing(size=(side, side)))


def at_once(jobs, threads):
    """What each job answers, or raises, when threads meet at a barrier and then share the jobs."""
    start = threading.Barrier(threads)
    with ThreadPoolExecutor(threads, initializer=start.wait) as pool:
        waiting = [pool.submit(job) for job in jobs]
        return [each.result() for each in waiting]


def state_of(module):
    return {
        "tensors": [tensor.clone() for tensor in module.state_dict().values()],
        "flags": [part.training for part in module.modules()],
        "learning": [parameter.requires_grad for parameter in module.parameters()],
        "gradients": [parameter.grad for parameter in module.parameters()],
        "hooks": [dict(hooks) for part in module.modules() for hooks in (part._forward_hooks, part._forward_pre_hooks)],
        "forwards": ["forward" in vars(part) for part in module.modules()],
        "random": [torch.get_rng_state()],
    }


def check_left_alone(before, after):
    for what in before:
        if what in {"tensors", "random"}:
            assert all(map(torch.equal, before[what], after[what])), what
        else:
            assert before[what] == after[what], what


@pytest.mark.parametrize("method", [*METHODS, "ablation-cam", "deep-shap", "attn-lrp"])
def test_each_thread_gets_its_own_map(method, one_thread):
    settings = {"samples": 60, "regions": "grid:3"} if method == "lime" else {}
    net = Meet().train()
    net.a[1].running_mean.normal_()
    net.a[0].weight.requires_grad_(False)
    classifiers = [wrap(net), wrap(net)]

    def job(number):
        asked = {"target": number % 4, **settings}
        return lambda: seewhy.explain(classifiers[number % 2], photo(number), method, **asked).values

    jobs = [job(number) for number in range(4)]
    alone = [each() for each in jobs]
    torch.manual_seed(7)
    before = state_of(net)
    net.gate = Gate(0.02 if method in {"grad-cam", "layer-cam", "eigen-cam"} else 0.001)
    together = at_once(jobs * 2, 4)
    net.gate = None
    for values, expected in zip(together, alone * 2, strict=True):
        assert np.allclose(values, expected, rtol=0, atol=1e-6)
    check_left_alone(before, state_of(net))


@pytest.mark.heavy
@pytest.mark.parametrize("method", [*METHODS, *MORE])
def test_eight_threads_explain_sixteen_photos_each_as_alone(method, one_thread):
    torch.manual_seed(0)
    net = SOURCES["torchvision"].build("resnet18", 10).train()
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(std=0.1)
    net.conv1.weight.requires_grad_(False)
    classifier = wrap(net, 64)
    settings = {"samples": 120} if method == "lime" else {}

    def job(number):
        return lambda: seewhy.explain(classifier, photo(number, 64), method, target=number % 10, **settings).values

    jobs = [job(number) for number in range(16)]
    alone = [each() for each in jobs]
    before = state_of(net)
    together = at_once(jobs, 8)
    for values, expected in zip(together, alone, strict=True):
        assert np.allclose(values, expected, rtol=0, atol=1e-6 * max(1, abs(expected).max()))
    check_left_alone(before, state_of(net))


class Noisy(nn.Module):
    """Draws random numbers in every forward, in evaluation mode too."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3 * 8 * 8, 4)

    def forward(self, x):
        noise = []
        for _ in range(5):
            noise.append(torch.rand(4))
            time.sleep(1e-4)
        return self.fc(x.flatten(1)) + torch.stack(noise).sum(0)


def test_networks_that_draw_random_numbers_do_not_disturb_each_other_nor_their_caller():
    torch.manual_seed(0)
    networks = [Noisy() for _ in range(3)]
    classifiers = [wrap(net, 8) for net in networks]
    still = wrap(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4)), 8)

    def job(number):
        classifier = [*classifiers, still][number % 4]
        return lambda: [classifier.predict(photo(number, 8))[0].probability for _ in range(5)]

    jobs = [job(number) for number in range(16)]
    torch.manual_seed(3)
    before = torch.get_rng_state()
    alone = [each() for each in jobs]
    assert torch.equal(torch.get_rng_state(), before)
    assert at_once(jobs, 8) == alone
    assert torch.equal(torch.get_rng_state(), before)


def test_wrappers_around_one_backbone_take_turns():
    class Wrapper(nn.Module):
        def __init__(self, backbone):
            super().__init__()
            self.backbone, self.last = backbone, nn.Linear(4, 3)

        def forward(self, x):
            return self.last(self.backbone(x))

    backbone = Meet()
    torch.manual_seed(1)
    classifiers = [wrap(Wrapper(backbone)), wrap(Wrapper(backbone)), wrap(backbone)]

    def job(number):
        classifier = classifiers[number % 3]
        return lambda: seewhy.explain(classifier, photo(number), "layer-cam", target=number % 3).values

    jobs = [job(number) for number in range(6)]
    alone = [each() for each in jobs]
    before = state_of(classifiers[0].module)
    backbone.gate = Gate(0.02)
    for values, expected in zip(at_once(jobs, 6), alone, strict=True):
        assert np.allclose(values, expected, rtol=0, atol=1e-6)
    check_left_alone(before, state_of(classifiers[0].module))


def test_two_networks_do_not_wait_for_each_other():
    gate, met, waiting = threading.Barrier(2), [], threading.Event()

    class Waits(nn.Module):
        def forward(self, x):
            if waiting.is_set():
                met.append(gate.wait(10))  # broken, if the other thread's network is kept out
            return x.flatten(1)[:, :4]

    classifiers = [wrap(Waits(), 4) for _ in range(2)]  # seen to draw no random numbers
    waiting.set()
    at_once([lambda each=each: each.logits(torch.rand(1, 3, 4, 4)) for each in classifiers], 2)
    assert sorted(met) == [0, 1]


def test_a_network_that_asks_another_one_and_that_one_in_other_threads_end():
    inner = wrap(Meet())
    outer = black_box(lambda pictures: inner.probabilities([seewhy.open_image(each) for each in pictures]).numpy())
    jobs = [lambda: inner.predict(photo(1))[0].probability, lambda: outer.predict(photo(1))[0].probability]
    alone = [each() for each in jobs]
    assert at_once(jobs * 8, 8) == pytest.approx(alone * 8)


def test_a_failure_lets_the_next_one_in():
    net = Meet()

    def fail():
        with owning(net), evaluating(net):
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fail()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(wrap(net).predict, photo(1)).result(10)


def test_who_waits_is_served_in_turn():
    net, order = nn.Sequential(nn.Linear(2, 2)), []

    def other():
        with owning(net):
            order.append("other")

    thread = threading.Thread(target=other)
    for turn in range(2):
        with owning(net):
            if turn == 0:
                thread.start()
                while not state._waiting:
                    time.sleep(1e-3)
            order.append("greedy")
    thread.join(10)
    assert order == ["greedy", "other", "greedy"]
