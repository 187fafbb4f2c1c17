"""The services of one installation: pages and routes hand in their requests here, and get a job for each."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

from seewhy.core.files import home
from seewhy.core.outcome import attempt
from seewhy.core.progress import Progress, within
from seewhy.errors import SeewhyError, UsageError
from seewhy.images import Image
from seewhy.methods import Explanation, method_info
from seewhy.methods.learned import Learned
from seewhy.methods.learned_head import load_explainer
from seewhy.methods.task import METHODS
from seewhy.metrics import metric_info
from seewhy.models import Classifier, Prediction
from seewhy.models.card import CARD
from seewhy.verbs.compare import Comparison, compare
from seewhy.verbs.decides import Decision, what_decides
from seewhy.verbs.explain import explain
from seewhy.verbs.teach import TeachConfig, TeachResult, teach
from seewhy.web.services.caches import AnswerCache, ModelCache
from seewhy.web.services.disk import Disk
from seewhy.web.services.jobs import SECRET, Job
from seewhy.web.services.photos import TICKETS, Photo, Photos
from seewhy.web.services.queue import Lane, Queue
from seewhy.web.services.results import PICTURED, Explained, about, pixelless, without_pixels
from seewhy.web.services.visits import Visits
from seewhy.web.settings import Settings, settings
from seewhy.web.telling import LOG
from seewhy.web.visitors import HERE, Visitor

T = TypeVar("T")

SHORT, LONG, TRAINING = "short", "long", "training"
SLOW, SPARE = 5.0, 4  # seconds after which no short work waits for another; how many such may run beside it
TRAININGS = 6  # that wait or run; half of them of one visitor
OFTEN = 600.0  # seconds between two looks for what is too old
PHOTOS, LESSONS, VISITS = "uploads", "trainings", "visits"  # folders below home


@dataclass(frozen=True)
class Request:
    """What somebody asks about a photo: why `targets`, classes or "A vs B", or without any the likeliest class."""

    model: str
    methods: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    seed: int = 0


@cache
def services() -> Services:
    """The services of this process."""
    return Services(settings())


class Services:
    """One for each process; pages and the REST interface share it."""

    def __init__(self, chosen: Settings) -> None:
        self.settings = chosen
        length, each = chosen.queue_length, chosen.jobs_each
        self.queue = Queue(
            (
                Lane(SHORT, chosen.workers, length, each, chosen.short_seconds, SLOW, SPARE),
                Lane(LONG, 1, length, each, chosen.long_seconds),
                Lane(TRAINING, 1, TRAININGS, TRAININGS // 2, chosen.training_seconds),
            ),
            kept=chosen.results_mb << 20,
        )
        self.models = ModelCache(chosen.models, chosen.device)
        self.disk = Disk(
            home(),
            chosen.disk_mb << 20,
            (f"{PHOTOS}/??/*.*", f"{LESSONS}/*/", f"{TICKETS}/??/*.json", f"{VISITS}/??/*.json"),
        )
        self.photos = Photos(home() / PHOTOS, self.disk, chosen.upload_bytes, chosen.upload_pixels)
        self.visits = Visits(home() / VISITS, self.disk)
        self.answers = AnswerCache()
        offer_explainers(chosen.explainers)
        self._closed = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep_often, name="sweeper", daemon=True)

    def predict(
        self, photo: Photo | Image, model: str, top: int = 5, *, visitor: Visitor
    ) -> Job[tuple[Prediction, ...]]:
        """Ask what is in a photo: the `top` likeliest classes."""

        def work(classifier: Classifier, image: Image, _: Progress) -> tuple[Prediction, ...]:
            key = _key(classifier, photo, Request(model), "predict", str(top))
            return self.answers.recall(key, visitor, lambda: tuple(classifier.predict(image, top)))

        return self.ask(model, f"looking at {photo.name}", photo, work, visitor=visitor)

    def explain(self, photo: Photo | Image, request: Request, *, visitor: Visitor) -> Job[Explained]:
        """Ask why; what was asked before is answered at once.

        Raises:
            UnknownName: there is no such model, method or class here.
            QueueFull: too many are waiting.
        """
        if not request.methods:
            raise UsageError("name at least one method")
        ready, photo, words = self._check(request), self._refer(photo, visitor), f"explaining {photo.name}"
        known = [self.answers.get(_key(ready, photo, request, each)) for each in request.methods] if ready else []
        if known and None not in known:
            found = Explained(pixelless(photo), tuple(chain(*known)), {})
            return self.queue.settled(found, words, visitor=visitor, restore=self._with_pixels(photo))
        return self.ask(request.model, words, photo, partial(self._explain, request, visitor), visitor=visitor)

    def decide(self, photo: Photo | Image, request: Request, *, visitor: Visitor) -> Job[Decision | None]:
        """Ask what decides in a photo, by the first method of a request.

        Raises:
            UnknownName, QueueFull: as in `explain`.
        """

        def work(classifier: Classifier, image: Image, progress: Progress) -> Decision | None:
            found = self._explain(request, visitor, classifier, image, progress).explanations
            if not found:
                return None
            whole, key = about(found[0], image), _key(classifier, photo, request, "decide", request.methods[0])
            return self.answers.recall(
                key, visitor, lambda: what_decides(classifier, whole, seed=request.seed, progress=progress)
            )

        self._check(request)
        return self.ask(request.model, f"finding what decides in {photo.name}", photo, work, visitor=visitor)

    def compare(self, photo: Photo | Image, request: Request, *, visitor: Visitor) -> Job[Comparison]:
        """Ask which explanation to believe.

        Raises:
            UnknownName: there is no such model, method, metric or class here.
            UsageError: it is one method, or a metric wants a mask.
            QueueFull: too many are waiting.
        """

        def work(classifier: Classifier, image: Image, progress: Progress) -> Comparison:
            def make() -> Comparison:
                what = (request.methods, request.metrics)
                target = next(iter(request.targets), None)
                found = compare(classifier, [image], *what, target=target, seed=request.seed, progress=progress)
                for error in found.errors.values():
                    raise error
                return without_pixels(found)

            key = _key(classifier, photo, request, "compare", *request.methods, *request.metrics)
            return self.answers.recall(key, visitor, make)

        self._check(request)
        if len(set(request.methods)) == 1:
            raise UsageError("to compare takes two methods at least, or none for eight fast ones")
        if masked := [name for name in request.metrics if "mask" in metric_info(name).needs]:
            raise UsageError(f"{', '.join(masked)} cannot do without a mask; Annotate holds maps to yours")
        photo = self._refer(photo, visitor)
        words = f"comparing explanations of {photo.name}"
        return self.ask(request.model, words, photo, work, visitor=visitor, lane=LONG)

    def train(self, config: TeachConfig, *, visitor: Visitor) -> Job[TeachResult]:
        """Train a classifier of somebody's own classes; whoever knows its name may ask it then.

        Raises:
            QueueFull: too many are being trained.
            OverBudget, NoRoom: there is no room for another one.
        """

        def opened(model: str) -> Classifier:
            self.models.admit(model)
            return self.models.get(model)

        def work(job: Job[TeachResult]) -> TeachResult:
            with self.disk.filling(self.new_training_folder(), visitor) as folder:
                return teach(config, folder, opened, job.tell)

        self.disk.check(visitor, 0)
        return self.queue.submit(work, f"training {config.name}", visitor=visitor, lane=TRAINING)

    def new_training_folder(self) -> Path:
        """A folder for one training, of a name that nobody guesses."""
        return home() / LESSONS / secrets.token_urlsafe(SECRET)

    def ask(
        self,
        model: str,
        words: str,
        photo: Photo | Image,
        work: Callable[[Classifier, Image, Progress], T],
        *,
        visitor: Visitor,
        lane: str = SHORT,
    ) -> Job[T]:
        """Queue work on one of the models and a photo, which is opened when its turn comes.

        Raises:
            UnknownName: there is no such model here.
            QueueFull: too many are waiting.
        """
        photo = self._refer(photo, visitor)

        def run(classifier: Classifier, progress: Progress) -> T:
            return work(classifier, self.photos.open(photo), progress)

        return self.submit(model, words, run, visitor=visitor, lane=lane, restore=self._with_pixels(photo))

    def submit(
        self,
        model: str,
        words: str,
        work: Callable[[Classifier, Progress], T],
        *,
        visitor: Visitor,
        lane: str = LONG,
        restore: Callable[[T], T] | None = None,
    ) -> Job[T]:
        """Queue work on one of the models; it stops soon when it is cancelled.

        Raises:
            UnknownName: there is no such model here.
            QueueFull: too many are waiting.
        """
        self.models.check(model)

        def run(job: Job[T]) -> T:
            if self.models.loaded(model) is None:
                job.tell(0, None, "loading the model")
            return work(self.models.get(model), job.tell)

        return self.queue.submit(run, words, visitor=visitor, lane=lane, restore=restore)

    def start(self) -> None:
        """Load the default model before anybody asks for it, and delete what is too old from now on."""
        self._sweeper.start()
        name = self.models.names[0]
        self.submit(name, "loading the model", lambda classifier, _: classifier.default_layer, visitor=HERE)

    def sweep(self) -> None:
        """Forget and delete what was stored or found a day ago or more."""
        self.disk.sweep()
        for kept in (self.photos, self.queue, self.answers, self.visits):
            kept.sweep()
        for name in self.models.admitted:
            if not Path(name.removeprefix("file:")).is_dir():
                self.models.dismiss(name)

    def close(self) -> None:
        """Stop all work."""
        self._closed.set()
        self.queue.close()

    def _sweep_often(self) -> None:
        while not self._closed.is_set():
            with suppress(OSError):  # what cannot be deleted now may be next time
                self.sweep()
            self._closed.wait(OFTEN)

    def _check(self, request: Request) -> Classifier | None:
        """Refuse at once what could never be done; the classifier, if it is loaded already: only then it is asked."""
        for name in request.methods:
            METHODS.listed(name)
        for name in request.metrics:
            metric_info(name)
        ready = self.models.loaded(request.model)
        if ready:
            for each in request.targets:
                ready.target(each)
        return ready

    def _refer(self, photo: Photo | Image, visitor: Visitor) -> Photo:
        return self.photos.refer(photo, visitor) if isinstance(photo, Image) else photo

    def _with_pixels(self, photo: Photo) -> Callable[[T], T]:
        """What makes a result whole that was kept without pixels."""
        return lambda found: about(found, self.photos.open(photo)) if isinstance(found, PICTURED) else found

    def _explain(
        self, request: Request, visitor: Visitor, classifier: Classifier, image: Image, progress: Progress
    ) -> Explained:
        """Explain by one method after the other; one that fails does not stop the rest."""
        targets = [classifier.target(each) for each in request.targets] or None
        found: list[Explanation] = []
        failures: dict[str, SeewhyError] = {}
        for place, method in enumerate(request.methods):
            share = within(progress, place, len(request.methods), method_info(method).title)
            share(0, None, "")

            def make(method: str = method, share: Progress = share) -> tuple[Explanation, ...]:
                made = explain(classifier, [image], method, targets, seed=request.seed, progress=share)
                return tuple(map(without_pixels, made))

            key = _key(classifier, image, request, method)
            outcome = attempt(image.name, partial(self.answers.recall, key, visitor, make))
            if outcome.error:
                failures[method] = outcome.error
            else:
                found.extend(outcome.value or ())
        return without_pixels(Explained(image, tuple(found), failures))


def offer_explainers(folder: Path | None) -> None:
    """List learned explainers among the methods, by the names of their folders; the log tells what is of no use."""
    for card in sorted(folder.glob(f"*/{CARD}")) if folder else ():
        try:
            load_explainer(str(card.parent))
        except SeewhyError as error:
            LOG.warning("not offered: %s", error)
        else:
            METHODS.declare(f"{Learned.name}:{card.parent}", f"{Learned.name}:{card.parent.name}")


def _key(classifier: Classifier, photo: Photo | Image, request: Request, *what: str) -> Hashable:
    # The name is part of it: what one person calls a photo is nothing to tell another.
    return (photo.sha256, photo.name, photo.notes, classifier.fingerprint, request.targets, request.seed, *what)
