"""`timm:` architectures with their published weights or ones of your own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn
from typing_extensions import override

from seewhy.models.categories import Categories
from seewhy.models.classifier import Classifier
from seewhy.models.fetching import hub_or_cache, opening
from seewhy.models.foreign import checked
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.shim import ready_torchvision
from seewhy.models.sources import Source, categories_for, check_known


class Timm(Source):
    """Classifiers of timm, by `arch` or `arch.tag`."""

    prefix, form = "timm", "timm:…"
    options = ("in_chans",)

    @override
    def load(self, name: str, weights: Path | None = None) -> Classifier:
        if weights is not None:
            built = self.built(name, weights)
            found = classifier_of(built.module, f"timm:{name}")
            return replace(found, given_categories=built.categories, given_notes=built.notes + found.given_notes)
        return self._published(name)

    @override
    def encoder(self, name: str) -> Classifier:
        return self._published(name, num_classes=0)

    @override
    def names(self) -> list[str]:
        """Every architecture of timm that comes with weights, with their tags."""
        import timm

        return timm.list_pretrained()

    @override
    def build(self, name: str, classes: int, **options: Any) -> nn.Module:
        ready_torchvision()
        import timm

        check_known(name.partition(".")[0], timm.list_models(), self.prefix)
        return timm.create_model(name, pretrained=False, num_classes=classes, **options).eval()

    def _published(self, name: str, **options: Any) -> Classifier:
        ready_torchvision()
        import timm

        check_known(name, timm.list_models() + timm.list_pretrained(), self.prefix)
        with opening(f"timm:{name}"), hub_or_cache():
            return classifier_of(timm.create_model(name, pretrained=True, **options), f"timm:{name}")


def classifier_of(module: Any, name: str) -> Classifier:
    """Wrap a timm network with the preprocessing and class names that its configuration states."""
    from timm.data import create_transform, resolve_model_data_config

    labels = getattr(module, "pretrained_cfg", {}).get("label_names")
    categories = Categories(tuple(labels)) if labels else categories_for(module.num_classes)
    config = resolve_model_data_config(module)
    transform: Any = create_transform(**config, is_training=False)
    preprocessing, notes = checked(
        transform,
        lambda: timm_preprocessing(config),
        "timm transform",
        config["input_size"][0],
    )
    return Classifier(module.eval(), preprocessing, categories, name, given_notes=notes)


def timm_preprocessing(config: dict[str, Any]) -> Preprocessing:
    """What timm's data configuration of a network states."""
    height, width = config["input_size"][-2:]
    whole = config.get("crop_mode") == "squash"
    return Preprocessing(
        size=(height, width),
        resize=None if whole else int(max(height, width) / config["crop_pct"]),
        interpolation=config["interpolation"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )
