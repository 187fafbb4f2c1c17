from __future__ import annotations

import pytest
import torch
from torch import nn

from planted import classifier, picture
from seewhy.models import Categories, Classifier, Preprocessing
from seewhy.network import NetworkPicture, look
from seewhy.network.reach import in_words, reach, side_of
from seewhy.report.network import write_network_report


def test_a_cell_sees_as_far_as_its_convolutions_go():
    """Of a 3 × 3 convolution of ones the square that holds half of the slopes is all of it; each pixel is 1 / 16."""

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.point, self.wide = nn.Conv2d(1, 1, 1, bias=False), nn.Conv2d(1, 1, 3, padding=1, bias=False)
            self.last, self.head = nn.Conv2d(1, 2, 16, bias=False), nn.Flatten()
            for each in self.parameters():
                nn.init.ones_(each)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.last(self.wide(self.point(x))))

    network = Classifier(
        Network().eval(), Preprocessing((16, 16), mean=(0.5,), std=(0.25,)), Categories(("a", "b")), "ones"
    )
    found = reach(network, ["point", "wide"])
    assert found["point"] == pytest.approx(1 / 16)
    assert found["wide"] == pytest.approx(3 / 16)
    assert reach(network, ["wide"]) == {"wide": found["wide"]}


def test_half_of_the_slopes_by_hand():
    slopes = torch.zeros((9, 9))
    slopes[4, 4], slopes[0, 0] = 3, 2
    assert side_of(slopes, (9, 9)) == pytest.approx(1 / 9)
    slopes[0, 0] = 4
    assert side_of(slopes, (9, 9)) == pytest.approx(1)


def test_the_report_says_what_was_measured(tmp_path):
    view = look(classifier(), picture(), "red")
    page = write_network_report(tmp_path, [(NetworkPicture(view), None)]).read_text("utf-8")
    for layer in view.layers:
        assert layer.reach is not None
        assert f'{layer.name} <span class="faint">{in_words(layer.reach)}</span>' in page
        assert f"one sees {100 * layer.reach:.0f} % of the picture's side" in page
    assert all(each.reach is None for each in look(classifier(), picture(), "red", checked=False).layers)
