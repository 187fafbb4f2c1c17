"""Notes: what whoever sees a map has to know, from the method, the network and the picture."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

import seewhy
import zoo
from seewhy.methods import Explanation, Method
from seewhy.methods.explanation import NO_EVIDENCE, sentence
from seewhy.methods.method import FLAT
from seewhy.methods.task import Found

PHOTO = zoo.photos(1)[0]


def classifier():
    return zoo.classifier("residual")


class Told(Method):
    """A method that has something to say of every other picture."""

    def find(self, task):
        bright = float(task.picture.mean()) > 0.5
        return [Found(torch.rand(task.size), notes=("told by the method",) * bright) for _ in task.asked]


def test_those_of_method_network_and_picture_join_as_sentences():
    noted = replace(classifier(), given_notes=("The network is odd.",))
    image = replace(PHOTO, pixels=PHOTO.pixels | 240, notes=("first of 3 frames", "told by the method"))
    found = seewhy.explain(noted, image, Told())
    assert found.notes == ("Told by the method.", "The network is odd.", "First of 3 frames.")
    assert (
        replace(found, method="lime")
        ._repr_html_()
        .endswith("<p>Told by the method.</p><p>The network is odd.</p><p>First of 3 frames.</p>")
    )


def test_they_are_in_the_manifest_and_come_back(tmp_path):
    found = replace(seewhy.explain(classifier(), PHOTO), notes=("One.", "Two."))
    found.save(tmp_path)
    assert found.manifest()["explanation"]["notes"] == ["One.", "Two."]
    assert Explanation.load(tmp_path).notes == ("One.", "Two.")
    old = json.loads((tmp_path / "manifest.json").read_text())
    del old["explanation"]["notes"]
    (tmp_path / "manifest.json").write_text(json.dumps(old))
    assert Explanation.load(tmp_path).notes == (), "manifests without notes still load"


@pytest.mark.parametrize(("values", "note"), [(torch.zeros, NO_EVIDENCE), (torch.ones, FLAT)])
def test_a_map_of_one_number_says_so(values, note):
    class Flat(Told):
        def find(self, task):
            return [Found(values(task.size)) for _ in task.asked]

    assert seewhy.explain(classifier(), PHOTO, Flat()).notes == (note,)


def test_a_map_of_many_numbers_says_nothing():
    assert seewhy.explain(classifier(), PHOTO).notes == ()


def test_few_regions_are_told():
    labels = torch.arange(32 * 32).reshape(32, 32).numpy() // 512
    found = seewhy.explain(classifier(), PHOTO, "kernel-shap", regions=labels, samples=16)
    assert found.notes == ("The picture was cut into 2 regions only, which hardly say where.",)


def test_tensors_say_which_of_them():
    network = classifier().module
    x = torch.stack([torch.full((3, 32, 32), 0.9), torch.zeros(3, 32, 32), torch.full((3, 32, 32), 0.8)])
    assert seewhy.attribute(network, x, 0, Told()).notes == ("Input 0, 2: told by the method",)
    assert seewhy.attribute(network, x[:1], 0, Told()).notes == ("told by the method",)
    assert seewhy.attribute(network, x[1:2], 0, Told()).notes == ()


@pytest.mark.parametrize(
    ("words", "told"), [("a note", "A note."), ("A note.", "A note."), ("", "."), ("8 bits?", "8 bits?")]
)
def test_sentences(words, told):
    assert sentence(words) == told
