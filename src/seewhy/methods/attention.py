"""Where attention goes in a vision transformer, layer upon layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import Differentiable
from seewhy.engines.attention import Attention, Attentions
from seewhy.errors import ExplainError
from seewhy.methods.method import Method
from seewhy.methods.task import Found, Task, enlarge
from seewhy.models import Grid, Target


def rollout(weights: Sequence[Tensor]) -> Tensor:
    """∏ (½ W + ½ 1), W a layer's weights `(T, T)` averaged over heads, the last layer first: `(T, T)`.

    Source: Abnar & Zuidema 2020, eq. 1.
    """
    flow = torch.eye(weights[0].shape[-1]).to(weights[0])
    for each in weights:
        flow = (each.mean(0) + torch.eye(len(flow)).to(flow)) / 2 @ flow
    return flow


def attention_relevance(weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
    """R ← R + mean over heads of ReLU(∇W ⊙ W) · R, from the unit matrix on, less it: `(T, T)`.

    Source: Chefer 2021 (generic attention), eq. 5-6. Without the unit matrix, a token's own share is no relevance.
    """
    unit = torch.eye(weights[0].shape[-1]).to(weights[0])
    found = unit
    for each, gradient in zip(weights, gradients, strict=True):
        found = found + (each * gradient).clamp(min=0).mean(0) @ found
    return found - unit


def legrad(gradients: Sequence[Tensor]) -> Tensor:
    """The mean over layers, heads and queries of ReLU(∇W), for each key: `(T,)`. Source: Bousselham 2024, eq. 6-9."""
    return torch.stack([each.clamp(min=0).mean((0, 1)) for each in gradients]).mean(0)


class AttentionMethod(Method):
    """A number per patch, read off the first token, or where there are patches alone, off their mean."""

    family = "attention"

    @abstractmethod
    def shares(self, layers: Sequence[Attention], answering: Tensor) -> Tensor:
        """What each token has of the answer, `(T,)`, to which tokens contribute as `answering` `(T,)` says."""

    def attended(self, task: Task, network: Differentiable, points: Tensor, target: Target) -> Sequence[Attention]:
        """The attention of each layer, with the score's gradients where the method needs them."""
        seen = Attentions()
        ask = network.gradients if "gradients" in self.needs else network.watch
        ask(points, [target], seen.rules)
        return seen.layers

    @override
    def find(self, task: Task) -> list[Found]:
        network = task.differentiable()
        points = network.points(task.pixels)
        task.note(network.logits(points))
        return [self._found(task, self.attended(task, network, points, target)) for target in task.asked]

    def _found(self, task: Task, layers: Sequence[Attention]) -> Found:
        grid = _grid(task, layers, self.name)
        weights = layers[0].weights
        answering = weights.new_zeros(len(weights[0]))
        answering[: 1 if grid.prefix else None] = 1 if grid.prefix else 1 / len(answering)
        patches = self.shares(layers, answering)[grid.prefix :].float().view(1, *grid.size)
        return Found(enlarge(patches, task.size)[0], checks={"attention_layers": float(len(layers))})


def _grid(task: Task, layers: Sequence[Attention], name: str) -> Grid:
    """How the tokens that attend cover the picture."""
    tokens = {each.weights.shape[-1] for each in layers}
    for layer in task.classifier.layers[::-1]:
        grid = layer.grid
        if grid and grid.layout == "tokens" and tokens == {grid.prefix + grid.height * grid.width}:
            return grid
    raise ExplainError(
        f"{name} follows attention among all patches of the picture, and {task.classifier.name} has none that it can "
        "see, or attends within windows; take grad-cam or attn-lrp"
    )


class AttentionRollout(AttentionMethod):
    """Attention weights multiplied through all layers, with the residual connection as half of each."""

    name = "attention-rollout"
    title = "Attention rollout"
    status = "verified"
    class_blind = True
    paper = "Abnar & Zuidema 2020"
    arxiv = "2005.00928"
    needs = ("layers", "attention")
    question = "Where does the attention of the answering token go, whatever the class?"
    reading = (
        "Bright areas are those that the network's last token collects from. It is where the network looks, not what "
        "it decides by: the class plays no part in it. Take it to compare others with."
    )
    cost = "two forwards"

    @override
    def shares(self, layers: Sequence[Attention], answering: Tensor) -> Tensor:
        return answering @ rollout([each.weights for each in layers])


class AttentionRelevance(AttentionMethod):
    """Attention weights times their gradients, where positive, multiplied through all layers."""

    name = "attention-relevance"
    title = "Attention relevance"
    status = "verified"
    paper = "Chefer et al. 2021"
    arxiv = "2103.15679"
    needs = ("attention", "gradients")
    question = "Which patches did attention bring to this class?"
    reading = (
        "Bright areas are those whose attention raised the score of the class. What reaches the class past attention, "
        "through the tokens themselves, is not in it. The map is as coarse as the patches."
    )
    cost = "two forwards, one backward for each class"

    @override
    def shares(self, layers: Sequence[Attention], answering: Tensor) -> Tensor:
        return answering @ attention_relevance([each.weights for each in layers], _gradients(layers))


class LeGrad(AttentionMethod):
    """Where more attention would raise the score, block by block, each block's tokens read as if they were the last.

    The network's own end, its norm, pooling and head, answers for the tokens of every block.
    """

    name = "legrad"
    title = "LeGrad"
    status = "verified"
    paper = "Bousselham et al. 2024"
    arxiv = "2404.03214"
    needs = ("layers", "attention", "gradients")
    question = "Which patches would raise the score of this class if they got more attention, in any layer?"
    reading = (
        "Bright patches are those that, attended to more, would raise the score of the class as it can be read off "
        "each layer. The map is as coarse as the patches."
    )
    cost = "two forwards, and one forward and one backward for each block"

    @override
    def attended(self, task: Task, network: Differentiable, points: Tensor, target: Target) -> Sequence[Attention]:
        seen = Attentions()
        with seen.blocks(network.module) as blocks:
            network.watch(points, [target], seen.rules)
        _grid(task, seen.layers, self.name)
        if blocks.keys() != {*range(len(seen.layers))}:
            raise ExplainError(
                f"{self.name} reads the class off each block's tokens, and the blocks of {task.classifier.name} are no "
                "modules of their own; take attention-relevance"
            )
        end = task.differentiable(blocks[len(blocks) - 1].name)
        tokens = torch.cat([blocks[place].output.detach() for place in range(len(blocks))])
        (gradients,) = end.gradients(tokens, [target])[1]
        for place, attention in enumerate(seen.layers):
            blocks[place].hand_back(gradients[place : place + 1], attention)
        return seen.layers

    @override
    def shares(self, layers: Sequence[Attention], answering: Tensor) -> Tensor:
        return legrad(_gradients(layers))


def _gradients(layers: Sequence[Attention]) -> list[Tensor]:
    return [torch.zeros_like(each.weights) if each.gradient is None else each.gradient for each in layers]
