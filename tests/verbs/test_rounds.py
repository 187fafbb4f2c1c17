"""Rounds from pictures: a cluster each, classes to choose from, and pictures that tell no names."""

from __future__ import annotations

import json

import numpy as np
import pytest

import zoo
from cli import nets
from seewhy.errors import UsageError
from seewhy.images import open_image
from seewhy.models import Box, Preprocessing
from seewhy.network.view import look
from seewhy.people.exchange import export_lines
from seewhy.people.game import next_round, revealed
from seewhy.people.players import join
from seewhy.people.rounds import OPTIONS, add_rounds, choices, open_seats, player_picture
from seewhy.people.store import open_store
from seewhy.verbs.people import make_rounds


@pytest.fixture
def store(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'people.sqlite'}") as opened:
        yield opened


@pytest.fixture
def paths(tmp_path):
    found = []
    for name, image in zip("ab", zoo.photos(2), strict=True):
        found.append(tmp_path / f"{name}.png")
        image.to_pil().save(found[-1])
    return found


def kept(store, kind="round"):
    return [each for each in map(json.loads, export_lines(store)) if each["kind"] == kind]


def test_a_round_for_each_cluster_of_the_view(store, paths):
    classifier = nets.named()
    made = make_rounds(classifier, paths, store, overlap=2)
    view = look(classifier, open_image(paths[0]), checked=False)
    clusters = [(layer.name, cluster) for layer in view.layers for cluster in layer.clusters]
    rounds = [each for each in kept(store) if each["picture"] == 1]
    assert len(rounds) == len(clusters) == made[0].value.rounds == made[0].value.new > 0
    for each, (layer, cluster) in zip(rounds, clusters, strict=True):
        assert (each["layer"], each["cluster"], each["weight"]) == (layer, cluster.index, cluster.weight)
        assert np.array_equal(np.array(each["map"], np.float32), cluster.map)
        assert each["true_class"] == view.target_label
        assert each["true_class"] in each["options"]
        assert each["model"] == classifier.fingerprint
    assert open_seats(store) == 2 * sum(each.value.rounds for each in made)


def test_made_again_nothing_is_new(store, paths):
    first = make_rounds(nets.named(), paths[:1], store)
    again = make_rounds(nets.named(), paths, store)
    assert [each.value.new for each in again] == [0, again[1].value.rounds]
    assert again[0].value.rounds == first[0].value.rounds


def test_what_cannot_be_looked_at_is_listed_and_stops_nothing(store, paths, tmp_path):
    broken, white = tmp_path / "broken.png", tmp_path / "white.png"
    broken.write_bytes(b"no picture")
    zoo.photos(1)[0].to_pil().point(lambda _: 255).save(white)
    made = make_rounds(nets.dazzled(), [broken, white, *paths], store)
    assert {each.source for each in made if each.error} == {str(broken), str(white)}
    assert all(each.value.new for each in made if not each.error)


def test_the_class_asked_for_is_the_one_to_guess(store, paths):
    make_rounds(nets.named(), paths, store, target="goldfish", classes=("goldfish", "owl"))
    assert {(each["true_class"], *each["options"]) for each in kept(store)} == {("goldfish", "goldfish", "owl")}
    for wanted, message in [
        ({"target": "tabby vs goldfish"}, "single"),
        ({"target": "goldfish", "classes": ("owl", "cat")}, "not among"),
        ({"target": "goldfish", "classes": ("goldfish",)}, "no class beside"),
    ]:
        with pytest.raises(UsageError, match=message):
            make_rounds(nets.named(), paths, store, **wanted)


def test_gold_rounds_are_the_heaviest_of_the_last_layer(store, paths):
    make_rounds(nets.named(), paths, store, gold=True)
    rounds = kept(store)
    last = [layer.name for layer in look(nets.named(), open_image(paths[0]), checked=False).layers if layer.clusters][
        -1
    ]
    assert [(each["layer"], each["cluster"], each["gold"]) for each in rounds] == [(last, 0, True)] * 2


def test_choices_hold_the_true_class_ten_at_most_and_hang_on_the_picture_alone():
    pool = [f"class {number}" for number in range(40)]
    found = choices("class 7", pool, "ab")
    assert found == choices("class 7", pool[::-1], "ab") == tuple(sorted(found))
    assert len(found) == OPTIONS
    assert "class 7" in found
    assert found != choices("class 7", pool, "cd")
    others = {name for number in range(200) for name in choices("class 7", pool, str(number))}
    assert others == set(pool)


def test_players_see_what_the_network_saw():
    image = zoo.photos(1)[0]
    wide = open_image(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2))
    view = Preprocessing((32, 32), resize=32).view(wide)
    shown = open_image(player_picture(wide, view).content)
    assert (shown.height, shown.width) == (64, 64)
    assert abs(int(shown.pixels[32, 1, 0]) - 97) < 5
    large = player_picture(open_image(np.zeros((300, 1200, 3), np.uint8)), Box(0, 0, 1200, 300))
    assert open_image(large.content).pixels.shape == (128, 512, 3)
    assert image.name.encode() not in player_picture(image, Box(0, 0, image.width, image.height)).content


def test_a_round_made_so_can_be_played(store, paths):
    make_rounds(nets.named(), paths, store, overlap=1)
    player = join(store, "ann")
    view = next_round(store, player)
    assert set(view.options) == set(nets.NAMES)
    assert revealed(store, player, view.round).any()
    assert add_rounds(store, []) == 0
