"""What is kept in memory: models, each loaded when it is first needed, and answers that were given before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar, cast

from seewhy.errors import UnknownName
from seewhy.models import Classifier, load

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

    def check(self, name: str) -> str:
        """The name itself.

        Raises:
            UnknownName: it is not on the list, whatever else it may be the name of.
        """
        if name not in self.names and name not in self._unlisted:
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
    """The `most` answers that were used last, by what was asked: contents by their hashes."""

    def __init__(self, most: int = 128) -> None:
        self.most = most
        self._answers: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    def recall(self, key: Hashable, make: Callable[[], T]) -> T:
        """The answer to `key`, made if it is not known; what `make` raises is not kept."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return cast("T", self._answers[key])
        answer = make()
        with self._lock:
            self._answers[key] = answer
            while len(self._answers) > self.most:
                self._answers.popitem(last=False)
        return answer

    def __contains__(self, key: Hashable) -> bool:
        with self._lock:
            return key in self._answers
