"""Model names: an explicit prefix says where a network comes from; nothing is guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.core.text import shown
from seewhy.errors import BadFile, ModelError, UnknownName, UsageError
from seewhy.models.building import BUILDERS, build_to_fit
from seewhy.models.card import CLASSIFIER, Architecture, read_card
from seewhy.models.checkpoints import read_checkpoint
from seewhy.models.classifier import Classifier
from seewhy.models.from_hub import Hub
from seewhy.models.from_timm import Timm
from seewhy.models.head import Gives, Head
from seewhy.models.shim import ready_torchvision
from seewhy.models.sources import Onnx, Python, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seewhy.images import Image

DEFAULT_MODEL = "bundled:efficientnet-lite0"
DECLARED = "(?:gives|output|classes)=[^&?]+"
DECLARATION = re.compile(rf"(?P<plain>.+)\?(?P<said>{DECLARED}(?:&{DECLARED})*)")

# Kinds of network from rooms to the right, by the module whose `open_classifier(folder)` opens such a folder. It is
# found by its name when a card asks for it, as plug-ins are.
OPENERS = {"prototypes": "seewhy.prototypes.storage"}


class File(Source):
    """A model's folder, as `seewhy train` and `seewhy prototypes train` write it; see `seewhy.models.card`."""

    prefix, form, is_path = "file", "file:FOLDER", True

    @override
    def load(self, name: str, weights: Path | None = None) -> Classifier:
        folder = Path(name).expanduser()
        card = read_card(folder)
        if card.kind != CLASSIFIER:
            if weights is not None:
                raise ModelError(f"{folder} holds {card.kind} with weights of their own: leave --weights out")
            return import_module(OPENERS[card.kind]).open_classifier(folder)
        categories, preprocessing, declared = card.categories, card.preprocessing, card.declared
        checkpoint = read_checkpoint(weights) if weights else card.weights()
        module, notes = build_to_fit(card.architecture, len(categories), checkpoint)
        name = f"file:{folder.name}"
        return Classifier(module, preprocessing, categories, name, declared=declared, given_notes=notes)


# Sources that run nothing of the user's, so that a file may name a network of theirs; code is named by people alone.
TOLD: dict[str, Source] = {source.prefix: source for source in (*BUILDERS.values(), Hub(), Onnx(), File())}
SOURCES: dict[str, Source] = TOLD | {Python.prefix: Python()}


@dataclass(frozen=True, eq=False)
class Encoder:
    """A network that gives vectors: what it answers where it is `headless`, else what goes into its last layer."""

    network: Classifier
    headless: bool = False

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """Float32 vectors `(N, D)`."""
        x = self.network.preprocess(images)
        with torch.no_grad():
            return (self.network.logits(x) if self.headless else self.network.embed(x)).float()

    @cached_property
    def layer(self) -> str:
        """The deepest layer with a grid that the vector still depends on."""
        network = self.network
        if not self.headless:
            return network.default_layer
        return network.deepest_layers(network.logits)[0]


def load(
    name: str = DEFAULT_MODEL,
    weights: str | Path | None = None,
    device: str = "auto",
    *,
    gives: Gives | None = None,
    output: str | int | None = None,
    classes: Sequence[str] | None = None,
) -> Classifier:
    """Open a classifier by name.

    Args:
        name: `bundled:…`, `torchvision:…`, `timm:…`, `hf-hub:org/name`, `onnx:PATH`, `file:FOLDER` or
            `py:module:factory`; it may end with what is declared, as in `onnx:net.onnx?gives=sigmoid&output=logits` or
            `hf-hub:org/clip?classes=a photo of a cat|a photo of a dog`.
        weights: a local `.safetensors` or `.pth` file for the named architecture, instead of downloading.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`, `mps`.
        gives: what its numbers are, as in `Classifier.from_module`, in place of what the model says of itself.
        output: which of several tensors holds them, by its place or name.
        classes: texts to choose from, of a network that compares pictures with texts, such as CLIP and SigLIP.

    Raises:
        UsageError: `classes` for a network that has its own, or none for one that has not.
        UnknownName: no such source or model; the nearest names are listed.
        ModelError: the weights cannot be had or do not fit.
    """
    plain, said, texts = declaration(name)
    source, rest = _split(plain)
    texts = texts if classes is None else classes
    path = Path(weights).expanduser() if weights is not None else None
    ready_torchvision()
    with torch.inference_mode(False):  # what is made under inference_mode can never give gradients
        made = source.load(rest, path) if texts is None else source.load_for(rest, texts, path)
        made = made.to(find_device(device))
    return replace(made, declared=Head(gives, output) | said | made.declared).checked()


def check_told(name: str, path: Path, option: str = "--model") -> str:
    """The name of a model that stands in the file at `path`, where it is one that a file may give.

    That is data: bundled, published, or in a file of its own, wherever that lies. Code comes from people alone.

    Args:
        name: as the file has it.
        path: of the file.
        option: by which people may name the model themselves.

    Raises:
        BadFile: it names code, or nothing that seewhy knows.
    """
    prefix, _, rest = name.partition(":")
    if prefix in TOLD and rest:
        return name
    if prefix == Python.prefix and rest:
        raise BadFile(f"{shown(path)} names code, {shown(name)}, and seewhy runs none that a file names; "
                      f"if you trust it, give {option} {shown(name)} yourself")  # fmt: skip
    known = ", ".join(f"{each}:" for each in TOLD)
    raise BadFile(f"{shown(path)} names the model '{shown(name)}', and a file may name only {known}; give {option}")


