from __future__ import annotations

import random

import numpy as np
import pytest
import torch

import planted
import zoo
from seewhy.errors import ExplainError, UnknownName, UsageError
from seewhy.methods import find_method
from seewhy.models import Classifier, Preprocessing, capture
from seewhy.models.classifier import black_box
from seewhy.network import ClassicClustering, WardClustering, look
from seewhy.network.view import DEAD, FEW, SILENT, SINGLE

ONE = WardClustering(1, 1)


class Wide(torch.nn.Module):
    """Two layers of many maps, seeded: enough for several clusters."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.one, self.two = torch.nn.Conv2d(3, width, 5, stride=2), torch.nn.Conv2d(width, width, 3)
        self.head = torch.nn.Linear(width, zoo.CLASSES)

    def forward(self, x):
        return self.head(self.two(self.one(x).relu()).relu().mean((2, 3)))


def wide() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier.from_module(Wide().eval(), Preprocessing(size=zoo.SIZE), name="wide")


def photo():
    return zoo.photos(1)[0]


@pytest.mark.parametrize("name", ["gap-linear", "residual", "tiny-vit", "channels-last", "branches"])
@pytest.mark.parametrize("target", [1, "0 vs 2"])
def test_one_cluster_unfiltered_and_signed_is_grad_cam(name, target):
    classifier = zoo.classifier(name)
    asked = classifier.target(target)
    for layer in look(classifier, photo(), asked, clustering=ONE, signed=True, filtered=False, checked=False).layers:
        (cluster,) = layer.clusters
        method = find_method("grad-cam", layers=(layer.name,), signed=True)
        (cam,) = method(classifier, [photo()], [[asked]], generator=torch.Generator())
        large = torch.nn.functional.interpolate(
            torch.from_numpy(cluster.map)[None, None], cam.values.shape, mode="bilinear", align_corners=False
        )[0, 0].numpy()
        # The same but for a positive factor, the sum of the weights' sizes.
        assert large / np.abs(large).max() == pytest.approx(cam.values / np.abs(cam.values).max(), abs=1e-6)


@pytest.mark.parametrize("name", sorted(set(zoo.SOUND) - {"training"}))
@pytest.mark.parametrize("signed", [False, True])
def test_what_holds_of_every_network(name, signed):
    view = look(zoo.classifier(name), photo(), signed=signed)
    assert view.target.chosen == "predicted"
    assert view.predictions[0].probability == pytest.approx(view.probability)
    for layer in view.layers:
        weights = [abs(each.weight) for each in layer.clusters]
        channels = [number for each in layer.clusters for number in each.maps]
        assert weights == sorted(weights, reverse=True)
        assert sum(weights) <= layer.weight_kept + 1e-9 <= 100 + 1e-6
        assert signed or all(each.weight > 0 for each in layer.clusters)
        assert len(channels) == len(set(channels))
        assert set(channels) <= set(range(layer.grid.channels))
        assert [each.index for each in layer.clusters] == list(range(len(weights)))
        assert bool(weights) or layer.outcome
        for each in layer.clusters:
            assert each.map.shape == (layer.grid.height, layer.grid.width)
            assert each.map.dtype == np.float32
            assert each.effect
            assert all(0 <= probability <= 1 for probability in each.effect)


def test_a_view_by_the_literal_words_of_the_paper():
    """Steps 1 to 3, 7 and 8 written out, map by map, for given clusters."""
    classifier, image = wide(), photo()
    view = look(classifier, image, 2, layers=["two"], checked=False)
    with capture(classifier.module, ["two"]) as seen:
        logits = classifier.logits(classifier.preprocess([image]))
        maps, slopes = seen["two"][0].detach(), seen.gradients(logits[0, 2], ["two"])["two"][0]
    raw = [float((g * (a > 0) * (g > 0)).mean()) for a, g in zip(maps, slopes, strict=True)]
    weights = [100 * each / sum(raw) for each in raw]
    kept = [number for number, weight in enumerate(weights) if weight > 76.8 / len(weights)]
    layer = view.layers[0]
    assert layer.weight_kept == pytest.approx(sum(weights[number] for number in kept), rel=1e-5)
    assert len(layer.clusters) > 1
    for cluster in layer.clusters:
        assert set(cluster.maps) <= set(kept)
        assert cluster.weight == pytest.approx(sum(weights[number] for number in cluster.maps), rel=1e-5)
        total = sum(weights[number] * maps[number].clamp(min=0) for number in cluster.maps)
        assert cluster.map == pytest.approx((total / cluster.weight).numpy(), abs=1e-6)


def test_without_a_filter_every_map_with_weight_is_in_a_cluster():
    view = look(wide(), photo(), filtered=False, checked=False)
    for layer in view.layers:
        assert layer.weight_kept == pytest.approx(100)
        assert sum(each.weight for each in layer.clusters) == pytest.approx(100)


def test_the_same_again_and_clusters_by_the_paper():
    for clustering in (WardClustering(), ClassicClustering()):
        one, again = (
            look(wide(), photo(), clustering=clustering, layers=["two"], checked=False, seed=3) for _ in range(2)
        )
        assert one.clustering == clustering.name
        for layer, other in zip(one.layers, again.layers, strict=True):
            assert [each.maps for each in layer.clusters] == [each.maps for each in other.clusters]
            assert layer.stability == other.stability
            assert layer.stability is not None


def test_a_dead_layer_says_so():
    module = zoo.network("gap-linear")
    with torch.no_grad():
        module.conv.bias.fill_(-100)
    view = look(Classifier.from_module(module, Preprocessing(size=zoo.SIZE)), photo())
    assert [(layer.outcome, layer.clusters, layer.weight_kept) for layer in view.layers] == [(DEAD, (), 0)]


def test_a_class_that_hangs_on_nothing_says_so():
    view = look(zoo.classifier("constant"), photo(), signed=True)
    assert {layer.outcome for layer in view.layers} == {SILENT}


def test_a_layer_of_one_map_and_one_of_few():
    class Narrow(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.three = torch.nn.Conv2d(3, 1, 3), torch.nn.Conv2d(1, 3, 3)
            self.head = torch.nn.Linear(3, 2)

        def forward(self, x):
            return self.head(self.three(self.one(x)).exp().mean((2, 3)))

    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = Narrow().eval()
    view = look(Classifier.from_module(module, Preprocessing(size=zoo.SIZE)), photo(), signed=True)
    assert [layer.outcome for layer in view.layers] == [SINGLE, FEW]
    assert [len(layer.clusters) for layer in view.layers] == [1, 1]
    assert view.layers[0].clusters[0].maps == (0,)


def test_the_planted_object_is_what_is_found_and_what_counts():
    view = look(planted.classifier(), planted.picture(), "red")
    for layer in view.layers:
        first = layer.clusters[0]
        row, column = np.unravel_index(first.map.argmax(), first.map.shape)
        cell = planted.SIZE / first.map.shape[0]
        assert planted.ROWS.start - cell <= row * cell < planted.ROWS.stop
        assert planted.COLUMNS.start - cell <= column * cell < planted.COLUMNS.stop
        assert first.effect
        assert max(first.effect) < 0.1


def test_what_libraries_draw_while_they_are_loaded_leaves_no_trace():
    class Drawing(WardClustering):
        def split(self, rows, counts, seed):
            random.random()  # noqa: S311
            np.random.rand()  # noqa: NPY002
            return super().split(rows, counts, seed)

    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    look(wide(), photo(), clustering=Drawing(), checked=False)
    assert (random.getstate(), str(np.random.get_state())) == before  # noqa: NPY002


def test_wrong_requests_are_refused_with_a_cure():
    classifier = wide()
    with pytest.raises(UnknownName, match="no layer 'three'"):
        look(classifier, photo(), layers=["three"])
    with pytest.raises(ExplainError, match="no grid"):
        look(classifier, photo(), layers=["head"])
    with pytest.raises(UsageError, match="does not offer"):
        look(black_box(lambda x: np.full((len(x), 2), 0.5), size=zoo.SIZE), photo())
    with pytest.raises(UsageError, match="no layer 'three'; it has one, two"):
        look(classifier, photo(), checked=False).layer("three")


def test_layers_are_shown_in_the_order_they_run():
    view = look(wide(), photo(), layers=["two", "one", "two"], checked=False)
    assert [layer.name for layer in view.layers] == ["one", "two"]


def test_a_layer_that_runs_twice_is_shown_where_its_maps_are_from():
    class Again(Wide):
        def __init__(self):
            super().__init__()
            self.one, self.two = (torch.nn.Conv2d(inward, 48, 3, padding=1, stride=2) for inward in (3, 48))

        def forward(self, x):
            x = self.two(self.one(x).relu()).relu()
            return self.head(self.one(x[:, :3]).relu().mean((2, 3)))

    view = look(Classifier.from_module(Again().eval(), Preprocessing(size=zoo.SIZE)), photo(), checked=False)
    assert [layer.name for layer in view.layers] == ["two", "one"]
    assert view.layer("one").grid.height == view.layer("two").grid.height // 2


def test_progress_is_told():
    told: list[str] = []
    look(wide(), photo(), progress=lambda done, total, message: told.append(message))
    assert {"one", "two", "variations"} <= set(told)
