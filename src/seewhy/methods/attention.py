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


class AttentionMethod(Method):
    """A number per patch, read off the first token, or where there are patches alone, off their mean."""

    family = "attention"

    @abstractmethod
    def flow(self, layers: Sequence[Attention]) -> Tensor:
        """How much each token `(T, T)`, a row, has of each other."""

    @abstractmethod
    def ask(self, network: Differentiable, points: Tensor, target: Target, seen: Attentions) -> None:
        """Run the network, with what `seen` sees."""

    @override
    def find(self, task: Task) -> list[Found]:
        network = task.differentiable()
        points = network.points(task.pixels)
        task.note(network.logits(points))
        return [self._found(task, network, points, target) for target in task.asked]

    def _found(self, task: Task, network: Differentiable, points: Tensor, target: Target) -> Found:
        seen = Attentions()
        self.ask(network, points, target, seen)
        grid = _grid(task, seen.layers, self.name)
        flow = self.flow(seen.layers)
        row = flow[0] if grid.prefix else flow.mean(0)
        patches = row[grid.prefix :].float().view(1, *grid.size)
        return Found(enlarge(patches, task.size)[0], checks={"attention_layers": float(len(seen.layers))})


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
    def ask(self, network: Differentiable, points: Tensor, target: Target, seen: Attentions) -> None:
        network.watch(points, [target], seen.rules)

    @override
    def flow(self, layers: Sequence[Attention]) -> Tensor:
        return rollout([each.weights for each in layers])


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
    def ask(self, network: Differentiable, points: Tensor, target: Target, seen: Attentions) -> None:
        network.gradients(points, [target], seen.rules)

    @override
    def flow(self, layers: Sequence[Attention]) -> Tensor:
        weights = [each.weights for each in layers]
        gradients = [torch.zeros_like(each.weights) if each.gradient is None else each.gradient for each in layers]
        return attention_relevance(weights, gradients)
