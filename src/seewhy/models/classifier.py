"""`Classifier`: a network with its preprocessing, class names, layers and embedding."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.core.pickled import Pickled
from seewhy.errors import ExplainError, ModelError, NonFinite, UsageError
from seewhy.images import OnePicture, Pictures, open_images
from seewhy.models.attention import Attending
from seewhy.models.capture import capture, find_layer, gradients_of
from seewhy.models.categories import Categories, Target, parse_target
from seewhy.models.embedding import Embedding, Tap, find_taps, reading
from seewhy.models.grids import Grid
from seewhy.models.head import Gives, Head, told
from seewhy.models.layers import Layer, deepest_used, default_candidates, grid_alone, watched_layers
from seewhy.models.preprocessing import GREY_MEAN, GREY_STD, Preprocessing
from seewhy.models.probing import Probed, probed
from seewhy.models.state import evaluating
from seewhy.models.wrappers import unwrapped, without_layers

if TYPE_CHECKING:
    from seewhy.images import Image


BATCH = 16  # pictures predicted at once


@dataclass(frozen=True)
class Prediction:
    """One class with the probability that the classifier gives it, or one `value` of a network without classes.

    >>> Prediction(0, "cat", 0.25).told, Prediction(0, "age", None, 41.5).told
    ('25.0%', '41.5')
    """

    index: int
    name: str
    probability: float | None = None
    value: float | None = None
    present: bool | None = None  # of a label, whether it is over its threshold

    @property
    def number(self) -> float:
        """The probability, or the value."""
        return next(each for each in (self.probability, self.value, float("nan")) if each is not None)

    @property
    def told(self) -> str:
        """The probability in per cent, or the value."""
        return told(self.number, "classes" if self.value is None else "values")

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, with the probability or the value, whichever there is."""
        return {name: each for name, each in asdict(self).items() if each is not None}


