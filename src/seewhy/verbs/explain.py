"""Explain: pictures, methods and targets in, explanations out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.errors import Cancelled, ExplainError, SeewhyError, UsageError
from seewhy.images import Image, open_image
from seewhy.methods import Explanation, Method, find_method, method_info
from seewhy.models import Classifier, Target, find_layer

DEFAULT_METHOD = "grad-cam"
CHUNK = 16  # images held at once


@dataclass(frozen=True)
class Request:
    """What is asked about every picture.

    `targets` are class indices, names or "A vs B"; without any, the `top` likeliest classes of each picture.
    """

    methods: tuple[Method, ...]
    targets: tuple[Target, ...] = ()
    top: int = 1
    seed: int = 0

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        methods: Sequence[str | Method] = (DEFAULT_METHOD,),
        targets: Sequence[str | int | Target] = (),
        *,
        layers: Sequence[str] = (),
        top: int = 1,
        seed: int = 0,
        **parameters: Any,
    ) -> Request:
        """Resolve names; `layers` and `parameters` go to every method named that has them, and one must."""
        if not methods:
            raise UsageError("name at least one method (`seewhy list methods`)")
        if top < 1:
            raise UsageError(f"top is the number of classes to explain, at least 1, not {top}")
        if targets and top > 1:
            raise UsageError("give either targets or top: top picks the likeliest classes itself")
        given = {**parameters, **({"layers": tuple(layers)} if layers else {})}
        made = tuple(each if not isinstance(each, str) else _make(each, given, len(methods)) for each in methods)
        _check_taken(given, methods)
        for method in made:
            _check_suitable(method, classifier)
        for layer in layers:
            find_layer(classifier.module, layer)
        return cls(made, tuple(classifier.target(each) for each in targets), top, seed)


def explain(
    classifier: Classifier,
    images: Any,
    method: str | Method = DEFAULT_METHOD,
    target: str | int | Target | None = None,
    *,
    layer: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
    **parameters: Any,
) -> Explanation | list[Explanation]:
    """Explain one picture, or each of a list.

    Args:
        classifier: from `seewhy.load` or `Classifier.from_module`.
        images: path, bytes, PIL image, array or `Image`; or a list of them.
        method: a name of `seewhy list methods`, or a method object.
        target: class index, name or "A vs B"; without it the class the classifier predicts.
        layer: a layer's name, for methods that look at one.
        seed: of all randomness; stored in the explanation.
        progress: told of the work done; may raise `Cancelled`.
        parameters: hyper-parameters of the method.

    Returns:
        One `Explanation` for one picture, a list for a list.

    Raises:
        BadImage, ModelError, ExplainError, UsageError: each names the cause and the cure.
    """
    several = isinstance(images, list | tuple)
    sources: list[Any] = [*images] if several else [images]
    opened = [open_image(each) for each in sources]
    request = Request.of(
        classifier,
        [method],
        [] if target is None else [target],
        layers=[layer] if layer else [],
        seed=seed,
        **parameters,
    )
    found = _explain_images(classifier, opened, request, progress)
    return [each[0] for each in found] if several else found[0][0]


def explain_each(
    classifier: Classifier, sources: Sequence[str | Path], request: Request, progress: Progress = silent
) -> Iterator[Outcome]:
    """Explain file after file; what cannot be opened or explained is an outcome, and never stops the rest."""
    progress(0, len(sources), "images")
    # Only CAMs take several pictures at once; to go one by one shows how far the slow ones are.
    step = CHUNK if all(method.info.family == "cam" for method in request.methods) else 1
    for start in range(0, len(sources), step):
        inner = silent if step > 1 else progress if len(sources) == 1 else _within(progress, start, len(sources))
        yield from _explain_chunk(classifier, sources[start : start + step], request, inner)
        progress(min(start + step, len(sources)), len(sources), "images")


def _within(progress: Progress, start: int, count: int) -> Progress:
    """Progress with one picture as a remark on that of all."""

    def tell(done: int, total: int | None, message: str) -> None:
        progress(start, count, f"images · {done:,}{f' of {total:,}' if total else ''} {message}")

    return tell


def _explain_chunk(
    classifier: Classifier, sources: Sequence[str | Path], request: Request, progress: Progress
) -> list[Outcome]:
    opened = [_opened(source) for source in sources]
    images = [each for each in opened if isinstance(each, Image)]
    try:
        found = iter(_explain_images(classifier, images, request, progress))
    except Cancelled:
        raise
    except (SeewhyError, RuntimeError) as error:
        # Of several one is to blame: find it by going one by one.
        several = len(images) > 1
        found = iter(
            [_explained_alone(classifier, each, request) if several else naming(error, each) for each in images]
        )
    outcomes: list[Outcome] = []
    for source, each in zip(sources, opened, strict=True):
        result = next(found) if isinstance(each, Image) else each
        name = str(source)
        outcomes.append(
            Outcome(name, error=result) if isinstance(result, SeewhyError) else Outcome(name, tuple(result))
        )
    return outcomes


def _opened(source: str | Path) -> Image | SeewhyError:
    try:
        return open_image(source)
    except SeewhyError as error:
        return error


def _explained_alone(classifier: Classifier, image: Image, request: Request) -> list[Explanation] | SeewhyError:
    try:
        return _explain_images(classifier, [image], request, silent)[0]
    except (SeewhyError, RuntimeError) as error:
        return naming(error, image)


def naming(error: SeewhyError | RuntimeError, image: Image) -> SeewhyError:
    """The error, or in its place one that names the picture on which the network itself failed."""
    return error if isinstance(error, SeewhyError) else ExplainError(f"the network failed on {image.name}: {error}")


def _explain_images(
    classifier: Classifier, images: Sequence[Image], request: Request, progress: Progress
) -> list[list[Explanation]]:
    """For each image its explanations, method by method, in the order asked."""
    if not images:
        return []
    targets = _targets(classifier, images, request)
    found: list[list[Explanation]] = [[] for _ in images]
    for method in request.methods:
        generator = torch.Generator().manual_seed(request.seed)
        explanations = method(classifier, images, targets, generator=generator, progress=progress)
        each = len(explanations) // len(images)
        for row, mine in enumerate(found):
            mine += explanations[row * each : (row + 1) * each]
    return found


def _targets(classifier: Classifier, images: Sequence[Image], request: Request) -> list[list[Target]]:
    if request.targets:
        return [list(request.targets) for _ in images]
    rows = classifier.probabilities(images)
    return [[Target(best.index, chosen="predicted") for best in classifier.ranked(row, request.top)] for row in rows]


def _make(name: str, given: dict[str, Any], asked: int) -> Method:
    """Among several methods each takes what it has; one alone must have all that is given.

    A background is what methods that hide parts of the picture put in their place.
    """
    known = method_info(name).parameters
    if "background" not in known and "fill" in known:
        given = {"fill" if key == "background" else key: value for key, value in given.items()}
    if asked == 1:
        return find_method(name, **given)
    return find_method(name, **{key: value for key, value in given.items() if key in known})


def _check_taken(given: Iterable[str], methods: Sequence[str | Method]) -> None:
    known = {key for each in methods if isinstance(each, str) for key in method_info(each).parameters}
    known |= {"background"} if "fill" in known else set()
    if unknown := sorted(set(given) - known):
        raise UsageError(
            f"none of the methods takes {', '.join(unknown)}; those asked for by name take "
            f"{', '.join(sorted(known)) or 'nothing'}"
        )


def _check_suitable(method: Method, classifier: Classifier) -> None:
    if lacking := method.info.needs - classifier.offers:
        raise UsageError(
            f"{method.info.name} needs {', '.join(sorted(lacking))}, which {classifier.name} does not offer; "
            "choose a method that needs scores only (`seewhy list methods`)"
        )
