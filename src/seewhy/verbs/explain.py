"""Explain: pictures, methods and targets in, explanations out."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, overload

import torch
from torch import Tensor, nn

from seewhy.core.outcome import Outcome, blamed
from seewhy.core.progress import Progress, remarked, silent
from seewhy.engines import Answers
from seewhy.errors import Cancelled, ExplainError, ModelError, SeewhyError, UsageError
from seewhy.images import Image, OnePicture, Pictures, open_image, open_images
from seewhy.methods import Explanation, Method
from seewhy.methods.method import (
    BEST,
    DEFAULT_METHOD,
    OneLayer,
    OneMethod,
    OneTarget,
    asked_methods,
    kind_of,
    plain_target,
)
from seewhy.models import Classifier, Target, Value
from seewhy.verbs.explanations import Explanations

OWN = ("pictures", "method", "target", "layer", "top", "seed", "progress")  # what `explain` takes itself
SEEDS = 2**63 - 1
FOUND = "labels"  # as a target stands for all that a network of labels finds in the picture

T = TypeVar("T")

CHUNK = 16  # images held at once

Explained: TypeAlias = Outcome[tuple[Explanation, ...]]  # the explanations of one picture, or what went wrong
Many: TypeAlias = list[Any] | tuple[Any, ...]
Top: TypeAlias = Literal[2, 3, 4, 5, 6, 7, 8, 9, 10]


@dataclass(frozen=True)
class Request:
    """What is asked about every picture.

    `targets` are classes or "A vs B"; without any, the `top` likeliest classes of each picture, or with `found` all
    labels that are over their thresholds, and where none is the likeliest.
    """

    methods: tuple[Method, ...]
    targets: tuple[Target, ...] = ()
    top: int = 1
    seed: int = 0
    found: bool = False

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        methods: Sequence[OneMethod] = (DEFAULT_METHOD,),
        targets: Sequence[OneTarget] = (),
        *,
        layers: Sequence[OneLayer] = (),
        top: int = 1,
        seed: int = 0,
        **parameters: Any,
    ) -> Request:
        """Resolve names; `layers` and `parameters` go to every method named that has them, and one must.

        Raises:
            UsageError: something is of a wrong type, out of range, or nothing that the methods take.
            UnknownName: there is no such method, class or layer; the nearest are named.
        """
        asked = untargeted(classifier, methods, layers, top, seed, parameters)
        return with_targets(asked, classifier, targets) if targets else asked


# What is given once gives one explanation; any list gives several. A tensor may be one picture or a batch.
# fmt: off
@overload
def explain(  # pyright: ignore[reportOverlappingOverload] - the last one is for lists
    classifier: Classifier, pictures: OnePicture, method: OneMethod = ..., target: OneTarget | None = ...,
    *, layer: OneLayer | None = ..., top: Literal[1] = ..., seed: int = ..., progress: Progress = ..., **settings: Any,
) -> Explanation: ...
@overload
def explain(
    classifier: Classifier, pictures: Pictures, method: OneMethod = ..., target: OneTarget | None = ...,
    *, layer: OneLayer | None = ..., top: Top, seed: int = ..., progress: Progress = ..., **settings: Any,
) -> Explanations: ...
@overload
def explain(
    classifier: Classifier, pictures: OnePicture | Tensor, method: OneMethod = ..., target: OneTarget | None = ...,
    *, layer: OneLayer | None = ..., top: int = ..., seed: int = ..., progress: Progress = ..., **settings: Any,
) -> Explanation | Explanations: ...
@overload
def explain(
    classifier: Classifier, pictures: Pictures, method: OneMethod | Many = ..., target: OneTarget | Many | None = ...,
    *, layer: OneLayer | Many | None = ..., top: int = ..., seed: int = ..., progress: Progress = ..., **settings: Any,
) -> Explanations: ...
# fmt: on
def explain(
    classifier: Classifier,
    pictures: Pictures,
    method: OneMethod | Many = DEFAULT_METHOD,
    target: OneTarget | Many | None = None,
    *,
    layer: OneLayer | Many | None = None,
    top: int = 1,
    seed: int = 0,
    progress: Progress = silent,
    **settings: Any,
) -> Explanation | Explanations:
    """Explain why a classifier sees what it sees in a picture, or in each of several.

    Args:
        classifier: from `seewhy.load` or `seewhy.Classifier.from_module`.
        pictures: a path, `sample:cat`, bytes, a Pillow picture, an array or tensor of uint8 or of floats in [0, 1]
            with the channels first or last, or an `Image`; several as a list, or as a batch (N, C, H, W).
        method: a name of `seewhy list methods` however written, a class or an object of `seewhy.methods`, "best" for
            the one that tests best on this classifier, or a list of them.
        target: a class index, a class name, "A vs B", a `Target`, or a list of them, all for every picture; without
            it the class that the classifier finds likeliest. Of a network of labels "labels" is all that it finds.
        layer: the name or the module of a layer, for methods that look at one, or a list of them.
        top: without a target, how many of the likeliest classes to explain.
        seed: of all randomness; every picture gets what it would get alone.
        progress: told of the work done, such as `seewhy.progress_bar()` gives; may raise `Cancelled`.
        settings: of the method; of several methods each takes those that it has.

    Returns:
        One `Explanation`, or `Explanations` where several pictures, methods, targets, layers or classes were asked
        for.

    Raises:
        UsageError: something that nobody can explain was asked for; found before the network runs.
        BadImage: one of the pictures cannot be opened; found before the network runs.
        ExplainError, ModelError: the method or the network failed.

    >>> import seewhy
    >>> seewhy.explain(seewhy.load(), "sample:cat").target_label
    'tiger cat'
    """
    if "layers" in settings:
        raise UsageError("explain takes layer=…, one layer or a list of them, not layers=…")
    if not callable(progress):
        raise UsageError(f"progress is called with (done, total, message), and {type(progress).__name__} cannot be")
    targets = [plain_target(each) for each in several(target, "target")]
    request = untargeted(classifier, several(method, "method"), several(layer, "layer"), top, seed, settings)
    images, many = open_images(pictures)
    request = with_targets(request, classifier, targets)
    found = _explain_in_turn(classifier, images, request, progress)
    alone = (
        not many
        and top == 1
        and not request.found
        and not any(isinstance(each, list | tuple) for each in (method, target, layer))
    )
    return found[0] if alone and len(found) == 1 else Explanations(found)


def explain_each(
    classifier: Classifier, sources: Sequence[str | Path], request: Request, progress: Progress = silent
) -> Iterator[Explained]:
    """Explain file after file; what cannot be opened or explained is an outcome, and never stops the rest."""
    many, step = len(sources) > 1, _step(request)  # of one picture the method itself tells
    if many:
        progress(0, len(sources), "images")
    for start in range(0, len(sources), step):
        inner = progress
        if many:
            inner = silent if step > 1 else remarked(progress, start, len(sources), "images")
        yield from _explain_chunk(classifier, sources[start : start + step], request, inner)
        if many:
            progress(min(start + step, len(sources)), len(sources), "images")


def untargeted(
    classifier: Classifier,
    methods: Sequence[OneMethod],
    layers: Sequence[OneLayer],
    top: int,
    seed: int,
    settings: Mapping[str, Any],
) -> Request:
    """The request but for its targets: all that can be checked without asking the network."""
    check_classifier(classifier)
    top = _whole("top", top, "the number of classes to explain, at least 1", 1, None)
    seed = _whole("seed", seed, "a whole number of at most 63 bits, from which all randomness follows", -SEEDS, SEEDS)
    if not methods:
        raise UsageError("name at least one method (`seewhy list methods`)")
    named = [_best(classifier) if isinstance(each, str) and each.casefold() == BEST else each for each in methods]
    return Request(asked_methods(classifier, named, layers, settings, OWN), (), top, seed)


def with_targets(request: Request, classifier: Classifier, targets: Sequence[OneTarget]) -> Request:
    """The same request about these targets, which every picture gets.

    Raises:
        UsageError: a target is nothing that names a class, or is out of range.
    """
    if targets and request.top > 1:
        raise UsageError("give either targets or top: top picks the likeliest classes itself")
    plain = [plain_target(each) for each in targets]
    if FOUND in plain and classifier.head.meaning == "labels" and FOUND not in classifier.categories.names:
        if len(plain) > 1:
            raise UsageError(f'"{FOUND}" stands for all labels that are found; name it alone')
        return replace(request, found=True)
    return replace(request, targets=tuple(_checked(classifier, each) for each in plain))


def several(value: T | list[T] | tuple[T, ...] | None, name: str) -> list[T]:
    """What was given for the argument `name`, one or several, as a list; none for None.

    Raises:
        UsageError: it is an empty list, of which nobody can say what it asks for.
    """
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        return [value]
    if not value:
        raise UsageError(f"{name} is an empty list; leave {name} out, or name at least one")
    return [*value]


def check_classifier(classifier: Any) -> None:
    """Refuse what is no `Classifier`, and say how to make one of it."""
    if isinstance(classifier, Classifier):
        return
    if isinstance(classifier, nn.Module):
        cure = (
            "wrap the network: seewhy.Classifier.from_module(network, preprocessing, categories); "
            "seewhy.attribute(network, x) explains tensors as they are"
        )
    elif isinstance(classifier, str):
        cure = f"load it: seewhy.load({classifier!r})"
    else:
        cure = "seewhy.load() gives one"
    raise UsageError(f"classifier is a seewhy.Classifier, not {kind_of(classifier)}; {cure}")


def _checked(classifier: Classifier, target: OneTarget) -> Target:
    found = classifier.target(target)
    if isinstance(found, Value):
        raise UsageError(
            "explain is about what the classifier says; seewhy.attribute explains a function of the logits"
        )
    for index in (found.index, *found.also, found.against):
        if index is not None:
            classifier.categories.find(index)
    return found


def _whole(name: str, value: Any, meaning: str, low: int, high: int | None) -> int:
    """A whole number of any library in a range; True is none."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        raise UsageError(f"{name} is {meaning}, not {kind_of(value)}")
    return number


