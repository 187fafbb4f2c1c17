"""CLRP: what relevance goes to this class, and not just as well to the others."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines.rule_sets import STABLE
from seewhy.errors import UsageError
from seewhy.methods.gradients import Query
from seewhy.methods.relevance import COMPOSITES, Composite, RelevanceMethod, relevance
from seewhy.methods.task import Found, a_decision
from seewhy.models import Target, Value


def others(target: Target, logits: Tensor) -> Value:
    """The target whose relevance starts with the class's own score, in equal parts at all other outputs.

    Of "A rather than B" at B alone. Source: Gu 2018, eq. 6 (CLRP1).

    Args:
        target: the class.
        logits: what the network answers, `(K,)`.
    """
    own = [target.index, *target.also]
    rivals = [each for each in range(len(logits)) if each not in own] if target.against is None else [target.against]
    start = logits[own].sum() / max(len(rivals), 1)
    with torch.inference_mode(False):  # a copy that autograd may keep
        shares = (start / torch.where(logits[rivals] == 0, STABLE, logits[rivals])).clone()
    return Value(-1, function=lambda answers: (answers[rivals] * shares).sum())


class CLRP(RelevanceMethod):
    """The relevance of the class less that of all others where both start alike, where it is positive."""

    name = "clrp"
    title = "Contrastive LRP"
    status = "verified"
    paper = "Gu et al. 2018"
    arxiv = "1812.02100"
    signed = False
    question = "Which pixels carried the score of this class rather than of the others?"
    reading = (
        "Bright pixels carried the score of this class more than they would carry that of the others; what speaks for "
        "every class alike is dark."
    )
    cost = "two forwards and two backwards"
    choices = COMPOSITES

    rules: Composite = "epsilon-plus"

    @override
    def attribute(self, query: Query) -> list[Found]:
        head = query.network.classifier.head
        asked = [a_decision(head, each, self.name) for each in query.targets]
        if head.meaning == "binary":
            raise UsageError(
                f"{self.name} sets a class apart from the others, and this network has one number for both; take lrp"
            )
        logits = query.network.logits(query.point)[0]
        query.targets = [*(_alone(each) for each in asked), *(others(each, logits) for each in asked)]
        found = relevance(query, self.chosen(query))
        pairs = zip(found[: len(asked)], found[len(asked) :], strict=True)
        return [Found((torch.as_tensor(own.values) - torch.as_tensor(rest.values)).clamp(min=0)) for own, rest in pairs]


def _alone(target: Target) -> Target:
    return Target(target.index, also=target.also)
