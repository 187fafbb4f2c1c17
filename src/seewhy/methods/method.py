"""`Method`: what every method declares, and how one is run on pictures.

A method says what it is by class attributes and computes in `find`: one `Task` in, one `Found` for each picture ×
target × layer out. The command line, the app, the table of methods in the docs and the conformance tests are generated
from what it declares.
"""

from __future__ import annotations

import operator
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.core.names import nearest
from seewhy.core.progress import Progress, silent
from seewhy.core.registry import Declared, Registry
from seewhy.engines import Answers, find_fill
from seewhy.errors import ExplainError, UnknownName, UsageError
from seewhy.images import Image
from seewhy.methods.explanation import NO_EVIDENCE, Cost, Explanation, sentence
from seewhy.methods.other_classes import Asking, class_checks, mean_of_others
from seewhy.methods.task import METHODS, Found, Task
from seewhy.models import Classifier, Target, find_layer
from seewhy.models.blame import explaining
from seewhy.models.state import undisturbed

SHOWN = 5
BATCH = 16  # pictures that a batched method gets at once
REGIONS = 10  # fewer than these hardly say where
FLAT = "Every pixel has the same number, so the map does not say where."
Kind = Literal["method", "control"]
Status = Literal["verified", "approximate", "unchecked"]

DEFAULT_METHOD = "grad-cam"
BEST = "best"  # stands for the method that tests best on the classifier
FILLED = frozenset({"fill", "background", "other_fill"})  # parameters that name what takes the place of pixels
ALIKE = 0.6  # from which on a name is taken for a slip of the pen
OneTarget: TypeAlias = str | int | Target
OneLayer: TypeAlias = str | nn.Module


class Method(Declared, ABC):
    """A way to explain one decision. Subclass it, name it, and write `find`; annotated attributes are its parameters.

    Beside what `Declared` has: `needs` is some of `scores`, `layers`, `gradients`, `attention`; `signed` says that
    values may speak against the class, `cost` what it takes; `batched` that `find` takes several pictures at once,
    `stochastic` that another seed gives another answer; `class_blind` that no class plays a part in it; `others` how
    other classes can be asked about with hardly more work; `kind` is `control` for maps that ignore the network.

    `status` is `verified` where tests hold its numbers against a closed form, its formula written out or another
    library, `approximate` where it was checked in part, or something else stands in for a part of the paper;
    `first` marks those worth starting with. Neither is inherited; `claimed`, a technique claimed as a patent, is.

    >>> class Middle(Method):
    ...     name = "middle"
    ...     def find(self, task):
    ...         spot = torch.zeros(task.size)
    ...         spot[task.size[0] // 2, task.size[1] // 2] = 1
    ...         return [Found(spot) for _ in task.asked]
    >>> find_method("middle").title
    'middle'
    """

    registry: ClassVar[Registry[Method]] = METHODS
    needs: ClassVar[frozenset[str] | tuple[str, ...]] = ("scores",)
    cost: ClassVar[str] = ""
    kind: ClassVar[Kind] = "method"
    status: ClassVar[Status] = "unchecked"
    first: ClassVar[bool] = False
    class_blind: ClassVar[bool] = False
    others: ClassVar[Asking] = ""
    signed: ClassVar[bool] = False
    batched: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    claimed: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.status = cls.__dict__.get("status", "unchecked")
        cls.first = cls.__dict__.get("first", False)

    def obstacle(self, classifier: Classifier) -> str | None:
        """Why it cannot work on the classifier with these settings, and the cure; None where it can."""
        return None

    @abstractmethod
    def find(self, task: Task) -> list[Found]:
        """What the method finds, picture by picture, target by target, layer by layer."""

    def __call__(
        self,
        classifier: Classifier,
        images: Sequence[Image],
        targets: Sequence[Sequence[Target]] | None = None,
        *,
        top: int = 1,
        generator: torch.Generator,
        progress: Progress = silent,
        answers: Answers | None = None,
        compared: bool = False,
    ) -> list[Explanation]:
        """One explanation per image × target × layer, in that order.

        Args:
            classifier: whose decision is explained.
            images: the pictures.
            targets: for each picture its targets; without them the `top` likeliest classes of each.
            top: how many.
            generator: of all randomness; every picture starts from its seed again.
            progress: told of the work done; raise `Cancelled` in it to stop.
            answers: what other methods asked about parts hidden: it is not asked again.
            compared: whether to find out how much of each map is about its class, where that is hardly more work.
        """
        found: list[Explanation] = []
        answers = Answers() if answers is None else answers
        size = classifier.at_once(BATCH if self.batched else 1)
        for start in range(0, len(images), size):
            part = slice(start, start + size)
            asked = None
            if targets is not None:
                asked = [[classifier.target(plain_target(each)) for each in row] for row in targets[part]]
            seen = classifier.seen(images[part])
            task = Task(
                classifier,
                *seen,
                asked,
                generator=generator,
                progress=progress,
                top=top,
                images=images[part],
                answers=answers,
                others=self.others if compared and not self.class_blind else "",
            )
            if asked is None or any(asked):
                found += _explanations(self, task, images[part])
            progress(min(start + size, len(images)), len(images), "images")
        return found


