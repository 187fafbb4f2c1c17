"""Options that several commands share, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seewhy.errors import UnknownName, UsageError

DEFAULT_MODEL = "bundled:efficientnet-lite0"

Images = Annotated[
    list[str], typer.Argument(metavar="IMAGE…", help="Pictures, folders of pictures, or sample:cat, sample:coffee.")
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "--models",
        help="bundled:…, torchvision:…, timm:…, hf-hub:org/name, onnx:PATH, file:FOLDER or py:module:factory.",
    ),
]
Weights = Annotated[Path | None, typer.Option(help="A local .safetensors or .pth file for the named architecture.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Seed = Annotated[int, typer.Option(help="Of all randomness; the same seed gives the same bytes.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")]
Target = Annotated[str | None, typer.Option(help='Class index, name or "A vs B". Default: what the model predicts.')]
Classes = Annotated[str, typer.Option(help="Take these class folders alone, joined by commas.")]
Masks = Annotated[Path | None, typer.Option(help="Folder of masks of the object, named like the pictures.")]
Cells = Annotated[int, typer.Option(min=0, help="Compare maps in so many cells a side; 0 leaves them as they are.")]
Out = Annotated[Path, typer.Option(help="Folder for the report, the pictures and the raw maps.")]

# Options that every command may have, in the order of its help, with their defaults.
SHARED: dict[str, tuple[Any, Any]] = {
    "model": (Model, DEFAULT_MODEL),
    "weights": (Weights, None),
    "out": (Out, Path("seewhy-out")),
    "seed": (Seed, 0),
    "device": (Device, "auto"),
    "json": (Json, False),
}

# What Python calls what has an option of its own.
OWN_OPTIONS = {
    "classifier": "--model",
    "layers": "--layer",
    "methods": "--method",
    "seed": "--seed",
    "targets": "--target",
    "top": "--top",
}


def split(text: str) -> list[str]:
    """`a,b` as a list; empty parts are dropped."""
    return [part.strip() for part in text.split(",") if part.strip()]


def parse_background(text: str) -> object:
    """The name of a fill as it is; else the pictures of a folder, or one picture."""
    from seewhy.engines import FILLS, Images
    from seewhy.images import find_images, open_image

    if text in FILLS:
        return text
    paths = find_images([text])
    if not paths[0].exists():
        raise UnknownName(f"--background '{text}' is no picture, no folder and none of {', '.join(FILLS)}")
    return Images(tuple(map(open_image, paths)))


def parse_settings(settings: list[str]) -> dict[str, object]:
    """`name=value` pairs with values read as JSON where they are JSON, else as text."""
    import json

    found: dict[str, object] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set wants NAME=VALUE, not '{setting}'")
        name = name.strip()
        if name in OWN_OPTIONS:
            raise UsageError(f"--set is for parameters of methods; write {OWN_OPTIONS[name]} instead of --set {name}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
