import pytest
import torch
from torch import nn

import zoo
from seewhy.models.state import evaluating


def interrupted(module, flags):
    with evaluating(module):
        flags += [part.training for part in module.modules()]
        raise KeyboardInterrupt


def test_flags_that_differ_come_back_as_they_were():
    module = nn.Sequential(nn.Dropout(), nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()))
    module[1][1].eval()
    before = [part.training for part in module.modules()]
    inside = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(module, inside)
    assert not any(inside)
    assert [part.training for part in module.modules()] == before == [True, True, True, True, False]


def test_random_numbers_inside_are_always_the_same_and_leave_those_outside_alone():
    drawn = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        with evaluating(zoo.network("residual")):
            drawn.append(torch.rand(3))
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*drawn)