OneMethod: TypeAlias = str | Method | type[Method]


class Seen:
    """One picture as one network sees it, for several methods: what all of them need is found out once.

    `target` is the class that the network finds likeliest, where none is given; `answers` what was asked about parts
    hidden.
    """

    def __init__(self, classifier: Classifier, image: Image, target: Target | None = None) -> None:
        self.classifier, self.image, self.answers = classifier, image, Answers()
        self._pixels, self._inputs = classifier.seen([image])
        _ = classifier.head
        with torch.no_grad():
            self._logits = classifier.logits(self._inputs)
        self.target = target or Target(int(classifier.head.likeliest(self._logits)[0, 0]), chosen="predicted")

    def explained(self, method: Method, seed: int) -> Explanation:
        """What a method finds in the picture about the target."""
        task = Task(
            self.classifier,
            self._pixels.clone(),  # whatever a method or a network does to them in place
            self._inputs.clone(),
            [[self.target]],
            generator=torch.Generator().manual_seed(seed),
            known=self._logits,
            images=[self.image],
            answers=self.answers,
        )
        return _explanations(method, task, [self.image])[0]


def list_methods(kind: Kind = "method") -> list[type[Method]]:
    """Every method, built in or added by an installed package; or every control.

    Those worth starting with come first, each part by family and name.
    """
    return sorted((each for each in Method.registry.all() if each.kind == kind), key=lambda each: not each.first)


def suitable_methods(classifier: Classifier, kind: Kind = "method") -> list[type[Method]]:
    """The methods that need no more than the classifier offers and can be called without further input."""
    found = [each for each in list_methods(kind) if not lacking(each, classifier) and not each.required]
    return [each for each in found if not each().obstacle(classifier)]


def lacking(method: Method | type[Method], classifier: Classifier) -> list[str]:
    """What the method needs and the classifier does not offer; whether it attends is found out where that is all."""
    missing = frozenset(method.needs) - classifier.offers
    if missing == frozenset({"attention"}) and "layers" in classifier.offers and classifier.attends:
        return []
    return sorted(missing)


def method_info(name: str) -> type[Method]:
    """The class of the method called `name`.

    Raises:
        UnknownName: no such method; the nearest names are listed.
    """
    return Method.registry[name]


def find_method(name: str, **parameters: Any) -> Method:
    """The method called `name` with these parameters.

    Raises:
        UnknownName: no such method; the nearest names are listed.
        UsageError: the method has no such parameter, or wants another one.
    """
    return build_method(name, parameters)


def build_method(method: str | type[Method], parameters: Mapping[str, Any]) -> Method:
    """A method by name or class with these parameters; see `find_method`."""
    made = Method.registry.build(method_info(method) if isinstance(method, str) else method, parameters)
    for name in FILLED & {*made.parameters}:
        value = getattr(made, name)
        if isinstance(value, str) and value != getattr(type(made), name):
            find_fill(value)
    if (size := getattr(made, "batch_size", None)) is not None and size < 1:
        raise UsageError(f"batch_size is how many variations go in at once, at least 1, not {size}")
    return made


def asked_methods(
    classifier: Classifier,
    methods: Sequence[OneMethod],
    layers: Sequence[OneLayer],
    settings: Mapping[str, Any],
    own: Sequence[str] = (),
) -> tuple[Method, ...]:
    """The methods with their settings, each fit for the classifier; the network is not asked.

    Of several methods each takes the settings and layers that it has, and one of them must have each; a background is
    what hides parts, too. A method object has its own. `own` are other words that a misspelled setting may mean.

    Raises:
        UsageError: something is of a wrong type, out of range, or nothing that the methods take.
        UnknownName: there is no such method or layer; the nearest are named.
    """
    names = tuple(layer_name(classifier.module, each) for each in layers)
    made = made_methods(methods, {**settings, **({"layers": names} if names else {})}, own)
    for method in made:
        require_suitable(method, classifier)
        for layer in getattr(method, "layers", ()):
            find_layer(classifier.module, layer)
    return made


