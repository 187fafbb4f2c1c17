from __future__ import annotations

import gc
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape
from weakref import ref

import pytest

from network import pictures
from network.pictures import WORDS, cluster, layer
from seewhy.core.outcome import Outcome
from seewhy.errors import BadImage
from seewhy.network import NetworkPicture
from seewhy.report.network import NetworkReport, write_network_report


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    two = [
        (NetworkPicture(pictures.view(), WORDS, "simulated <players>"), folder / "a b"),
        (NetworkPicture(pictures.view()), None),
    ]
    return write_network_report(folder, two, [Outcome("bad.png", error=BadImage("empty", "it is <empty>"))]).read_text(
        "utf-8"
    )


def test_all_text_is_escaped(page):
    assert "<wheel>" not in page
    assert "<cat>" not in page
    assert "dead <x>" not in page
    assert "simulated <players>" not in page
    assert "<strong>&lt;wheel&gt;</strong>" in page
    assert "simulated &lt;players&gt;" in page


def test_ids_are_unique_and_addresses_lead_to_them(page):
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)
    assert {"group-photo-1-0-0", "group-photo-2-3-0"} <= set(ids)


def test_its_own_script_runs_and_no_other(page):
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert (
        unescape(policy)
        == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )
    assert "onclick=" not in page.replace(script, "")


def test_each_layer_tells_what_was_found(page):
    assert "No positive evidence in this layer." in page
    assert "20.0% without it; 50.0% with its area grey, 60.0% with it filled from around" in page
    assert "not checked" in page
    assert 'href="a%20b/"' in page


def test_three_layers_come_first_and_the_whole_network_is_a_click_away(page):
    assert "Three layers of the network; it can be scrolled" in page
    assert page.index("Three layers of the network") < page.index("All 4 layers and all groups")


def test_what_failed_is_told(page):
    assert "1 photo could not be explained" in page
    assert "it is &lt;empty&gt;" in page


def test_agreement_of_weight_and_loss_is_said_where_there_are_groups_enough(tmp_path):
    blobs = [cluster(place, 40 - place, pictures.blob(place, 1), hidden=0.1 * place) for place in range(7)]
    found = NetworkPicture(pictures.view((layer("one", *blobs),)))
    page = write_network_report(tmp_path, [(found, None)]).read_text("utf-8")
    assert "Of 7 groups shown, 7 are felt" in page
    assert "rank correlation of 1.00" in page


def test_how_stable_groups_are_is_said_where_it_is_known(tmp_path):
    layers = tuple(
        replace(each, stability=value) for each, value in zip(pictures.view().layers, (0.9, 0.4), strict=False)
    )
    page = write_network_report(tmp_path, [(NetworkPicture(pictures.view(layers)), None)]).read_text("utf-8")
    assert "agree with those shown by 0.65 on average" in page
    assert "stability 0.40" in page


def test_nothing_but_failures_is_a_report_too(tmp_path):
    page = write_network_report(tmp_path, [], [Outcome("bad.png", error=BadImage("empty", "empty"))]).read_text("utf-8")
    assert "Nothing could be explained" in page


def test_a_picture_is_let_go_once_it_is_in_the_report(tmp_path):
    report, alive = NetworkReport(tmp_path), []
    for number in range(3):
        picture = NetworkPicture(pictures.view())
        report.add(Outcome(f"{number}.png", picture))
        alive.append(ref(picture))
        del picture
        gc.collect()
        assert alive[-1]() is None
    assert report.close().read_text("utf-8").count("<section") == 3
