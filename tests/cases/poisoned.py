"""A small case base of pictures, and makers of poisoned ones: what each names would, if it ran, write `canary`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image as Pillow

from cases.squares import folder_of, square
from models import attacks
from seewhy.cases import find_counterfactuals, find_twins, open_cases
from seewhy.cases.neighbours import Index
from seewhy.images import open_image
from seewhy.models import load
from seewhy.models.card import Architecture, write_model
from seewhy.models.from_timm import Timm
from seewhy.verbs.cases import build_cases, classifier_of_cases

Spoil = Callable[[Path, Path], None]

TINY = Architecture("timm:test_resnet", {})
ARRAYS = ("embeddings.npy", "logits.npy", "index-centres.npy", "index-rows.npy", "index-starts.npy")
FILES = ("manifest.json", "cases.parquet", *ARRAYS)


def write_cases(folder: Path) -> None:
    """A classifier, pictures and a base of them with lists to search, each in a folder of its own; and a photo."""
    fields = {"architecture": TINY.name, "preprocessing": {"size": [32, 32]}, "categories": ["cat", "dog", "hen"]}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        write_model(folder / "model", Timm().build("test_resnet", 3), fields)
    folder_of(folder / "pictures", each=2)
    square("red", 9).to_pil().save(folder / "asked.png")
    square("red", 8).to_pil().save(folder / "secret.png")
    model = f"file:{folder / 'model'}"
    build_cases(folder / "pictures", load(model, device="cpu"), folder / "base", model=model, device="cpu")
    vectors = np.load(folder / "base/embeddings.npy")
    index = Index(vectors[:2].copy(), np.arange(len(vectors)), np.array([0, 3, len(vectors)]))
    for name in ("centres", "rows", "starts"):
        np.save(folder / f"base/index-{name}.npy", getattr(index, name))
    seal(folder)


def look_at_cases(folder: Path) -> object:
    """Twins of the photo and what would turn the decision about it, by the classifier that the base names."""
    classifier = load(*classifier_of_cases(folder / "base"), device="cpu")
    cases, image = open_cases(folder / "base", classifier, "cpu"), open_image(folder / "asked.png")
    return find_twins(cases, image, top=6), find_counterfactuals(cases, image)


def seal(folder: Path, **changes: Any) -> None:
    """Write the hash of each file into the manifest, as whoever makes a base can, and other `changes`."""
    path = folder / "base/manifest.json"
    manifest = json.loads(path.read_text())
    there = [name for name in FILES[1:] if (folder / "base" / name).is_file()]
    manifest["files"] = {name: hashlib.sha256((folder / "base" / name).read_bytes()).hexdigest() for name in there}
    path.write_text(json.dumps({**manifest, **changes}))


def about(**changes: str | None) -> Spoil:
    """Other words in what the base says of itself; `{code}` is a function that writes the canary."""

    def spoil(folder: Path, canary: Path) -> None:
        touch = f"Path({str(canary)!r}).touch()"
        code = f"from pathlib import Path\n{touch}\ndef net():\n    {touch}\n"
        (folder / "poisonous.py").write_text(code)
        known = json.loads((folder / "base/manifest.json").read_text())["about"]
        told = {key: value and value.format(code="py:poisonous:net", folder=folder) for key, value in changes.items()}
        seal(folder, about={**known, **told})

    return spoil


def table(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Spoil:
    """Another table."""

    def spoil(folder: Path, _canary: Path) -> None:
        path = folder / "base/cases.parquet"
        change(pl.read_parquet(path)).write_parquet(path)
        seal(folder)

    return spoil


def place(path: str) -> Spoil:
    """All pictures in one place, with the hash of what lies there."""

    def spoil(folder: Path, _canary: Path) -> None:
        (folder / "pictures/link.png").symlink_to(folder / "secret.png")
        (folder / "pictures/out").symlink_to(folder)
        shown = open_image(folder / "secret.png").sha256
        changes = {"path": path.format(folder=folder), "pixels": shown}
        table(lambda known: known.with_columns(**{key: pl.lit(value) for key, value in changes.items()}))(
            folder, _canary
        )

    return spoil


def array(name: str, change: Callable[[np.ndarray], np.ndarray], **manifest: Any) -> Spoil:
    """Another array."""

    def spoil(folder: Path, _canary: Path) -> None:
        path = folder / "base" / name
        np.save(path, change(np.load(path)))
        seal(folder, **manifest)

    return spoil


def content(name: str, data: bytes) -> Spoil:
    """Something else in a file, whose hash is told."""

    def spoil(folder: Path, _canary: Path) -> None:
        (folder / "base" / name).write_bytes(data)
        if name != "manifest.json":
            seal(folder)

    return spoil


def pipe(name: str) -> Spoil:
    """A pipe that nobody writes to, in the place of a file."""

    def spoil(folder: Path, _canary: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return spoil


def pickled(folder: Path, canary: Path) -> None:
    """A pickle that calls a shell, under the name of vectors."""
    attacks.plain_pickle(folder / "base/embeddings.npy", canary)
    seal(folder)


def other_pictures(folder: Path, _canary: Path) -> None:
    """Pictures that are not those of the base, in their places."""
    for path in (folder / "pictures").rglob("*.png"):
        Pillow.new("RGB", (40, 40)).save(path)


def claim(count: str) -> Spoil:
    """An array whose header claims more than there is."""

    def spoil(folder: Path, _canary: Path) -> None:
        path = folder / "base/embeddings.npy"
        header = (
            path.read_bytes().replace(b"(6, ", f"({count}, ".encode()).replace(b" " * (len(count) - 1) + b"\n", b"\n")
        )
        path.write_bytes(header)
        seal(folder)

    return spoil


POISONS: dict[str, Spoil] = {
    "code as model": about(model="{code}"),
    "code as model that declares": about(model="{code}?gives=logits"),
    "code as embedding": about(embedding="{code}"),
    "no model at all": about(model="{folder}"),
    "a picture above": place("../secret.png"),
    "a picture above, by a way round": place("red/../../secret.png"),
    "a picture anywhere": place("{folder}/secret.png"),
    "a link that leads out": place("link.png"),
    "a linked folder that leads out": place("out/secret.png"),
    "a name with NUL": place("red/0.png\0"),
    "a root with NUL": about(root="{folder}\0", beside=None),
    "pictures beside with NUL": about(root="/nowhere", beside="../pictures\0"),
    "pictures beside anywhere": about(root="/nowhere", beside="../../../../../.."),
    "another root": about(root="/"),
    "other pictures": other_pictures,
    "a column less": table(lambda known: known.drop("pixels")),
    "a column of another type": table(lambda known: known.with_columns(predicted=pl.lit("cat"))),
    "no values": table(lambda known: known.with_columns(path=pl.lit(None, pl.String))),
    "a class that is not there": table(lambda known: known.with_columns(predicted=pl.lit(3, pl.Int32))),
    "a class below zero": table(lambda known: known.with_columns(predicted=pl.lit(-1, pl.Int32))),
    "rows less": table(lambda known: known.head(3)),
    "no table": content("cases.parquet", b"PAR1" + b"x" * 500 + b"PAR1"),
    "a pipe for a table": pipe("base/cases.parquet"),
    "a pipe for pictures": pipe("pictures/red/0.png"),
    "vectors that are no numbers": array("embeddings.npy", lambda known: known * np.float32("nan")),
    "vectors of another length": array("embeddings.npy", lambda known: known * 2),
    "vectors of fewer numbers": array(
        "embeddings.npy", lambda known: np.eye(len(known), 7, dtype=np.float32), dimensions=7
    ),
    "vectors of other numbers": array("embeddings.npy", lambda known: known.astype(np.float64)),
    "vectors in columns": array("embeddings.npy", np.asfortranarray),
    "vectors the other way round": array("embeddings.npy", lambda known: known.astype(">f4")),
    "scores of fewer classes": array("logits.npy", lambda known: known[:, :1].copy(), classes=1),
    "scores that are no numbers": array("logits.npy", lambda known: known + np.float32("inf")),
    "a header of terabytes": claim("1000000000000"),
    "a pickle for vectors": pickled,
    "lists that begin elsewhere": array("index-starts.npy", lambda known: known + 1),
    "lists of rows that are not there": array("index-rows.npy", lambda known: known + 2**40),
    "lists of one row": array("index-rows.npy", lambda known: known * 0),
    "centres of other vectors": array("index-centres.npy", lambda known: known[:, :5].copy()),
    "no end": content("manifest.json", b"[" * 100_000),
    "a list": content("manifest.json", b"[]"),
    "counts without end": lambda folder, _canary: seal(folder, cases=10**30),
    "counts of nothing": lambda folder, _canary: seal(folder, cases=0),
    "a file elsewhere": lambda folder, _canary: seal(folder, files={"../secret.png": "0" * 64}),
    "no hashes": lambda folder, _canary: seal(folder, files={}),
    "another schema": lambda folder, _canary: seal(folder, schema=1),
    "a pipe for a manifest": pipe("base/manifest.json"),
}
