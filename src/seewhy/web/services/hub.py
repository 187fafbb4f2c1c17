"""The services of one installation: pages and routes hand in their requests here, and get a job for each."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TypeVar

from seewhy.core.files import home
from seewhy.core.outcome import attempt
from seewhy.core.progress import Progress, silent, within
from seewhy.errors import SeewhyError, UsageError
from seewhy.images import Image
from seewhy.methods import Explanation, method_info
from seewhy.metrics import metric_info
from seewhy.models import Classifier, Prediction
from seewhy.verbs import Comparison, TeachConfig, TeachResult, compare, explain, teach
from seewhy.web.services.caches import AnswerCache, ModelCache
from seewhy.web.services.queue import Job, Queue, interruptible
from seewhy.web.services.storage import Uploads, delete_old_trainings, new_training_folder
from seewhy.web.settings import Settings, settings

T = TypeVar("T")

TRAININGS = 3  # that wait or run


@dataclass(frozen=True)
class Request:
    """What somebody asks about a photo: why `target`, a class or "A vs B", or without one the likeliest class."""

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


@cache
def services() -> Services:
    """The services of this process."""
    return Services(settings())


class Services:
    """One for each process; pages and the REST interface share it."""

    def __init__(self, chosen: Settings) -> None:
        self.settings = chosen
        self.queue = Queue(chosen.queue_length, chosen.workers)
        self.trainings = Queue(TRAININGS)  # minutes each: nobody should wait behind one for an explanation
        self.models = ModelCache(chosen.models, chosen.device)
        self.uploads = Uploads(home() / "uploads", chosen.upload_bytes, chosen.upload_pixels)
        self.answers = AnswerCache()

    def predict(self, image: Image, model: str, top: int = 5) -> Job[tuple[Prediction, ...]]:
        """Ask what is in a photo: the `top` likeliest classes."""
        return self.submit(
            model, f"looking at {image.name}", lambda classifier, _: tuple(classifier.predict(image, top))
        )

    def explain(self, image: Image, request: Request) -> Job[Explained]:
        """Ask why; what was asked before is answered at once.

        Raises:
            UnknownName: there is no such model, method or class here.
            QueueFull: too many are waiting.
        """
        if not request.methods:
            raise UsageError("name at least one method")
        about, work = f"explaining {image.name}", partial(self._explain, image, request)
        ready = self._check(request)
        if ready and all(_key(ready, image, request, method) in self.answers for method in request.methods):
            return self.queue.settled(work(ready, silent), about)
        return self.submit(request.model, about, work)

    def compare(self, image: Image, request: Request) -> Job[Comparison]:
        """Ask which explanation to believe.

        Raises:
            UnknownName: there is no such model, method, metric or class here.
            UsageError: it is one method, or a metric wants a mask.
            QueueFull: too many are waiting.
        """

        def work(classifier: Classifier, progress: Progress) -> Comparison:
            def make() -> Comparison:
                what = (request.methods, request.metrics)
                found = compare(classifier, [image], *what, target=request.target, seed=request.seed, progress=progress)
                for error in found.errors.values():
                    raise error
                return found

            key = _key(classifier, image, request, "compare", *request.methods, *request.metrics)
            return self.answers.recall(key, make)

        self._check(request)
        if len(set(request.methods)) == 1:
            raise UsageError("to compare takes two methods at least, or none for eight fast ones")
        if masked := [name for name in request.metrics if "mask" in metric_info(name).needs]:
            raise UsageError(f"{', '.join(masked)} cannot do without a mask; Annotate holds maps to yours")
        return self.submit(request.model, f"comparing explanations of {image.name}", work)

    def train(self, config: TeachConfig) -> Job[TeachResult]:
        """Train a classifier of somebody's own classes; whoever knows its name may ask it then.

        Raises:
            QueueFull: too many are being trained.
        """
        folder = new_training_folder()

        def opened(model: str) -> Classifier:
            self.models.admit(model)
            return self.models.get(model)

        return self.trainings.submit(lambda job: teach(config, folder, opened, job.tell), f"training {config.name}")

    def submit(self, model: str, about: str, work: Callable[[Classifier, Progress], T]) -> Job[T]:
        """Queue work on one of the models; it stops soon when it is cancelled.

        Raises:
            UnknownName: there is no such model here.
            QueueFull: too many are waiting.
        """
        self.models.check(model)

        def run(job: Job[T]) -> T:
            if self.models.loaded(model) is None:
                job.tell(0, None, "loading the model")
            classifier = self.models.get(model)
            with interruptible(job.check):
                return work(classifier, job.tell)

        return self.queue.submit(run, about, alone=model)

    def warm_up(self) -> None:
        """Load the default model before anybody asks for it, and delete old photos and trainings."""
        self.uploads.delete_old()
        delete_old_trainings()
        self.submit(self.models.names[0], "loading the model", lambda classifier, _: classifier.default_layer)

    def close(self) -> None:
        """Stop all work."""
        self.queue.close()
        self.trainings.close()

    def _check(self, request: Request) -> Classifier | None:
        """Refuse at once what could never be done; the classifier, if it is loaded already: only then it is asked."""
        for name in request.methods:
            method_info(name)
        for name in request.metrics:
            metric_info(name)
        ready = self.models.loaded(request.model)
        if ready and request.target is not None:
            ready.target(request.target)
        return ready

    def _explain(self, image: Image, request: Request, classifier: Classifier, progress: Progress) -> Explained:
        """Explain by one method after the other; one that fails does not stop the rest."""
        target = None if request.target is None else classifier.target(request.target)
        found: list[Explanation] = []
        failures: dict[str, SeewhyError] = {}
        for place, method in enumerate(request.methods):
            share = within(progress, place, len(request.methods), method_info(method).title)
            share(0, None, "")
            make = partial(explain, classifier, image, method, target, seed=request.seed, progress=share)
            outcome = attempt(image.name, partial(self.answers.recall, _key(classifier, image, request, method), make))
            if outcome.error:
                failures[method] = outcome.error
            elif outcome.value:
                found.append(outcome.value)
        return Explained(image, tuple(found), failures)


def _key(classifier: Classifier, image: Image, request: Request, *what: str) -> Hashable:
    # The name is part of it: what one person calls a photo is nothing to tell another.
    return (image.sha256, image.name, image.notes, classifier.fingerprint, request.target, request.seed, *what)
