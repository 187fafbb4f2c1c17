import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from seewhy.draw.canvas import LEAN, beside, ellipsize, font, stack, text_block, wrap

WORDS = st.text(st.characters(codec="latin-1", categories=["L", "N", "P", "Zs"]), max_size=120)


@given(WORDS, st.integers(40, 300))
def test_every_line_fits_and_no_letter_is_lost(text, width):
    face = font(15)
    lines = wrap(text, face, width)
    assert all(face.getlength(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(WORDS, st.integers(40, 300), st.integers(1, 3))
def test_lines_beyond_the_last_become_an_ellipsis(text, width, most):
    face = font(15)
    lines = wrap(text, face, width, most)
    assert len(lines) <= most
    assert all(face.getlength(line) <= width for line in lines)
    if len(wrap(text, face, width)) > most:
        assert lines[-1].endswith("…")


def test_ellipsize_keeps_what_fits():
    assert ellipsize("tabby", font(15), 200) == "tabby"
    short = ellipsize("tabby cat " * 20, font(15), 200)
    assert short.startswith("tabby cat tabby")
    assert short.endswith("…")


def ink(image):
    return np.nonzero((np.asarray(image) < 200).any(-1))


@pytest.mark.parametrize("bold", [True, False])
def test_blocks_of_text_are_not_cut(bold):
    text = "jgÅ|WQ " * 12 + "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen"
    face = font(15, bold=bold)
    for width in range(200, 230):
        free = Image.new("RGB", (width + 100, 2000), "white")
        for row, line in enumerate(wrap(text, face, width - 2 * LEAN)):
            ImageDraw.Draw(free).text((50, 50 + 50 * row), line, fill="#1b1f24", font=face)
        assert ink(text_block(text, width, 15, bold=bold))[0].size == ink(free)[0].size


def test_blocks_are_put_together_whole():
    small, large = text_block("a", 40, 15), text_block("b", 90, 30)
    below, aside = stack([small, large], 7), beside([small, large], 7)
    assert below.size == (90, small.height + 7 + large.height)
    assert aside.size == (40 + 7 + 90, large.height)
    assert ink(below)[0].size == ink(aside)[0].size == ink(small)[0].size + ink(large)[0].size
