"""Where prototypes start."""

from __future__ import annotations

import torch
from torch.nn import functional

from seewhy.prototypes.learning import Probe, starting_points
from seewhy.prototypes.network import PrototypeHead

OWNERS = torch.tensor([0, 0, 1, 1])


def patches():
    """Two places of class 0, two of class 1, and a ground that both share; `(8, 2, 1, 3)`."""
    ground = torch.tensor([0.0, 0.0])
    first, second = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[-1.0, 0.0], [0.0, -1.0]])
    rows = [torch.stack([ground, (first if number < 4 else second)[number % 2], ground]).T for number in range(8)]
    labels = torch.arange(8) // 4
    return torch.stack(rows)[:, :, None], labels


def test_prototypes_start_amid_patches_that_count():
    found, labels = patches()
    evidence = torch.tensor([0.0, 1.0, 0.0]).expand(8, 1, 3)
    points = starting_points(found, labels, evidence, OWNERS, seed=0)
    assert sorted(points[:2].tolist()) == [[0.0, 1.0], [1.0, 0.0]]
    assert sorted(points[2:].tolist()) == [[-1.0, 0.0], [0.0, -1.0]]


def test_without_evidence_all_patches_count():
    found, labels = patches()
    points = starting_points(found, labels, -torch.ones(8, 1, 3), OWNERS, seed=0)
    assert points[:2].norm(dim=1).min() < 0.5  # the ground has one of them


def test_fewer_different_patches_than_prototypes_are_shared():
    points = starting_points(torch.ones(2, 3, 1, 1), torch.zeros(2).long(), torch.ones(2, 1, 1), OWNERS[:2], seed=0)
    assert points.tolist() == [[1.0] * 3] * 2


def test_the_seed_decides():
    found = torch.randn((12, 6, 5, 5), generator=torch.Generator().manual_seed(0))
    labels, weight = torch.arange(12) % 2, torch.rand((12, 5, 5), generator=torch.Generator().manual_seed(1))
    one, same, other = (starting_points(found, labels, weight, OWNERS, seed) for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_evidence_of_patches_adds_up_to_what_the_probe_says():
    torch.manual_seed(0)
    head = PrototypeHead(4, [0, 1, 2], 3, 5, "cosine")
    probe = Probe(head)
    torch.nn.init.normal_(probe.linear.weight)
    features, labels = torch.randn(6, 4, 3, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    scores = probe(features) - probe.linear.bias
    own = scores.gather(1, labels[:, None])[:, 0] - scores.mean(1)
    torch.testing.assert_close(probe.evidence(features, labels).mean((1, 2)), own)


def test_the_probe_warms_up_the_add_on_layers_of_the_head():
    head = PrototypeHead(4, [0, 1], 2, 5, "cosine")
    probe = Probe(head)
    torch.nn.init.normal_(probe.linear.weight)
    functional.cross_entropy(probe(torch.randn(3, 4, 2, 2)), torch.tensor([0, 1, 0])).backward()
    assert head.add_on[0].weight.grad.abs().sum() > 0
    assert head.prototypes.grad is None
