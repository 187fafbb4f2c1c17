"""Where models come from: one `Source` for each prefix of a model's name, what they share, and those of this machine.

A further source is a class and an entry of `SOURCES` in `seewhy/models/load.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import TypedDict, override

from seewhy.core.names import nearest
from seewhy.errors import ModelError, UnknownName, UsageError
from seewhy.models.card import read_about
from seewhy.models.categories import Categories, imagenet
from seewhy.models.checkpoints import load_checkpoint, load_weights, read_checkpoint
from seewhy.models.classifier import Classifier, usual_preprocessing
from seewhy.models.head import Gives, Head
from seewhy.models.preprocessing import Preprocessing, usual_statistics

ABOUT = "write a JSON object of 'preprocessing', 'categories', 'gives' and 'output', each of which may be left out"


class Built(NamedTuple):
    """An architecture with weights of one's own, the classes that they score, and what is to be told of them."""

    module: nn.Module
    categories: Categories
    notes: tuple[str, ...]


class Source:
    """One origin of classifiers; `prefix:NAME` names one of them.

    Attributes:
        prefix: what names of its models begin with.
        form: how such a name is written, for help texts.
        is_path: whether the name after the prefix is a path, which means another file in another folder.
        options: what `build` takes besides.
    """

    prefix: ClassVar[str]
    form: ClassVar[str]
    is_path: ClassVar[bool] = False
    options: ClassVar[tuple[str, ...]] = ()

    def load(self, name: str, weights: Path | None = None) -> Classifier:
        """The classifier `name` with its own weights, or with those of the file `weights`."""
        raise NotImplementedError

    def load_for(self, name: str, classes: Sequence[str], weights: Path | None = None) -> Classifier:
        """The network `name`, which compares pictures with texts, for these texts."""
        raise has_classes(f"{self.prefix}:{name}")

    def names(self) -> list[str] | None:
        """Every name that can be listed; None where they cannot."""
        return None

    def build(self, name: str, classes: int, **options: Any) -> nn.Module:
        """The bare architecture for `classes` classes, in evaluation mode."""
        raise ModelError(f"{self.prefix}:{name} is no architecture that can be built anew")

    def encoder(self, name: str) -> Classifier | None:
        """The network `name` without its classes, which answers with vectors; None where that is not known."""
        return None

    def built(self, name: str, weights: Path) -> Built:
        """The architecture with the weights of a file, for as many classes as they score.

        What has a row for each of ImageNet's 1000 classes where it is built for them is the head.
        """
        checkpoint, count = read_checkpoint(weights), len(imagenet())
        module = self.build(name, count)
        own = module.state_dict()
        tensors, notes = checkpoint.fitting(own)
        heads = [tensors[key] for key, tensor in own.items() if tensor.shape[:1] == (count,) and key in tensors]
        rows = {tensor.shape[0] for tensor in heads if tensor.dim()}
        if len(rows) == 1 and rows != {count}:
            (count,) = rows
            module = self.build(name, count)
        load_weights(module, tensors, checkpoint.origin)
        names = checkpoint.class_names(count)
        return Built(module, Categories(names) if names else categories_for(count), notes)


def has_classes(model: str) -> UsageError:
    """What is said where somebody gives classes to a network that has its own."""
    return UsageError(
        f"{model} has classes of its own, so leave --classes out: they are for networks that compare pictures with "
        "texts, such as CLIP (hf-hub:org/name)"
    )


def check_known(name: str, known: Sequence[str], source: str) -> None:
    """Refuse a model name that `source` does not have, with the nearest it has."""
    if name not in known:
        near = nearest(name, known, cutoff=0.4)
        shown = ", ".join(f"'{source}:{other}'" for other in near) or "see `seewhy list models`"
        raise UnknownName(f"{source} has no classifier '{name}'; nearest: {shown}")


def categories_for(count: int) -> Categories:
    """ImageNet's class names for its 1000 classes, else numbers."""
    return imagenet() if count == len(imagenet()) else Categories.numbered(count)


class Onnx(Source):
    """An ONNX file; a `.json` of the same name beside it may say `preprocessing`, `categories`, `gives`, `output`.

    Without that: the input size of the graph, ImageNet statistics, ImageNet names for 1000 classes. It offers scores
    only.
    """

    prefix, form, is_path = "onnx", "onnx:PATH", True

    @override
    def load(self, name: str, weights: Path | None = None) -> Classifier:
        if weights is not None:
            raise ModelError("an ONNX file holds its own weights: leave --weights out")
        path = Path(name).expanduser()
        if not path.is_file():
            raise ModelError(f"there is no file {path}; write onnx:PATH")
        network = _Session(path)
        beside = path.with_suffix(".json")
        about = read_about(beside, _About, ABOUT) if beside.exists() else _About()
        given = about.get("preprocessing", {})
        if "mean" not in given:
            given = {**dict(zip(("mean", "std"), usual_statistics(network.channels), strict=True)), **given}
        preprocessing = Preprocessing.from_dict({"size": list(network.size), **given})
        given = about.get("categories")
        categories = Categories(tuple(map(str, given))) if isinstance(given, list) else categories_for
        declared = Head(about.get("gives"), about.get("output"))
        return Classifier(network, preprocessing, categories, f"onnx:{path.name}", frozenset({"scores"}), declared)


