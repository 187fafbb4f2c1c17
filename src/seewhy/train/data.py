"""Pictures of a folder to batches: opened once, changed a little each time, in an order that a seed alone decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import torch
from torch import Tensor

from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.errors import BadImage, UsageError
from seewhy.images import Image
from seewhy.images.folder import Entry, Folder
from seewhy.models import Preprocessing
from seewhy.train.loop import Batch, seed_of

ASKED = 16  # pictures at once
KEPT_BYTES = 4 << 30  # of pictures in memory; more are opened again each time


@dataclass(frozen=True)
class Augmentation:
    """Small changes that leave the class what it is: a crop, a mirror image, brightness and contrast.

    Attributes:
        area: the least share of the picture's area that a crop keeps.
        stretch: by how much a crop's proportions may differ from those of the network's input.
        mirror: how often left and right change places.
        light: by how much brightness and contrast may change.
    """

    area: float = 0.6
    stretch: float = 1.15
    mirror: float = 0.5
    light: float = 0.15

    def __call__(self, pixels: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """uint8 `(C, H, W)` to uint8 `(C, *size)`; `generator` alone decides how."""
        from seewhy.models.shim import ready_torchvision

        ready_torchvision()
        from torchvision.transforms.v2 import functional as change

        draws = torch.rand(7, generator=generator).tolist()
        top, left, height, width = self._box(pixels.shape[-2:], size, draws)
        pixels = change.resized_crop(pixels, top, left, height, width, list(size), antialias=True)
        if draws[4] < self.mirror:
            pixels = change.horizontal_flip(pixels)
        colours = pixels if len(pixels) in (1, 3) else pixels[:, None]  # bands are pictures of their own to torchvision
        colours = change.adjust_brightness(colours, 1 + self.light * (2 * draws[5] - 1))
        return change.adjust_contrast(colours, 1 + self.light * (2 * draws[6] - 1)).view_as(pixels)

    def _box(self, whole: Sequence[int], size: tuple[int, int], draws: Sequence[float]) -> tuple[int, int, int, int]:
        """Top, left, height and width of the crop: of the largest box of the input's proportions, a share."""
        ratio = size[1] / size[0] * self.stretch ** (2 * draws[1] - 1)
        height = min(whole[0], whole[1] / ratio)
        side = (self.area + (1 - self.area) * draws[0]) ** 0.5
        rows, columns = max(1, round(height * side)), max(1, round(height * ratio * side))
        rows, columns = min(rows, whole[0]), min(columns, whole[1])
        return int(draws[2] * (whole[0] - rows + 1)), int(draws[3] * (whole[1] - columns + 1)), rows, columns


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures with the numbers of their classes, kept in the size that the network wants once they were opened."""

    folder: Folder
    entries: tuple[Entry, ...]
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    _kept: dict[int, Tensor] = field(default_factory=dict[int, Tensor])

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def labels(self) -> Tensor:
        """The class of each picture by its place in `classes`, int64 `(n,)`; of labels those that hold, `(n, K)`."""
        if self.folder.labelled:
            said = [[name in (entry.labels or ()) for name in self.classes] for entry in self.entries]
            return torch.tensor(said, dtype=torch.float32)
        place = {name: index for index, name in enumerate(self.classes)}
        return torch.tensor([place[entry.label or ""] for entry in self.entries], dtype=torch.int64)

    def part(self, indices: Sequence[int]) -> Pictures:
        """These of them, in this order."""
        kept = {place: self._kept[index] for place, index in enumerate(indices) if index in self._kept}
        entries = tuple(self.entries[index] for index in indices)
        return Pictures(self.folder, entries, self.classes, self.preprocessing, kept)

    def image(self, index: int) -> Image:
        """The picture itself, whole."""
        return self.folder.image(self.entries[index])

    def canvas(self, index: int) -> Tensor:
        """The picture resized but not yet cut to the network's view, uint8 `(C, H, W)`."""
        if (kept := self._kept.get(index)) is not None:
            return kept
        canvas = torch.from_numpy(self.preprocessing.resized(self.image(index))).permute(2, 0, 1).contiguous()
        if len(self._kept) * canvas.numel() < KEPT_BYTES:
            self._kept[index] = canvas
        return canvas

    def view(self, index: int) -> Tensor:
        """What the network sees of it, uint8 `(C, h, w)`, as `Classifier.preprocess` does."""
        canvas, (height, width) = self.canvas(index), self.preprocessing.size
        top, left = round((canvas.shape[1] - height) / 2), round((canvas.shape[2] - width) / 2)
        return canvas[:, top : top + height, left : left + width]

    def batch(self, indices: Sequence[int], device: torch.device | None = None, seen: Sequence[Tensor] = ()) -> Batch:
        """These pictures as they are, or as uint8 `(C, h, w)` that were `seen` of them."""
        seen = seen or [self.view(index) for index in indices]
        places = torch.tensor(list(indices), dtype=torch.int64)
        return Batch(self.inputs(seen, device), self.labels[places].to(device), places)

    def inputs(self, seen: Sequence[Tensor], device: torch.device | None = None) -> Tensor:
        """uint8 `(C, h, w)` as network input `(n, C, h, w)`."""
        return self.preprocessing.normalize(torch.stack(list(seen)).to(device).float().div_(255))


