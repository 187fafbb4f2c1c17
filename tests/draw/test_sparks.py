import re

import pytest

from seewhy.draw import spark_svg


def points(svg: str) -> list[tuple[float, float]]:
    found = re.search(r'points="([^"]*)"', svg)
    return [tuple(map(float, pair.split(","))) for pair in found[1].split()] if found else []


def test_values_go_from_foot_to_top():
    shown = points(spark_svg([0, 5, 10], "grows", width=108, height=48))
    assert shown == [(4, 44), (54, 24), (104, 4)]


@pytest.mark.parametrize("values", [[], [0.0], [0.0, 0.0], [3.0]])
def test_few_or_flat_values(values):
    assert len(points(spark_svg(values, "flat"))) == len(values)


def test_what_it_says_is_escaped():
    assert 'aria-label="&lt;b&gt; &quot;"' in spark_svg([1, 2], '<b> "')
