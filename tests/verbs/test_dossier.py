"""A dossier gathers every kind of result, and verifying it finds whatever was changed, wherever that is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from audit import tagged
from seewhy.answers.dossier import Dossier
from seewhy.core.files import write_csv, write_json
from seewhy.errors import BadFile, UsageError
from seewhy.models import Classifier
from seewhy.train.label_evaluation import LabelEvaluation
from seewhy.verbs.audit import AUDIT, TESTS, audit
from seewhy.verbs.diff import diff
from seewhy.verbs.dossier import DOSSIER, PAGE, dossier
from seewhy.verbs.evaluate import evaluate
from seewhy.verbs.judging import judge_finding
from seewhy.verbs.recomputed import differing, recompute
from seewhy.verbs.repair import repair
from seewhy.verbs.study import study
from seewhy.verbs.verify import verify

MODEL = "py:audit.tagged:fooled"
DIGITS = b"0123456789"


@dataclass(frozen=True)
class Made:
    """A folder with every kind of result and a dossier, and the photos."""

    root: Path
    photos: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("dossier")
    root, photos = folder / "root", tagged.write(folder / "photos", 16, 0, tagged.OFTEN)
    audit(MODEL, photos, root / "audit", labels=True).save(root / "audit")
    judge_finding(root / "audit", 1, "wrong reason", "Ada", "the tag is no part of a cross")
    evaluate(MODEL, photos, shown=0).save(root / "evaluation")
    done = repair(MODEL, root / "audit", photos, ways=["last-layer"])
    replace(done, way=None).save(root / "repair")  # the network is own code, which no card can name
    diff(photos / "ring", tagged.fooled(), tagged.trained(0)).save(root / "diff")
    dossier(root, models=[MODEL], data=[photos], purpose="to tell crosses from rings").save(root)
    return Made(root, photos)


@pytest.fixture
def copied(made: Made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.root, tmp_path / "copy"))


def test_it_holds_every_result_and_what_people_said(made: Made):
    told: Dossier = json.loads((made.root / DOSSIER).read_text("utf-8"))
    assert {each["kind"] for each in told["results"]} == {"audit", "evaluation", "repair", "diff"}
    assert [each["text"] for each in told["conclusions"]] == ["wrong reason: the tag is no part of a cross"]
    assert len(told["data"][0]["files"]) == 32
    page = (made.root / PAGE).read_text("utf-8")
    assert "to tell crosses from rings" in page
    assert "wrong reason: the tag" in page


def test_nothing_differs_where_nothing_was_changed(made: Made):
    found = verify(made.root, models=[MODEL], data=[made.photos])
    assert found.holds, found.differences
    assert found.checked["figures"] > 100
    assert found.checked["photos"] == 32
    assert "Nothing differs." in found.page()


def changed(path: Path, random: np.random.Generator) -> bytes:
    """The file with one byte changed: a digit into another where there are any, and what it held."""
    content = path.read_bytes()
    digits = [place for place, each in enumerate(content) if each in DIGITS] or [*range(len(content))]
    place = int(random.choice(digits))
    other = random.choice(
        [each for each in (DIGITS if content[place] in DIGITS else range(256)) if each != content[place]]
    )
    path.write_bytes(content[:place] + bytes([int(other)]) + content[place + 1 :])
    return content


def files(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.rglob("*")) if path.is_file() and ".seewhy" not in str(path))


def test_a_changed_byte_of_any_file_is_found(copied: Path):
    random = np.random.default_rng(0)
    every = [*files(copied)]
    assert len(every) > 20
    for path in every:
        content = changed(path, random)
        found = verify(copied)
        assert not found.holds, path
        assert path.name in str(found.differences)
        path.write_bytes(content)
    assert verify(copied).holds


@pytest.mark.heavy
def test_a_changed_digit_in_any_place_is_found(copied: Path):
    assert verify(copied).holds
    random = np.random.default_rng(1)
    for path in [path for path in files(copied) if path.suffix in {".json", ".csv", ".jsonl"}]:
        for _ in range(40):
            content = changed(path, random)
            assert not verify(copied).holds, path
            path.write_bytes(content)


@pytest.mark.parametrize("name", ["audit/tests.csv", "audit/photos.csv", "evaluation/predictions.csv",
                                  "repair/photos.csv", "diff/photos.csv"])  # fmt: skip
def test_rows_that_were_changed_before_the_dossier_give_other_figures(copied: Path, name: str):
    """Whoever changes a row, and makes the dossier anew, is refused by the figures that no longer follow."""
    path = copied / name
    head, *lines = path.read_text("utf-8").splitlines()
    assert len(lines) > 2
    path.write_text("\n".join([head, *lines[2:]]) + "\n", "utf-8")
    with pytest.raises(BadFile):
        dossier(copied)


@pytest.mark.parametrize(
    "name", ["audit/audit.json", "evaluation/evaluation.json", "repair/repair.json", "diff/diff.json"]
)
def test_figures_that_were_changed_before_the_dossier_do_not_follow_from_rows(copied: Path, name: str):
    path = copied / name
    told = json.loads(path.read_text("utf-8"))
    first = {"audit.json": "photos", "evaluation.json": "pictures", "repair.json": "verdict", "diff.json": "same"}
    key = first[path.name]
    told[key] = told[key] + (1 if isinstance(told[key], int) else " And more.")
    path.write_text(json.dumps(told), "utf-8")
    with pytest.raises(BadFile, match=key):
        dossier(copied)


def test_another_weight_is_found(made: Made):
    network = tagged.fooled()
    from copy import deepcopy

    module = deepcopy(network.module)
    with torch.no_grad():
        next(module.parameters()).view(-1)[0] += 1e-6
    other = Classifier(module, network.preprocessing, network.categories, network.name, declared=network.declared)
    (difference,) = verify(made.root, models=[other]).differences
    assert difference["kind"] == "model"
    with pytest.raises(UsageError, match="is not the model of any result"):
        dossier(made.root, models=[other])


def test_another_version_is_found(made: Made, monkeypatch: pytest.MonkeyPatch):
    from seewhy.verbs import verify as module

    monkeypatch.setattr(
        module, "versions", lambda: {**json.loads((made.root / DOSSIER).read_text())["versions"], "torch": "0"}
    )
    (difference,) = verify(made.root).differences
    assert (difference["kind"], difference["where"], difference["found"]) == ("version", "torch", "0")


def test_another_photo_is_found(made: Made, tmp_path: Path):
    photos = Path(shutil.copytree(made.photos, tmp_path / "photos"))
    one = next(photos.rglob("*.png"))
    pixels = np.array(Pillow.open(one))
    pixels[0, 0, 0] ^= 1
    Pillow.fromarray(pixels).save(one)
    (difference,) = verify(made.root, data=[photos]).differences
    assert difference["kind"] == "data"
    assert difference["where"].endswith(one.name)


def test_a_new_file_a_missing_one_and_another_seal_are_found(copied: Path):
    (copied / "audit/extra.txt").write_text("more")
    (copied / "audit/findings.csv").unlink()
    kinds = {(each["kind"], each["where"]) for each in verify(copied, seal="0" * 64).differences}
    assert {("file", "audit/extra.txt"), ("file", "audit/findings.csv"), ("dossier", DOSSIER)} <= kinds


def test_what_is_no_dossier_is_refused_or_said(copied: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="there is no dossier"):
        verify(tmp_path)
    with pytest.raises(UsageError, match="holds no result"):
        dossier(tmp_path / "copy/audit/layers")
    (copied / DOSSIER).write_text("[]")
    assert [each["kind"] for each in verify(copied).differences] == ["dossier"]


def test_a_changed_row_is_named_by_the_figure_that_it_moves(copied: Path):
    path = copied / "audit" / TESTS
    head, first, *rest = path.read_text("utf-8").splitlines()
    cells = first.split(",")
    cells[4] = str(1 - float(cells[4]))
    path.write_text("\n".join([head, ",".join(cells), *rest]) + "\n", "utf-8")
    where = [each["where"] for each in verify(copied).differences if each["kind"] == "figure"]
    assert f"audit/{AUDIT}: findings[0].effect" in where


def test_a_study_is_gathered_and_a_changed_table_of_it_is_found(made: Made, tmp_path: Path):
    out = tmp_path / "root/study"
    study(made.photos, [MODEL], ["grad-cam", "control:random"], ["sparseness"], out, workers=1, limit=2).save(out)
    dossier(out.parent).save(out.parent)
    assert verify(out.parent).holds
    tables = out / "tables.md"
    tables.write_text(tables.read_text("utf-8").replace("| 2 |", "| 3 |", 1), "utf-8")
    with pytest.raises(BadFile, match=r"tables\.md"):
        dossier(out.parent)


def test_figures_of_labels_follow_from_their_rows(tmp_path: Path):
    random = np.random.default_rng(0)
    names, truth = ("stripes", "=dots"), random.random((20, 2)) < 0.5
    found = LabelEvaluation.of(names, truth, random.random((20, 2)), [0.5, 0.4])
    columns = ["picture", "labels", "found", "right", *(f"probability of {name}" for name in names)]
    joined = [[";".join(name for name, holds in zip(names, row, strict=True) if holds) for row in each]
              for each in (found.truth, found.said)]  # fmt: skip
    rows = [[f"{number}.png", true, said, "yes" if true == said else "no", *map(float, likely)]
            for number, (true, said, likely) in enumerate(zip(*joined, found.probabilities, strict=True))]  # fmt: skip
    write_csv(tmp_path / "predictions.csv", columns, rows)
    write_json(tmp_path / "evaluation.json", {"model": "m", "fingerprint": "f", **found.to_dict()})
    again = recompute(tmp_path / "evaluation.json")
    assert not [*differing(again.told, again.figures)]
    told = json.loads((tmp_path / "evaluation.json").read_text("utf-8"))
    told["exact"]["value"] += 0.01
    write_json(tmp_path / "evaluation.json", told)
    again = recompute(tmp_path / "evaluation.json")
    assert [each["where"] for each in differing(again.told, again.figures)] == ["exact.value"]
