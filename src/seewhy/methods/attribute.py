"""The tensor door: why did a network answer so for these inputs? For people in a training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from seewhy.core.pickled import Pickled
from seewhy.core.progress import Progress, silent
from seewhy.errors import NonFinite, UsageError
from seewhy.methods.method import Method, OneTarget, asked_methods, kind_of, notes_of, plain_target, solve
from seewhy.methods.task import Found, Task
from seewhy.models import Classifier, Head, Layer, Preprocessing, Target, Value
from seewhy.models.head import Gives
from seewhy.models.probing import Probed

OWN = ("target", "method", "layer", "generator", "gives", "output")  # what `attribute` takes itself

Ask = OneTarget | Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Attribution(Pickled):
    """How much each part of the inputs speaks for their targets.

    `values` is `(N, h, w)`, or `(N, L, h, w)` for L layers asked for, on the inputs' device; `logits` `(N, K)` what the
    network answered; `checks` by name what the method says of itself, a number per input and layer; `errors`, shaped
    as `values`, the standard errors where they are sampled; `layers` where the method looked; `notes` sentences that
    whoever sees the maps has to know.
    """

    values: Tensor
    logits: Tensor
    checks: Mapping[str, Tensor]
    errors: Tensor | None = None
    layers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)


def attribute(
    network: nn.Module | Classifier,
    x: Tensor,
    target: Ask | Sequence[Ask] | Tensor | None = None,
    method: str | type[Method] | Method = "grad-cam",
    *,
    layer: str | nn.Module | Sequence[str | nn.Module] | None = None,
    generator: torch.Generator | None = None,
    progress: Progress = silent,
    gives: Gives | None = None,
    output: str | int | None = None,
    **settings: Any,
) -> Attribution:
    """Explain a batch of network inputs, taken as they are.

    The network is left as it was: gradients, training modes, hooks and the global random state; no graph is kept.
    Regions are cut in the inputs as they are. What hides parts of them is in their own units: for a bare module black
    is 0, for a `Classifier` black is black before its normalisation.

    Args:
        network: any module that gives class scores `(N, K)`, or a `Classifier`; on the device of `x`.
        x: inputs `(N, C, h, w)` on any device, in the network's dtype.
        target: what to explain: nothing, the likeliest class of each input; a class index for all; a sequence or an
            integer tensor of N, one for each; "A vs B", by index or by a classifier's class names; or a function from
            the logits `(K,)` of one input to a number.
        method: a name of `seewhy.methods.list_methods()`, a class such as `seewhy.methods.GradCAM`, or an object.
        layer: for methods that look at one: its name, the module itself, or several.
        generator: every input starts from its seed, 0 without it; it is left as it is.
        progress: told of the work done; raise `seewhy.errors.Cancelled` in it to stop.
        gives: what the network's numbers are, as in `Classifier.from_module`.
        output: which of several tensors holds them, by its place or name.
        settings: parameters of the method.

    Returns:
        An `Attribution` on the device of `x`.

    Raises:
        UsageError: an argument is of no use; it is named, before the network is asked.
        ExplainError: the network cannot be explained in this way.

    >>> import torch, seewhy
    >>> network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
    ...                               torch.nn.Flatten(), torch.nn.Linear(4, 5))
    >>> seewhy.attribute(network, torch.rand(2, 3, 16, 16), target=[0, 3]).values.shape
    torch.Size([2, 16, 16])
    """
    classifier = _wrapped(network, x, Head(gives, output))
    several = isinstance(layer, list | tuple)
    layers: Sequence[Any] = layer if several else [] if layer is None else [layer]
    (made,) = asked_methods(classifier, [method], layers, settings, OWN)
    if not callable(progress):
        raise UsageError(f"progress is a function of work done, work in all and a message, not {kind_of(progress)}")
    if not isinstance(generator, torch.Generator | None):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"generator is a torch.Generator, such as torch.Generator().manual_seed(0), not {generator!r}")
    seed = 0 if generator is None else generator.initial_seed()
    targets = _targets(classifier, target, len(x))
    return _attributed(made, classifier, x.detach(), targets, seed, progress, several=several)


def _attributed(
    made: Method,
    classifier: Classifier,
    x: Tensor,
    targets: Sequence[Target] | None,
    seed: int,
    progress: Progress,
    *,
    several: bool,
) -> Attribution:
    size = classifier.at_once(len(x) if made.batched else 1)
    solved: list[Found] = []
    logits: list[Tensor] = []
    checks: list[Mapping[str, float]] = []
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        task = Task(
            classifier,
            classifier.preprocessing.denormalize(x[part]),
            x[part],
            None if targets is None else [[each] for each in targets[part]],
            generator=torch.Generator().manual_seed(seed),
            progress=progress,
        )
        found = solve(made, task)
        solved += found
        logits.append(task.logits.to(x.device))
        checks += [{**task.checks, **each.checks} for each in found]
        progress(min(start + size, len(x)), len(x), "inputs")
    notes = _notes([notes_of(each, classifier) for each in solved], len(x))
    return replace(_attribution(made, solved, torch.cat(logits), checks, x, several=several), notes=notes)


def _attribution(
    method: Method,
    solved: Sequence[Found],
    logits: Tensor,
    checks: Sequence[Mapping[str, float]],
    x: Tensor,
    *,
    several: bool,
) -> Attribution:
    depth = len(solved) // len(x)
    shape = (len(x), depth) if several or depth > 1 else (len(x),)
    precision = torch.float64 if x.dtype == torch.float64 else torch.float32

    def stacked(maps: Sequence[Tensor | np.ndarray]) -> Tensor:
        tensors = [torch.as_tensor(each).detach().to(x.device, precision) for each in maps]
        return torch.stack(tensors).unflatten(0, shape)

    values = stacked([each.values for each in solved])
    if not values.isfinite().all():
        raise NonFinite(f"{method.name} gave NaN or infinity; look for NaN in the inputs and weights")
    errors = [_errors(each) for each in solved]
    known = [each for each in errors if each is not None]
    names = dict.fromkeys(name for each in checks for name in each)
    return Attribution(
        values=values,
        logits=logits,
        checks={
            name: torch.tensor([each.get(name, torch.nan) for each in checks]).unflatten(0, shape) for name in names
        },
        errors=stacked(known) if len(known) == len(errors) else None,
        layers=tuple(dict.fromkeys(each.layer for each in solved if each.layer)),
    )


def _notes(of_each: Sequence[tuple[str, ...]], count: int) -> tuple[str, ...]:
    """Each note once; one that is not about all of `count` inputs says about which it is."""
    inputs: dict[str, dict[int, None]] = {}
    for number, notes in enumerate(of_each):
        for note in notes:
            inputs.setdefault(note, {})[number * count // len(of_each)] = None
    return tuple(
        note if len(about) == count else f"Input {', '.join(map(str, about))}: {note}" for note, about in inputs.items()
    )


def _errors(found: Found) -> Tensor | np.ndarray | None:
    """The standard error of each pixel; of regions each one's own."""
    regions = found.regions
    if regions is None or regions.errors is None:
        return found.errors
    return regions.errors[regions.labels]


