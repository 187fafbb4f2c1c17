"""The declared head: which of a network's tensors holds its answer, and what the numbers in it mean.

Whatever the network gives, methods see *scores* `(N, K)`, one for each class, that gradients can follow: logits, or the
logarithm of what came out of a softmax, or the log-odds of what came out of a sigmoid. The head turns them into the
probabilities that people are told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from seewhy.core.text import percent, plain_number
from seewhy.errors import ModelError, NonFinite, SeewhyError, UsageError
from seewhy.models.blame import blamed
from seewhy.models.categories import Target, Value
from seewhy.models.outputs import scores_of
from seewhy.models.state import evaluating

Gives: TypeAlias = Literal[
    "logits",  # of classes of which one is right
    "probabilities",  # of such classes: they add up to 1; a single one is that of the second of two classes
    "log-probabilities",
    "sigmoid",  # logits of labels that do not depend on one another; a single one is that of two classes
    "label-probabilities",  # of such labels, each in [0, 1]
    "single-logit",  # of the second of two classes
    "values",  # no classes: numbers of any size
]
Meaning: TypeAlias = Literal["classes", "labels", "binary", "values"]
NOUN: dict[Meaning, str] = {"classes": "class", "labels": "label", "binary": "class", "values": "value"}
MEANS: dict[Meaning, str] = {  # what people are told of the numbers, in a sentence
    "classes": "The probabilities of all classes add up to 100%.",
    "binary": "The probabilities of the two classes add up to 100%.",
    "labels": "Each label has a probability of its own, whatever the others have; they do not add up to 100%.",
    "values": "The network gives values, not probabilities: each number is in the unit that it was trained on.",
}
GIVES: tuple[Gives, ...] = get_args(Gives)
SINGLE = {"probabilities", "sigmoid", "label-probabilities", "single-logit", "values"}  # of which one will do
SHARES = {"probabilities", "label-probabilities"}  # which lie in [0, 1]
ROUNDING = 1e-2  # of half precision
NEGLIGIBLE = 1e-12  # of a logarithm beside its number


@dataclass(frozen=True)
class Head:
    """What the numbers of a network mean.

    As a declaration it holds what was said, and None where nothing was; a classifier's own has been tried out.

    Args:
        gives: what they are; see `Gives`.
        output: which tensor holds them, by place or name, where the network answers with several.
        single: whether there is one number for each picture.
        alone: whether pictures have to go in one by one, since those of a batch change each other's answer.
        threshold: the probability from which on a label is said to be there, one for all or one for each; 0.5 where
            nothing was said.
        classes: how many scores there are for each picture, where that is known.
    """

    gives: Gives | None = None
    output: str | int | None = None
    single: bool = False
    alone: bool = False
    threshold: float | tuple[float, ...] | None = None
    classes: int | None = None

    def __post_init__(self) -> None:
        if self.gives is not None and self.gives not in GIVES:
            raise UsageError(f"gives is one of {', '.join(GIVES)}, not {self.gives!r}")

    def __or__(self, other: Head) -> Head:
        """What this declares, and for the rest what `other` does."""
        return replace(
            other,
            gives=self.gives or other.gives,
            output=other.output if self.output is None else self.output,
            single=self.single or other.single,
            alone=self.alone or other.alone,
            threshold=other.threshold if self.threshold is None else self.threshold,
        )

    @property
    def meaning(self) -> Meaning:
        """`classes` exclude one another, `labels` do not; `binary` is two classes of one number."""
        if self.gives == "values":
            return "values"
        if self.single:
            return "binary"
        return "labels" if self.gives in {"sigmoid", "label-probabilities"} else "classes"

    def ask(self, module: nn.Module, x: Tensor) -> Tensor:
        """Scores `(N, K)` of network inputs, recorded by autograd where that is on.

        Raises:
            ModelError: the network raised, or what it gives is not what was declared.
        """
        if self.alone and len(x) > 1:
            return torch.cat([self._ask_anew(module, row) for row in x.split(1)])
        try:
            answer = module(x)
        except SeewhyError:
            raise
        except Exception as error:
            raise blamed(error, module, x) from error
        return self.read(answer, len(x))

    def _ask_anew(self, module: nn.Module, x: Tensor) -> Tensor:
        with evaluating(module):  # from where its random numbers begin
            return self.ask(module, x)

    def read(self, answer: Any, count: int | None = None) -> Tensor:
        """Scores `(N, K)` of what a network returned about `count` pictures, a tensor or something that holds it."""
        return self.scores(self.numbers(answer, count))

    def scores(self, numbers: Tensor) -> Tensor:
        """Scores `(N, K)` of the numbers that the network gives, as `numbers` finds them.

        Raises:
            ModelError: they are not what was declared.
        """
        if self.gives == "log-probabilities":  # of what is impossible it is -inf
            numbers = numbers.clamp(min=math.log(torch.finfo(numbers.dtype).tiny))
        if not bool(torch.isfinite(numbers).all()):
            raise NonFinite(
                "the network answered with NaN or infinity on this input; check its weights and its preprocessing "
                "(half precision on a CPU overflows easily: load it in float32)"
            )
        scores = self._scores(numbers)
        if self.classes not in {None, scores.shape[1]}:
            raise ModelError(f"the network answered with {scores.shape[1]} scores, and with {self.classes} before")
        return scores

    def numbers(self, answer: Any, count: int | None = None) -> Tensor:
        """What the network gives, `(N, K)`, as it is."""
        single = self.gives in SINGLE
        found = scores_of(answer, self.output, single=single, count=count).tensor
        return _rows(found, single=single, count=count, classes=None if self.single else self.classes)

    def _scores(self, numbers: Tensor) -> Tensor:
        if self.gives in SHARES:
            if bool(((numbers < -ROUNDING) | (numbers > 1 + ROUNDING)).any()):
                cure = "single-logit" if self.single else "logits" if self.gives == "probabilities" else "sigmoid"
                raise ModelError(f"the network gave numbers outside 0 to 1 as {self.gives}; say gives='{cure}'")
            kind = torch.finfo(numbers.dtype)
            odds = self.single or self.gives == "label-probabilities"
            rest = (1 - numbers).clamp(min=kind.eps).log() if odds else 0
            numbers = numbers.clamp(min=kind.tiny).log() - rest
        return torch.cat([-numbers, numbers], dim=1) if self.meaning == "binary" else numbers

    def probabilities(self, scores: Tensor) -> Tensor:
        """What people are told of scores `(..., K)`: the probability of each class; of `values` the values."""
        match self.meaning:
            case "classes":
                return scores.softmax(-1)
            case "values":
                return scores
            case _:
                return scores.sigmoid()

    def log_probabilities(self, scores: Tensor) -> Tensor:
        """The logarithm of `probabilities`; of `values` the values."""
        match self.meaning:
            case "classes":
                return scores.log_softmax(-1)
            case "values":
                return scores
            case _:
                return logsigmoid(scores)

    def probability(self, scores: Tensor, target: Target) -> Tensor:
        """Float64 `(...)` of scores `(..., K)`: what people are told of a target.

        A class's probability; of "A rather than B" A's if there were no third; of "A and B" that both labels are
        there, or of classes that exclude one another that it is one of them. Of values the value.
        """
        scores = scores.double()
        if isinstance(target, Value) or self.meaning == "values":
            return target.score(scores)
        if target.against is not None:
            return self.log_odds(scores, target).sigmoid()
        named = self.probabilities(scores)[..., [target.index, *target.also]]
        return named.prod(-1) if self.meaning == "labels" else named.sum(-1)

    def log_probability(self, scores: Tensor, target: Target) -> Tensor:
        """Float64 `(...)` of scores `(..., K)`: of a class the log-probability, of "A rather than B" the difference.

        Of "A and B" that both labels are there, or of classes that exclude one another that it is one of them. Of
        values the value.
        """
        scores = scores.double()
        if isinstance(target, Value) or self.meaning == "values":
            return target.score(scores)
        logs = self.log_probabilities(scores)
        if not target.also or self.meaning == "labels":
            return target.score(logs)
        together = logs[..., [target.index, *target.also]].logsumexp(-1)
        return together if target.against is None else together - logs[..., target.against]

    def log_odds(self, scores: Tensor, target: Target) -> Tensor:
        """Float64 `(...)` of scores `(..., K)`: the log-odds of a target, which do not saturate as probabilities do.

        Their logistic function is `probability`. Of a class or a label against all else, of "A rather than B" if there
        were no third, so of labels where one of the two is there; of "A and B" that both labels are there, or of
        classes that exclude one another that it is one of them. Of values the value.
        """
        if isinstance(target, Value) or self.meaning == "values":
            return target.score(scores.double())
        scores, named, rival = scores.double(), [target.index, *target.also], target.against
        if self.meaning == "binary" and not target.also:
            return scores[..., target.index]  # of two classes of one number the one's score says it all
        if self.meaning == "labels":
            own = _all_of(scores[..., named])
            return own if rival is None else own - scores[..., rival]
        if rival is not None:
            return scores[..., named].logsumexp(-1) - scores[..., rival]
        if len(set(named)) == scores.shape[-1]:
            return torch.zeros_like(scores[..., 0])  # one of all there are is certain, whatever is seen
        rest = scores.clone()
        rest[..., named] = -torch.inf
        return scores[..., named].logsumexp(-1) - rest.logsumexp(-1)

    def share(self, scores: Tensor, target: Target) -> Tensor:
        """Float64 `(...)` of scores `(..., K)`: `probability`, but of "A rather than B" the difference of the two."""
        if target.against is None or isinstance(target, Value):
            return self.probability(scores, target)
        return (
            self.probability(scores, replace(target, against=None))
            - self.probabilities(scores.double())[..., target.against]
        )

    def likeliest(self, scores: Tensor, top: int = 1) -> Tensor:
        """The indices `(..., top)` of the largest scores `(..., K)`, best first; values have no best, so the first."""
        count = min(top, scores.shape[-1])
        if self.meaning == "values":
            return torch.arange(count, device=scores.device).expand(*scores.shape[:-1], count)
        return scores.topk(count).indices

    def margin(self, scores: Tensor, target: Target) -> tuple[Tensor, Tensor]:
        """By how much the network says a target, `(...)` of scores `(..., K)`, and the class that is nearest to it.

        Above 0 it says so: a class leads all others, "A rather than B" leads B, one of "A and B" leads the rest; a
        label, and each of "A and B", is over its threshold. The nearest class is the best of the others; of labels
        the one of those asked about that is nearest to its threshold.

        Raises:
            UsageError: the network gives values, or the target is one, so that there is no decision.
        """
        if self.meaning == "values" or isinstance(target, Value):
            raise UsageError("a value is no decision between classes")
        own = [target.index, *target.also]
        if target.against is not None:
            return target.score(scores), torch.full(scores.shape[:-1], target.against)
        if self.meaning == "labels":
            least = (scores - torch.logit(scores.new_tensor(self.limits(scores.shape[-1]))))[..., own].min(-1)
            return least.values, torch.tensor(own)[least.indices.cpu()]
        others = scores.clone()
        others[..., own] = -torch.inf
        best = others.max(-1)
        return scores[..., own].amax(-1) - best.values, best.indices

    def over(self, probabilities: Tensor) -> Tensor:
        """Bool `(..., K)` of probabilities `(..., K)`: which labels reach their thresholds."""
        return probabilities >= probabilities.new_tensor(self.limits(probabilities.shape[-1]))

    def limits(self, count: int) -> tuple[float, ...]:
        """The threshold of each of so many labels."""
        said = 0.5 if self.threshold is None else self.threshold
        each = said if isinstance(said, tuple) else (said,) * count
        if len(each) != count:
            raise ModelError(f"there are {len(each)} thresholds for {count} labels")
        return each


def _all_of(scores: Tensor) -> Tensor:
    """The log-odds that labels of `scores` `(..., n)` are all there, whatever they do apart from each other."""
    if scores.shape[-1] == 1:
        return scores[..., 0]
    logs = logsigmoid(scores).sum(-1)
    missing = torch.log(-torch.expm1(logs))  # the probability that one is; of sure ones it rounds to nothing
    return torch.where(logs > -NEGLIGIBLE, -torch.logsumexp(-scores, -1), logs - missing)


def told(number: float, meaning: Meaning) -> str:
    """A number as people read it: a probability in per cent, a value as it is.

    >>> told(0.25, "labels"), told(0.25, "values")
    ('25.0%', '0.25')
    """
    return plain_number(number) if meaning == "values" else percent(number)


def _rows(numbers: Tensor, *, single: bool, count: int | None, classes: int | None) -> Tensor:
    """The tensor as `(N, K)`."""
    if numbers.dim() > 2 and set(numbers.shape[2:]) == {1}:
        numbers = numbers.flatten(1)
    if numbers.dim() < 2 and count == 1 and numbers.numel() == (classes or 1):
        numbers = numbers.reshape(1, -1)  # squeezed to nothing but its numbers
    if numbers.dim() == 1 and count in {None, len(numbers)} and single:
        numbers = numbers[:, None]
    if numbers.dim() != 2:
        raise ModelError(
            f"the network returned a tensor of shape {tuple(numbers.shape)}; a classifier returns (N, classes). "
            "Is this a segmentation or detection network, or one without its classification head?"
        )
    if count not in {None, len(numbers)}:
        raise ModelError(f"the network answered {count} images with {len(numbers)} rows of scores")
    if numbers.shape[1] < 2 and not single:
        raise ModelError(
            f"the network returned {numbers.shape[1]} score for each image, so there is no class to choose; declare "
            "what it is: gives='single-logit' for two classes, 'probabilities' after a sigmoid, 'values' for a number "
            '(on the command line --head, in a model\'s card "gives")'
        )
    if numbers.is_complex():
        raise ModelError("the network returned complex numbers; class scores are real")
    return numbers if numbers.is_floating_point() else numbers.float()
