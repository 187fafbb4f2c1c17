"""What a method is asked, and what it answers: one `Task` in, one `Found` for each picture × target × layer out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from seewhy.core.progress import Progress, silent
from seewhy.core.registry import Registry
from seewhy.engines import Answers, Differentiable, Fill, FromLayer, MaskedForward
from seewhy.engines.inference import Precision
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods.evidence import RegionWeights, Rule
from seewhy.methods.other_classes import OTHERS, Asking, classes_of, likely_others
from seewhy.models import Categories, Classifier, Grid, Head, Target, Value

CHUNK = 256  # masks held at once
METHODS: Registry[Any] = Registry("method", "seewhy.methods")  # of `Method`s, which are declared to its right


class Task:
    """Why each of some targets, about each of some pictures?

    `pixels` `(N, C, h, w)` is what the network sees before normalising, `inputs` after it; `targets` holds a list
    for each picture. A method that is not `batched` gets one picture at a time: `picture` `(C, h, w)`, with its targets
    `asked`. Without targets they are the `top` likeliest classes, read off the logits that the method needs anyway.
    What is asked of the network through the task is counted: `forwards`, `backwards`. `known` are logits `(N, K)` that
    the network gave for these inputs before; they count as the forward that a method would take to get them. `images`
    are the whole pictures, where there are any; `answers` what other tasks asked of masked pictures. With `others`, the
    `targets` of each picture end in some of other likely classes, beyond the `own` ones.
    """

    def __init__(
        self,
        classifier: Classifier,
        pixels: Tensor,
        inputs: Tensor,
        targets: Sequence[Sequence[Target]] | None,
        *,
        generator: torch.Generator,
        progress: Progress = silent,
        top: int = 1,
        known: Tensor | None = None,
        images: Sequence[Image] = (),
        answers: Answers | None = None,
        others: Asking = "",
    ) -> None:
        self.classifier = classifier
        self.pixels = pixels
        self.images = images
        self.inputs = inputs
        self.generator = generator
        self.progress = progress
        self._targets, self._top, self._known = targets, top, known
        self._logits: Tensor | None = None
        self._engines: list[MaskedForward | Differentiable] = []
        self._spent = [0, 0]
        self._answers = Answers() if answers is None else answers
        self._others: Asking = others

    @property
    def compared(self) -> bool:
        """Whether other classes are asked about, too."""
        return bool(self._others)

    @property
    def picture(self) -> Tensor:
        """The one picture, `(C, h, w)`, of a method that is not batched."""
        return self.pixels[0]

    @property
    def asked(self) -> Sequence[Target]:
        """The targets of the one picture."""
        return self.targets[0]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what the network sees."""
        return (self.pixels.shape[2], self.pixels.shape[3])

    @cached_property
    def own(self) -> Sequence[Sequence[Target]]:
        """What is explained: a list for each picture."""
        if self._targets is not None:
            return self._targets
        best = self.classifier.head.likeliest(self.logits, self._top)
        return [[Target(index, chosen="predicted") for index in row] for row in best.tolist()]

    @cached_property
    def targets(self) -> Sequence[Sequence[Target]]:
        """A list for each picture: what is explained, and then other classes to compare with."""
        head = self.classifier.head
        if not self._others or head.meaning in {"binary", "values"}:
            return self.own
        named = max(len({index for each in row for index in classes_of(each)}) for row in self.own)
        count = min(OTHERS + named, self.logits.shape[1])
        best = head.likeliest(self.logits, count).tolist()
        return [
            [*row, *likely_others(row, likeliest, self._others)] for row, likeliest in zip(self.own, best, strict=True)
        ]

    @property
    def logits(self) -> Tensor:
        """`(N, K)` of the pictures as they are: what the method noted, or its engine's, or those of one forward."""
        if self._logits is None:
            masked = next((each for each in self._engines if isinstance(each, MaskedForward)), None)
            if masked is None:
                self.spend(forwards=1)
            if masked is not None:
                return self.note(masked.logits[None])
            if self._known is not None:
                return self.note(self._known)
            with torch.no_grad():
                return self.note(self.classifier.logits(self.inputs))
        return self._logits

    def note(self, logits: Tensor) -> Tensor:
        """Keep the logits `(N, K)` of the method's own forward, before any target's score is read off them.

        Raises:
            UsageError: a target is no class of the network.
        """
        self._logits = known = logits.detach()
        classes = logits.shape[1]
        for target in (each for targets in self._targets or () for each in targets):
            named = (target.index, *target.also, target.against)
            wrong = [each for each in named if each is not None and each >= classes]
            if wrong or (target.index < 0 and not isinstance(target, Value)):
                raise UsageError(
                    f"the network has {classes} classes, 0 to {classes - 1}; there is no {(wrong or [target.index])[0]}"
                )
        return known

    def spend(self, forwards: int = 0, backwards: int = 0) -> None:
        """Count passes for each picture that no engine of the task counts."""
        self._spent[0] += forwards
        self._spent[1] += backwards

    @property
    def forwards(self) -> int:
        """Forward passes so far."""
        return self._spent[0] + sum(each.forwards for each in self._engines)

    @property
    def backwards(self) -> int:
        """Backward passes so far."""
        kept = (each.backwards for each in self._engines if isinstance(each, Differentiable))
        return self._spent[1] + sum(kept)

    @property
    def checks(self) -> Mapping[str, float]:
        """What the engines found out about themselves."""
        return {
            name: value
            for each in self._engines
            if isinstance(each, MaskedForward)
            for name, value in each.checks.items()
        }

    @property
    def computed(self) -> tuple[str, ...]:
        """What answered the engines' questions, and what was left aside, in sentences."""
        told = (each.told for each in self._engines if isinstance(each, MaskedForward))
        return tuple(dict.fromkeys(chain.from_iterable(told)))

    def grids(self, layers: Sequence[str]) -> dict[str, Grid]:
        """How each of these layers, or the default one, covers the picture; a layer that does not is refused."""
        return {layer: self.classifier.require_grid(layer) for layer in layers or (self.classifier.default_layer,)}

    def masked(
        self,
        fill: str | Fill,
        *,
        labels: np.ndarray | None = None,
        precision: Precision | Literal["auto"] = "auto",
        batch_size: int | None = None,
    ) -> MaskedForward:
        """The masked-forward engine of the one picture, over the regions `labels` `(h, w)` if there are any."""
        engine = MaskedForward(
            self.classifier,
            self.picture,
            fill,
            labels=labels,
            generator=self.generator,
            precision=precision,
            batch_size=batch_size,
            progress=self.progress,
            answers=self._answers,
        )
        self._engines.append(engine)
        _ = self.logits  # from the engine, and checks the targets before the work
        return engine

    def differentiable(self, layer: str | None = None, *, exact: bool = False) -> Differentiable:
        """The network as a function of its input (`exact`: in float64), or of what `layer` puts out for the picture."""
        network = (
            FromLayer(self.classifier, layer, self.picture) if layer else Differentiable(self.classifier, exact=exact)
        )
        self._engines.append(network)
        return network


