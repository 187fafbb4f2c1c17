"""The page Annotate and what stands behind its canvas, without a browser."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from streamlit.testing.v1 import AppTest

import planted
from seewhy.errors import UsageError
from seewhy.images import open_image
from seewhy.people.masks import save_mask
from seewhy.people.players import begin_session, join
from seewhy.people.runs import runs
from seewhy.web.canvas.annotate import Drawing, region_runs
from seewhy.web.parts.players import SECRET
from seewhy.web.services.storage import people_store
from web.test_pages import opened, report

NOT_OURS = [
    None,
    {},
    {"counts": "04", "base": 0, "key": "k"},
    {"counts": [4096.0], "base": 0, "key": "k"},
    {"counts": [True, 4095], "base": 0, "key": "k"},
    {"counts": [4095], "base": 0, "key": "k"},
    {"counts": [-1, 4097], "base": 0, "key": "k"},
    {"counts": [4096], "base": -1, "key": "k"},
    {"counts": [4096], "base": 0, "key": ""},
    {"counts": [4096], "base": 0, "key": "k" * 65},
]


@given(arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 3)))
def test_regions_survive_the_way_to_the_browser(labels):
    found = np.array(region_runs(labels)).reshape(-1, 2)
    assert np.array_equal(np.repeat(found[:, 0], found[:, 1]).reshape(labels.shape), labels)
    assert (found[1:, 0] != found[:-1, 0]).all()


def test_a_drawing_is_taken_as_it_was_sent(photo):
    mask = np.zeros((photo.height, photo.width), bool)
    mask[planted.ROWS, planted.COLUMNS] = True
    found = Drawing.of({"counts": runs(mask), "base": 2, "key": "k", "identity": "i"}, photo)
    assert np.array_equal(found.mask, mask)
    assert (found.base, found.key) == (2, "k")


@pytest.mark.parametrize("sent", NOT_OURS, ids=str)
def test_what_our_canvas_does_not_send_is_refused(photo, sent):
    with pytest.raises(UsageError):
        Drawing.of(sent, photo)


def played_by(page: AppTest, name: str) -> None:
    """Let the window be this player's."""
    page.session_state[SECRET] = begin_session(people_store(), name)


def test_who_has_drawn_sees_which_explanations_agree(at):
    image, ann = open_image("sample:cat"), join(people_store(), "ann")
    mask = np.zeros((image.height, image.width), bool)
    mask[100:200, 150:300] = True
    save_mask(people_store(), ann, image.name, image.sha256, "object", mask, base=0, key="k")
    page = opened(AppTest.from_string(""), "Annotate")
    assert not page.header
    played_by(page, ann)
    page.run()
    assert not page.exception
    assert "your “object”" in page.header[0].value
    assert "By chance" in report(page)
    assert not any("here, too" in each.value for each in page.caption)
    page.text_input(key="annotate-label").set_value("nose").run()
    assert not page.header  # nobody has drawn that
    assert any("You have drawn “object” here, too." in each.value for each in page.caption)


@pytest.mark.parametrize("called", ["*b* :red[x] $c$ <i>a</i> -> [l](x)", "1. :material/home: `x`"])
def test_a_label_is_shown_as_it_is(at, called):
    image, ann = open_image("sample:cat"), join(people_store(), "ann")
    mask = np.zeros((image.height, image.width), bool)
    save_mask(people_store(), ann, image.name, image.sha256, called, mask, base=0, key="k")
    page = opened(AppTest.from_string(""), "Annotate")
    played_by(page, ann)
    page.session_state["annotate-label"] = called
    page.run()
    assert not page.exception
    shown = page.header[0].value.split("“")[1].split("”")[0]
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown) == called
    assert not re.search(r"(?<!\\)[*:$<`\[#]", re.sub(r"\\\\", "", shown))
    assert "Nothing is marked" in page.info[0].value


@pytest.mark.parametrize("called", ["#\x00", "a\u202eb", "a\u200bb"], ids=ascii)
def test_a_label_that_hides_something_is_refused_and_shown(at, called):
    page = opened(AppTest.from_string(""), "Annotate")
    played_by(page, join(people_store(), "ann"))
    page.session_state["annotate-label"] = called
    page.run()
    assert not page.exception
    assert "nobody can see" in page.error[0].value
    assert called not in page.error[0].value


def test_nobody_sees_what_others_drew(at):
    image = open_image("sample:cat")
    everything = np.ones((image.height, image.width), bool)
    save_mask(people_store(), join(people_store(), "ann"), "cat", image.sha256, "object", everything, base=0, key="k")
    page = opened(AppTest.from_string(""), "Annotate")
    played_by(page, join(people_store(), "bob"))
    page.run()
    assert not page.header