def load_encoder(name: str, device: str = "auto") -> Encoder:
    """Open an image encoder by name: a network, mostly without classes, that turns a picture into a vector.

    `timm:` and `hf-hub:` networks lose their classes, so that CLIP's and DINOv2's image encoders will do; of every
    other model that `load` knows, what goes into its last layer is the vector.

    Raises:
        UnknownName: there is no such model.
        ModelError: its weights cannot be had, or it gives no vectors.
    """
    source, rest = _split(declaration(name).plain)
    with torch.inference_mode(False):
        network = source.encoder(rest)
    if network is None:
        return Encoder(load(name, device=device))
    # Its numbers are no classes, whatever its card says.
    network = network.to(find_device(device))
    return Encoder(replace(network, given_categories=None, declared=Head("values")), headless=True)


def list_models() -> list[str]:
    """Every model name that can be listed; hubs, folders and one's own code come beside these."""
    ready_torchvision()
    return [f"{prefix}:{name}" for prefix, source in SOURCES.items() for name in source.names() or ()]


class Declared(NamedTuple):
    """A model's name and what it declares."""

    plain: Any
    head: Head = Head()
    classes: tuple[str, ...] | None = None

    def __str__(self) -> str:
        texts = "|".join(re.sub(r"[%&?|,]", lambda found: f"%{ord(found[0]):02X}", each) for each in self.classes or ())
        said = {"gives": self.head.gives, "output": self.head.output, "classes": texts or None}
        parts = [f"{key}={value}" for key, value in said.items() if value is not None]
        return f"{self.plain}?{'&'.join(parts)}" if parts else str(self.plain)


def declaration(model: object) -> Declared:
    """A model's name without what it declares, and that.

    >>> declaration("hf-hub:org/clip?classes=a cat|a dog").classes
    ('a cat', 'a dog')
    """
    found = DECLARATION.fullmatch(str(model))
    if not found:
        return Declared(model)
    said = dict(each.split("=", 1) for each in found["said"].split("&"))
    classes = tuple(unquote(each).strip() for each in said["classes"].split("|")) if "classes" in said else None
    head = Head(said.get("gives"), said.get("output"))  # pyright: ignore[reportArgumentType]
    return Declared(found["plain"], head, classes)


def declaring(
    model: str, gives: str | None = None, output: str | None = None, classes: Sequence[str] | None = None
) -> str:
    """A model's name that declares this, too, wherever it is loaded."""
    plain, head, said = declaration(model)
    if (gives, output, classes) == (None, None, None):
        return model
    asked = Head(gives, output)  # pyright: ignore[reportArgumentType]
    return str(Declared(plain, asked | head, tuple(classes) if classes is not None else said))


def absolute_name(model: str) -> str:
    """The model's name, so that it means the same in whatever folder it is loaded again."""
    declared = declaration(model)
    prefix, _, rest = declared.plain.partition(":")
    if prefix not in SOURCES or not SOURCES[prefix].is_path:
        return model
    return str(declared._replace(plain=f"{prefix}:{Path(rest).expanduser().resolve()}"))


def architecture_of(model: str, classifier: Classifier) -> Architecture:
    """How a card names the network that `load(model)` gave; raises `ModelError` where none can, as for own code."""
    model = declaration(model).plain
    prefix, _, name = model.partition(":")
    if prefix in BUILDERS:
        return Architecture(model, {})
    if prefix == File.prefix:
        return read_card(Path(name).expanduser(), CLASSIFIER).architecture
    known = getattr(classifier.module, "pretrained_cfg", {}).get("architecture")
    if known is None:
        raise ModelError(
            f"{model} cannot be trained further, because no card could name its architecture; take a bundled:, "
            "torchvision:, timm: or file: model"
        )
    return Architecture(f"{Timm.prefix}:{known}", {})


def find_device(wanted: str) -> str:
    """A device by name, checked to be here; `auto` is a GPU where there is one."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device '{wanted}' is not to be had here ({error}); use --device cpu") from error
    return wanted


def _split(name: object) -> tuple[Source, str]:
    if not isinstance(name, str | Path):
        raise UsageError(
            f"a model is named by a string such as '{DEFAULT_MODEL}', not {type(name).__name__}; "
            "Classifier.from_module wraps a network of your own"
        )
    name = str(name)
    prefix, _, rest = name.partition(":")
    if prefix not in SOURCES or not rest:
        raise UnknownName(_correction(name))
    return SOURCES[prefix], rest


def _correction(name: str) -> str:
    prefix, slash, rest = name.partition("/")
    if slash and prefix in SOURCES:
        return f"'{name}' is an older form: write '{prefix}:{rest}'"
    if name and Path(name).is_dir():
        return f"'{name}' is a folder: write 'file:{name}'"
    if Path(name).suffix == ".onnx":
        return f"'{name}' is an ONNX file: write 'onnx:{name}'"
    if Path(name).is_file():
        return f"'{name}' is a file: name the architecture it holds weights of, and pass it by --weights"
    if slash:
        return f"there is no folder '{name}'; a network of the Hugging Face hub is written 'hf-hub:{name}'"
    found = dict.fromkeys(full.partition(".")[0] for full in list_models())
    if meant := [full for full in found if full.partition(":")[2] == name]:
        return f"'{name}' does not say where it comes from: write {' or '.join(repr(full) for full in meant)}"
    forms = ", ".join(source.form for source in SOURCES.values())
    return f"'{name}' names no source of models; write one of {forms}"