def made_methods(methods: Sequence[OneMethod], given: Mapping[str, Any], own: Sequence[str] = ()) -> tuple[Method, ...]:
    """The methods with their settings, whatever the classifier: see `asked_methods`."""
    resolved = [each if isinstance(each, Method) else _class_of(each) for each in methods]
    _check_taken(given, [each for each in resolved if not isinstance(each, Method)], len(resolved), own)
    return tuple(each if isinstance(each, Method) else _make(each, given) for each in resolved)


def require_suitable(method: Method, classifier: Classifier) -> None:
    """Refuse a method that needs more than the classifier offers, by itself or by its settings.

    Raises:
        UsageError: it does.
    """
    if missing := lacking(method, classifier):
        raise UsageError(
            f"{method.name} needs {', '.join(missing)}, which {classifier.name} does not offer; "
            "choose a method that needs scores only (`seewhy list methods`)"
        )
    if obstacle := method.obstacle(classifier):
        raise UsageError(obstacle)


def plain_target(target: Any, several: str = "or a list of them (every picture gets all{})") -> OneTarget:
    """A target as it may be given: text, a whole number of any library, or a `Target`."""
    if isinstance(target, str | Target):
        return target
    if not isinstance(target, bool):
        try:
            return operator.index(target)
        except TypeError:
            pass
    cure = ": .tolist() gives one" if hasattr(target, "tolist") else ""
    raise UsageError(
        'target is a class index, a class name, "A vs B", a seewhy.Target, '
        f"{several.format(cure)}, not {kind_of(target)}"
    )


def layer_name(module: nn.Module, layer: Any) -> str:
    """The name of a layer that is given by its name, or as the module itself."""
    if isinstance(layer, str):
        find_layer(module, layer)
        return layer
    if not isinstance(layer, nn.Module):
        raise UsageError(
            f"layer is the name of a layer, a module of the network, or a list of them, not {kind_of(layer)}; "
            "`seewhy list layers` shows all"
        )
    for name, part in module.named_modules():
        if part is layer and name:
            return name
    what = "the network itself" if layer is module else f"a {type(layer).__name__} that is no part of it"
    raise UnknownName(f"layer is {what}; give a module inside the network, or its name")


def kind_of(value: Any) -> str:
    """What somebody gave instead, in few words: small values themselves, others by their type."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    name = type(value).__name__
    return f"an {name}" if name[0] in "AEIOaeio" else f"a {name}"


def solve(method: Method, task: Task) -> list[Found]:
    """Run a method on a task, from the generator's seed on; global random states stay as they are.

    Raises:
        ExplainError: whatever the method, the network or PyTorch raised meanwhile that is no error of seewhy's; what
            `progress` raises stays what it is.
    """
    task.generator.manual_seed(task.generator.initial_seed())
    told = _Told(task.progress)
    task.progress = told
    try:
        with undisturbed(), explaining(method.name):
            return method.find(task)
    except ExplainError as error:
        if told.raised is not None and told.raised is error.__cause__:
            raise told.raised from None
        raise
    finally:
        task.progress = told.progress


class _Told:
    """Progress that remembers what the caller's own raised."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.raised: Exception | None = None

    def __call__(self, done: int, total: int | None, message: str) -> None:
        try:
            self.progress(done, total, message)
        except Exception as error:
            self.raised = error
            raise


def notes_of(found: Found, classifier: Classifier) -> tuple[str, ...]:
    """What whoever sees the map has to know, in sentences: what the method says, what is odd of the map, the network's.

    >>> network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> notes_of(Found(torch.ones(2, 2)), Classifier(network))
    ('Every pixel has the same number, so the map does not say where.',)
    """
    values, odd = _array(found.values), list[str]()
    cut = found.regions if found.layer is None else None  # patterns of a layer are no pieces of the picture
    if cut is not None and (count := len(cut.weights)) < REGIONS:
        odd.append(
            "The whole picture is one region, which cannot say where."
            if count == 1
            else f"The picture was cut into {count} regions only, which hardly say where."
        )
    if not values.any() and found.rule is None:  # which says so itself
        odd.append(NO_EVIDENCE)
    elif values.any() and np.ptp(values) == 0:
        odd.append(FLAT)
    return (*found.notes, *odd, *_partial(found.layer, classifier), *classifier.notes)


def _partial(layer: str | None, classifier: Classifier) -> tuple[str, ...]:
    """That a default layer is one of several side by side."""
    known = vars(classifier).get("default_layers", ())  # what was not asked for is no default
    if layer not in known or len(known) == 1:
        return ()
    others = " and ".join(f"'{each}'" for each in known if each != layer)
    told = f"The network has {len(known)} branches side by side, and layer '{layer}' carries only a part of the score"
    return (f"{told}; the rest goes through {others}.",)


