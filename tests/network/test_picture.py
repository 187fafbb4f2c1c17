from __future__ import annotations

import json
import re
from base64 import b64decode
from io import BytesIO
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image as Pillow

from network import pictures
from network.pictures import NASTY, WORDS, layer
from seewhy.draw.canvas import Picture, flat
from seewhy.network import NetworkPicture
from seewhy.network.picture import face, spoken_card

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def picture() -> NetworkPicture:
    return NetworkPicture(pictures.view(), WORDS)


def texts(root: ET.Element) -> str:
    return " ".join(each.text or "" for each in root.iter(f"{SVG}text"))


def test_alone_it_is_whole(picture):
    root = ET.fromstring(picture.svg)  # noqa: S314 - our own
    images = list(root.iter(f"{SVG}image"))
    assert len(images) == 1 + 5
    for each in images:
        data = each.attrib["href"].removeprefix("data:image/jpeg;base64,")
        assert Pillow.open(BytesIO(b64decode(data))).format == "JPEG"
    assert not list(root.iter(f"{SVG}a"))
    assert not list(root.iter(f"{SVG}use"))
    assert "<wheel>, rim" in texts(root)
    assert "no positive evidence in" in texts(root)
    assert "<0.1%" in texts(root)


def test_it_says_what_it_shows(picture):
    root = ET.fromstring(picture.svg)  # noqa: S314
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == (
        f"What toy & co found in {NASTY} that speaks for tiger <cat> (80.0%): 5 groups of maps in 4 layers, "
        "from the first to the last; each group is the photo, lit where it responds"
    )
    assert spoken_card(picture.layout.cards[0]) == (
        "early, group 1: 1 map with 40 % of the layer's weight; people say <wheel>, rim; without them the class has "
        "20.0%, with their area grey 50.0%, with it filled from around 60.0%"
    )


def test_in_a_page_pictures_are_held_once_and_every_card_leads_somewhere(picture):
    page = f"<main>{picture.definitions('p')}{picture.inside('p')}{picture.folded('p')}</main>"
    root = ET.fromstring(page)  # noqa: S314
    ids = [each.attrib["id"] for each in root.iter() if "id" in each.attrib]
    assert len(ids) == len(set(ids))
    assert len(list(root.iter(f"{SVG}image"))) == 6
    used = {each.attrib["href"].removeprefix("#") for each in root.iter(f"{SVG}use")}
    assert used == {each for each in ids if each.startswith("face-p-")}
    assert {each.attrib["href"] for each in root.iter(f"{SVG}a")} == {
        f"#group-p-{card.key}" for card in picture.layout.cards
    }
    assert set(re.findall(r"url\(#([^)]*)\)", page)) <= set(ids)


def test_frames_tell_what_was_felt(picture):
    root = ET.fromstring(picture.svg)  # noqa: S314
    frames = {
        group.attrib["data-key"]: group.find(f"{SVG}rect").attrib
        for group in root.iter(f"{SVG}g")
        if group.attrib.get("class") == "card"
    }
    assert frames["0-0"]["stroke"] == "#d2641a"
    assert "stroke-dasharray" in frames["0-1"]
    assert frames["3-0"]["stroke"] == "#4593dd"


def test_the_raster_has_the_same_cards_in_the_same_places(picture):
    canvas = np.asarray(picture.raster())
    layout = picture.layout
    faces = {each.key: each.pixels for each in flat(picture.drawing.shapes) if isinstance(each, Picture)}
    scale = canvas.shape[1] / layout.width
    assert canvas.shape[:2] == pytest.approx((layout.height * scale, layout.width * scale), abs=2)
    assert (canvas[:5] == 255).all()
    for card in layout.cards:
        box, drawn = card.box, faces[card.key]
        inset = box.width / 12
        part = canvas[
            round((box.top + inset) * scale) : round((box.bottom - inset) * scale),
            round((box.left + inset) * scale) : round((box.right - inset) * scale),
        ]
        drawn = Pillow.fromarray(drawn).resize((part.shape[1], part.shape[0]))
        assert abs(part.mean() - np.asarray(drawn).mean()) < 12


def test_a_face_is_the_photo_where_the_map_is_strong_and_pale_elsewhere():
    view = pictures.view()
    drawn = face(view, view.layers[0].clusters[0], 120).astype(int)
    assert drawn.shape == (120, 120, 3)
    lit, unlit = drawn[10:25, 10:25], drawn[80:, 80:]
    assert np.ptp(unlit, axis=2).max() == 0  # no colour
    assert unlit.min() >= 155
    assert np.ptp(lit, axis=2).mean() > 20


def test_saved_files_hold_all(picture, tmp_path):
    folder = picture.save(tmp_path / "new")
    assert sorted(each.name for each in folder.iterdir()) == [
        "image.png",
        "manifest.json",
        "maps.npz",
        "network.png",
        "network.svg",
    ]
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    maps = np.load(folder / "maps.npz", allow_pickle=False)
    for layer_view, stored in zip(picture.view.layers, manifest["network"]["layers"], strict=True):
        assert stored["name"] == layer_view.name
        assert stored["outcome"] == layer_view.outcome
        for cluster, each in zip(layer_view.clusters, stored["clusters"], strict=True):
            assert np.array_equal(maps[each["map"]], cluster.map)
            assert each["maps"] == list(cluster.maps)
            assert each["effect"] == (cluster.effect and cluster.effect._asdict())
    assert manifest["network"]["layers"][0]["clusters"][0]["words"][0] == {"label": "<wheel>", "score": 3.0}
    assert manifest["image"]["sha256"] == picture.view.image.sha256
    again = picture.save(tmp_path / "again")
    assert all((folder / each.name).read_bytes() == each.read_bytes() for each in again.iterdir())


def test_a_view_in_which_nothing_was_found_is_still_a_picture():
    found = NetworkPicture(pictures.view((layer("dead", outcome="nothing here"),)))
    assert "nothing here" in texts(ET.fromstring(found.svg))  # noqa: S314
    assert found.raster().width > 100