def _best(classifier: Classifier) -> str:
    from seewhy.verbs.best import best_method

    return best_method(classifier)[0]


def _explain_in_turn(
    classifier: Classifier, images: Sequence[Image], request: Request, progress: Progress
) -> list[Explanation]:
    """All explanations, picture by picture; the first failure ends it."""
    step = _step(request)
    found: list[Explanation] = []
    for start in range(0, len(images), step):
        part = images[start : start + step]
        inner = progress if len(images) <= step else remarked(progress, start, len(images), "images")
        try:
            found += [each for one in _explain_images(classifier, part, request, inner) for each in one]
        except (RuntimeError, ModelError, ExplainError) as error:
            told = blamed(error, " or ".join(dict.fromkeys([part[0].name, part[-1].name])))
            raise told from error.__cause__ or error
        if len(images) > step:
            progress(start + len(part), len(images), "images")
    return found


def _step(request: Request) -> int:
    """How many pictures to explain at once: one by one shows how far those are that gain nothing by several."""
    return CHUNK if all(method.batched for method in request.methods) else 1


def _explain_chunk(
    classifier: Classifier, sources: Sequence[str | Path], request: Request, progress: Progress
) -> list[Explained]:
    opened = [_opened(source) for source in sources]
    images = [each.value for each in opened if each.value is not None]
    found = iter(_explain_together(classifier, images, request, progress))
    return [
        Outcome(each.source, error=each.error) if each.value is None else replace(next(found), source=each.source)
        for each in opened
    ]


