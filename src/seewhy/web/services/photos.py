"""Photos that people bring: kept on disk for a day with what leads to them; decoded ones stay in memory for a while."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import BoundedSemaphore

from seewhy.core.reading import read_json
from seewhy.errors import UnknownName
from seewhy.images import Image, open_image, reopen_image, save_image
from seewhy.images.uploads import open_upload
from seewhy.web.services.disk import Disk, is_fresh
from seewhy.web.services.jobs import SECRET
from seewhy.web.services.shelf import Shelf
from seewhy.web.visitors import Visitor

DECODED = 256 << 20  # bytes of decoded photos
AT_ONCE = 2  # photos that are decoded at a time, so that many who ask cannot fill the memory
PREFIX = "sample:"
TICKETS = "tickets"  # folder beside that of the photos: what each secret leads to
GONE = "there is no such photo; photos are forgotten after a day, so upload it again"


@dataclass(frozen=True)
class Photo:
    """A photo by reference: all that is known of it but its pixels, which are opened when they are wanted."""

    sha256: str
    name: str
    notes: tuple[str, ...]
    composite: bool
    width: int
    height: int


def reference(image: Image) -> Photo:
    """What stands for an image."""
    return Photo(image.sha256, image.name, image.notes, image.composite, image.width, image.height)


class Photos:
    """Photos in `folder`, each once, for a day. What people call them is shown and never used as a path.

    Args:
        folder: Where they lie, under the hash of their pixels.
        disk: What keeps count of their bytes.
        max_bytes: The most bytes of one file.
        max_pixels: The most pixels of one photo.
    """

    def __init__(self, folder: Path, disk: Disk, max_bytes: int, max_pixels: int) -> None:
        self.folder, self.disk, self.max_bytes, self.max_pixels = folder, disk, max_bytes, max_pixels
        self._decoded: Shelf[Photo, Image] = Shelf(DECODED)
        self._samples: dict[str, Photo] = {}  # by their names, such as sample:cat
        self._decoding = BoundedSemaphore(AT_ONCE)

    def read(self, data: bytes, name: str) -> Image:
        """The photo in these bytes.

        Raises:
            BadImage: it is no photo, or too large.
        """
        return open_upload(data, name, self.max_bytes, self.max_pixels)

    def keep(self, image: Image, visitor: Visitor) -> str:
        """Store a visitor's photo; returns the secret that finds it.

        Raises:
            OverBudget: the visitor keeps as much as one visitor may.
            NoRoom: there is no room for it.
        """
        photo = reference(image)
        self._store(photo, image, visitor)
        secret = secrets.token_urlsafe(SECRET)
        told = json.dumps(asdict(photo)).encode()
        self.disk.keep(self._ticket(secret), visitor, lambda part: part.write_bytes(told))
        return secret

    def refer(self, image: Image, visitor: Visitor) -> Photo:
        """What stands for an image in a job; it is stored if it is not yet.

        Raises:
            OverBudget, NoRoom: as in `keep`.
        """
        photo = reference(image)
        if photo.sha256 not in {each.sha256 for each in self._samples.values()} and not self._is_there(photo):
            self._store(photo, image, visitor)
        return photo

    def find(self, name: str) -> Photo:
        """The photo that `keep` gave this secret for, or a sample by its name.

        Raises:
            UnknownName: there is none, or it was forgotten.
        """
        if name.startswith(PREFIX):
            if name not in self._samples:
                self._samples[name] = reference(replace(open_image(name), name=name.removeprefix(PREFIX)))
            return self._samples[name]
        ticket = self._ticket(name)
        if is_fresh(ticket):
            photo = read_json(ticket, Photo, GONE)
            if self._is_there(photo):
                return photo
        raise UnknownName(GONE)

    def has(self, name: str) -> bool:
        """Whether `find` would find it."""
        try:
            self.find(name)
        except UnknownName:
            return False
        return True

    def open(self, photo: Photo) -> Image:
        """The photo with its pixels.

        Raises:
            UnknownName: it was forgotten.
        """
        sample = next((name for name, each in self._samples.items() if each.sha256 == photo.sha256), None)
        if sample is None and not self._is_there(photo):
            raise UnknownName(GONE)
        if found := self._decoded.get(photo):
            return found
        with self._decoding:
            if found := self._decoded.get(photo):  # somebody else wanted it, too
                return found
            found = self._reopened(photo) if sample is None else replace(open_image(sample), name=photo.name)
            stored = 0 if found.stored is None else found.stored.nbytes
            self._decoded.put(photo, found, "", found.pixels.nbytes + stored)
            return found

    def sweep(self) -> None:
        """Forget photos that were stored a day ago or more."""
        self._decoded.sweep()

    def _reopened(self, photo: Photo) -> Image:
        path = self._path(photo)
        return reopen_image(path, photo.name, photo.notes, composite=photo.composite, max_pixels=self.max_pixels)

    def _store(self, photo: Photo, image: Image, visitor: Visitor) -> None:
        """Write it as plain pixels, without whatever else its file held, where it is not there; it is fresh again."""
        self.disk.keep(self._path(photo), visitor, partial(save_image, image))

    def _is_there(self, photo: Photo) -> bool:
        return is_fresh(self._path(photo))

    def _ticket(self, secret: str) -> Path:
        """What a secret leads to; of the secret itself the disk holds nothing that opens anything."""
        digest = sha256(secret.encode(errors="replace")).hexdigest()
        return self.folder.with_name(TICKETS) / digest[:2] / f"{digest}.json"

    def _path(self, photo: Photo) -> Path:
        return self.folder / photo.sha256[:2] / f"{photo.sha256}.png"
