"""Explanations on disk: the same when they come back, or refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

import zoo
from seewhy.errors import BadFile
from seewhy.methods import Explanation, RegionWeights, Rule, SecondLook, find_method
from seewhy.models import Target


def explained(target: Target | None = None, **parameters: Any) -> Explanation:
    method = find_method("grad-cam", **parameters)
    image = replace(zoo.photos(1)[0], name="Käse & Söhne.png", notes=("first of 3 frames",))
    generator = torch.Generator().manual_seed(7)
    return method(zoo.classifier("residual"), [image], [[target or Target(2)]], generator=generator)[0]


def with_evidence() -> Explanation:
    labels = np.arange(32 * 32, dtype=np.int32).reshape(32, 32) % 3
    rule = Rule(
        (0, 2), 0.97, 0.91, 0.99, 0.25, 0.66, 1000, 0.95, "while the eye stays", SecondLook("grey", 0.7, 0.6, 0.8, 64)
    )
    regions = RegionWeights(labels, np.array([0.5, -0.25, 1 / 3]), np.array([0.1, 0.2, 0.3]))
    return replace(explained(), regions=regions, rule=rule, checks={"r2": 0.5})


CASES = {
    "plain": explained,
    "signed contrast": lambda: explained(Target(0, against=3), signed=True, layers=("relu",)),
    "predicted": lambda: explained(Target(1, chosen="predicted")),
    "zero": lambda: replace(explained(), values=np.zeros((32, 32))),
    "evidence": with_evidence,
    "evidence without errors": lambda: replace(
        with_evidence(), regions=replace(with_evidence().regions, errors=None), rule=None
    ),
}


def plain(value: Any) -> Any:
    """`value` with arrays as lists and with the types of everything, so that `==` sees all there is."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.tolist()
    if hasattr(value, "__dataclass_fields__"):
        return type(value), {entry.name: plain(getattr(value, entry.name)) for entry in fields(value)}
    return type(value), value


@pytest.mark.parametrize("case", CASES)
def test_what_is_saved_comes_back(case, tmp_path):
    saved = CASES[case]()
    assert saved.save(tmp_path / "made" / "on the way") == tmp_path / "made" / "on the way"
    assert plain(Explanation.load(tmp_path / "made" / "on the way")) == plain(saved)


def test_saving_again_gives_the_same_files(tmp_path):
    for folder in ("one", "two"):
        explained().save(tmp_path / folder)
    Explanation.load(tmp_path / "one").save(tmp_path / "three")
    for name in ("values.npy", "picture.png", "image.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    for name in ("values.npy", "picture.png", "image.png", "manifest.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "three" / name).read_bytes()


