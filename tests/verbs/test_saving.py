from __future__ import annotations

import numpy as np
import pytest

from report.samples import explanation, photo
from seewhy.core.outcome import Outcome
from seewhy.errors import BadImage
from seewhy.methods import Explanation, RegionWeights
from seewhy.models import Target
from seewhy.verbs import ExplanationWriter, write_explanations
from seewhy.verbs.explanations import folder_names

REGIONS = RegionWeights(np.kron([[0, 1], [2, 3]], np.ones((3, 3))).astype(np.int32), np.array([2.0, -1.0, 0.5, 0.0]))


def outcome(source="cat.png", *explanations):
    return Outcome(source, explanations or (explanation(),))


def about(label, index=280, **changes):
    return explanation(target=Target(index), target_label=label, **changes)


def of_regions(label, index, **changes):
    return about(label, index, method="lime", values=REGIONS.painted, signed=True, regions=REGIONS, **changes)


def names_in(folder):
    return {path.name for path in folder.iterdir()}


# --- What is written ----------------------------------------------------------------------------------------------


def test_an_explanation_lies_in_the_folder_of_its_photo_and_method(tmp_path):
    made = explanation()
    assert ExplanationWriter(tmp_path).add(outcome("photos/cat.png", made)) == tmp_path / "cat"
    folder = tmp_path / "cat/grad-cam"
    assert names_in(tmp_path / "cat") == {"grad-cam"}
    assert names_in(folder) == {"values.npy", "image.png", "picture.png", "manifest.json"}
    again = Explanation.load(folder)
    assert again.manifest() == made.manifest()
    assert again.values.tobytes() == made.values.tobytes()


def test_outcomes_are_written_as_they_come_and_there_when_all_are(tmp_path):
    def coming(count):
        for place in range(count):
            yield outcome(f"{place}.png")
            assert len(list(tmp_path.rglob(f".seewhy-part/{place}/grad-cam/manifest.json"))) == 1
            assert not (tmp_path / f"{place}").exists()

    assert write_explanations(coming(2), tmp_path) == tmp_path / "report.html"
    assert names_in(tmp_path) == {"0", "1", "report.html"}


def test_a_run_that_fails_leaves_the_former_one(tmp_path):
    def failing():
        yield outcome("two.png", about("tabby", 282))
        raise KeyboardInterrupt

    write_explanations([outcome("one.png"), outcome("two.png")], tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(KeyboardInterrupt):
        write_explanations(failing(), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_of_a_photo_that_failed_nothing_is_written(tmp_path):
    failed = Outcome("broken.png", error=BadImage("empty", "it holds no bytes at all"))
    write_explanations([failed], tmp_path)
    assert names_in(tmp_path) == {"report.html"}


def test_several_classes_of_a_method_of_regions_lie_side_by_side_in_one_picture(tmp_path):
    classes = [of_regions("tiger cat", 280), of_regions("tabby", 282)]
    write_explanations([outcome("one.png", classes[0], explanation()), outcome("two.png", *classes)], tmp_path)
    assert names_in(tmp_path / "one") == {"lime", "grad-cam"}
    assert names_in(tmp_path / "two") == {"lime--tiger-cat", "lime--tabby", "lime--classes.png"}
    write_explanations([outcome("maps.png", about("tiger cat"), about("tabby", 282))], tmp_path)
    assert names_in(tmp_path / "maps") == {"grad-cam--tiger-cat", "grad-cam--tabby"}


# --- Names of photos ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sources", "folders"),
    [
        (["a/cat.png", "b/cat.jpg", "cat"], ["cat", "cat-2", "cat-3"]),
        (["cat.png", "cat.jpg", "cat-2.png", "cat-2.jpg"], ["cat", "cat-2", "cat-2-2", "cat-2-3"]),
        (["Cat.png", "cat.png", "CAT.png"], ["Cat", "cat-2", "CAT-3"]),
        (["sample:cat", "my cat (1).v2.png"], ["cat", "my-cat-1-.v2"]),
        (["..", "кот.png", "пёс.png"], ["photo", "photo-2", "photo-3"]),
    ],
)
def test_no_photo_lies_in_the_folder_of_another(tmp_path, sources, folders):
    writer = ExplanationWriter(tmp_path)
    assert [writer.add(outcome(source)).relative_to(tmp_path).as_posix() for source in sources] == folders
    assert names_in(tmp_path) == set(folders)


# --- Names of explanations ----------------------------------------------------------------------------------------


def test_layer_and_class_are_named_only_where_they_tell_two_apart():
    one = explanation()
    assert folder_names([one, explanation(method="layer-cam")]) == ["grad-cam", "layer-cam"]
    assert folder_names([one, explanation(layer="blocks.2")]) == ["grad-cam--blocks.3", "grad-cam--blocks.2"]
    assert folder_names([one, about("tabby", 282)]) == ["grad-cam--tiger-cat", "grad-cam--tabby"]
    both = [about(label, index, layer=layer) for label, index in (("a", 1), ("b", 2)) for layer in ("x", "y")]
    assert folder_names(both) == ["grad-cam--x--a", "grad-cam--y--a", "grad-cam--x--b", "grad-cam--y--b"]
    mixed = [of_regions("a", 1, layer=None), of_regions("b", 2, layer=None), *both]
    assert folder_names(mixed)[:3] == ["lime--a", "lime--b", "grad-cam--x--a"]
    assert folder_names([]) == []


@pytest.mark.parametrize(
    "labels",
    [
        ("crane", "crane"),  # two classes of one name
        ("кошка", "собака"),
        ("a/b", "a b"),
        ("Maillot", "maillot"),
        ("like photo.png", "like photo.png"),
        ("x" * 300, "x" * 299 + "y"),
        ("b-2", "b", "b"),
    ],
)
def test_no_explanation_overwrites_another(tmp_path, labels):
    several = tuple(about(label, 280 + place) for place, label in enumerate(labels))
    write_explanations([outcome("cat.png", *several)], tmp_path)
    found = {Explanation.load(folder).target for folder in (tmp_path / "cat").iterdir()}
    assert found == {each.target for each in several}


def test_names_cannot_leave_the_folder(tmp_path):
    out = tmp_path / "out"
    nasty = "../../../escaped"
    escaping = [about(nasty, 280, layer=nasty), about("..", 281, layer=".."), about("\0\n/", 282, layer="..")]
    write_explanations([outcome(f"{nasty}/..", *escaping), outcome("..", *escaping)], out)
    assert names_in(tmp_path) == {"out"}
    assert sum(path.name == "manifest.json" for path in out.rglob("*")) == 6
    assert all(len(path.relative_to(out).parts) == 3 for path in out.rglob("*.npy"))


def test_a_photo_keeps_its_own_name_inside(tmp_path):
    write_explanations([outcome("a/cat.png", explanation(image=photo("my cat.png")))], tmp_path)
    assert Explanation.load(tmp_path / "cat/grad-cam").image.name == "my cat.png"
