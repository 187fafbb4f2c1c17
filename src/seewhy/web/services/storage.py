"""What is kept on disk: photos and trainings for a day, and the store of what people play and draw."""

from __future__ import annotations

import secrets
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from seewhy.core.files import home, private_file, private_folder
from seewhy.errors import UnknownName
from seewhy.images import Image, reopen_image, save_image
from seewhy.images.opening import BANDS
from seewhy.images.uploads import open_upload
from seewhy.people.players import begin_session, join
from seewhy.people.store import Store, open_store

SECRET = 32  # random bytes: to know a secret is the right to what it names
KNOWN = 10_000  # secrets that are remembered
DAY = 86_400  # seconds
TRAININGS = "trainings"  # below the home folder: classifiers that people trained

_open = ExitStack()


class Kept(NamedTuple):
    """What is known of a photo beside its files."""

    sha256: str
    name: str
    notes: tuple[str, ...]
    composite: bool


class Uploads:
    """Photos in `folder`, each once, for a day. What people call them is shown and never used as a path.

    Args:
        folder: Where they lie, under the hash of their pixels.
        max_bytes: The most bytes of one file.
        max_pixels: The most pixels of one photo.
    """

    def __init__(self, folder: Path, max_bytes: int, max_pixels: int) -> None:
        self.folder, self.max_bytes, self.max_pixels = folder, max_bytes, max_pixels
        self._known: OrderedDict[str, Kept] = OrderedDict()  # by their secrets
        self._lock = Lock()

    def open(self, data: bytes, name: str) -> Image:
        """The photo in these bytes.

        Raises:
            BadImage: it is no photo, or too large.
        """
        return open_upload(data, name, self.max_bytes, self.max_pixels)

    def keep(self, image: Image) -> str:
        """Store a photo as plain pixels, without whatever else its file held; returns the secret that finds it."""
        path = self._path(image.sha256)
        if not path.exists():
            private_folder(self.folder)
            private_folder(path.parent)
            part = path.with_suffix(f".{secrets.token_hex(8)}.png")
            save_image(image, part)
            if part.with_suffix(BANDS).exists():
                private_file(part.with_suffix(BANDS)).replace(path.with_suffix(BANDS))
            private_file(part).replace(path)
        for kept in (path, path.with_suffix(BANDS)):
            if kept.exists():
                kept.touch()
        secret = secrets.token_urlsafe(SECRET)
        with self._lock:
            self._known[secret] = Kept(image.sha256, image.name, image.notes, image.composite)
            while len(self._known) > KNOWN:
                self._known.popitem(last=False)
        return secret

    def find(self, secret: str) -> Image:
        """The photo that `keep` gave this secret for.

        Raises:
            UnknownName: there is none, or it was forgotten.
        """
        with self._lock:
            found = self._known.get(secret)
        if not (found and self._path(found.sha256).is_file()):
            raise UnknownName("there is no such photo; photos are forgotten after a day, so upload it again")
        sha256, name, notes, composite = found
        return reopen_image(self._path(sha256), name, notes, composite=composite, max_pixels=self.max_pixels)

    def delete_old(self) -> None:
        """Delete photos that were stored a day ago or more."""
        _delete_stale(self.folder.glob("??/*.*"), Path.unlink)

    def _path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / f"{sha256}.png"


def new_training_folder() -> Path:
    """A folder for one training, of a name that nobody guesses, which no other account may enter."""
    delete_old_trainings()
    return private_folder(home() / TRAININGS / secrets.token_urlsafe(SECRET))


def delete_old_trainings() -> None:
    """Delete trainings that were begun a day ago or more."""
    _delete_stale((home() / TRAININGS).glob("*/"), shutil.rmtree)


@cache
def people_store() -> Store:
    """The store of this process, opened when it is first needed.

    Raises:
        StoreError: it cannot be opened.
    """
    return _open.enter_context(open_store())


def close_store() -> None:
    """Close it; the next who needs it opens it again."""
    _open.close()
    people_store.cache_clear()


def enter(store: Store, name: str, *, trusted: bool) -> tuple[str, str]:
    """The player's name as it is kept, and the secret of a new session.

    Where names are `trusted`, as in a classroom, whoever gives a name plays under it; else a name that is taken is its
    owner's alone.

    Raises:
        Conflict: the name is taken.
        UsageError: it is empty or too long.
    """
    player = join(store, name, fresh=not trusted)
    return player, begin_session(store, player)


def _delete_stale(paths: Iterable[Path], delete: Callable[[Path], object]) -> None:
    """Delete what was changed last a day ago or more; what cannot be deleted stays."""
    latest = time.time() - DAY
    for path in paths:
        with suppress(OSError):
            if path.stat().st_mtime < latest:
                delete(path)
