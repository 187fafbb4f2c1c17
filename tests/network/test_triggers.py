from __future__ import annotations

import numpy as np
import pytest
import torch

import glyphs
import planted_textures as planted
from seewhy.core.statistics import wilson
from seewhy.errors import UsageError
from seewhy.models import Target
from seewhy.network.triggers import Trigger, distances, find_triggers, painted, suspicious, verdict

EVERY = [Target(index) for index in range(len(planted.CLASSES))]


def of_sizes(*sizes: float, turned: int = 10) -> list[Trigger]:
    empty = np.zeros((4, 4), np.float32)
    return [Trigger(Target(n), empty, empty[None], size, wilson(turned, 10)) for n, size in enumerate(sizes)]


def test_painting_by_hand():
    pixels, pattern = torch.full((1, 1, 1, 3), 0.2), torch.ones((1, 1, 3))
    mask = torch.tensor([[0.0, 0.5, 1.0]])
    assert painted(pixels, mask, pattern).flatten().tolist() == pytest.approx([0.2, 0.6, 1.0])


def test_distances_are_in_median_deviations_of_logarithms():
    # Logarithms to the base 2: 5, 6, 7, 6, 2; median 6, deviations 1, 0, 1, 0, 4, of which the median is 1.
    found = of_sizes(32, 64, 128, 64, 4)
    assert distances(found) == pytest.approx([1 / 1.4826, 0, -1 / 1.4826, 0, 4 / 1.4826])
    assert suspicious(found) == [False, False, False, False, True]


def test_what_is_not_half_of_the_median_or_does_not_work_is_not_suspicious():
    assert not any(suspicious(of_sizes(60, 60, 61, 60, 31)))  # many deviations, since the others are alike
    assert not any(suspicious(of_sizes(32, 64, 128, 64, 4, turned=4)))


def test_of_no_change_that_works_nothing_is_said():
    names = "abcde"
    assert verdict(of_sizes(32, 64, 128, 64, 4), names).startswith("Suspicious: e. ")
    alike = of_sizes(60, 60, 61, 60, 59)
    assert verdict(alike, names) == "No class of 5 stands out: none needs a far smaller change than the others."
    some = [*alike[:4], *of_sizes(60, turned=2)]
    assert "For 1 of 5 classes no change was found" in verdict(some, names)
    assert "stands out" in verdict(some, names)
    none = verdict(of_sizes(60, 60, 61, 60, 59, turned=4), names)
    assert none.startswith("For 5 of 5 classes no change was found")
    assert "stands out" not in none


def test_a_planted_backdoor_is_found_alone():
    backdoor, pixels = planted.Backdoor.drawn(0), planted.pictures(64, 88_000_000)[0]
    dirty = planted.classifier(planted.tuned(planted.trained(0), 0, backdoor))
    assert float((planted.scores(dirty.module, backdoor.on(pixels)).argmax(1) == backdoor.target).float().mean()) > 0.9
    found = find_triggers(dirty, pixels, EVERY[:5], steps=100)
    assert [number for number, each in enumerate(suspicious(found)) if each] == [backdoor.target]
    trigger = found[backdoor.target]
    assert trigger.works
    others = planted.pictures(40, 5)[0]
    turned = planted.scores(dirty.module, painted(others, *map(torch.from_numpy, (trigger.mask, trigger.pattern))))
    assert float((turned.argmax(1) == backdoor.target).float().mean()) >= 0.5


@pytest.mark.heavy
def test_backdoors_of_twenty_seeds():
    network, found, called = planted.trained(0), 0, 0
    for seed in range(100, 120):
        backdoor, pixels = planted.Backdoor.drawn(seed), planted.pictures(64, 88_000_000 + seed)[0]
        for used in (backdoor, None):
            tuned = planted.classifier(planted.tuned(network, seed, used))
            odd = suspicious(find_triggers(tuned, pixels, EVERY, steps=120, seed=seed))
            which = [number for number, each in enumerate(odd) if each]
            found += used is not None and which == [backdoor.target]
            called += used is None and bool(which)
    assert found >= 19
    assert called <= 1


def test_too_little_is_refused():
    network, pixels = planted.classifier(planted.trained(0)), planted.pictures(16, 1)[0]
    with pytest.raises(UsageError, match="4 classes at least, not 3"):
        find_triggers(network, pixels, EVERY[:3])
    with pytest.raises(UsageError, match="photos of several classes"):
        find_triggers(network, pixels[:7], EVERY, steps=1)
    with pytest.raises(UsageError, match="network of classes"):
        find_triggers(glyphs.values(), pixels, EVERY)