@dataclass(frozen=True, eq=False)
class Classifier(Pickled):
    """Any image classifier as seewhy sees it; the network itself is never changed.

    `offers` says what methods may ask of it: `scores`, `layers`, `gradients`.
    """

    module: nn.Module
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    given_categories: Categories | Callable[[int], Categories] | None = None  # or how to name so many
    name: str = "a network"
    offers: frozenset[str] = frozenset({"scores", "layers", "gradients"})
    declared: Head = Head()
    given_layer: str | None = None  # for CAM methods, where the deepest one with a grid would not do
    given_notes: tuple[str, ...] = ()  # what whoever made it noticed, in sentences
    given_head: Head | None = None  # what a trial would show, where that is known

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        preprocessing: Preprocessing | None = None,
        categories: Sequence[str] | Mapping[Any, Any] | Categories | None = None,
        name: str | None = None,
        *,
        gives: Gives | None = None,
        output: str | int | None = None,
    ) -> Classifier:
        """Wrap any network.

        Args:
            module: gives class scores for inputs `(N, C, h, w)`; it is never changed. Of `torch.compile` and data
                parallelism it is the network inside.
            preprocessing: without it, 224 px of the whole picture and ImageNet's statistics, in grey where the first
                convolution takes one channel and the network no colours.
            categories: class names in the order of the scores, or a dict from index to name or back; numbered without
                them. Of one number for two classes, one name is that of the second.
            name: what reports call it; the name of its class without it.
            gives: what its numbers are: `logits`, `probabilities`, `log-probabilities`, `sigmoid` (a logit or a
                probability of each label by itself), `label-probabilities`, `single-logit` or `values`; found by
                trying where it is not said.
            output: which of several tensors holds them, by its place or name such as `logits` or `heads.0`.

        Raises:
            UsageError: `module` is no network.
            ModelError: it raises, or gives something else than was declared, or what it gives has to be declared.
        """
        if not isinstance(module, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"from_module wants a torch.nn.Module, not {type(module).__name__}")
        module = unwrapped(module)
        return cls(
            module,
            preprocessing or usual_preprocessing(module),
            _named(categories),
            name or type(module).__name__,
            declared=Head(gives, output),
        ).checked()

    @property
    def device(self) -> torch.device:
        """Where the network's numbers live."""
        return self._anchor.device

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the network's numbers."""
        return self._anchor.dtype

    def preprocess(self, images: Sequence[Image]) -> Tensor:
        """Network input `(N, C, h, w)`, on the network's device in its dtype."""
        return self.seen(images)[1]

    def seen(self, images: Sequence[Image]) -> tuple[Tensor, Tensor]:
        """What the network sees, on its device: pixels `(N, C, h, w)` in [0, 1], and the inputs that they become."""
        anchor = self._anchor
        pixels = self.preprocessing.pixels(list(images)).to(anchor.device)
        return pixels, self.preprocessing.normalize(pixels.to(anchor.dtype))

    def logits(self, x: Tensor) -> Tensor:
        """Scores `(N, K)` of network inputs, in evaluation mode, recorded by autograd where that is on."""
        head = self.head  # tried out before anything else is asked
        with evaluating(self.module):
            return head.ask(self.module, x.clone())  # some networks normalise their input in place

    def probabilities(self, images: Sequence[Image]) -> Tensor:
        """Probabilities `(N, K)`, or the values of a network without classes."""
        with torch.no_grad():
            return self.head.probabilities(self.logits(self.preprocess(images)))

    @overload
    def predict(self, pictures: OnePicture, top: int = 5) -> list[Prediction]: ...
    @overload
    def predict(self, pictures: list[Any] | tuple[Any, ...], top: int = 5) -> list[list[Prediction]]: ...
    @overload
    def predict(self, pictures: Pictures, top: int = 5) -> list[Prediction] | list[list[Prediction]]: ...
    def predict(self, pictures: Pictures, top: int = 5) -> list[Prediction] | list[list[Prediction]]:
        """The `top` likeliest classes of one picture, best first; of several pictures, a list of them for each.

        Args:
            pictures: Whatever `seewhy.explain` takes: paths, bytes, Pillow pictures, arrays, tensors, `Image`s.
            top: How many classes, at least 1.

        Raises:
            BadImage: One of the pictures cannot be opened.
        """
        if isinstance(top, bool) or not isinstance(top, int) or top < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"top is how many classes to name, a whole number from 1, not {top!r}")
        images, several = open_images(pictures)
        starts = range(0, len(images), BATCH)
        rows = [row for start in starts for row in self.probabilities(images[start : start + BATCH])]
        found = [self.ranked(row, top) for row in rows]
        return found if several else found[0]

    def ranked(self, probabilities: Tensor, top: int = 5, target: Target | None = None) -> list[Prediction]:
        """The `top` likeliest of one row of probabilities `(K,)`, and the classes that a target names, best first.

        Values stand in the network's order.
        """
        head, names, numbers = self.head, self.categories, probabilities.tolist()
        named = (target.index, *target.also, target.against) if target else ()
        shown = [*head.likeliest(probabilities, top).tolist(), *(index for index in named if index is not None)]
        if head.meaning == "values":
            return [Prediction(index, names[index], value=numbers[index]) for index in sorted({*shown})]
        over = head.over(probabilities).tolist() if head.meaning == "labels" else dict[int, bool]()
        ordered = sorted(dict.fromkeys(shown), key=lambda index: -numbers[index])
        return [
            Prediction(index, names[index], numbers[index], present=over[index] if over else None) for index in ordered
        ]

    def embed(self, x: Tensor) -> Tensor:
        """What goes into the scores, pooled over positions, `(N, D)`, for inputs `(N, C, h, w)`; of two heads both."""
        return self.embed_and_score(x)[0]

    def embed_and_score(self, x: Tensor, *, gradients: bool = False) -> tuple[Tensor, Tensor]:
        """The embedding `(N, D)` and the logits `(N, K)` of one forward; recorded by autograd with `gradients`."""
        taps = self._taps
        if len(x) > 1 and (self.head.alone or any(tap.single for tap in taps)):
            rows = [self.embed_and_score(row, gradients=gradients) for row in x.split(1)]
            return torch.cat([features for features, _ in rows]), torch.cat([logits for _, logits in rows])
        with capture(self.module, (), gradients=gradients), reading(taps, gradients=gradients) as found:
            logits = self.logits(x)
            return torch.cat([tap.features(found[tap]) for tap in taps], dim=1), logits

    def embedding_weights(self, x: Tensor) -> Tensor:
        """W `(K, D)` for one input `(1, C, h, w)`: ∂ score / ∂ embedding, the weights of a linear head."""
        taps = self._taps
        with capture(self.module, ()), reading(taps, gradients=True) as found:
            logits = self.logits(x)
            tapped = [found[tap] for tap in taps]
            rows = [gradients_of(score, tapped) for score in logits[0]]
        slopes = [
            [
                tap.slopes(torch.zeros_like(value) if slope is None else slope)
                for tap, value, slope in zip(taps, tapped, row, strict=True)
            ]
            for row in rows
        ]
        return torch.cat([torch.cat(row, dim=1) for row in slopes]).detach()

    @cached_property
    def embedding(self) -> Classifier:
        """The network with the numbers that go into its scores for its own, values of one picture at a time."""
        module = Embedding(self.module, self.head.ask, self._taps)
        return Classifier(module, self.preprocessing, name=self.name, given_head=Head("values", alone=True))

    @cached_property
    def _taps(self) -> tuple[Tap, ...]:
        _ = self.head
        with capture(self.module, ()):
            return find_taps(self.logits, self.probe().requires_grad_())

    def target(self, what: str | int | Target) -> Target:
        """A class index, a class name or "A vs B" as a checked target."""
        return what if isinstance(what, Target) else parse_target(what, self.categories)

    @cached_property
    def categories(self) -> Categories:
        """Class names in the order of the scores; numbered when none were given."""
        count = self.head.classes or 0
        given = self.given_categories or Categories.numbered
        names = given if isinstance(given, Categories) else given(count)
        if self.head.single and len(names) == 1:  # of two classes that one is there, or not
            names = Categories((f"not {names[0]}", names[0]))
        if len(names) != count:
            raise ModelError(f"the network scores {count} classes, but {len(names)} class names were given")
        return names

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Every submodule in the order it runs."""
        _ = self.head  # a trial of the network is nothing to watch
        return watched_layers(self.module, self.logits, self.probe())

    @property
    def default_layer(self) -> str:
        """The layer that CAM methods explain unless told otherwise."""
        return self.default_layers[0]

    @cached_property
    def default_layers(self) -> tuple[str, ...]:
        """The default layer, and those of other branches, of which each carries a part of the answer."""
        return (self.given_layer,) if self.given_layer else self.deepest_layers(self._features)

    def deepest_layers(self, features: Callable[[Tensor], Tensor]) -> tuple[str, ...]:
        """The deepest layer with a grid that the network's `features` of a probe depend on, and those beside it."""
        candidates = default_candidates(self.layers, without_layers(self.module))
        with capture(self.module, [layer.name for layer in candidates]) as seen:
            found = features(self.probe())
            return deepest_used(candidates, seen, found, self.layers)

    @cached_property
    def head(self) -> Head:
        """What the network's numbers mean."""
        return self._probed.head

    def at_once(self, most: int) -> int:
        """How many pictures to send in together: `most`, or one where those of a batch change each other's answers."""
        return 1 if self.head.alone else most

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth knowing about the network, in plain sentences."""
        return (*self.given_notes, *self._probed.notes)

    @cached_property
    def _probed(self) -> Probed:
        if self.given_head is not None and self.declared == Head():
            return Probed(self.given_head)
        return probed(self.module, self.declared, self.probe())

    def checked(self) -> Classifier:
        """The classifier itself, once it was tried out: what cannot be right is refused here, before anybody asks.

        Raises:
            ModelError: the network does not run, or gives something else than was declared.
        """
        _ = self.categories
        return self

    @cached_property
    def attends(self) -> bool:
        """Whether every token of a picture attends to every other, as in a vision transformer."""
        with torch.no_grad(), Attending() as seen, suppress(NonFinite):
            self.logits(self.probe())
        return seen.everywhere

    @cached_property
    def head_layer(self) -> str:
        """The last linear layer that gives the class scores."""
        for layer in reversed(self.layers):
            part = self.module.get_submodule(layer.name)
            if isinstance(part, nn.Linear | nn.Conv2d) and layer.shape[1:2] == (len(self.categories),):
                return layer.name
        raise ExplainError("this network's scores do not come from a linear layer")

    def grid(self, layer: str) -> Grid | None:
        """How `layer`'s last output covers the picture; None where it does not."""
        if "layers" not in vars(self):  # to watch them all takes as long as many a method
            _ = self.head
            if layer not in self._grids_alone:
                self._grids_alone[layer] = grid_alone(self.module, self.logits, self.probe(), layer)
            if alone := self._grids_alone[layer]:
                return alone
        return next((known.grid for known in reversed(self.layers) if known.name == layer), None)

    @cached_property
    def _grids_alone(self) -> dict[str, Grid | None]:
        return {}

    def require_grid(self, layer: str) -> Grid:
        """How `layer` covers the picture; raises `ExplainError` where it does not, so that there is nothing to draw."""
        find_layer(self.module, layer)
        grid = self.grid(layer)
        if grid is None:
            raise ExplainError(
                f"layer '{layer}' keeps no grid over the picture, so there is no map to draw; "
                f"try '{self.default_layer}' (`seewhy list layers` shows all)"
            )
        return grid

    @property
    def fingerprint(self) -> str:
        """Hash of architecture, weights and preprocessing: equal for classifiers that answer alike."""
        version = self.weights_version
        found = self._fingerprints.get(version)
        if found is None:
            found = self._hash()
            # At most one is kept: reading 100 MB of weights for every explanation would cost more than explaining.
            self._fingerprints.clear()
            self._fingerprints[version] = found
        return found

    @property
    def weights_version(self) -> tuple[tuple[int, int], ...]:
        """Changes when a weight does, without reading any; edits through `Tensor.data` go unnoticed."""
        tensors = chain(self.module.parameters(), self.module.buffers())
        return tuple((tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version) for tensor in tensors)  # noqa: SLF001

    def to(self, device: str | torch.device) -> Classifier:
        """The same classifier with its network moved to `device`."""
        self.module.to(device)
        return self

    @cached_property
    def _fingerprints(self) -> dict[tuple[tuple[int, int], ...], str]:
        return {}

    def _hash(self) -> str:
        digest = hashlib.sha256(repr(self.module).encode())
        digest.update(json.dumps(self.preprocessing.to_dict(), sort_keys=True).encode())
        if self.head.gives != "logits" or self.declared.output is not None:
            digest.update(f"{self.head.gives} {self.declared.output}".encode())
        # What has no weights to read, a service or another runtime, is known by its answer.
        with torch.no_grad():
            tensors = self.module.state_dict() or {"answer": self.logits(self.probe())}
        for name, tensor in tensors.items():
            digest.update(name.encode())
            digest.update(_bytes(tensor))
        return digest.hexdigest()

    @property
    def _anchor(self) -> Tensor:
        tensors = chain(self.module.parameters(), self.module.buffers())
        return next((tensor for tensor in tensors if tensor.is_floating_point()), torch.zeros(()))

    def probe(self) -> Tensor:
        """One network input to try things on, always the same."""
        # Noise, not zeros: on a flat picture whole layers of a ReLU network may be dead.
        shape = (1, self.preprocessing.channels, *self.preprocessing.size)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        return noise.to(self.device, self.dtype)

    def _features(self, x: Tensor) -> Tensor:
        """What the head sees, which tells dependence even where the head is not trained; else the scores."""
        try:
            return self.embed_and_score(x, gradients=True)[0]
        except ExplainError:  # there is no linear head
            return self.logits(x)

    def __repr__(self) -> str:
        return f"Classifier({self.name!r}, {type(self.module).__name__}, {self.preprocessing.size})"

    def _repr_html_(self) -> str:
        return f"<code>{self!r}</code>".replace("<Classifier", "&lt;Classifier")


