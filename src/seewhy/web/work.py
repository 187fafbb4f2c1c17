"""What is done with one photo: the command line's own jobs, with a memory of what was asked before."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

from seewhy.core.progress import Progress
from seewhy.errors import Cancelled, ExplainError, SeewhyError
from seewhy.images import Image
from seewhy.methods import Explanation, method_info
from seewhy.models import Classifier, Prediction
from seewhy.study.comparison import Comparison
from seewhy.verbs import Contest, compare, explain
from seewhy.web.memory import Memory

STEPS = 1000  # of a progress bar


@dataclass(frozen=True)
class Wish:
    """What somebody wants to know of a photo: why `target`, a class or "A vs B", or what the model finds likeliest."""

    model: str
    methods: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    target: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Explained:
    """What each method found in a photo, and why others found nothing."""

    image: Image
    explanations: tuple[Explanation, ...]
    failures: Mapping[str, SeewhyError]


def predict_photo(classifier: Classifier, image: Image, top: int) -> tuple[Prediction, ...]:
    """The `top` likeliest classes."""
    return tuple(classifier.predict(image, top))


def explain_photo(classifier: Classifier, image: Image, wish: Wish, memory: Memory, progress: Progress) -> Explained:
    """Explain by one method after the other; one that fails does not stop the rest.

    Raises:
        UsageError: the target is no class, or there is no such method.
    """
    target = None if wish.target is None else classifier.target(wish.target)
    found: list[Explanation] = []
    failures: dict[str, SeewhyError] = {}
    for place, (method, key) in enumerate(zip(wish.methods, _keys(classifier, image, wish), strict=True)):
        share = _share(progress, place, len(wish.methods), method_info(method).title)
        try:
            found.append(
                memory.recall(
                    key,
                    lambda method=method, share=share: _one(
                        explain(classifier, image, method, target, seed=wish.seed, progress=share)
                    ),
                )
            )
        except Cancelled:
            raise
        except SeewhyError as error:
            failures[method] = error
        except RuntimeError as error:
            failures[method] = ExplainError(f"the network failed on {image.name}: {error}")
    return Explained(image, tuple(found), failures)


def compare_photo(classifier: Classifier, image: Image, wish: Wish, memory: Memory, progress: Progress) -> Comparison:
    """Compare methods on a photo.

    Raises:
        ExplainError, UsageError: each names the cause and the cure.
    """

    def make() -> Comparison:
        contest = Contest.of(classifier, wish.methods, wish.metrics, target=wish.target, seed=wish.seed)
        return compare(classifier, [image], contest, progress=progress)

    return memory.recall(_key(classifier, image, wish, "compare", *wish.methods, *wish.metrics), make)


def is_known(classifier: Classifier, image: Image, wish: Wish, memory: Memory) -> bool:
    """Whether every explanation that is wished for was given before."""
    return all(key in memory for key in _keys(classifier, image, wish))


def _keys(classifier: Classifier, image: Image, wish: Wish) -> Iterator[Hashable]:
    for method in wish.methods:
        yield _key(classifier, image, wish, "explain", method)


def _key(classifier: Classifier, image: Image, wish: Wish, *what: str) -> Hashable:
    # The name is part of it: what one person calls a photo is nothing to tell another.
    return (image.sha256, image.name, image.notes, classifier.fingerprint, wish.target, wish.seed, *what)


def _one(found: Explanation | list[Explanation]) -> Explanation:
    return found[0] if isinstance(found, list) else found


def _share(progress: Progress, place: int, count: int, title: str) -> Progress:
    """Progress of one method as a part of that of all."""

    def tell(done: int, total: int | None, message: str) -> None:
        part = min(done / total, 1.0) if total else 0.0
        progress(round(STEPS * (place + part) / count), STEPS, f"{title} · {message}" if message else title)

    tell(0, None, "")
    return tell
