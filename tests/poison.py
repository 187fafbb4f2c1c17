"""Things that seewhy opens, and makers of poisoned ones: what each names would, if it ran, write the file `canary`.

A subject is written sound by `make`; a poison spoils it. Rooms add theirs to `SUBJECTS` and `POISONS`.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image as Pillow
from safetensors.torch import save_file

from models import attacks
from report.samples import explanation
from seewhy import Explanation
from seewhy.core.folders import MANIFEST, marks
from seewhy.images import Folder, from_values
from seewhy.methods import RegionWeights
from seewhy.models import Box, Classifier, Preprocessing, load
from seewhy.models.backbone import Backbone
from seewhy.models.building import build
from seewhy.models.card import Architecture, write_model
from seewhy.network.concepts import read_groups
from seewhy.prototypes.model import Diagnosis, Prototype, PrototypeModel
from seewhy.prototypes.network import PrototypeHead, PrototypeNetwork
from seewhy.prototypes.storage import load_prototypes, save_prototypes
from seewhy.study import Failure, Plan, Result
from seewhy.study.ledger import LEDGER, open_ledger
from seewhy.study.maps import packed
from seewhy.study.results import FAILURES, MAPS, RESULTS, write
from seewhy.train.labels import read_labels
from seewhy.train.parts import trained_rows
from seewhy.verbs.study import SOURCE, note_source, open_study

TINY = Architecture("timm:test_resnet", {})
NAMES = ("cat", "dog", "hen")
SIDE = 32


@dataclass(frozen=True)
class Subject:
    """Something that seewhy opens.

    Attributes:
        name: of the kind of thing.
        make: writes a sound one into an empty folder.
        opens: it, by Python, and looks at all that it holds.
        command: the same by the command line, with `{folder}` for the folder; none where no command reads it alone.
        files: what stands in it, below the folder, in which mutations are made.
        harmless: damage is as good as absence, so that it need not be an error.
        seal: writes the hashes that belong to what is there, as whoever means harm can.
    """

    name: str
    make: Callable[[Path], None]
    opens: Callable[[Path], object]
    command: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    harmless: bool = False
    seal: Callable[[Path], None] | None = None


@dataclass(frozen=True)
class Poison:
    """A way of spoiling a subject; `spoil` is given its folder and the canary."""

    subject: str
    name: str
    spoil: Callable[[Path, Path], None]

    def __str__(self) -> str:
        return f"{self.subject}: {self.name}"


# --- Sound ones ---------------------------------------------------------------------------------------------------


def write_card(folder: Path) -> None:
    """A classifier of three classes."""
    fields = {
        "architecture": TINY.name,
        "preprocessing": {"size": [SIDE, SIDE]},
        "categories": list(NAMES),
        "threshold": 0.5,
        "gives": "sigmoid",
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        write_model(folder, build(TINY, len(NAMES)), fields)


def write_prototypes(folder: Path) -> None:
    """Prototypes of three classes that learned nothing, and say they may be used."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        preprocessing = Preprocessing((SIDE, SIDE))
        backbone = Backbone.of(Classifier.from_module(build(TINY, len(NAMES)), preprocessing, NAMES))
        head = PrototypeHead(backbone.grid.channels, [0, 1, 2], len(NAMES), 8, "cosine")
    table = tuple(tuple(5 * (one == other) for other in range(3)) for one in range(3))
    diagnosis = Diagnosis(
        classes=NAMES, confusion=table, backbone_accuracy=1.0, mean_similarity=((0.5,) * 3,) * 3, usage=(1, 1, 1),
        shared_patches=0, cluster=0.1, separation=0.2, pushed=True, trained=3,
    )  # fmt: skip
    prototypes = tuple(Prototype(label, f"{label}.png") for label in range(3))
    model = PrototypeModel(PrototypeNetwork(backbone, head).eval(), preprocessing, prototypes, diagnosis)
    save_prototypes(folder, model, TINY, {"seed": 0})


