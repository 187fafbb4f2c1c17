"""The page of a class in words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import planted
from answering import against
from network.test_labels import words
from seewhy.answers.network import ClassView
from seewhy.network.concepts import Seen, Trend, sum_up
from seewhy.network.tcav import ConceptTest
from seewhy.network.view import look
from seewhy.verbs.network import GlobalResult
from web.browsing import misshapen


@pytest.fixture(scope="module")
def view():
    found = look(planted.classifier(), planted.picture(), "red", layers=["first", "second"], checked=False)
    said = {
        ("first", 0): words(("<b>edge</b>", 3.0)),
        ("second", 0): words(("wheel", 4.0), ("<b>edge</b>", 1.0)),
    }
    summed = sum_up([Seen(found, said)])
    trends = (Trend("wheel", (0.0, 4.0), 4.0, 0.01), Trend("<b>edge</b>", (3.0, 1.0), -2.0, 0.01))
    return replace(summed, trends=trends)


def test_the_page_says_what_comes_when_and_escapes_words(view):
    page = GlobalResult("red", view, "a <network>").page()
    assert "&lt;b&gt;edge&lt;/b&gt;" in page
    assert "<b>edge" not in page
    assert "a &lt;network&gt;" in page
    assert "Towards the decision “wheel” count" in page or "“wheel” counts" in page
    assert page.index("Late: it grows") < page.rindex("wheel") < page.rindex("Early: it fades")
    assert "Simulated." not in page
    assert "Does the network use it?" not in page


def test_the_manifest_holds_what_the_page_shows(view, tmp_path):
    GlobalResult("red", view, "toy").save(tmp_path)
    found = json.loads((tmp_path / "global.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert [layer["layer"] for layer in found["layers"]] == ["first", "second"]
    (concept,) = found["layers"][1]["concepts"]
    assert (concept["label"], concept["score"], concept["pictures"]) == ("wheel", 4.0, 1)
    assert concept["examples"][0]["sha256"] == planted.picture().sha256
    assert {trend["label"]: trend["slope"] for trend in found["trends"]} == pytest.approx(
        {"wheel": 4.0, "<b>edge</b>": -2.0}
    )


@pytest.mark.browser
def test_its_pictures_keep_their_proportions(view, tmp_path, browser):
    written = GlobalResult("red", view, "toy").save(tmp_path) / "report.html"
    for width in (1280, 390):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(written.as_uri())
        assert page.locator(".examples img").count()
        assert not misshapen(page)


def test_what_tcav_found_is_told_with_its_chance(view):
    used = ConceptTest("second", 1.0, 0.6, (-0.1, 0.1, 0.05), 0.005, 0.9, 6)
    idle = ConceptTest("first", 0.5, -0.02, (-0.1, 0.1, 0.05), 0.6, 0.5, 6)
    result = GlobalResult("red", view, "toy", tests=[("wheels", used), ("noise", idle)])
    page = result.page()
    assert not against(ClassView, result.to_dict())
    rows = [row.partition("</tr>")[0] for row in page.partition("Does the network use it?")[2].split("<tr")[2:]]
    assert "raises the class" in rows[0]
    assert "0.005" in rows[0]
    assert "no more than chance" in rows[1]
    assert "−0.02" in rows[1]