class Python(Source):
    """A function that returns a network or a `Classifier`, looked up from the working folder as Python does.

    This runs that code, so it is for the command line and Python, never for the app.
    """

    prefix, form = "py", "py:module:factory"

    @override
    def load(self, name: str, weights: Path | None = None) -> Classifier:
        module_name, _, factory_name = name.partition(":")
        if not factory_name:
            raise ModelError(f"'py:{name}' lacks the function: write py:module:factory")
        made = _factory(module_name, factory_name)()
        if isinstance(made, nn.Module):
            made = Classifier(made, usual_preprocessing(made), name=f"py:{name}")
        if not isinstance(made, Classifier):
            raise ModelError(f"py:{name} returned {type(made).__name__}; expected a torch.nn.Module or a Classifier")
        if weights is None:
            return made
        checkpoint = read_checkpoint(weights)
        notes = load_checkpoint(made.module, checkpoint)
        names = None if made.given_categories else checkpoint.class_names(len(made.categories))
        given = Categories(names) if names else made.given_categories
        return replace(made, given_categories=given, given_notes=made.given_notes + notes)


ON_CPU = {"CPUExecutionProvider", "AzureExecutionProvider"}  # the second runs nothing but calls of a service


class _Session(nn.Module):
    """An onnxruntime session as a module: normalised `(N, C, h, w)` to what the graph puts out."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path.resolve()
        try:
            import onnxruntime
        except ImportError as error:
            raise ModelError("onnx: models need onnxruntime: pip install 'seewhy[onnx]'") from error
        try:
            self.session = onnxruntime.InferenceSession(str(path), providers=onnxruntime.get_available_providers())
        except Exception as error:  # onnxruntime's own exceptions share no public base class
            raise ModelError(f"{path.name} is no ONNX file that onnxruntime can run ({error})") from error
        # What runs on this processor, others may run there sooner.
        self.onnx_file = self.path if set(self.session.get_providers()) <= ON_CPU else None
        first = self.session.get_inputs()[0]
        self.input = first.name
        self.batch = first.shape[0] if isinstance(first.shape[0], int) else None
        sides = [side if isinstance(side, int) else 224 for side in first.shape[2:4]]
        self.size = (sides[0], sides[1]) if len(sides) == 2 else (224, 224)
        channels = first.shape[1] if len(first.shape) == 4 else None
        self.channels = channels if isinstance(channels, int) else 3

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        """What the graph puts out, by name where that is several tensors; one of fixed batch is run often enough."""
        parts = [self._run(part) for part in x.detach().float().cpu().split(self.batch or len(x))]
        found = {name: torch.cat([part[name] for part in parts]).to(x.device) for name in parts[0]}
        return found if len(found) > 1 else next(iter(found.values()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _Session, (self.path,)  # another process opens the file again

    def _run(self, part: Tensor) -> dict[str, Tensor]:
        """The tensors that the graph puts out by name; the last part of a fixed batch is filled up with zeros."""
        count = len(part)
        if self.batch and count < self.batch:
            part = torch.cat([part, part.new_zeros(self.batch - count, *part.shape[1:])])
        try:
            found = self.session.run(None, {self.input: part.numpy()})
        except Exception as error:
            shape = tuple(part.shape)
            raise ModelError(f"the ONNX graph does not run on float32 {shape}, (N, C, h, w): {error}") from error
        tensors = {
            each.name: torch.from_numpy(value)
            for each, value in zip(self.session.get_outputs(), found, strict=True)
            if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and value.ndim
        }
        if not tensors:
            raise ModelError("the ONNX graph puts out no tensor of numbers")
        return {name: tensor[:count] if self.batch else tensor for name, tensor in tensors.items()}


class _About(TypedDict, total=False):
    """What may stand in the file beside an ONNX file."""

    preprocessing: dict[str, Any]
    categories: list[str | int | float] | str
    gives: Gives
    output: str | int


def _factory(module_name: str, factory_name: str) -> Callable[[], object]:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        factory = getattr(import_module(module_name), factory_name, None)
    except ImportError as error:
        raise ModelError(f"cannot import '{module_name}' ({error}); run seewhy where it can be imported") from error
    if not callable(factory):
        raise ModelError(f"module '{module_name}' has no function '{factory_name}'")
    return factory
