"""The models that people may choose from, each loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from seewhy.errors import UnknownName
from seewhy.models import Classifier, load

UNLISTED = 8  # classifiers of visitors that are kept in memory; others are read again when they are wanted


class Shelf:
    """Classifiers by name. Only names that whoever runs the app has listed or admitted are ever loaded."""

    def __init__(self, names: Sequence[str], device: str = "auto") -> None:
        self._names, self._device = dict.fromkeys(names), device
        self._unlisted: dict[str, None] = {}
        self._loaded: dict[str, Classifier] = {}
        self._locks: dict[str, Lock] = {}
        self._lock = Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """What there is; the first one is the default."""
        return tuple(self._names)

    def admit(self, name: str) -> None:
        """Let a model be used by whoever knows its name, without listing it for all."""
        self._unlisted[name] = None

    def check(self, name: str) -> str:
        """The name itself.

        Raises:
            UnknownName: it is not on the list, whatever else it may be the name of.
        """
        if name not in self._names and name not in self._unlisted:
            raise UnknownName(f"there is no model '{name}' here; there are {', '.join(self._names)}")
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
                self._loaded[name] = _ready(load(name, device=self._device))
            found = self._loaded[name]
        self._drop_oldest()
        return found

    def _drop_oldest(self) -> None:
        with self._lock:
            for name in [each for each in self._unlisted if each in self._loaded][:-UNLISTED]:
                self._loaded.pop(name, None)


def _ready(classifier: Classifier) -> Classifier:
    """With everything worked out that pages may ask for while a worker is using the network."""
    for known in ("categories", "fingerprint", *(("default_layer",) if "layers" in classifier.offers else ())):
        getattr(classifier, known)
    return classifier


def label(name: str) -> str:
    """What people call a model: `file:` folders go by their own name."""
    prefix, _, rest = name.partition(":")
    return Path(rest).name if prefix == "file" else rest