def _bytes(value: Any) -> bytes:
    """What an entry of a state dict holds: mostly a tensor; quantised layers keep other things, too."""
    if isinstance(value, tuple | list):
        return b"".join(map(_bytes, value))
    if not isinstance(value, Tensor):
        return repr(value).encode()
    dense = value.detach().dequantize() if value.is_quantized else value.detach().to_dense()
    return dense.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _named(categories: Sequence[str] | Mapping[Any, Any] | Categories | None) -> Categories | None:
    return categories if isinstance(categories, Categories | None) else Categories.of(categories)


def usual_preprocessing(module: nn.Module) -> Preprocessing:
    """224 px of the whole picture and ImageNet's statistics, in grey where the first convolution takes one channel."""
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    usual, grey = Preprocessing(), Preprocessing(mean=GREY_MEAN, std=GREY_STD)
    return grey if first is not None and first.in_channels == 1 and not _runs(module, usual) else usual


def _runs(module: nn.Module, preprocessing: Preprocessing) -> bool:
    """Whether the network takes inputs of this shape: behind a wrapper, the first layer says nothing of colours."""
    try:
        with torch.no_grad():
            return Classifier(module, preprocessing).logits(Classifier(module, preprocessing).probe()).dim() == 2
    except Exception:  # noqa: BLE001 - a network raises whatever it likes
        return False


