"""What a comparison takes from files, and what it leaves in them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import zoo
from report.samples import photo
from seewhy.core.outcome import Outcome
from seewhy.errors import BadImage, UsageError
from seewhy.images import Image, open_image
from seewhy.images.opening import open_each
from seewhy.methods import Explanation
from seewhy.models import Classifier, Preprocessing
from seewhy.report.verdict import study_verdict
from seewhy.verbs.compare import seen_masks
from study.contests import CONTROL_NAMES, METHODS, UP, comparison, contest, trial

ROWS, COLUMNS = slice(10, 30), slice(6, 18)  # of the object


@pytest.fixture(scope="module")
def square():
    """Sees the whole picture, squeezed."""
    return zoo.classifier("gap-linear")


@pytest.fixture
def written(tmp_path):
    """Writes pictures or masks to a folder; gives their paths."""

    def write(folder, **pixels):
        (tmp_path / folder).mkdir(exist_ok=True)
        paths = [tmp_path / folder / f"{name}.png" for name in pixels]
        for path, each in zip(paths, pixels.values(), strict=True):
            Image(each, path.name).to_pil().save(path)
        return paths

    return write


def blank(height=40, width=48):
    return np.zeros((height, width, 3), np.uint8)


def drawn(level=255):
    found = blank()
    found[ROWS, COLUMNS] = level
    return found


def opened(paths):
    return open_each(paths)[0]


def view_masks(classifier, images, folder):
    """By the pictures' content."""
    outcomes = [Outcome(str(path), image) for path, image in images.items()]
    found = seen_masks(classifier, list(images), outcomes, folder)
    return {outcomes[number].value.sha256: mask for number, mask in found.items()}


# --- Pictures and masks -------------------------------------------------------------------------------------------


def test_what_opens_is_told_from_what_does_not(files):
    sources = files("ax-b")
    found, failures = open_each(sources)
    assert list(found) == [sources[0], sources[3]]
    assert [image.name for image in found.values()] == ["0a.png", "3b.png"]
    assert [each.source for each in failures] == [str(sources[1]), str(sources[2])]
    assert [each.error.code for each in failures] == ["not_an_image", "not_found"]
    assert all(isinstance(each.error, BadImage) and not each.value for each in failures)


def test_a_mask_is_seen_as_the_network_sees_its_picture(written, square):
    (path,) = written("photos", cat=zoo.photos(1)[0].pixels)
    written("masks", cat=drawn())
    images = opened([path])
    found = view_masks(square, images, path.parent.parent / "masks")
    assert list(found) == [images[path].sha256]
    mask = found[images[path].sha256]
    assert (mask.dtype, mask.shape) == (np.bool_, (32, 32))
    # 40 × 48 is squeezed to 32 × 32.
    expected = np.zeros((32, 32), bool)
    expected[8:24, 4:12] = True
    assert np.array_equal(mask, expected)


def test_what_the_network_cuts_off_is_cut_off_the_mask_too(written):
    preprocessing = Preprocessing((32, 32), resize=40)
    classifier = Classifier.from_module(zoo.network("gap-linear"), preprocessing)
    (path,) = written("photos", cat=zoo.photos(1)[0].pixels)
    written("masks", cat=drawn())
    images = opened([path])
    (mask,) = view_masks(classifier, images, path.parent.parent / "masks").values()
    view = preprocessing.view(images[path])
    assert view == (8, 4, 40, 36)
    assert np.array_equal(mask, drawn()[4:36, 8:40, 0] > 0)


@pytest.mark.parametrize("level", [1, 128, 255])
def test_a_mask_may_be_drawn_in_any_brightness(written, square, level):
    (path,) = written("photos", cat=zoo.photos(1)[0].pixels)
    written("masks", cat=drawn(level))
    (mask,) = view_masks(square, opened([path]), path.parent.parent / "masks").values()
    assert mask.sum() == 16 * 8


def test_pictures_without_a_mask_go_without(written, square):
    one, other = zoo.photos(2)
    paths = written("photos", cat=one.pixels, dog=other.pixels)
    written("masks", dog=drawn(), bird=drawn())
    images = opened(paths)
    assert list(view_masks(square, images, paths[0].parent.parent / "masks")) == [images[paths[1]].sha256]


def test_masks_that_fit_nothing_are_refused_with_the_cure(written, square, tmp_path):
    paths = written("photos", cat=blank())
    written("masks", dog=drawn())
    with pytest.raises(
        UsageError, match=r"no mask in .*masks is named like a picture; the mask of cat.png would be called cat.png"
    ):
        view_masks(square, opened(paths), tmp_path / "masks")
    written("masks", cat=blank(40, 47))
    with pytest.raises(UsageError, match=r"cat.png is 47 × 40, its picture cat.png is 48 × 40; a mask has the size"):
        view_masks(square, opened(paths), tmp_path / "masks")


