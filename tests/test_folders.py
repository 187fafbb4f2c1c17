"""What takes the place of what in a folder of results, who waits for whom, and what a hostile folder cannot do."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Thread

import pytest

from killing import Moment, contents, killed, moments
from report.samples import explanation
from seewhy import Explanation
from seewhy.core import folders
from seewhy.core.folders import MANIFEST, NEXT, PART, Mark, check_mark, marks, settle, whole_folder, write_manifest
from seewhy.core.outcome import Outcome
from seewhy.errors import BadFile, UsageError
from seewhy.verbs.explanations import write_explanations

CURE = "make it again"


def save(out: Path, **texts: str) -> None:
    with whole_folder(out) as part:
        for name, text in texts.items():
            (part / name).write_text(text)
        write_manifest(part, {"seewhy": "1"})


def texts_in(folder: Path) -> dict[str, str]:
    return {name: each.decode() for name, each in contents(folder).items() if Path(name).name != MANIFEST}


def plant(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


# --- What goes and what stays -------------------------------------------------------------------------------------


def test_what_the_former_result_named_goes_and_what_people_changed_or_added_stays(tmp_path):
    save(tmp_path, same="1", gone="2", edited="3")
    plant(tmp_path, {"edited": "mine", "added": "mine"})
    save(tmp_path, same="4")
    assert texts_in(tmp_path) == {"same": "4", "edited": "mine", "added": "mine"}


def test_a_manifest_of_another_program_deletes_nothing(tmp_path):
    mark = {"size": 4, "sha256": "6d73" * 16}
    for listed in (["mine"], {"mine": "x"}, {"mine": mark}, {"../mine": mark, "": mark, "/mine": mark, "a\0": mark}):
        plant(tmp_path, {"out/mine": "mine", "mine": "mine", "out/manifest.json": json.dumps({"files": listed})})
        save(tmp_path / "out", one="1")
        assert texts_in(tmp_path) == {"out/mine": "mine", "mine": "mine", "out/one": "1"}


@pytest.mark.parametrize("name", ["../mine", "sub/../../mine", "linked/mine"])
def test_no_manifest_reaches_out_of_its_folder(name, tmp_path):
    (tmp_path / "out").mkdir()
    plant(tmp_path, {"mine": "mine"})
    (tmp_path / "out/linked").symlink_to(tmp_path)
    files = {name: vars(marks(tmp_path)["mine"])}
    plant(tmp_path, {"out/manifest.json": json.dumps({"files": files})})
    save(tmp_path / "out", one="1")
    assert (tmp_path / "mine").read_text() == "mine"


def test_of_a_folder_in_a_folder_the_nearer_manifest_answers(tmp_path):
    plant(tmp_path, {"one": "1", "a/two": "2", "b/three": "3"})
    write_manifest(tmp_path / "b", {})
    assert set(marks(tmp_path)) == {"one", "a/two"}
    assert set(marks(tmp_path / "b")) == {"three"}


@pytest.mark.parametrize("there", ["a file", "a link", "a folder"])
def test_what_is_in_the_way_is_named_before_anything_is_moved(there, tmp_path):
    plant(tmp_path, {"out/first": "old", "elsewhere/mine": "mine"})
    way = tmp_path / "out/second"
    if there == "a file":
        way.write_text("mine")
    elif there == "a link":
        way.symlink_to(tmp_path / "elsewhere")
    else:
        way.mkdir()
    before = contents(tmp_path)
    with pytest.raises(UsageError, match=rf"second is {there}, in the way"), whole_folder(tmp_path / "out") as part:
        plant(part, {"first": "new", "second": "new"} if there == "a folder" else {"first": "new", "second/x": "new"})
    assert contents(tmp_path) == before


# --- After a kill -------------------------------------------------------------------------------------------------


def test_one_of_several_results_is_whole_when_it_is_opened_alone(tmp_path):
    old, new = explanation(), explanation(seed=8, values=explanation().values * 2)

    def again(out: Path) -> None:
        write_explanations([Outcome("cat.png", (new,))], out)

    write_explanations([Outcome("cat.png", (old,))], tmp_path / "out")
    count = moments(again, tmp_path / "out")
    seeds = set()
    for moment in range(count - 8, count + 1):  # those after everything was written
        write_explanations([Outcome("cat.png", (old,))], tmp_path / "out")
        killed(again, tmp_path / "out", Moment(moment, halved=False))
        found = Explanation.load(tmp_path / "out/cat/grad-cam")
        assert found.values.max() == (new if found.seed == 8 else old).values.max()
        seeds.add(found.seed)
    assert 8 in seeds


def test_half_moved_it_is_moved_by_whoever_opens_it_and_never_twice(tmp_path):
    save(tmp_path, one="old", two="old", three="old")
    new = tmp_path / "new"
    save(new, one="new", two="new")
    new.rename(tmp_path / NEXT)
    (tmp_path / NEXT / "one").rename(tmp_path / "one")
    settle(tmp_path)
    assert texts_in(tmp_path) == {"one": "new", "two": "new"}
    settle(tmp_path)
    assert texts_in(tmp_path) == {"one": "new", "two": "new"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_nobody_elses_files_are_moved(tmp_path):
    plant(tmp_path, {f"{NEXT}/one": "theirs", "out/one": "mine", "one": "mine"})
    os.chown(tmp_path / NEXT, 12345, 12345)
    settle(tmp_path / "out")
    assert (tmp_path / "one").read_text() == "mine"


def test_nothing_is_moved_through_links(tmp_path):
    plant(tmp_path, {f"out/{NEXT}/sub/mine": "theirs", "elsewhere/mine": "mine"})
    (tmp_path / "out/sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadFile, match="in the way of a result"):
        settle(tmp_path / "out")
    assert (tmp_path / "elsewhere/mine").read_text() == "mine"


# --- Two at once --------------------------------------------------------------------------------------------------


def test_who_comes_while_another_writes_waits_and_then_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "PATIENCE", 0.1)
    with whole_folder(tmp_path / "out") as part:
        (part / "one").write_text("first")
        with pytest.raises(UsageError, match=r"another process is writing to .*out; wait for its end, or name another"):
            save(tmp_path / "out", one="second")
    assert texts_in(tmp_path) == {"out/one": "first"}


def test_two_that_write_one_folder_leave_one_of_them_whole(tmp_path):
    def write(text: str) -> None:
        for _ in range(10):
            save(tmp_path / "out", one=text, two=text)

    threads = [Thread(target=write, args=[text]) for text in "ab"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = texts_in(tmp_path / "out")
    assert found in ({"one": "a", "two": "a"}, {"one": "b", "two": "b"})
    assert not list(tmp_path.rglob(".seewhy*"))


# --- Marks --------------------------------------------------------------------------------------------------------


def test_a_file_is_known_by_its_mark(tmp_path):
    plant(tmp_path, {"file": "content"})
    mark = marks(tmp_path)["file"]
    assert check_mark(tmp_path / "file", mark, CURE) == tmp_path / "file"
    for text in ("contenT", "content ", ""):
        plant(tmp_path, {"file": text})
        with pytest.raises(BadFile, match=f"is not the file that its manifest was written for; {CURE}"):
            check_mark(tmp_path / "file", mark, CURE)
    (tmp_path / "file").unlink()
    with pytest.raises(BadFile, match=f"is missing; {CURE}"):
        check_mark(tmp_path / "file", mark, CURE)


def test_what_is_no_file_or_far_too_long_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "long").open("wb") as file:
        file.truncate(1 << 42)  # sparse
    for name in ("pipe", "long"):
        with pytest.raises(BadFile, match=CURE):
            check_mark(tmp_path / name, Mark(5, "0" * 64), CURE)


def test_the_parts_have_names_that_nobody_else_gives():
    assert {PART, NEXT} == {".seewhy-part", ".seewhy-next"}
