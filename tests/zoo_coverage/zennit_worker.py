"""Asks zennit for LRP-0 of one network, in zennit's own environment: `zennit_worker.py GIVEN GOT`.

It takes a network as it was pickled and needs the library that the network is of, and nothing of seewhy.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

SHIM = Path(__file__).parents[2] / "src/seewhy/models/shim.py"


def main(given: str, got: str) -> None:
    """Read a network, an input and a target; write the relevance of the input."""
    spec = importlib.util.spec_from_file_location("shim", SHIM)
    assert spec
    assert spec.loader
    shim = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shim)
    shim.ready_torchvision()
    import torch
    from zennit.canonizers import SequentialMergeBatchNorm
    from zennit.composites import LayerMapComposite
    from zennit.layer import Sum
    from zennit.rules import Epsilon, Norm, Pass
    from zennit.torchvision import ResNetCanonizer
    from zennit.types import Activation, AvgPool, BatchNorm, Convolution, Linear

    asked = torch.load(given, weights_only=False)
    network, x = asked["network"].eval(), asked["x"]
    rules = [
        (Activation, Pass()),
        (Sum, Norm()),
        (AvgPool, Norm()),
        (BatchNorm, Pass()),
        (Convolution, Epsilon(epsilon=1e-6)),
        (Linear, Epsilon(epsilon=1e-6)),
    ]
    residual = "resnet" in type(network).__module__
    canonizer = ResNetCanonizer() if residual else SequentialMergeBatchNorm()
    x = x.clone().requires_grad_()
    with LayerMapComposite(rules, canonizers=[canonizer]).context(network) as ruled:
        scores = ruled(x)
        scores = getattr(scores, "logits", scores)
        start = torch.zeros_like(scores)
        start[0, asked["target"]] = scores[0, asked["target"]].detach()
        (relevance,) = torch.autograd.grad(scores, x, start)
    torch.save(relevance, got)


if __name__ == "__main__":
    main(*sys.argv[1:])
