"""What is kept in memory: models, each loaded when it is first needed, and answers that were given before."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from seewhy.errors import UnknownName
from seewhy.models import Classifier, load
from seewhy.web.services.shelf import Shelf, size_of
from seewhy.web.visitors import Visitor

T = TypeVar("T")

UNLISTED = 8  # classifiers of visitors that are kept in memory; others are read again when they are wanted


class ModelCache:
    """Classifiers by name. Only names that whoever runs the app has listed or admitted are ever loaded."""

    def __init__(self, names: Sequence[str], device: str = "auto") -> None:
        self.names, self._device = tuple(names), device  # the first is the default
        self._unlisted: dict[str, None] = {}
        self._loaded: dict[str, Classifier] = {}
        self._locks: dict[str, Lock] = {}
        self._lock = Lock()

    def admit(self, name: str) -> None:
        """Let a model be used by whoever knows its name, without listing it for all."""
        self._unlisted[name] = None

    def dismiss(self, name: str) -> None:
        """Forget a model that was admitted."""
        self._unlisted.pop(name, None)
        self._loaded.pop(name, None)
        self._locks.pop(name, None)

    @property
    def admitted(self) -> tuple[str, ...]:
        """Names of the models that were admitted."""
        return (*self._unlisted,)

    def __contains__(self, name: str) -> bool:
        return name in self.names or name in self._unlisted

    def check(self, name: str) -> str:
        """The name itself.

        Raises:
            UnknownName: it is not on the list, whatever else it may be the name of.
        """
        if name not in self:
            raise UnknownName(f"there is no model '{name}' here; there are {', '.join(self.names)}")
        return name

    def loaded(self, name: str) -> Classifier | None:
        """The classifier, if it is loaded already."""
        return self._loaded.get(self.check(name))

    def get(self, name: str) -> Classifier:
        """The classifier, loaded if need be; nobody loads it twice.

        Raises:
            UnknownName: the name is not on the list.
            ModelError: it cannot be loaded.
        """
        self.check(name)
        with self._lock:
            lock = self._locks.setdefault(name, Lock())
        with lock:
            if name not in self._loaded:
                classifier = load(name, device=self._device)
                # What pages may ask for while a worker is using the network is worked out first.
                for known in (
                    "categories",
                    "fingerprint",
                    *(("default_layer",) if "layers" in classifier.offers else ()),
                ):
                    getattr(classifier, known)
                self._loaded[name] = classifier
            found = self._loaded[name]
        with self._lock:
            for oldest in [each for each in self._unlisted if each in self._loaded][:-UNLISTED]:
                self._loaded.pop(oldest, None)
        return found


def model_label(name: str) -> str:
    """What people call a model: `file:` folders go by their own name."""
    prefix, _, rest = name.partition(":")
    return Path(rest).name if prefix == "file" else rest


class AnswerCache:
    """Answers by what was asked, at most `most` bytes of them: contents by their hashes, each with who asked first."""

    def __init__(self, most: int = 128 << 20) -> None:
        self._answers: Shelf[Hashable, Any] = Shelf(most)

    def get(self, key: Hashable) -> Any:
        """The answer to `key`; None where it is not known."""
        return self._answers.get(key)

    def recall(self, key: Hashable, visitor: Visitor, make: Callable[[], T]) -> T:
        """The answer to `key`, made if it is not known; what `make` raises is not kept."""
        known: T | None = self.get(key)
        if known is not None:
            return known
        answer = make()
        self._answers.put(key, answer, visitor, size_of(answer))
        return answer

    def sweep(self) -> None:
        """Forget what was answered a day ago or more."""
        self._answers.sweep()
