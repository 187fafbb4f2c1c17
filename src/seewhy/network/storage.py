"""A network view on disk: the photo as PNG, every cluster's map in one `.npz`, everything else in `manifest.json`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from seewhy import __version__
from seewhy.network.view import Cluster, LayerView, NetworkView, Words

SCHEMA = 1
PHOTO, MAPS, MANIFEST = "image.png", "maps.npz", "manifest.json"


def save(view: NetworkView, folder: Path, words: Words) -> Path:
    """Write a view into `folder`, which is made if need be; maps are named as `map` in the manifest says."""
    folder.mkdir(parents=True, exist_ok=True)
    view.image.to_pil().save(folder / PHOTO)
    maps = {
        _map_name(number, cluster): cluster.map
        for number, layer in enumerate(view.layers)
        for cluster in layer.clusters
    }
    np.savez_compressed(folder / MAPS, **maps)  # pyright: ignore[reportArgumentType]
    text = json.dumps(manifest(view, words), indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", "utf-8")
    return folder


def manifest(view: NetworkView, words: Words) -> dict[str, Any]:
    """All but the arrays, as plain JSON values."""
    image = view.image
    return {
        "schema": SCHEMA,
        "seewhy": __version__,
        "image": {"name": image.name, "sha256": image.sha256, "notes": list(image.notes)},
        "network": {
            "view": list(view.view),
            "target": asdict(view.target),
            "target_label": view.target_label,
            "probability": view.probability,
            "predictions": [asdict(each) for each in view.predictions],
            "classifier": view.classifier,
            "fingerprint": view.fingerprint,
            "clustering": view.clustering,
            "signed": view.signed,
            "seed": view.seed,
            "cost": view.cost._asdict(),
            "layers": [_layer(number, layer, words) for number, layer in enumerate(view.layers)],
        },
    }


def _layer(number: int, layer: LayerView, words: Words) -> dict[str, Any]:
    return {
        "name": layer.name,
        "maps": layer.grid.channels,
        "grid": [layer.grid.height, layer.grid.width],
        "weight_kept": layer.weight_kept,
        "outcome": layer.outcome,
        "stability": layer.stability,
        "clusters": [_cluster(number, layer, each, words) for each in layer.clusters],
    }


def _cluster(number: int, layer: LayerView, cluster: Cluster, words: Words) -> dict[str, Any]:
    labels = words.get((layer.name, cluster.index), ())
    return {
        "index": cluster.index,
        "weight": cluster.weight,
        "maps": list(cluster.maps),
        "map": _map_name(number, cluster),
        "effect": cluster.effect._asdict() if cluster.effect else None,
        "words": [{"label": label, "score": score} for label, score in labels],
    }


def _map_name(layer: int, cluster: Cluster) -> str:
    return f"{layer}-{cluster.index}"