def _opened(source: str | Path) -> Outcome[Image]:
    try:
        return Outcome(str(source), open_image(source))
    except SeewhyError as error:
        return Outcome(str(source), error=error)


def _explain_together(
    classifier: Classifier, images: Sequence[Image], request: Request, progress: Progress
) -> list[Explained]:
    """Of several that cannot be explained together one is to blame: it is found by going one by one."""
    if not images:
        return []
    try:
        found = _explain_images(classifier, images, request, progress)
    except Cancelled:
        raise
    except (SeewhyError, RuntimeError) as error:
        if len(images) == 1:
            return [Outcome(images[0].name, error=blamed(error, images[0].name))]
        return [_explain_together(classifier, [image], request, silent)[0] for image in images]
    return [Outcome(image.name, tuple(each)) for image, each in zip(images, found, strict=True)]


def _explain_images(
    classifier: Classifier, images: Sequence[Image], request: Request, progress: Progress
) -> list[list[Explanation]]:
    """For each image its explanations, method by method, in the order asked."""
    targets = _targets(classifier, images, request)
    found: list[list[Explanation]] = [[] for _ in images]
    answers = Answers()
    for method in request.methods:
        generator = torch.Generator().manual_seed(request.seed)
        told = progress if len(request.methods) == 1 else _by_method(progress, method.title)
        explanations = method(
            classifier,
            images,
            targets,
            top=request.top,
            generator=generator,
            progress=told,
            answers=answers,
            compared=True,
        )
        counts = [len(each) for each in targets] if targets else [1] * len(images)
        layers, start = len(explanations) // max(sum(counts), 1), 0
        for mine, count in zip(found, counts, strict=True):
            mine += explanations[start : start + count * layers]
            start += count * layers
    return found


def _by_method(progress: Progress, title: str) -> Progress:
    """Progress that says which of several methods is at work."""

    def tell(done: int, total: int | None, message: str) -> None:
        progress(done, total, f"{title} · {message}" if message else title)

    return tell


def _targets(classifier: Classifier, images: Sequence[Image], request: Request) -> list[list[Target]] | None:
    """The targets of each picture; None where the only method can find the likeliest classes itself."""
    if request.targets:
        return [list(request.targets) for _ in images]
    if len(request.methods) == 1 and not request.found:
        return None
    # Found once: methods that ask in batches of another size may see two classes as likely in another order.
    rows = [
        classifier.ranked(row, len(row) if request.found else request.top) for row in classifier.probabilities(images)
    ]
    chosen = [[each for each in row if each.present] or row[:1] for row in rows] if request.found else rows
    return [[Target(best.index, chosen="predicted") for best in row] for row in chosen]
