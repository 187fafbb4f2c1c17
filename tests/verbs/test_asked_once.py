"""Whatever one command asks of a network about a picture with parts hidden, it asks once."""

from __future__ import annotations

from collections import Counter

import pytest

import zoo
from seewhy.engines.inference import Inference
from seewhy.methods import find_method
from seewhy.verbs.compare import compare
from seewhy.verbs.explain import explain

pytestmark = pytest.mark.usefixtures("one_thread")

SEVERAL = (
    find_method("occlusion", size=0.5, stride=0.25),
    find_method("rise", masks=20),
    find_method("lime-classic", samples=30, regions="grid:4"),
    find_method("kernel-shap", samples=80, regions="grid:4"),
    find_method("score-cam"),
    find_method("cluster-cam", clusters=3),
)
METRICS = (
    *("deletion", "insertion-minus-deletion", "infidelity", "average-drop", "increase-in-confidence"),
    *("adcc", "coherency", "stability", "random-logit"),
)


@pytest.fixture
def asked(monkeypatch) -> Counter[tuple[int, bytes]]:
    """How often each copy of the network was asked about each picture."""
    found: Counter[tuple[int, bytes]] = Counter()
    ask = Inference.__call__

    def note(self: Inference, x):
        found.update((self.bits, row.float().numpy().tobytes()) for row in x.detach().contiguous())
        return ask(self, x)

    monkeypatch.setattr(Inference, "__call__", note)
    return found


def test_several_methods_and_classes_of_explain(asked):
    together = explain(zoo.classifier("residual"), zoo.photos(1)[0], [*SEVERAL], top=3)
    assert max(asked.values()) == 1
    once = asked.total()
    asked.clear()
    alone = [
        each for method in SEVERAL for each in explain(zoo.classifier("residual"), zoo.photos(1)[0], [method], top=3)
    ]
    assert once < 0.8 * asked.total()
    for one, other in zip(together, alone, strict=True):
        assert one.values == pytest.approx(other.values, abs=1e-4 * float(abs(other.values).max()))
        assert one.cost.forwards == other.cost.forwards


def test_methods_metrics_and_seeds_of_compare(asked):
    found = compare(zoo.classifier("residual"), zoo.photos(1), [*SEVERAL[:2]], METRICS)
    repeated = [count for count in asked.values() if count > 1]
    assert len(repeated) <= 1, "a soft mask that hides nothing rounds to the picture"
    assert max(asked.values()) <= 2
    assert asked.total() > 500
    assert not found.failures