def write_study(folder: Path) -> None:
    """A finished study of two pictures, of which a unit failed."""
    plan = Plan(
        models={"toy": "f" * 64},
        methods={"grad-cam": {}, "control:random": {}},
        metrics={"sparseness": {}},
        images={"a.png": "0" * 64, "b.png": "1" * 64},
        batch_size=4,
    )
    row = {"metric": "sparseness", "reason": None, "target": 1, "label": "cat", "probability": 0.5, "layer": None,
           "checks": "{}", "told": "50%", "draws": "[0.25,0.5]", "chance": "[0.1,0.2]",
           "notes": '["a note"]'}  # fmt: skip
    with open_ledger(folder, plan) as ledger:
        for place, unit in enumerate(plan.units[:-1]):
            ledger.record([Result(unit, ({**row, "value": place / 10},), map=packed(np.eye(4)))])
        ledger.record([Result(plan.units[-1], failure=Failure("ExplainError", "no luck"))])
        write(ledger.results(), ledger.maps(), folder)
    note_source(folder, Folder(folder / "pictures", ()))


def write_groups(folder: Path) -> None:
    """A tree of words."""
    synsets = {
        "n1": {"words": ["animal"], "hypernyms": []},
        "n2": {"words": ["cat", "house_cat"], "hypernyms": ["n1"]},
        "n3": {"words": ["dog"], "hypernyms": ["n1"]},
    }
    (folder / "groups.json").write_text(json.dumps({"synsets": synsets}))


def write_labels(folder: Path) -> None:
    """A table of labels."""
    (folder / "labels.csv").write_text("file,cat,dog\na.png,1,0\nb.png,1,1\nc.png,0,1\n")
    for name in "abc":
        Pillow.new("RGB", (SIDE, SIDE)).save(folder / f"{name}.png")


def write_learned(folder: Path) -> None:
    """The list of the pictures that a classifier learned from."""
    rows = [{"path": f"{name}/1.png", "class": name, "part": "train", "sha256": "0" * 64} for name in NAMES]
    (folder / "pictures.json").write_text(json.dumps(rows))


def write_explanation(folder: Path) -> None:
    """An explanation by regions, with errors and other classes, of a photo that has a band more."""
    regions = RegionWeights(
        np.kron([[0, 1], [2, 3]], np.ones((3, 3))).astype(np.int32), np.array([2.0, -1.0, 0.5, 0.0])
    )
    image = from_values(np.random.default_rng(0).integers(0, 256, (20, 30, 5), np.uint8), "bands.npy", alpha=False)
    view = Box(5.0, 0.0, 25.0, 20.0)
    others = np.arange(36, dtype=np.float32).reshape(6, 6)
    values = {"values": regions.painted, "regions": regions, "errors": np.ones((6, 6), np.float32), "others": others}
    explanation(method="lime", signed=True, image=image, view=view, **values).save(folder)


def seal_explanation(folder: Path) -> None:
    """The manifest knows its files by their hashes; a manifest that is no JSON stays as it is."""
    with suppress(ValueError, AttributeError, TypeError, RecursionError):
        known = json.loads((folder / MANIFEST).read_text())
        known["files"] = {name: asdict(mark) for name, mark in marks(folder).items()}
        (folder / MANIFEST).write_text(json.dumps(known))


def look_at_explanation(folder: Path) -> object:
    """The map, as it is drawn, and what is said of it."""
    found = Explanation.load(folder)
    return found.picture(), found.manifest(), found.told, found.specific


def look_at_study(folder: Path) -> object:
    """The rows, the table, and the page."""
    found = open_study(folder)
    return found.to_dict(), found.rows(), found.noted, found.problems, found.maps([*found.plan.images]), found.page()


def look_at_classifier(folder: Path) -> object:
    """What it says of a picture."""
    classifier = load(f"file:{folder}", device="cpu")
    return [classifier.probabilities([_picture()]), *classifier.predict(_picture())]


def look_at_prototypes(folder: Path) -> object:
    """The prototypes, and what they say of a picture."""
    model = load_prototypes(folder, device="cpu")
    reasons = model.diagnosis.reasons, model.diagnosis.usage_entropy, model.diagnosis.predictions
    return reasons, model.prototypes, model.classifier.predict(_picture())


def _picture() -> Any:
    from seewhy.images import open_image

    return open_image("sample:cat")


