from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest

import zoo
from cases.killed import build_by_ones
from cases.squares import classifier, folder_of, square
from seewhy.cases import About, CaseBase, Penultimate, build, building, find_embedder, neighbours, storage
from seewhy.cases.base import write_base
from seewhy.cases.storage import INDEX, NEXT, columns, finish_writing
from seewhy.errors import BadFile, BadImage, Cancelled, ExplainError, UsageError
from seewhy.images import Folder


@dataclass(frozen=True, eq=False)
class Counting(Penultimate):
    """Keeps the names of the pictures it is asked about."""

    asked: list[str] = field(default_factory=list)

    def __call__(self, images):
        self.asked.extend(dict.fromkeys(image.name for image in images))
        return super().__call__(images)


@pytest.fixture
def counting(colours):
    return Counting(colours)


@pytest.fixture
def folder(tmp_path):
    return folder_of(tmp_path / "photos", each=2)


def content(out):
    """The bytes of a base, but for the place that its manifest names."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.suffix in {".npy", ".parquet"}}


def test_a_base_holds_what_the_network_says(base, squares, raw, colours):
    assert len(base) == 24
    assert base.table["path"].to_list() == [entry.path for entry in Folder.open(squares).entries]
    assert base.table["label"].to_list() == [path.split("/")[0] for path in base.table["path"]]
    assert isinstance(base.vectors, np.memmap)
    for row in (0, 10, 23):
        vectors, logits = raw([base.image(row)])
        np.testing.assert_allclose(base.vectors[row], vectors[0], atol=1e-6)
        np.testing.assert_allclose(base.logits[row], logits[0], atol=1e-5)
        assert base.predicted[row] == logits[0].argmax()


def test_only_what_is_new_or_changed_is_embedded_again(builds, folder, counting, tmp_path):
    out = tmp_path / "base"
    assert builds(folder, counting, out).embedded == 6
    counting.asked.clear()
    assert builds(folder, counting, out).embedded == 0
    assert counting.asked == []
    (folder / "red/0.png").rename(folder / "red/moved.png")
    (folder / "green/0.png").unlink()
    square("blue", 77).to_pil().save(folder / "blue/1.png")
    square("red", 78).to_pil().save(folder / "red/9.png")
    shutil.copy(folder / "red/9.png", folder / "red/copy.png")
    built = builds(folder, counting, out)
    assert sorted(counting.asked) == ["blue/1.png", "red/copy.png"], "one of two copies stands for both"
    assert built.embedded == 2
    assert built.base.table["path"].to_list() == [entry.path for entry in Folder.open(folder).entries]
    builds(folder, counting, tmp_path / "fresh")
    assert content(out) == content(tmp_path / "fresh")


def test_bad_pictures_are_listed_and_do_not_stop_the_rest(builds, folder, counting, tmp_path):
    (folder / "red/broken.png").write_bytes(b"no picture at all")
    (folder / "blue/copy.png").write_bytes(b"no picture at all")
    built = builds(folder, counting, tmp_path / "base")
    assert len(built.base) == built.embedded == 6
    assert [failure.source for failure in built.failures] == ["blue/copy.png", "red/broken.png"]
    assert all(isinstance(failure.error, BadImage) for failure in built.failures)


def test_a_picture_that_the_network_cannot_cope_with_does_not_stop_the_rest(builds, folder, tmp_path):
    embedder = find_embedder("penultimate", zoo.classifier("gap-linear"))
    spoil = embedder.classifier.module.relu.register_forward_hook(
        lambda _module, args, out: out * np.nan if args[0].isnan().any() else out
    )
    try:
        bad = {"red/0.png"}
        real = embedder.classifier.preprocess

        def preprocess(images):
            x = real(images)
            for row, image in enumerate(images):
                x[row] += np.nan if image.name in bad else 0
            return x

        object.__setattr__(embedder.classifier, "preprocess", preprocess)
        built = builds(folder, embedder, tmp_path / "base")
    finally:
        spoil.remove()
    assert [failure.source for failure in built.failures] == ["red/0.png"]
    assert "NaN" in str(built.failures[0].error)
    assert len(built.base) == 5


def test_where_no_picture_can_be_embedded_the_base_stays_as_it_was(builds, folder, raw, tmp_path):
    out = tmp_path / "base"
    builds(folder, raw, out)
    before = content(out)
    for path in folder.rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(ExplainError, match=r"the first: .*no picture"):
        builds(folder, raw, out)
    assert content(out) == before
    assert len(CaseBase.open(out)) == 6


def stopped_build(builds, folder, counting, out):
    """The place of a build that somebody stopped when 4 pictures were embedded."""

    def stop(done, total, message):
        if done == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        builds(folder, counting, out, stop)
    return out


def test_a_build_that_was_stopped_goes_on_where_it_stood(builds, folder, counting, tmp_path, monkeypatch):
    monkeypatch.setattr(building, "PART", 2)

    out = stopped_build(builds, folder, counting, tmp_path / "base")
    assert not (out / "manifest.json").exists()
    assert len(counting.asked) == 4
    first = counting.asked[:2]
    counting.asked.clear()
    assert builds(folder, counting, out).embedded == 4
    assert not {*first} & {*counting.asked}
    builds(folder, counting, tmp_path / "fresh")
    assert content(out) == content(tmp_path / "fresh")
    assert not (out / "building").exists()


def _build_and_die(folder, out, after):
    """In a process of its own, killed after so many pictures."""
    building.PART = 1

    def die(done, total, message):
        if done == after:
            os.kill(os.getpid(), signal.SIGKILL)

    embedder = Penultimate(classifier())
    opened = Folder.open(folder)
    build(opened, embedder, out, About.of(opened.root, embedder), die)


def test_a_killed_build_goes_on_where_it_stood(builds, folder, counting, tmp_path):
    out = tmp_path / "base"
    process = multiprocessing.get_context("fork").Process(target=_build_and_die, args=(folder, out, 4))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert builds(folder, counting, out).embedded == 3
    builds(folder, counting, tmp_path / "fresh")
    assert content(out) == content(tmp_path / "fresh")


@pytest.mark.heavy
def test_a_build_killed_at_any_moment_leaves_the_last_base_and_goes_on(builds, raw, tmp_path):
    """25 times: a base is brought up to date and killed, and built again to its end."""
    start, folder = folder_of(tmp_path / "start", each=1), folder_of(tmp_path / "photos", each=6)
    old, new = tmp_path / "old", tmp_path / "new"
    builds(start, raw, old)
    builds(folder, raw, new)
    seconds = _killed_after(folder, shutil.copytree(old, tmp_path / "whole"), None)
    assert content(tmp_path / "whole") == content(new)
    moments, generator = set(), np.random.default_rng(0)
    for number in range(25):
        out = shutil.copytree(old, tmp_path / f"base-{number}")
        _killed_after(folder, out, generator.uniform(0, seconds))
        moments.add((len(list(out.glob("building/*.npz"))), (out / NEXT).exists()))
        base = CaseBase.open(out)
        assert content(out) in (content(old), content(new))
        assert len(base) in {3, 18}
        builds(folder, raw, out)
        assert content(out) == content(new)
        assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in new.iterdir())
    assert len(moments) > 3


def _killed_after(folder, out, seconds):
    """A build in a process of its own that is killed after so long, if at all; gives how long it took."""
    context = multiprocessing.get_context("forkserver")  # polars cannot be used after a fork of what used it
    context.set_forkserver_preload(["seewhy.verbs.cases"])
    begins = context.Event()
    process = context.Process(target=build_by_ones, args=(folder, out, begins))
    process.start()
    assert begins.wait(60)
    begun = time.monotonic()
    process.join(60 if seconds is None else seconds)
    process.kill()
    process.join()
    return time.monotonic() - begun


JOURNALS = {
    "the note cut": lambda folder: (folder / "about.json").write_text('{"embedding":'),
    "the note of another shape": lambda folder: (folder / "about.json").write_text("[1]"),
    "a part cut": lambda folder: cut(folder / "000001.npz"),
    "a part empty": lambda folder: (folder / "000001.npz").write_bytes(b""),
    "a part with an array less": lambda folder: change(folder / "000001.npz", logits=None),
    "a part with a row less": lambda folder: change(folder / "000001.npz", prints=np.zeros(0, np.uint64)),
    "a part of no numbers": lambda folder: change(folder / "000001.npz", vectors=np.full((1, 8), np.nan, np.float32)),
    "a part of texts": lambda folder: change(folder / "000001.npz", logits=np.array([["a", "b", "c"]])),
    "a part of one number": lambda folder: change(folder / "000001.npz", files=np.array("a")),
    "a pipe for a part": lambda folder: pipe(folder / "000001.npz"),
    "a folder for a part": lambda folder: ((folder / "000001.npz").unlink(), (folder / "000001.npz").mkdir()),
}


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def change(path, **arrays):
    with np.load(path) as known:
        kept = {name: arrays.get(name, value) for name, value in known.items()}
    np.savez(path, **{name: value for name, value in kept.items() if value is not None})


def pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("hurt", JOURNALS.values(), ids=JOURNALS)
def test_a_hurt_build_goes_on_without_what_is_damaged(builds, folder, counting, tmp_path, monkeypatch, hurt):
    monkeypatch.setattr(building, "PART", 1)

    out = stopped_build(builds, folder, counting, tmp_path / "base")
    hurt(out / "building")
    built = builds(folder, counting, out)
    assert built.embedded in {4, 6}
    assert [type(each) for each in built.damage] == [BadFile]
    builds(folder, counting, tmp_path / "fresh")
    assert content(out) == content(tmp_path / "fresh")


def test_a_part_of_other_vectors_is_told(builds, folder, counting, tmp_path, monkeypatch):
    monkeypatch.setattr(building, "PART", 1)

    def stop(done, total, message):
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        builds(folder, counting, tmp_path / "base", stop)
    change(tmp_path / "base/building/000000.npz", vectors=np.eye(1, 5, dtype=np.float32))
    with pytest.raises(BadFile, match="not of one length; remove the folder and build again"):
        builds(folder, counting, tmp_path / "base")


@pytest.mark.parametrize("name", ["embeddings.npy", "logits.npy", "cases.parquet"])
def test_a_damaged_base_is_mended_by_building_it_again(builds, folder, counting, tmp_path, name):
    out = tmp_path / "base"
    builds(folder, counting, out)
    before = content(out)
    data = bytearray((out / name).read_bytes())
    data[len(data) // 2] ^= 1
    (out / name).write_bytes(data)
    with pytest.raises(BadFile, match=rf"{name} is damaged .*; build it again: seewhy cases build PICTURES --out DIR"):
        CaseBase.open(out)
    assert builds(folder, counting, out).embedded == 6
    assert content(out) == before


def test_a_lock_that_holds_something_else_is_a_lock(builds, folder, raw, tmp_path):
    out = tmp_path / "base"
    out.mkdir()
    (out / ".lock").write_bytes(b"x" * 9000)
    assert builds(folder, raw, out).embedded == 6


def test_a_lock_that_is_a_link_changes_nothing_elsewhere(builds, folder, raw, tmp_path):
    out, other = tmp_path / "base", tmp_path / "diary"
    out.mkdir()
    other.write_text("dear diary")
    (out / ".lock").symlink_to(other)
    with pytest.raises(UsageError, match=r"\.lock cannot be locked"):
        builds(folder, raw, out)
    assert other.read_text() == "dear diary"


def test_pictures_that_lie_elsewhere_are_not_taken_in(builds, folder, raw, tmp_path):
    """Since they could not be shown."""
    (folder / "red/link.png").symlink_to("0.png")
    square("red", 5).to_pil().save(tmp_path / "elsewhere.png")
    (folder / "blue/link.png").symlink_to(tmp_path / "elsewhere.png")
    built = builds(folder, raw, tmp_path / "base")
    assert [each.source for each in built.failures] == ["blue/link.png"]
    assert "put a copy of the picture there, not a link" in str(built.failures[0].error)
    assert "red/link.png" in built.base.table["path"].to_list()


def test_a_picture_that_is_gone_is_told_without_its_place(builds, folder, raw, tmp_path):
    built = builds(folder, raw, tmp_path / "base")
    (folder / "blue/0.png").unlink()
    with pytest.raises(BadImage, match=r"blue/0\.png is no longer in the folder photos") as told:
        built.base.image(0)
    assert str(tmp_path) not in str(told.value)


def die_before_moving(out):
    if (out / NEXT / "manifest.json").exists():
        raise KeyboardInterrupt


@pytest.mark.parametrize("moves", range(5))
def test_a_base_is_whole_wherever_writing_it_ends(builds, folder, raw, tmp_path, monkeypatch, moves):
    """The process ends after so many files are in their places."""
    out = tmp_path / "base"
    builds(folder, raw, out)
    (folder / "red/0.png").unlink()
    monkeypatch.setattr(storage, "finish_writing", die_before_moving)
    with pytest.raises(KeyboardInterrupt):
        builds(folder, raw, out)
    monkeypatch.undo()
    for name in ("cases.parquet", "embeddings.npy", "logits.npy", "manifest.json")[:moves]:
        (out / NEXT / name).replace(out / name)
    assert len(CaseBase.open(out)) == 5
    assert not (out / NEXT / "manifest.json").exists()


def test_two_builds_at_once_are_one_too_many(builds, folder, raw, tmp_path):
    out = tmp_path / "base"

    def meanwhile(done, total, message):
        with pytest.raises(UsageError, match="somebody else is building"):
            builds(folder, raw, out)

    builds(folder, raw, out, meanwhile)
    assert len(CaseBase.open(out)) == 6


def test_another_classifier_is_refused_with_the_cause(builds, folder, raw, tmp_path):
    out = tmp_path / "base"
    builds(folder, raw, out)
    changed = classifier()
    changed.module.head.weight.data.mul_(2)
    other = find_embedder("penultimate", changed)
    with pytest.raises(UsageError, match=r"another classifier .*weights, architecture or preprocessing differ"):
        builds(folder, other, out)
    with pytest.raises(UsageError, match="another classifier"):
        CaseBase.open(out).about.check(out, other)
    with pytest.raises(UsageError, match="is embedded by penultimate, not by cole"):
        builds(folder, find_embedder("cole", raw.classifier), out)
    assert len(CaseBase.open(out)) == 6


def test_what_is_no_case_base_is_refused(builds, folder, raw, tmp_path):
    with pytest.raises(UsageError, match="holds no case base"):
        CaseBase.open(tmp_path)
    out = tmp_path / "base"
    builds(folder, raw, out)
    table = pl.read_parquet(out / "cases.parquet")
    table.head(3).write_parquet(out / "cases.parquet")
    with pytest.raises(UsageError, match="damaged"):
        CaseBase.open(out)
    (out / "cases.parquet").write_bytes(b"no table")
    with pytest.raises(UsageError, match="damaged"):
        CaseBase.open(out)
    (out / "manifest.json").write_text("{}")
    with pytest.raises(UsageError, match=r"manifest.json is damaged .*schema.* remove the folder and build it again"):
        CaseBase.open(out)


def test_a_picture_changed_since_is_told(builds, folder, raw, tmp_path):
    built = builds(folder, raw, tmp_path / "base")
    square("red", 99).to_pil().save(folder / "blue/0.png")
    with pytest.raises(UsageError, match=r"blue/0.png was changed since .*build it again"):
        built.base.image(0)


def test_a_large_base_gets_an_index_and_a_smaller_one_in_its_place_none(tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "EXACT", 500)
    about = About("photos", "penultimate", "toy", "f", None, "toy")
    generator = np.random.default_rng(0)
    for count in (600, 400):
        vectors = generator.standard_normal((count, 8), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        names = [str(row) for row in range(count)]
        texts = dict.fromkeys(("path", "sha256", "pixels", "label"), names)
        numbers = dict.fromkeys(("print", "predicted"), [0] * count)
        table = pl.DataFrame({**texts, **numbers}, columns())
        halves = [(vectors[: count // 2], vectors[: count // 2]), (vectors[count // 2 :], vectors[count // 2 :])]
        made = write_base(tmp_path, about, halves, table)
        assert {(tmp_path / name).exists() for name in INDEX.values()} == {count > 500}
        np.testing.assert_array_equal(made.vectors, vectors)
        assert made.neighbours.nearest(vectors[:5], 1).rows[:, 0].tolist() == [0, 1, 2, 3, 4]
    finish_writing(tmp_path)