def open_pictures(
    folder: Folder, classes: Sequence[str], preprocessing: Preprocessing, progress: Progress = silent
) -> tuple[Pictures, list[Outcome[None]]]:
    """The pictures of `folder` that can be opened, and what is wrong with the others."""
    good: list[int] = []
    failures: list[Outcome[None]] = []
    pictures = Pictures(folder, folder.entries, tuple(classes), preprocessing)
    for index, entry in enumerate(folder.entries):
        progress(index, len(folder.entries), "opening pictures")
        try:
            pictures.canvas(index)
        except BadImage as error:
            failures.append(Outcome(entry.path, error=error))
        else:
            good.append(index)
    return pictures.part(good), failures


def answers(
    ask: Callable[[Tensor], Tensor],
    pictures: Pictures,
    device: torch.device,
    progress: Progress = silent,
    message: str = "pictures",
    shown: Sequence[Callable[[], Tensor]] | None = None,
) -> Tensor:
    """What `ask` answers to the network inputs of all pictures, batch after batch, without autograd.

    `shown` gives other uint8 views `(C, h, w)` in place of the pictures as they are.
    """
    shown = shown or [partial(pictures.view, index) for index in range(len(pictures))]
    rows: list[Tensor] = []
    for start in range(0, len(shown), ASKED):
        progress(start, len(shown), message)
        with torch.no_grad():
            rows.append(ask(pictures.inputs([show() for show in shown[start : start + ASKED]], device)))
    return torch.cat(rows)


@dataclass(frozen=True)
class Stream:
    """Batches without end: `stream(step)` is the same whenever it is asked for.

    Each epoch shows every picture once, in an order of its own. A last batch of one picture joins the one before it,
    since there is no variance in one. `balanced` shows pictures of small classes several times instead, so that all
    classes come equally often.
    """

    pictures: Pictures
    batch_size: int = 32
    seed: int = 0
    augmentation: Augmentation | None = None
    balanced: bool = False
    device: torch.device | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1 or not len(self.pictures):
            raise UsageError(f"to train takes pictures and batches; here {len(self.pictures)} of {self.batch_size}")

    @property
    def steps_per_epoch(self) -> int:
        """Batches that show every picture once."""
        whole, rest = divmod(len(self.order(0)), self.batch_size)
        return max(1, whole + (rest > 1))

    def __call__(self, step: int) -> Batch:
        """The batch of a step."""
        indices, epoch = self.indices(step), step // self.steps_per_epoch
        return self.pictures.batch(indices, self.device, [self.seen(index, epoch) for index in indices])

    def indices(self, step: int) -> list[int]:
        """The places of the pictures of a step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        last = place + 1 == self.steps_per_epoch
        return self.order(epoch)[place * self.batch_size : None if last else (place + 1) * self.batch_size]

    def order(self, epoch: int) -> list[int]:
        """The places of the pictures as this epoch shows them."""
        generator = torch.Generator().manual_seed(seed_of(self.seed, "order", epoch))
        if self.balanced:
            return self._balanced(generator)
        return torch.randperm(len(self.pictures), generator=generator).tolist()

    def _balanced(self, generator: torch.Generator) -> list[int]:
        labels = self.pictures.labels
        places = [torch.nonzero(labels == each).flatten() for each in labels.unique()]
        most = max(map(len, places))
        drawn: list[Tensor] = []
        for mine in places:  # none of a class comes more than once oftener than another
            rounds = [mine[torch.randperm(len(mine), generator=generator)] for _ in range(-(-most // len(mine)))]
            drawn.append(torch.cat(rounds)[:most])
        found = torch.cat(drawn)
        return found[torch.randperm(len(found), generator=generator)].tolist()

    def seen(self, index: int, epoch: int) -> Tensor:
        """A picture as this epoch shows it, uint8 `(C, h, w)`."""
        if self.augmentation is None:
            return self.pictures.view(index)
        generator = torch.Generator().manual_seed(seed_of(self.seed, "picture", epoch, index))
        return self.augmentation(self.pictures.canvas(index), self.pictures.preprocessing.size, generator)
