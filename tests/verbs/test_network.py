from __future__ import annotations

import pytest

import zoo
from seewhy.errors import BadImage, Cancelled, ModelError, UnknownName, UsageError
from seewhy.models import Classifier, Preprocessing
from seewhy.verbs.network import NetworkRequest, explain_network, explain_network_each


def test_a_picture_is_the_view_and_its_drawing():
    photo = zoo.photos(1)[0]
    found = explain_network(zoo.classifier("overlapping"), photo, 2, layers=["features.4"], signed=True, seed=5)
    assert found.view.target.index == 2
    assert [layer.name for layer in found.view.layers] == ["features.4"]
    assert found.view.signed
    assert found.view.seed == 5
    assert found.svg.startswith("<svg")


def test_people_may_name_what_is_in_a_view():
    found = explain_network(
        zoo.classifier("gap-linear"), zoo.photos(1)[0], naming=lambda view: ({("relu", 0): [("fur", 2.0)]}, "by us")
    )
    assert ">fur</text>" in found.svg
    assert found.about_words == "by us"


def test_one_bad_picture_does_not_stop_the_rest(tmp_path):
    good = tmp_path / "good.png"
    zoo.photos(1)[0].to_pil().save(good)
    (tmp_path / "bad.png").write_text("no picture")
    classifier = zoo.classifier("gap-linear")
    sources = [tmp_path / "bad.png", good]
    bad, fine = explain_network_each(classifier, sources, NetworkRequest.of(classifier))
    assert isinstance(bad.error, BadImage)
    assert bad.value is None
    assert fine.value is not None
    assert fine.source == str(good)


def test_a_network_that_fails_on_a_picture_is_an_outcome():
    module = zoo.network("raises")
    module.call = 10**6
    classifier = Classifier.from_module(module, Preprocessing(size=zoo.SIZE))
    request = NetworkRequest.of(classifier, 0, layers=["body.relu"])
    assert classifier.layers
    module.call = module.calls + 1
    (failed,) = explain_network_each(classifier, ["sample:cat"], request)
    assert isinstance(failed.error, ModelError)
    assert "sample:cat" in str(failed.error)


def test_names_are_checked_before_the_work():
    classifier = zoo.classifier("gap-linear")
    for wrong in ({"layers": ["rellu"]}, {"clustering": "warp"}):
        with pytest.raises(UnknownName):
            NetworkRequest.of(classifier, **wrong)
    with pytest.raises(UsageError):
        NetworkRequest.of(classifier, "no such class")


def test_it_can_be_stopped():
    def stop(done: int, total: int | None, message: str) -> None:
        raise Cancelled("stop")

    classifier = zoo.classifier("gap-linear")
    with pytest.raises(Cancelled):
        list(explain_network_each(classifier, ["sample:cat"], NetworkRequest.of(classifier), progress=stop))
