"""`hf-hub:org/name` networks, and local folders in the layout of the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.errors import ModelError, UsageError
from seewhy.models.card import read_about
from seewhy.models.categories import Categories
from seewhy.models.classifier import Classifier
from seewhy.models.fetching import FOLDER_CURE, hub_or_cache, opening
from seewhy.models.foreign import checked
from seewhy.models.from_timm import classifier_of
from seewhy.models.head import Head
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.shim import ready_torchvision
from seewhy.models.sources import Source, has_classes
from seewhy.models.zero_shot import EXAMPLE, Pooled, check_classes, zero_shot

if TYPE_CHECKING:
    from PIL import Image as PILImage

CONVNEXT_UNCROPPED = 384


class Hub(Source):
    """Whatever `config.json` of a repository, or of a local folder, says it is; no code of it is run."""

    prefix, form = "hf-hub", "hf-hub:org/name"

    @override
    def load(self, name: str, weights: Path | None = None) -> Classifier:
        _refuse(weights, name)
        return self._published(name)

    @override
    def load_for(self, name: str, classes: Sequence[str], weights: Path | None = None) -> Classifier:
        _refuse(weights, name)
        return self._published(name, classes=classes)

    @override
    def encoder(self, name: str) -> Classifier:
        return self._published(name, headless=True)

    def _published(self, name: str, *, headless: bool = False, classes: Sequence[str] | None = None) -> Classifier:
        ready_torchvision()
        is_local = Path(name).is_dir()
        with opening(f"hf-hub:{name}", FOLDER_CURE), nullcontext() if is_local else hub_or_cache():
            if is_local:
                config = Path(name, "config.json")
            else:
                from huggingface_hub import hf_hub_download

                config = Path(hf_hub_download(name, "config.json"))
            if "architecture" not in read_about(config, dict[str, Any], "fetch the repository again"):
                return from_transformers(name, headless=headless, classes=classes)
            if classes is not None:
                raise has_classes(f"hf-hub:{name}")
            import timm

            full = f"{'local-dir' if is_local else 'hf-hub'}:{name}"
            options: dict[str, Any] = {"num_classes": 0} if headless else {}
            return classifier_of(timm.create_model(full, pretrained=True, **options), f"hf-hub:{name}")


def _refuse(weights: Path | None, name: str) -> None:
    if weights is not None:
        raise ModelError(f"hf-hub:{name}: --weights belongs to an architecture; use timm:… or torchvision:… with it")


def from_transformers(name: str, *, headless: bool = False, classes: Sequence[str] | None = None) -> Classifier:
    """A network of the transformers library.

    An image classifier; `headless`, any network that gives a picture's vector; with `classes`, one that compares
    pictures with texts.
    """
    try:
        import transformers
    except ImportError as error:
        raise ModelError(f"hf-hub:{name} needs the transformers library: pip install 'seewhy[hf]'") from error
    full = f"hf-hub:{name}"
    config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
    if headless:
        kind: Any = transformers.AutoModel
    elif _compares(config):
        if classes is None:
            raise UsageError(f"{full} compares pictures with texts, so say which: --classes {EXAMPLE}; in Python, "
                             "load(name, classes=[…])")  # fmt: skip
        classes, kind = check_classes(classes), transformers.AutoModelForZeroShotImageClassification
    elif classes is not None:
        raise has_classes(full)
    else:
        kind = transformers.AutoModelForImageClassification
    module, info = kind.from_pretrained(name, use_safetensors=True, trust_remote_code=False, output_loading_info=True)
    if missing := sorted(info["missing_keys"]):
        raise ModelError(
            f"{full} lacks weights of {type(module).__name__}, {', '.join(missing[:4])}{', …' if missing[4:] else ''}, "
            "which would be random; name a repository that was trained for this"
        )
    preprocessing, notes = _preprocessing(name, module.config)
    if headless:
        return Classifier(Pooled(module.eval()), preprocessing, name=full, given_notes=notes)
    if classes is None:
        labels, declared = _labels(module.config), _head(module.config)
        return Classifier(module.eval(), preprocessing, labels, full, declared=declared, given_notes=notes)
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    noise = torch.randn(1, preprocessing.channels, *preprocessing.size, generator=torch.Generator().manual_seed(0))
    network, declared = zero_shot(module.eval(), tokenizer, classes, noise)
    return Classifier(network, preprocessing, Categories(tuple(classes)), full, declared=declared, given_notes=notes)


def _compares(config: Any) -> bool:
    """Whether a configuration is that of a network of pictures and texts."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES as KNOWN

    kind = KNOWN.get(config.model_type)
    return kind is not None and (not config.architectures or kind in config.architectures)


def _preprocessing(name: str, config: Any) -> tuple[Preprocessing, tuple[str, ...]]:
    from transformers import AutoImageProcessor

    processor: Any = AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    channels = _channels(config)
    _fit_statistics(processor, channels)
    return checked(
        Processor(processor),
        lambda: transformers_preprocessing(processor.to_dict(), channels),
        type(processor).__name__,
        channels,
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
