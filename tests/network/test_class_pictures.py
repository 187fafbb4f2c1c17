from __future__ import annotations

import numpy as np
import pytest
import torch

import glyphs
import planted_textures as planted
from seewhy.core.statistics import wilson
from seewhy.errors import UsageError
from seewhy.models import Target
from seewhy.network.class_pictures import (
    AXES,
    VARIES,
    accumulated_picture,
    class_picture,
    drawn,
    natural_spectrum,
    phase_picture,
    spectrum_of,
)
from seewhy.report.classes import _told


@pytest.fixture(scope="module")
def classifier():
    return planted.classifier(planted.trained(0))


@pytest.mark.parametrize("index", [0, 3, 6])
def test_the_accumulated_picture_has_the_stripes_and_other_networks_know_them(classifier, index):
    found = accumulated_picture(classifier, Target(index), torch.Generator().manual_seed(0), rounds=60)
    assert found.said.value >= 0.9 > 0.5 >= found.before
    waves = np.abs(np.fft.fft2(found.change.mean(0)))
    waves[0, 0] = 0
    down, across = ((each + 12) % 24 - 12 for each in np.unravel_index(waves.argmax(), waves.shape))
    assert np.degrees(np.arctan2(down, across)) % 180 == pytest.approx(planted.CLASSES[index][0], abs=12)
    noise = 0.5 + 0.25 * torch.randn((40, 3, 24, 24), generator=torch.Generator().manual_seed(9))
    other = planted.scores(planted.trained(1), (noise + torch.from_numpy(found.change)).clamp(0, 1))
    assert float((other.argmax(1) == index).float().mean()) >= 0.9


def test_what_brings_no_more_than_there_was_does_not_succeed():
    told = [_told(wilson(32, 32), "noise", "tabby", before) for before in (0.0, 1.0)]
    assert told[0].startswith("The network calls 100% of noise tabby")
    assert told[1].startswith("It does not succeed: the network calls 100% of noise tabby")


def test_success_is_counted_on_noise_that_is_drawn_afterwards(classifier):
    found = accumulated_picture(classifier, Target(2), torch.Generator().manual_seed(0), rounds=0)
    assert not found.change.any()
    assert found.said.value == found.before


@pytest.mark.parametrize("size", [(30, 30), (31, 24)])
def test_the_spectrum_of_a_phase_picture_stays_what_it_was(size):
    amplitudes = natural_spectrum(*size, 3)
    phases = torch.fft.rfft2(torch.randn((3, *size), generator=torch.Generator().manual_seed(1))).angle()
    straight = torch.logit(drawn(phases, amplitudes, size).double()) / 4
    back = torch.fft.rfft2(torch.einsum("chw,ac->ahw", straight, AXES.double())).abs()
    assert torch.allclose(back, amplitudes.double(), atol=1e-4 * float(amplitudes.max()))
    assert [float(each.std()) for each in torch.einsum("chw,ac->ahw", straight, AXES.double())] == pytest.approx(
        [0.22 * each for each in VARIES], rel=0.02
    )


def test_colours_have_axes_at_right_angles_and_photos_their_own_spectrum():
    assert torch.allclose(AXES @ AXES.T, torch.eye(3), atol=1e-6)
    pixels = torch.rand((5, 3, 12, 10), generator=torch.Generator().manual_seed(2))
    found = spectrum_of(pixels)
    grey = torch.stack([torch.fft.rfft2(each.sum(0) / 3**0.5).abs() for each in pixels]).mean(0)
    grey[0, 0] = 0
    assert torch.allclose(found[0], grey, atol=1e-4)


def test_phases_are_found_that_say_the_class(classifier):
    size = (30, 30)
    amplitudes = natural_spectrum(*size, 3)
    before, after = (
        phase_picture(classifier, Target(3), amplitudes, size, torch.Generator().manual_seed(0), steps=steps)
        for steps in (0, 40)
    )
    assert after.probability > before.probability + 0.2
    assert not before.felt.any()
    assert after.felt.all()
    assert (after.pixels.min(), after.pixels.max()) == pytest.approx((0.5, 0.5), abs=0.5)


def test_the_same_seed_gives_the_same_and_the_network_stays_as_it_was(classifier):
    classifier.module.zero_grad()
    weights = [each.clone() for each in classifier.module.parameters()]
    one, other = (class_picture(classifier, Target(1), steps=3, rounds=3, seed=4) for _ in range(2))
    assert np.array_equal(one.phase.pixels, other.phase.pixels)
    assert np.array_equal(one.accumulated.change, other.accumulated.change)
    assert all(torch.equal(a, b) for a, b in zip(weights, classifier.module.parameters(), strict=True))
    assert all(each.grad is None for each in classifier.module.parameters())


def test_values_have_no_class_to_draw():
    with pytest.raises(UsageError, match="a network of classes"):
        class_picture(glyphs.values(), Target(0))
