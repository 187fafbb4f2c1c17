import re
from itertools import product

import pytest
from jinja2 import UndefinedError

from seewhy.report.page import render, write_page

WORDS = {"title": "Cats & dogs", "lead": "<b>bold</b>"}


def test_text_is_escaped():
    page = render("base.html", **WORDS)
    assert "<h1>Cats &amp; dogs</h1>" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page


def test_a_missing_field_is_an_error_not_a_gap():
    with pytest.raises(UndefinedError, match="lead"):
        render("base.html", title="Cats")


def test_a_page_forbids_itself_every_request_and_script():
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', render("base.html", **WORDS))
    assert policy
    assert {part.strip() for part in policy[1].split(";")} == {
        "default-src 'none'",
        "img-src data:",
        "style-src 'unsafe-inline'",
    }


def test_the_folder_is_made_and_the_bytes_are_the_same_again(tmp_path):
    first = write_page(tmp_path / "new" / "a.html", "base.html", **WORDS)
    second = write_page(tmp_path / "b.html", "base.html", **WORDS)
    assert first.read_bytes() == second.read_bytes()
    assert b"\r" not in first.read_bytes()


def test_text_can_be_read_by_weak_eyes_in_light_and_in_dark():
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w{6});", block))
        for block in re.findall(r":root \{(.*?)\}", render("base.html", **WORDS), re.DOTALL)
    )
    for colours, ink, ground in product((light, dark), ("ink", "faint", "link"), ("paper", "quiet")):
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def contrast(one, other):
    """WCAG 2.2, relative luminance and contrast ratio."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour):
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_knows_black_and_white():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1