def test_masks_in_sub_folders_fit_the_pictures_of_theirs(written, square, tmp_path):
    paths = [*written("photos", a=blank()), *written("photos/a", x=blank()), *written("photos/b", x=drawn())][1:]
    written("masks", a=drawn())
    written("masks/a", x=drawn())
    written("masks/b", x=drawn()[:, ::-1])
    found = view_masks(square, opened(paths), tmp_path / "masks")
    assert [mask[:, :16].any() for mask in found.values()] == [True, False]


def test_two_masks_of_one_name_are_refused(written, square, tmp_path):
    paths = written("photos", cat=blank())
    (first,) = written("masks", cat=drawn())
    second = first.with_suffix(".bmp")
    Image(drawn(), second.name).to_pil().save(second)
    with pytest.raises(UsageError, match=r"unclear which mask in .* fits .*cat\.png: several .* masks share that name"):
        view_masks(square, opened(paths), tmp_path / "masks")


# --- Rows and files -----------------------------------------------------------------------------------------------


def test_there_is_a_row_for_each_method_and_metric():
    found = contest()
    rows = found.rows()
    names = ["grad-cam", "lime", *CONTROL_NAMES]
    metrics = [each.name for each in found.metrics]
    assert [(row["method"], row["metric"]) for row in rows] == [(name, each) for name in names for each in metrics]
    assert rows[0] == {
        "model": "bundled:tiny",
        "method": "grad-cam",
        "metric": "road",
        "family": "faithfulness",
        "higher_is_better": True,
        "mean_rank": 1.0,
        "value": pytest.approx(0.905),
        "low": 0.9,
        "high": 0.91,
        "pictures": 1,
        "beats_chance": True,
        "failed": 0,
        "other_classes": None,
        "better_than_other_classes": None,
    }
    by_name = {(row["method"], row["metric"]): row for row in rows}
    assert by_name["lime", "infidelity"]["beats_chance"] is False
    assert by_name["lime", "infidelity"]["higher_is_better"] is False
    assert by_name["lime", "sparseness"]["beats_chance"] is None
    assert by_name["control:random", "road"]["mean_rank"] is None


def test_rows_come_best_first_and_without_a_number_where_there_is_none():
    rows = comparison(trial({UP: {"lime": None, "grad-cam": 0.2}}, {UP: [0.1] * 30})).rows()
    assert [(row["method"], row["mean_rank"], row["value"]) for row in rows] == [
        ("grad-cam", 1.0, 0.2), ("lime", None, None)
    ]  # fmt: skip
    assert {tuple(row) for row in rows} == {tuple(rows[0])}, "every row has the same keys"
    untested = comparison(trial({"sparseness": {"lime": 0.1, "grad-cam": 0.2}})).rows()
    assert [row["mean_rank"] for row in untested] == [None, None]


def test_scores_and_maps_are_saved(tmp_path):
    found = contest(2)
    found.save(tmp_path / "out")
    saved = json.loads((tmp_path / "out/scores.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert saved["photos"][0] == {
        "image": "0: 0.png", "method": "grad-cam", "metric": "road", "value": pytest.approx(0.905), "reason": None
    }  # fmt: skip
    assert len(saved.pop("photos")) == 2 * (2 + len(CONTROL_NAMES)) * len(found.metrics)
    assert list(saved.pop("files")) == ["report.html"]
    assert saved == json.loads(json.dumps(found.to_dict()))
    assert (saved["best"], saved["recommended"], saved["verdict"]) == (None, ["grad-cam"], study_verdict(found))
    alone = saved["photo_verdicts"]
    assert [(each["image"], each["order"]) for each in alone] == [(f"{n}: {n}.png", [*METHODS]) for n in range(2)]
    assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.glob("out/*/*")) == [
        f"{number}/{method}" for number in range(2) for method in METHODS
    ]
    again = Explanation.load(tmp_path / "out/1/lime")
    assert np.array_equal(again.values, list(found.explained.values())[1].explanations["lime"].values)


def test_pictures_of_one_name_lie_apart(tmp_path):
    trials = [trial({UP: dict.fromkeys(METHODS, 0.5)}, image=photo(name)) for name in ("a/cat.png", "b/cat.png")]
    comparison(*trials).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"cat", "cat-2", "scores.json", "report.html"}


def test_what_was_saved_opens_as_a_picture(tmp_path):
    contest().save(tmp_path)
    assert open_image(tmp_path / "0/grad-cam/picture.png").width > 100