SUBJECTS = {
    each.name: each
    for each in (
        Subject(
            "classifier", write_card, look_at_classifier,
            ("predict", "sample:cat", "--model", "file:{folder}"), ("card.json", "model.safetensors"),
        ),
        Subject(
            "prototypes", write_prototypes, look_at_prototypes,
            ("prototypes", "explain", "sample:cat", "--model", "{folder}", "--out", "{folder}/out"),
            ("card.json", "model.safetensors"),
        ),
        Subject(
            "explanation", write_explanation, look_at_explanation, (),
            (MANIFEST, "values.npy", "regions.npy", "errors.npy", "others.npy", "image.png", "image.npy"),
            seal=seal_explanation,
        ),
        Subject("study", write_study, look_at_study, (), (LEDGER, RESULTS, FAILURES, MAPS, SOURCE)),
        Subject("groups", write_groups, lambda folder: read_groups(folder / "groups.json"), (), ("groups.json",)),
        Subject(
            "labels", write_labels, lambda folder: read_labels(folder / "labels.csv"),
            ("train", "{folder}", "--labels", "{folder}/labels.csv", "--out", "{folder}-out"), ("labels.csv",),
        ),
        Subject("learned pictures", write_learned, trained_rows, (), ("pictures.json",)),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Sound:
    """Sound ones below a folder, each made once."""

    root: Path

    def copied(self, subject: str, place: Path) -> Path:
        """One of them, in a place of its own."""
        made = self.root / subject
        if not made.exists():
            made.mkdir()
            SUBJECTS[subject].make(made)
        return shutil.copytree(made, place, dirs_exist_ok=True)


# --- Poisons ------------------------------------------------------------------------------------------------------


def fields(file: str, **changes: Any) -> Callable[[Path, Path], None]:
    """Other fields in a JSON file; `{code}` in a text is the name of a function that writes the canary."""

    def spoil(folder: Path, canary: Path) -> None:
        touch = f"__import__('pathlib').Path({str(canary)!r}).touch()\n"
        (folder / "poisonous.py").write_text(f"{touch}\ndef net():\n    {touch}")
        text = json.dumps(changes).replace("{code}", "py:poisonous:net")
        content = json.loads((folder / file).read_text()) | json.loads(text)
        (folder / file).write_text(json.dumps(content))

    return spoil


def content(file: str, text: str | bytes) -> Callable[[Path, Path], None]:
    """Something else in a file."""
    return lambda folder, _canary: (
        (folder / file).write_bytes(text.encode() if isinstance(text, str) else text) and None
    )


def pipe(file: str) -> Callable[[Path, Path], None]:
    """A pipe that nobody writes to, in the place of a file."""

    def spoil(folder: Path, _canary: Path) -> None:
        (folder / file).unlink()
        os.mkfifo(folder / file)

    return spoil


def database(statements: str) -> Callable[[Path, Path], None]:
    """Statements run in the ledger of a study."""

    def spoil(folder: Path, _canary: Path) -> None:
        with closing(sqlite3.connect(folder / LEDGER)) as connection:
            connection.executescript(statements)

    return spoil


def plan(change: Callable[[str], str]) -> Callable[[Path, Path], None]:
    """Another configuration in the ledger of a study."""

    def spoil(folder: Path, _canary: Path) -> None:
        with closing(sqlite3.connect(folder / LEDGER)) as connection:
            (text,) = connection.execute("SELECT configuration FROM plan").fetchone()
            connection.execute("UPDATE plan SET configuration = ?", [change(text)])
            connection.commit()

    return spoil


def column(**values: Any) -> Callable[[Path, Path], None]:
    """Other columns in the results of a study."""

    def spoil(folder: Path, _canary: Path) -> None:
        table = pl.read_parquet(folder / RESULTS)
        table.with_columns(**{name: pl.lit(value) for name, value in values.items()}).write_parquet(folder / RESULTS)

    return spoil


def cut_maps(folder: Path) -> None:
    """Maps whose bytes are fewer than their sizes say."""
    maps = pl.read_parquet(folder / MAPS)
    maps.with_columns(map=pl.lit(packed(np.eye(4))[:-1])).write_parquet(folder / MAPS)


def pickled(folder: Path, canary: Path) -> None:
    """A pickle that calls a shell, under the name of tensors."""
    attacks.plain_pickle(folder / "model.safetensors", canary)


def sealed(file: str, text: bytes) -> Callable[[Path, Path], None]:
    """Something else in a file of an explanation, whose hash is told."""

    def spoil(folder: Path, canary: Path) -> None:
        content(file, text)(folder, canary)
        seal_explanation(folder)

    return spoil


def pickled_values(folder: Path, canary: Path) -> None:
    """A pickle that calls a shell, under the name of the map."""
    attacks.plain_pickle(folder / "values.npy", canary)
    seal_explanation(folder)


def objects(folder: Path, canary: Path) -> None:
    """An array of objects, as NumPy pickles them."""
    np.save(folder / "values.npy", np.array([[attacks.Shell(canary)]], object), allow_pickle=True)
    seal_explanation(folder)


def array_of(file: str, array: Callable[[], np.ndarray]) -> Callable[[Path, Path], None]:
    """Another array in an explanation, whose hash is told."""

    def spoil(folder: Path, _canary: Path) -> None:
        np.save(folder / file, array())
        seal_explanation(folder)

    return spoil


def many_rows(folder: Path, _canary: Path) -> None:
    """A table of two million rows in some kilobytes."""
    table, count = pl.read_parquet(folder / RESULTS)[:1], 2_000_000
    table.select(pl.lit(table[name][0], table.schema[name]).repeat_by(count).explode().alias(name)
                 for name in table.columns).write_parquet(folder / RESULTS)  # fmt: skip


def many_classes(folder: Path, _canary: Path) -> None:
    """Weights of a few rows for a card of many classes."""
    fields("card.json", categories=[str(number) for number in range(1_500_000)])(folder, _canary)


def other_tensors(folder: Path, _canary: Path) -> None:
    """Tensors of another network, without the sum that would tell."""
    save_file({"fc.weight": torch.zeros(3, 4)}, folder / "model.safetensors")
    content_of = json.loads((folder / "card.json").read_text())
    content_of.pop("sha256")
    (folder / "card.json").write_text(json.dumps(content_of))


def _chain(length: int) -> str:
    synsets = {str(n): {"words": ["a"], "hypernyms": [str(n + 1)]} for n in range(length)}
    return json.dumps({"synsets": synsets})


DEEP = "[" * 100_000
HUGE = (
    b"\x93NUMPY\x01\x00"
    + (118).to_bytes(2, "little")
    + (b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }".ljust(117) + b"\n")
)  # the header of an array that is not there
CARDS = [
    ("code as architecture", fields("card.json", architecture="{code}")),
    ("a folder as architecture", fields("card.json", architecture="file:.")),
    ("code as categories", fields("card.json", categories="{code}")),
    ("code as kind", fields("card.json", kind="{code}")),
    ("a giant network", fields("card.json", architecture="timm:eva02_enormous_patch14_clip_224")),
    ("a giant first layer", fields("card.json", options={"in_chans": 10**9})),
    ("options of another type", fields("card.json", options={"in_chans": "x"})),
    ("more classes than weights", many_classes),
    ("classes of another type", fields("card.json", categories=[["cat"], {}, None])),
    ("a giant input", fields("card.json", preprocessing={"size": [10**6, 10**6]})),
    ("a giant resize", fields("card.json", preprocessing={"size": [SIDE, SIDE], "resize": 10**9})),
    ("thresholds of others", fields("card.json", threshold=[0.5] * 7)),
    ("an output that is not there", fields("card.json", output=10**9)),
    ("not a number", content("card.json", '{"schema": NaN}')),
    ("no end", content("card.json", DEEP)),
    ("a pipe", pipe("card.json")),
    ("a pickle for tensors", pickled),
    ("tensors of others", other_tensors),
    ("a header of gigabytes", content("model.safetensors", b"\xff\xff\xff\xff\x00\x00\x00\x00{}")),
]  # fmt: skip
LOOP = """WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r)
SELECT n AS configuration FROM r WHERE n < 0"""

POISONS = [
    *(Poison("classifier", name, spoil) for name, spoil in CARDS),
    Poison("prototypes", "code as backbone",
           fields("card.json", backbone={"architecture": "{code}", "options": {}, "layer": ""})),
    Poison("prototypes", "a layer of no name",
           fields("card.json", backbone={"architecture": TINY.name, "options": {}, "layer": 5})),
    Poison("prototypes", "prototypes of a class that is not there", fields("card.json", prototypes=[
        {"class": 10**9, "source": "", "cell": [0, 0], "box": [0, 0, 0, 0], "picture": None, "weight": 1.0}] * 3)),
    Poison("prototypes", "a picture elsewhere", fields("card.json", prototypes=[
        {"class": 0, "source": "", "cell": [0, 0], "box": [0, 0, 1, 1], "picture": "../../a.png", "weight": 1.0}] * 3)),
    Poison("prototypes", "no diagnosis", fields("card.json", diagnosis={})),
    Poison("prototypes", "a diagnosis of others", fields("card.json", diagnosis={"classes": ["a"], "confusion": "x"})),
    Poison("explanation", "a pickle for the map", pickled_values),
    Poison("explanation", "objects for the map", objects),
    Poison("explanation", "another map", content("values.npy", b"x" * 100)),
    Poison("explanation", "a map of terabytes", sealed("values.npy", HUGE)),
    Poison("explanation", "a map of no numbers", array_of("values.npy", lambda: np.full((6, 6), np.nan, np.float32))),
    Poison("explanation", "a map of three dimensions", array_of("values.npy", lambda: np.zeros((2, 6, 6), np.float32))),
    Poison("explanation", "regions that have no weight", array_of("regions.npy", lambda: np.full((6, 6), 9, np.int32))),
    Poison("explanation", "other classes of no numbers",
           array_of("others.npy", lambda: np.full((6, 6), np.inf, np.float32))),
    Poison("explanation", "other classes of another shape",
           array_of("others.npy", lambda: np.zeros((2, 3), np.float32))),
    Poison("explanation", "other classes in words", array_of("others.npy", lambda: np.full((6, 6), "cat"))),
    Poison("explanation", "other classes of terabytes", sealed("others.npy", HUGE)),
    Poison("explanation", "other classes changed", content("others.npy", b"x" * 100)),
    Poison("explanation", "a pipe for other classes", pipe("others.npy")),
    Poison("explanation", "no other classes that are told", lambda folder, _canary: (folder / "others.npy").unlink()),
    Poison("explanation", "another photo", array_of("image.npy", lambda: np.zeros((20, 30, 5), np.uint8))),
    Poison("explanation", "a pipe for the photo", pipe("image.png")),
    Poison("explanation", "no end", content(MANIFEST, DEEP)),
    Poison("explanation", "another schema", fields(MANIFEST, schema=10**9)),
    Poison("explanation", "another shape", fields(MANIFEST, explanation=[])),
    Poison("explanation", "files elsewhere", fields(MANIFEST, files={"../x.npy": {"size": 1, "sha256": "0" * 64}})),
    Poison("study", "a ledger of junk", content(LEDGER, b"x" * 9000)),
    Poison("study", "an empty ledger", content(LEDGER, b"")),
    Poison("study", "no plan", database("DELETE FROM plan")),
    Poison("study", "a view without end", database("DROP TABLE plan; CREATE VIEW plan AS " + LOOP)),
    Poison("study", "a trigger", database("CREATE TRIGGER t AFTER INSERT ON units BEGIN DELETE FROM units; END")),
    Poison("study", "a plan of another shape", database("UPDATE plan SET configuration = '{}'")),
    Poison("study", "a plan without end", plan(lambda _text: DEEP)),
    Poison("study", "a plan of bytes", database("UPDATE plan SET configuration = x'ff'")),
    Poison("study", "code as method", plan(lambda text: text.replace("grad-cam", "py:poisonous:net"))),
    Poison("study", "code as metric", plan(lambda text: text.replace("sparseness", "py:poisonous:net"))),
    Poison("study", "results of junk", content(RESULTS, b"PAR1" + b"x" * 500 + b"PAR1")),
    Poison("study", "no results", lambda folder, _canary: (folder / RESULTS).unlink()),
    Poison("study", "results of another type", column(value="high")),
    Poison("study", "results that are no numbers", column(value=float("nan"))),
    Poison("study", "draws of another shape", column(draws='{"a": 1}')),
    Poison("study", "draws without end", column(draws=DEEP)),
    Poison("study", "two million rows", many_rows),
    Poison("study", "maps of junk", content(MAPS, b"PAR1" + b"x" * 500 + b"PAR1")),
    Poison("study", "maps cut off", lambda folder, _canary: cut_maps(folder)),
    Poison("study", "failures of junk", content(FAILURES, "{\n")),
    Poison("study", "failures of another shape", content(FAILURES, '{"model": 1}\n')),
    Poison("study", "a pipe", pipe(FAILURES)),
    Poison("groups", "no end", content("groups.json", DEEP)),
    Poison("groups", "another shape", content("groups.json", '{"synsets": [1]}')),
    Poison("groups", "a chain", content("groups.json", _chain(5_000))),
    Poison("groups", "a pipe", pipe("groups.json")),
    Poison("labels", "a cell of megabytes", content("labels.csv", "file,cat,dog\n" + "a" * 1_000_000 + ",1,0\n")),
    Poison("labels", "no text", content("labels.csv", b"file,cat,dog\n\xff\x00,1,0\n")),
    Poison("labels", "a pipe", pipe("labels.csv")),
    Poison("learned pictures", "another shape", content("pictures.json", '[{"part": "train"}]')),
    Poison("learned pictures", "no end", content("pictures.json", DEEP)),
]  # fmt: skip
