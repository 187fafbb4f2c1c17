"""Where pages and routes hand in work: the queue, the models, the photos and the memory of one installation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from seewhy.core.files import home
from seewhy.core.progress import Progress, silent
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods import method_info
from seewhy.metrics import metric_info
from seewhy.models import Classifier, Prediction
from seewhy.study.comparison import Comparison
from seewhy.web.interrupt import interruptible
from seewhy.web.memory import Memory
from seewhy.web.queue import Job, Queue
from seewhy.web.settings import Settings, settings
from seewhy.web.shelf import Shelf
from seewhy.web.teaching import forget_old
from seewhy.web.uploads import Uploads
from seewhy.web.work import Explained, Wish, compare_photo, explain_photo, is_known, predict_photo

T = TypeVar("T")

TRAININGS = 3  # that wait or run


class Desk:
    """One for each process; pages and the REST interface share it."""

    def __init__(self, chosen: Settings) -> None:
        self.settings = chosen
        self.queue = Queue(chosen.queue_length, chosen.workers)
        self.trainings = Queue(TRAININGS)  # minutes each: nobody should wait behind one for an explanation
        self.shelf = Shelf(chosen.models, chosen.device)
        self.uploads = Uploads(home() / "uploads", chosen.upload_bytes, chosen.upload_pixels)
        self.memory = Memory()

    @property
    def trainings_folder(self) -> Path:
        """Where people's own classifiers lie for a day."""
        return home() / "trainings"

    def predict(self, image: Image, model: str, top: int = 5) -> Job[tuple[Prediction, ...]]:
        """Ask what is in a photo."""
        return self.submit(
            model, f"looking at {image.name}", lambda classifier, _: predict_photo(classifier, image, top)
        )

    def explain(self, image: Image, wish: Wish) -> Job[Explained]:
        """Ask why; what was asked before is answered at once.

        Raises:
            UnknownName: there is no such model, method or class here.
            QueueFull: too many are waiting.
        """
        if not wish.methods:
            raise UsageError("name at least one method")
        ready = self._check(wish)
        about = f"explaining {image.name}"
        if ready and is_known(ready, image, wish, self.memory):
            return self.queue.settled(explain_photo(ready, image, wish, self.memory, silent), about)
        return self.submit(
            wish.model, about, lambda classifier, tell: explain_photo(classifier, image, wish, self.memory, tell)
        )

    def compare(self, image: Image, wish: Wish) -> Job[Comparison]:
        """Ask which explanation to believe.

        Raises:
            UnknownName: there is no such model, method, metric or class here.
            UsageError: it is one method, or a metric wants a mask.
            QueueFull: too many are waiting.
        """
        self._check(wish)
        if len(set(wish.methods)) == 1:
            raise UsageError("to compare takes two methods at least, or none for eight fast ones")
        if masked := [name for name in wish.metrics if "mask" in metric_info(name).needs]:
            raise UsageError(f"{', '.join(masked)} cannot do without a mask; Annotate holds maps to yours")
        return self.submit(
            wish.model,
            f"comparing explanations of {image.name}",
            lambda classifier, tell: compare_photo(classifier, image, wish, self.memory, tell),
        )

    def _check(self, wish: Wish) -> Classifier | None:
        """Refuse at once what could never be done; the classifier, if it is loaded already: only then it is asked."""
        for name in wish.methods:
            method_info(name)
        for name in wish.metrics:
            metric_info(name)
        ready = self.shelf.loaded(wish.model)
        if ready and wish.target is not None:
            ready.target(wish.target)
        return ready

    def submit(self, model: str, about: str, work: Callable[[Classifier, Progress], T]) -> Job[T]:
        """Queue work on one of the models; it stops soon when it is cancelled.

        Raises:
            UnknownName: there is no such model here.
            QueueFull: too many are waiting.
        """
        name = self.shelf.check(model)
        return self.queue.submit(partial(_run, self.shelf, name, work), about, alone=name)

    def close(self) -> None:
        """Stop all work."""
        self.queue.close()
        self.trainings.close()

    def warm_up(self) -> None:
        """Load the default model before anybody asks for it, and forget old photos and trainings."""
        self.uploads.forget_old()
        forget_old(self.trainings_folder)
        self.submit(self.shelf.names[0], "loading the model", lambda classifier, _: classifier.default_layer)


def _run(shelf: Shelf, model: str, work: Callable[[Classifier, Progress], T], job: Job[T]) -> T:
    if shelf.loaded(model) is None:
        job.tell(0, None, "loading the model")
    classifier = shelf.get(model)
    with interruptible(job.check):
        return work(classifier, job.tell)


@cache
def desk() -> Desk:
    """The desk of this process."""
    return Desk(settings())