Scorer = Callable[[np.ndarray], Any]


def black_box(
    score: Scorer,
    *,
    size: tuple[int, int] = (224, 224),
    gives: Gives = "probabilities",
    output: str | int | None = None,
    categories: Sequence[str] | Mapping[Any, Any] | Categories | None = None,
    name: str = "a black box",
    channels: int = 3,
) -> Classifier:
    """A classifier that offers nothing but scores.

    Args:
        score: called with pictures, uint8 `(N, h, w, channels)`; answers with `(N, K)`, an array or what becomes one,
            or several of them in a tuple or dict.
        size: (height, width) of the pictures it wants; each is scaled to it whole.
        gives: what the numbers are, as in `Classifier.from_module`; probabilities are explained through their
            logarithm.
        output: which of several arrays holds them, by its place or name.
        categories: class names in the order of the scores.
        name: what reports call it.
        channels: 3 for RGB, 1 for grey, more or two for bands.
    """
    plain = Preprocessing(size, mean=(0.0,) * channels, std=(1.0,) * channels)
    declared = Head(gives, output)
    return Classifier(_BlackBox(score), plain, _named(categories), name, frozenset({"scores"}), declared).checked()


class _BlackBox(nn.Module):
    def __init__(self, score: Scorer) -> None:
        super().__init__()
        self.score = score

    def forward(self, x: Tensor) -> Any:
        """What is answered to pictures `(N, C, h, w)` in [0, 1], as tensors."""
        # A probe may hold any numbers; a black box sees nothing but pictures.
        pictures = x.detach().float().clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1)
        return self._tensors(self.score(np.ascontiguousarray(pictures.cpu().numpy())), x.device)

    def _tensors(self, answer: Any, device: torch.device) -> Any:
        if isinstance(answer, Mapping):
            return {name: self._tensors(each, device) for name, each in answer.items()}
        if isinstance(answer, tuple):
            return tuple(self._tensors(each, device) for each in answer)
        return torch.as_tensor(np.asarray(answer), dtype=torch.float32, device=device)
