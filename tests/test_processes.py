"""Errors and results go from process to process whole, and one bad picture stops nobody."""

import copy
import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

import seewhy
import zoo
from seewhy import SeewhyError, errors
from seewhy.models import black_box

PHOTO = zoo.photos(1)[0]
GIVEN = {"BadImage": ("empty", "words"), "QueueFull": ("words", 7), "OverBudget": ("words", 7)}
ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SeewhyError)]


class Further(errors.ModelError):
    """One that a plug-in might add: its constructor takes what its message is made of."""

    def __init__(self, layer: str, *, size: int) -> None:
        super().__init__(f"{layer} of {size}")
        self.layer, self.size = layer, size


def travelled(value):
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_survives_pickle(kind):
    error = kind(*GIVEN.get(kind.__name__, ("words",)))
    error.add_note("beside")
    for back in (travelled(error), copy.copy(error), copy.deepcopy(error)):
        assert (type(back), str(back), vars(back)) == (kind, str(error), vars(error))


def test_an_error_with_a_constructor_of_its_own_does_too():
    back = travelled(Further("conv", size=3))
    assert (str(back), back.layer, back.size) == ("conv of 3", "conv", 3)


@pytest.mark.parametrize("method", ["grad-cam", "lime", "anchors", "kernel-shap"])
def test_an_explanation_comes_back_as_it_was_and_cannot_be_written_to(method):
    found = seewhy.explain(zoo.classifier("gap-linear"), PHOTO, method)
    back = travelled(found)
    assert np.array_equal(back.values, found.values)
    assert not back.values.flags.writeable
    assert back.manifest() == found.manifest()
    for name in ("labels", "weights") if found.regions else ():
        one, other = getattr(found.regions, name), getattr(back.regions, name)
        assert np.array_equal(one, other)
        assert one.flags.writeable == other.flags.writeable


def test_explanations_attributions_and_pictures_come_back():
    classifier = zoo.classifier("gap-linear")
    found = seewhy.explain(classifier, [PHOTO, PHOTO])
    back = travelled(found)
    assert isinstance(back, seewhy.Explanations)
    assert back.to_dict() == found.to_dict()
    tensors = seewhy.attribute(classifier, classifier.preprocess([PHOTO]), 1)
    assert torch.equal(travelled(tensors).values, tensors.values)
    assert not travelled(PHOTO).pixels.flags.writeable


def test_a_classifier_leaves_its_caches_behind():
    classifier = zoo.classifier("gap-linear")
    _ = classifier.layers, classifier.fingerprint
    back = travelled(classifier)
    assert "layers" not in vars(back)
    assert back.fingerprint == classifier.fingerprint
    assert back.predict(PHOTO) == classifier.predict(PHOTO)


def brightness(pictures):
    share = pictures.mean((1, 2, 3)) / 255
    return np.stack([share, 1 - share], 1)


def test_a_black_box_travels_with_its_function():
    classifier = black_box(brightness, size=(8, 8))
    assert travelled(classifier).predict(PHOTO) == classifier.predict(PHOTO)


SCRIPT = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import seewhy
import torch


def width(source):
    return seewhy.open_image(source).width


def explained(task):
    classifier, source = task
    try:
        return seewhy.explain(classifier, source, "gradient", target=0)
    except seewhy.SeewhyError as error:
        return error


if __name__ == "__main__":
    torch.set_num_threads(1)
    context = multiprocessing.get_context("HOW")
    with context.Pool(1) as pool:
        try:
            pool.map_async(width, ["sample:cat", "no-such-file.jpg"]).get(timeout=100)
        except seewhy.SeewhyError as error:
            assert error.code == "not_found", error
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    classifier = seewhy.Classifier.from_module(network, seewhy.Preprocessing(size=(16, 16)))
    photo = seewhy.open_image(np.zeros((16, 16, 3), np.uint8))
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        tasks = [(classifier, each) for each in ("sample:cat", "no.jpg", photo)]
        first, bad, last = pool.map(explained, tasks, timeout=100)
    assert isinstance(bad, seewhy.errors.BadImage), bad
    assert np.allclose(first.values, explained(tasks[0]).values)
    assert last.image.sha256 == photo.sha256
"""


@pytest.mark.parametrize("how", ["fork", pytest.param("spawn", marks=pytest.mark.heavy)])
def test_pools_answer_though_one_picture_is_bad(how, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace("HOW", how))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