def describe(declared: Declared) -> dict[str, Any]:
    """The parameters of a method or metric as plain JSON values; pictures are named by their hash."""
    return {name: _plain(getattr(declared, name)) for name in declared.parameters}


def _explanations(method: Method, task: Task, images: Sequence[Image]) -> list[Explanation]:
    start = time.perf_counter()
    solved = solve(method, task)
    logits = task.logits.float()
    cost = Cost(task.forwards, task.backwards, (time.perf_counter() - start) / max(len(solved), 1))
    classifier, checks, parameters = task.classifier, task.checks, describe(method)
    # Picture by picture, target by target, layer by layer.
    asked = [(row, place) for row, targets in enumerate(task.targets) for place in range(len(targets))]
    layers, over = divmod(len(solved), len(asked))
    if over or not layers:
        raise ExplainError(
            f"{method.name} has to give one answer for each picture, target and layer; {len(solved)} came"
        )
    maps = [_array(found.values) for found in solved]

    def others(number: int) -> np.ndarray | None:
        row, place = asked[number // layers]
        start, targets = number - place * layers, task.targets[row]
        return mean_of_others(targets[place], targets, maps[start : start + len(targets) * layers : layers])

    return [
        Explanation(
            values=maps[number],
            image=images[row],
            view=classifier.preprocessing.view(images[row]),
            target=target,
            target_label=(found.label or target.label)(classifier.categories),
            predictions=tuple(classifier.ranked(classifier.head.probabilities(logits[row]), SHOWN, target)),
            method=method.name,
            signed=method.signed if found.signed is None else found.signed,
            classifier=classifier.name,
            fingerprint=classifier.fingerprint,
            layer=found.layer,
            parameters=parameters,
            seed=task.generator.initial_seed(),
            cost=cost,
            checks={**checks, **found.checks, **class_checks(maps[number], rest, blind=method.class_blind)},
            computed=task.computed,
            errors=None if found.errors is None else _array(found.errors),
            regions=found.regions,
            rule=found.rule,
            meaning=classifier.head.meaning,
            notes=tuple(dict.fromkeys(map(sentence, (*notes_of(found, classifier), *images[row].notes)))),
            others=rest,
        )
        for number, found in enumerate(solved)
        for row, place in [asked[number // layers]]
        if place < len(task.own[row])
        for target, rest in [(task.own[row][place], others(number) if task.compared else None)]
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Image):
        return {"name": value.name, "sha256": value.sha256}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "sha256": sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}
    if is_dataclass(value) and not isinstance(value, type):  # a fill
        return {type(value).__name__: {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}}
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _array(values: Tensor | np.ndarray) -> np.ndarray:
    return values.detach().float().cpu().numpy() if isinstance(values, Tensor) else values


def _class_of(method: Any) -> type[Method]:
    if isinstance(method, str):
        return method_info(method)
    if isinstance(method, type) and issubclass(method, Method):
        return method
    raise UsageError(
        f"method is a name such as '{DEFAULT_METHOD}', a class or an object of seewhy.methods, or a list of them, "
        f"not {kind_of(method)}; `seewhy list methods` shows all"
    )


def _make(method: type[Method], given: Mapping[str, Any]) -> Method:
    """The method with what it has of the settings; who asked for a background means what hides parts, too."""
    known = method.parameters
    if "background" not in known and "fill" in known:
        given = {"fill" if key == "background" else key: value for key, value in given.items()}
    return build_method(method, {key: value for key, value in given.items() if key in known})


def _check_taken(given: Mapping[str, Any], methods: Sequence[type[Method]], asked: int, own: Sequence[str]) -> None:
    """Refuse a setting that no method has: several take each what it has, but one of them must have it."""
    shown = {key for method in methods for key in method.parameters}
    known = shown | ({"background"} if "fill" in shown else set())
    unknown = sorted(set(given) - known)
    if not unknown:
        return
    others = [each for each in unknown if each != "layers"]  # as which `layer` was written
    near = {each: nearest(each, [*known, *own], count=1, cutoff=ALIKE) for each in others}
    hints = [f"{each} → {found[0]}" for each, found in near.items() if found]
    hint = f"; did you mean {', '.join(hints)}?" if hints else ""
    listed = ", ".join(unknown)
    if asked == 1 and methods:
        has = ", ".join(sorted(methods[0].parameters)) or "none"
        raise UsageError(f"{methods[0].name} has no parameter {listed}; it has {has}{hint}")
    raise UsageError(
        f"none of the methods takes {listed}; those asked for by name take {', '.join(sorted(known)) or 'nothing'}"
        + (hint or ("" if methods else ", and a method object has its own: set them there"))
    )
