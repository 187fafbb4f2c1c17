"""`hf-hub:org/name` networks, and local folders in the layout of the Hugging Face hub."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from typing_extensions import override

from seewhy.errors import ModelError
from seewhy.models.categories import Categories
from seewhy.models.classifier import Classifier
from seewhy.models.fetching import FOLDER_CURE, hub_or_cache, opening
from seewhy.models.foreign import checked
from seewhy.models.from_timm import classifier_of
from seewhy.models.head import Head
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.shim import ready_torchvision
from seewhy.models.sources import Source

if TYPE_CHECKING:
    from PIL import Image as PILImage

CONVNEXT_UNCROPPED = 384


class Hub(Source):
    """Whatever `config.json` of a repository, or of a local folder, says it is; no code of it is run."""

    prefix, form = "hf-hub", "hf-hub:org/name"

    @override
    def load(self, name: str, weights: Path | None = None) -> Classifier:
        if weights is not None:
            raise ModelError(
                f"hf-hub:{name}: --weights belongs to an architecture; use timm:… or torchvision:… with it"
            )
        return self._published(name)

    @override
    def encoder(self, name: str) -> Classifier:
        return self._published(name, headless=True)

    def _published(self, name: str, *, headless: bool = False) -> Classifier:
        ready_torchvision()
        is_local = Path(name).is_dir()
        with opening(f"hf-hub:{name}", FOLDER_CURE), nullcontext() if is_local else hub_or_cache():
            if is_local:
                config = Path(name, "config.json")
            else:
                from huggingface_hub import hf_hub_download

                config = Path(hf_hub_download(name, "config.json"))
            if "architecture" not in json.loads(config.read_text("utf-8")):
                return from_transformers(name, headless=headless)
            import timm

            full = f"{'local-dir' if is_local else 'hf-hub'}:{name}"
            options: dict[str, Any] = {"num_classes": 0} if headless else {}
            return classifier_of(timm.create_model(full, pretrained=True, **options), f"hf-hub:{name}")


def from_transformers(name: str, *, headless: bool = False) -> Classifier:
    """An image classifier of the transformers library; `headless`, any network of it that gives a picture's vector."""
    try:
        from transformers import AutoImageProcessor, AutoModel, AutoModelForImageClassification
    except ImportError as error:
        raise ModelError(f"hf-hub:{name} needs the transformers library: pip install 'seewhy[hf]'") from error
    kind = AutoModel if headless else AutoModelForImageClassification
    module = kind.from_pretrained(name, use_safetensors=True, trust_remote_code=False).eval()
    processor: Any = AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    channels = _channels(module.config)
    _fit_statistics(processor, channels)
    preprocessing, notes = checked(
        Processor(processor),
        lambda: transformers_preprocessing(processor.to_dict(), channels),
        type(processor).__name__,
        channels,
    )
    if headless:
        return Classifier(_Pooled(module), preprocessing, name=f"hf-hub:{name}", given_notes=notes)
    return Classifier(
        module,
        preprocessing,
        _labels(module.config),
        f"hf-hub:{name}",
        declared=_head(module.config),
        given_notes=notes,
    )


@dataclass(frozen=True, repr=False)
class Processor:
    """What an image processor of the transformers library makes of a picture."""

    processor: Any

    def __call__(self, picture: PILImage.Image) -> Tensor:
        """Network input `(C, h, w)`."""
        made = self.processor(images=picture, return_tensors="pt")
        if "pixel_values" not in made:
            raise ModelError(
                f"{type(self.processor).__name__} makes {', '.join(made)} of a picture: seewhy explains networks that "
                "see pictures as a grid of pixels"
            )
        values = made["pixel_values"]
        return values[0] if len(values) == 1 else values

    def __repr__(self) -> str:
        return json.dumps(self.processor.to_dict(), sort_keys=True, default=str)


def _labels(config: Any) -> Categories | None:
    """Class names as the configuration gives them; None where it does not."""
    known = {int(index): str(label) for index, label in (getattr(config, "id2label", None) or {}).items()}
    complete = bool(known) and set(known) == set(range(len(known)))
    return Categories(tuple(known[index] for index in range(len(known)))) if complete else None


def _head(config: Any) -> Head:
    """What a transformers network was trained to give: its loss is chosen by the same two fields."""
    kind = getattr(config, "problem_type", None)
    if kind == "regression" or getattr(config, "num_labels", None) == 1:
        return Head("values")
    return Head("sigmoid" if kind == "multi_label_classification" else "logits")


def _channels(config: Any) -> int:
    return getattr(config, "num_channels", None) or getattr(getattr(config, "vision_config", None), "num_channels", 3)


def _fit_statistics(processor: Any, channels: int) -> None:
    """Give the processor as many means and deviations as there are channels, where all of them are one number.

    Raises:
        ModelError: they are not, so that nobody knows which belongs to which channel.
    """
    for name in ("image_mean", "image_std"):
        values = getattr(processor, name, None)
        if not isinstance(values, list | tuple) or len(values) == channels or not processor.do_normalize:
            continue
        if len(set(values)) != 1:
            raise ModelError(
                f"the network takes {channels} channels, and {name} of its {type(processor).__name__} has "
                f"{len(values)} numbers; correct preprocessor_config.json"
            )
        setattr(processor, name, [values[0]] * channels)


class _Pooled(nn.Module):
    """A transformers network as pictures to vectors: CLIP's projected ones, else what the network pools."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        ask = getattr(self.network, "get_image_features", self.network)
        found = ask(pixel_values=x)
        vectors = found if isinstance(found, Tensor) else getattr(found, "pooler_output", None)
        if not isinstance(vectors, Tensor):
            raise ModelError(f"{type(self.network).__name__} gives no vector for a picture; take another encoder")
        return vectors.flatten(1)


def transformers_preprocessing(config: dict[str, Any], channels: int = 3) -> Preprocessing:
    """What the image processor of a transformers network does."""
    size = config["size"]
    crop = config.get("crop_size") if config.get("do_center_crop") else None
    how = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}[int(config.get("resample", 2))]
    normalized = config.get("do_normalize", True)
    edge, share = size.get("shortest_edge"), config.get("crop_pct")
    if edge and share:  # ConvNeXt's rule, which ResNet and others follow: large inputs are not cropped
        resize = int(edge / share) if edge < CONVNEXT_UNCROPPED else None
    else:
        resize = min(_height_width(size)) if edge or crop else None
    return Preprocessing(
        size=_height_width(crop or size),
        resize=resize,
        interpolation=how,  # pyright: ignore[reportArgumentType]
        mean=tuple(config["image_mean"]) if normalized else (0.0,) * channels,
        std=tuple(config["image_std"]) if normalized else (1.0,) * channels,
    )


def _height_width(size: dict[str, int]) -> tuple[int, int]:
    edge = size.get("shortest_edge", 224)
    return size.get("height", edge), size.get("width", edge)
