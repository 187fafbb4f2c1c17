"""By whatever name a network is opened, no pickle among its files runs code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
import torch

from models import attacks
from seewhy.errors import ModelError
from seewhy.models import load
from seewhy.models.fetching import FORCE, FORCE_NOT, opening

CONFIG = {"architecture": "test_resnet", "num_classes": 3, "pretrained_cfg": {"source": "", "custom_load": True}}


def in_a_folder(name: str, config: dict | None = None) -> Callable[[Path], tuple[str, Path, Path | None]]:
    """A local folder of the hub's layout, whose weights are in a file of this name."""

    def made(place: Path) -> tuple[str, Path, Path | None]:
        told = json.dumps(config or CONFIG)
        (place / "config.json").write_text(told.replace("HERE", str(place)))
        return f"hf-hub:{place}", place / name, None

    return made


def in_torch_cache(place: Path) -> tuple[str, Path, None]:
    from torchvision.models import ResNet18_Weights

    path = place / "torch/hub/checkpoints" / ResNet18_Weights.DEFAULT.url.rpartition("/")[2]
    return "torchvision:resnet18", path, None


def in_hub_cache(place: Path) -> tuple[str, Path, None]:
    kept = place / "hub/models--timm--test_resnet.r160_in1k"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs/main").write_text("0" * 40)
    return "timm:test_resnet.r160_in1k", kept / "snapshots" / ("0" * 40) / "pytorch_model.bin", None


def given(place: Path) -> tuple[str, Path, Path]:
    return "timm:test_resnet", place / "weights.bin", place / "weights.bin"


def in_a_model_folder(place: Path) -> tuple[str, Path, None]:
    card = {"schema": 1, "architecture": "timm:test_resnet", "preprocessing": {"size": [32, 32]}, "categories": ["a"]}
    (place / "card.json").write_text(json.dumps(card))
    return f"file:{place}", place / "model.safetensors", None


WAYS = {
    "timm folder": in_a_folder("pytorch_model.bin"),
    "timm folder, another ending": in_a_folder("net.pth"),
    "timm folder, tensors in name alone": in_a_folder("model.safetensors"),
    "timm folder that names a file": in_a_folder(
        "evil.bin", {**CONFIG, "pretrained_cfg": {"source": "", "file": "HERE/evil.bin"}}
    ),
    "transformers folder": in_a_folder("pytorch_model.bin", {"model_type": "vit", "num_hidden_layers": 1}),
    "torchvision's cache": in_torch_cache,
    "the hub's cache": in_hub_cache,
    "a file of weights": given,
    "a model's folder": in_a_model_folder,
}


@pytest.mark.parametrize("make", [attacks.inside_torch, attacks.legacy, attacks.plain_pickle], ids=lambda m: m.__name__)
@pytest.mark.parametrize("way", WAYS)
def test_no_code_of_a_pickle_runs(tmp_path, monkeypatch, way, make):
    from huggingface_hub import constants

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    name, path, weights = WAYS[way](tmp_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path, tmp_path / "canary")
    with pytest.raises(ModelError):
        load(name, weights, device="cpu")
    assert not (tmp_path / "canary").exists()
    assert FORCE not in os.environ


def open_and_end() -> None:
    with opening("inner"):
        pass


def test_torch_takes_weights_alone_while_anybody_opens_one(tmp_path, monkeypatch):
    """And what the account has asked torch for holds again afterwards."""
    monkeypatch.setenv(FORCE_NOT, "1")
    attacks.inside_torch(tmp_path / "file", tmp_path / "canary")
    with opening("outer"):
        inner = Thread(target=open_and_end)
        inner.start()
        inner.join()
        with pytest.raises(Exception, match=r"[Ww]eights.only"):
            torch.load(tmp_path / "file", weights_only=False)
    assert not (tmp_path / "canary").exists()
    assert os.environ[FORCE_NOT] == "1"
    assert FORCE not in os.environ