@dataclass(frozen=True, eq=False)
class Found:
    """What a method found for one picture, target and layer.

    `values` `(h, w)` over what the network saw with their standard `errors`, where the method knows them; `regions`
    and `rule` where it is about regions; `checks` what the method says of itself, in numbers; `signed` where it
    differs from the method's own, `label` what was explained in words, from the class names, where that is not the
    target alone; `notes` are sentences that whoever sees the map has to know.
    """

    values: Tensor | np.ndarray
    layer: str | None = None
    errors: Tensor | np.ndarray | None = None
    regions: RegionWeights | None = None
    rule: Rule | None = None
    checks: Mapping[str, float] = field(default_factory=dict)
    signed: bool | None = None
    label: Callable[[Categories], str] | None = None
    notes: tuple[str, ...] = ()


def enlarge(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """`(N, h, w)` to `size`, bilinearly."""
    return interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def in_chunks(
    engine: MaskedForward, count: int, masks: Callable[[slice], Tensor]
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Chunk by chunk of `count` masks: which they are, the masks `(n, h, w)` and the logits `(n, K)` under them."""
    for start in range(0, count, CHUNK):
        part = slice(start, min(start + CHUNK, count))
        shown = masks(part)
        yield part, shown, engine.maps(shown)


def of_targets(score: Callable[[Tensor, Target], Tensor], logits: Tensor, targets: Sequence[Target]) -> Tensor:
    """The score of each target, `(T, n)`, of logits `(n, K)`."""
    return torch.stack([score(logits, target) for target in targets])


def a_decision(head: Head, target: Target, method: str) -> Target:
    """The target, which has to be about classes or labels.

    Raises:
        UsageError: it is a value, the network's or the caller's own.
    """
    if isinstance(target, Value):
        raise UsageError(f"{method} explains a decision between classes, which a function of the logits does not make")
    if head.meaning == "values":
        raise UsageError(
            f"{method} explains a decision between classes, and this network gives values; try lime or rise"
        )
    return target


def unit(maps: Tensor) -> Tensor:
    """Each map `(..., h, w)` stretched to [0, 1]; a flat one has nothing to show and is all 0."""
    low = maps.amin((-2, -1), keepdim=True)
    span = maps.amax((-2, -1), keepdim=True) - low
    return torch.where(span > 0, (maps - low) / span, 0)


def varied(maps: Tensor) -> Tensor:
    """Which of maps `(n, h, w)` are not flat."""
    return maps.amax((1, 2)) > maps.amin((1, 2))