def test_the_manifest_is_strict_json_that_says_everything(tmp_path):
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    with_evidence().save(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"), parse_constant=refuse)
    assert manifest["schema"] == 1
    assert manifest["image"]["name"] == "Käse & Söhne.png"
    found = manifest["explanation"]
    assert set(found) == {entry.name for entry in fields(Explanation)} - {"values", "errors", "image", "others"}
    assert found["seed"] == 7
    assert found["layer"] == "relu"
    assert found["cost"]["forwards"] == found["cost"]["backwards"] == 1
    assert found["parameters"] == {"layers": [], "signed": False}


@pytest.fixture
def saved(tmp_path) -> Path:
    return explained().save(tmp_path / "saved")


def edit_manifest(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def test_another_photo_is_refused(saved):
    with Pillow.open(saved / "image.png") as picture:
        changed = picture.copy()
    changed.putpixel((0, 0), tuple(value ^ 1 for value in changed.getpixel((0, 0))))
    changed.save(saved / "image.png")
    with pytest.raises(BadFile, match=r"image\.png is not the file that its manifest was written for; explain again"):
        Explanation.load(saved)


def test_an_empty_folder_and_another_schema_are_refused(saved, tmp_path):
    with pytest.raises(BadFile, match="holds no explanation"):
        Explanation.load(tmp_path)
    edit_manifest(saved, schema=2)
    with pytest.raises(BadFile, match="schema 2"):
        Explanation.load(saved)


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def pickle_into(path: Path) -> None:
    np.save(path, np.array([{}], object), allow_pickle=True)


def edit_fields(folder: Path, **changes: Any) -> None:
    """Of the explanation that the manifest tells of."""
    edit_manifest(
        folder, explanation=json.loads((folder / "manifest.json").read_text("utf-8"))["explanation"] | changes
    )


DAMAGE = {
    "photo cut": lambda folder: truncate(folder / "image.png"),
    "values of another": lambda folder: np.save(folder / "values.npy", np.load(folder / "values.npy")[::-1]),
    "values of a thousand billion": lambda folder: (folder / "values.npy").write_bytes(
        (folder / "values.npy").read_bytes().replace(b"(32, 32)", b"(9**9,1)")
    ),
    "other channels put beside": lambda folder: np.save(folder / "image.npy", np.zeros((32, 32, 5), np.uint8)),
    "values unnamed": lambda folder: edit_manifest(folder, files={"x": {"size": 1, "sha256": ""}}),
    "files of another kind": lambda folder: edit_manifest(folder, files=["values.npy"]),
    "a target without prediction": lambda folder: edit_fields(folder, predictions=[]),
    "a prediction of nothing": lambda folder: edit_fields(folder, predictions=[{"index": 2, "name": "cat"}]),
    "text for a number": lambda folder: edit_fields(folder, seed="7"),
    "a view outside": lambda folder: edit_fields(folder, view=[100, 100, 200, 200]),
    "a view without end": lambda folder: edit_fields(folder, view=[-1e308, 0, 1e308, 32]),
    "a meaning of its own": lambda folder: edit_fields(folder, meaning="chances"),
    "regions of nothing": lambda folder: edit_fields(folder, regions={"weights": [1.0], "errors": None}),
    "a rule about nothing": lambda folder: edit_fields(folder, rule=asdict(with_evidence().rule)),
    "values gone": lambda folder: (folder / "values.npy").unlink(),
    "values cut": lambda folder: truncate(folder / "values.npy"),
    "values empty": lambda folder: (folder / "values.npy").write_bytes(b""),
    "values are a pickle": lambda folder: pickle_into(folder / "values.npy"),
    "manifest cut": lambda folder: truncate(folder / "manifest.json"),
    "manifest not text": lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe{"),
    "manifest a list": lambda folder: (folder / "manifest.json").write_text("[]"),
    "manifest empty": lambda folder: (folder / "manifest.json").write_text("{}"),
    "a field too many": lambda folder: edit_manifest(folder, explanation={"surprise": 1}),
    "no fields": lambda folder: edit_manifest(folder, explanation={}),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_told_as_such(saved, what):
    DAMAGE[what](saved)
    with pytest.raises(BadFile, match=r"saved.*; explain again$"):
        Explanation.load(saved)


def test_a_save_that_fails_leaves_the_older_explanation(saved, monkeypatch):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    changed = replace(Explanation.load(saved), seed=1)
    monkeypatch.setattr("seewhy.methods.explanation.write_manifest", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        changed.save(saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_nothing_of_an_older_explanation_is_left(saved):
    made = Explanation.load(saved)
    replace(made, errors=np.ones_like(made.values)).save(saved)
    made.save(saved)
    assert Explanation.load(saved).errors is None
    assert {path.name for path in saved.iterdir()} == {"values.npy", "image.png", "picture.png", "manifest.json"}


def test_the_manifest_knows_every_file_beside_it(tmp_path):
    with_evidence().save(tmp_path)
    files = json.loads((tmp_path / "manifest.json").read_text("utf-8"))["files"]
    assert files == {
        path.name: {"size": path.stat().st_size, "sha256": sha256(path.read_bytes()).hexdigest()}
        for path in sorted(tmp_path.iterdir())
        if path.name != "manifest.json"
    }


def test_of_an_older_explanation_without_hashes_it_is_said(saved):
    content = json.loads((saved / "manifest.json").read_text("utf-8"))
    del content["files"]
    (saved / "manifest.json").write_text(json.dumps(content), "utf-8")
    found = Explanation.load(saved)
    assert found.notes[-1].startswith("An older seewhy saved this explanation without hashes")
    assert np.array_equal(found.values, explained().values)


def test_a_save_that_fails_leaves_nothing_that_looks_whole(saved, monkeypatch):
    shutil.rmtree(saved)
    monkeypatch.setattr(Explanation, "picture", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        explained().save(saved)
    with pytest.raises(BadFile, match="holds no explanation"):
        Explanation.load(saved)