@dataclass(frozen=True, eq=False)
class _Bare(Classifier):
    """A module asked about inputs like `example` `(1, C, h, w)`; what is found out about its layers is kept."""

    example: Tensor | None = None

    @override
    def probe(self) -> Tensor:
        return super().probe() if self.example is None else self.example.clone()  # some networks work in place

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Every submodule in the order it runs."""
        return self._known("layers", lambda: Classifier.layers.func(self))

    @cached_property
    def _probed(self) -> Probed:
        return self._known(f"head {self.declared}", lambda: Classifier._probed.func(self))  # noqa: SLF001

    @cached_property
    def default_layers(self) -> tuple[str, ...]:
        """The layer that CAM methods explain unless told otherwise, and those beside it."""
        return self._known("default_layers", lambda: Classifier.default_layers.func(self))

    def _known(self, what: str, find: Callable[[], Any]) -> Any:
        parts = ((name, type(part)) for name, part in self.module.named_modules())
        structure = (*parts, *(tensor.shape for tensor in self.module.parameters()))
        known = _KNOWN.setdefault(self.module, {})
        key = (what, self.probe().shape, structure)
        if key not in known:
            known[key] = find()
        return known[key]


# Tracing the layers takes a forward: in a training loop it should be taken once. Nothing here holds the module itself.
_KNOWN: WeakKeyDictionary[nn.Module, dict[Any, Any]] = WeakKeyDictionary()


def _wrapped(network: Any, x: Any, declared: Head) -> Classifier:
    if not isinstance(network, nn.Module | Classifier):
        raise UsageError(
            f"network is a torch.nn.Module or a seewhy.Classifier (seewhy.load gives one), not {kind_of(network)}"
        )
    if not isinstance(x, Tensor) or x.dim() != 4 or not x.is_floating_point() or 0 in x.shape or x.is_sparse:
        what = f"{'sparse ' * x.is_sparse}{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else kind_of(x)
        raise UsageError(
            f"x is a float tensor of network inputs (N, C, h, w), not {what}; seewhy.explain takes pictures of any kind"
        )
    size = (x.shape[2], x.shape[3])
    if isinstance(network, Classifier):
        preparing = network.preprocessing
        if x.shape[1] != len(preparing.mean):
            raise UsageError(f"{network.name} takes {len(preparing.mean)} channels, and x has {x.shape[1]}")
        said = declared | network.declared
        fits = preparing.size == size and said == network.declared
        as_given = replace(preparing, size=size, resize=None)
        classifier = network if fits else replace(network, preprocessing=as_given, declared=said)
    else:
        as_is = Preprocessing(size, mean=(0.0,) * x.shape[1], std=(1.0,) * x.shape[1])
        name = type(network).__name__
        classifier = _Bare(network, as_is, name=name, declared=declared, example=x[:1].detach())
    if any(True for _ in classifier.module.parameters()) and (x.device, x.dtype) != (
        classifier.device,
        classifier.dtype,
    ):
        raise UsageError(
            f"x is {x.dtype} on {x.device}, the network {classifier.dtype} on {classifier.device}; "
            f"give x.to({str(classifier.device)!r}, {classifier.dtype})"
        )
    return classifier


def _targets(classifier: Classifier, target: Any, count: int) -> list[Target] | None:
    if target is None:
        return None
    if isinstance(target, Tensor | np.ndarray) and target.ndim > 0:
        target = target.tolist()
    elif isinstance(target, Tensor):
        target = target.item()
    if isinstance(target, Sequence) and not isinstance(target, str):
        if len(target) != count:
            raise UsageError(f"target has {len(target)} entries for {count} inputs; give one for each, or one for all")
        return [_target(classifier, each) for each in target]
    return [_target(classifier, target)] * count


def _target(classifier: Classifier, target: Any) -> Target:
    if callable(target) and not isinstance(target, type):
        function: Any = target
        return Value(-1, function=function)
    plain = plain_target(target, "a function of the logits, or a list of one for each input")
    return Target(plain) if isinstance(plain, int) else classifier.target(plain)
