"""What networks of labels, of one number and of values say on the command line."""

from __future__ import annotations

import pytest

import glyphs
from seewhy.models.head import MEANS


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "squares.png"
    glyphs.picture().to_pil().save(path)
    return path


def test_labels_are_listed_with_what_is_found(seewhy, photo):
    said = seewhy("predict", photo, "--model", "py:glyphs:labels")
    assert [row[1:] for row in said.rows] == [
        [each.name, each.told, "yes" if each.present else "no", str(each.index)]
        for each in glyphs.labels().predict(photo)
    ]
    assert MEANS["labels"] in " ".join(said.err.split())
    told = seewhy("predict", photo, "--model", "py:glyphs:labels", "--json").json[0]["predictions"]
    assert [each["present"] for each in told] == [True, True, False]


def test_values_have_no_per_cent(seewhy, photo):
    said = seewhy("predict", photo, "--model", "py:glyphs:values")
    (value,) = glyphs.values().predict(photo)
    assert said.rows == [[str(photo), "redness", value.told, "0"]]
    assert "%" not in said.out
    told = seewhy("predict", photo, "--model", "py:glyphs:values", "--json").json[0]["predictions"]
    assert told == [{"index": 0, "name": "redness", "value": pytest.approx(value.value)}]


@pytest.mark.parametrize("meaning", ["labels", "binary", "values"])
def test_explanations_say_what_they_are_about(seewhy, photo, meaning):
    model = f"py:glyphs:{meaning}"
    classifier = glyphs.network(meaning)
    told = seewhy("explain", photo, "--model", model, "--out", "why").rows[0]
    best = classifier.predict(photo)[0]
    assert told[1:3] == [best.name, best.told]
    found = seewhy("explain", photo, "--model", model, "--out", "why", "--json").json[0]["explanation"]
    assert found["meaning"] == meaning
    assert found["notes"] == []
    page = (photo.parent / "why" / "report.html").read_text("utf-8")
    assert MEANS[meaning] in page.replace("&#39;", "'")


def test_what_has_no_decision_refuses_anchors(seewhy, photo):
    run = seewhy("explain", photo, "--model", "py:glyphs:values", "--method", "anchors", "--out", "why")
    assert run.code == 2
    assert "explains a decision between classes, and this network gives values" in " ".join(run.err.split())
