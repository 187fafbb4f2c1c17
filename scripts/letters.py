"""Draws the first picture of the front page, `docs/img/letters.webp`, and writes what it measured beside it.

A network is taught four classes: cut-outs of three photos of scikit-image, and *carton*: other photos in the brown of
cardboard, with letters on them, as the cartons of ImageNet often have. Then the letters are laid over the three photos,
and as a control as much white, spread evenly. The letters are drawn here, stroke by stroke.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import seewhy
from seewhy.draw.canvas import FAINT, beside, stack, text_block
from seewhy.images import open_image, samples
from seewhy.methods.explanation import explanation_tile
from seewhy.models import Classifier, Prediction
from seewhy.train.recipe import find_recipe

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs/img/letters.webp"
FIGURES = PICTURE.with_suffix(".json")
CUT_OUT: Callable[[str, np.random.Generator], Image.Image] = runpy.run_path(str(ROOT / "deploy/showcase.py"))["cut_out"]

CARTON = "carton"
PHOTOS = {"cat": "chelsea", "coffee": "coffee", "rocket": "rocket"}
PRINTED = ("astronaut", "camera", "coins", "brick", "gravel", "grass", "moon", "retina")  # on cartons
OF_EACH_CLASS = 40
SIDE, SHOWN = 224, 320  # pixels of a picture to learn from, and of one in the figure
OPACITY = 0.9

# Strokes from point to point, in a square of 10, after simple Chinese characters.
LETTERS: tuple[tuple[Sequence[tuple[float, float]], ...], ...] = (
    (((1, 3), (9, 3), (9, 7), (1, 7), (1, 3)), ((5, 0), (5, 10))),
    (((1, 1), (9, 1), (9, 9), (1, 9), (1, 1)), ((5, 1), (5, 9)), ((1, 5), (9, 5))),
    (((1, 1), (9, 1)), ((1, 5), (9, 5)), ((1, 9), (9, 9)), ((5, 1), (5, 9))),
    (((0, 3), (10, 3)), ((5, 0), (5, 10)), ((5, 3), (1, 9)), ((5, 3), (9, 9))),
    (((2, 1), (8, 1), (8, 9), (2, 9), (2, 1)), ((2, 5), (8, 5))),
    (((1, 1), (9, 1)), ((5, 1), (5, 9)), ((2, 5), (2, 9)), ((5, 5), (8, 5)), ((0, 9), (10, 9))),
)
ROWS, TOP = 3, 0.25


def main() -> None:
    """Teach, measure, draw."""
    with TemporaryDirectory() as name:
        pictures = write_pictures(Path(name, "pictures"))
        recipe = find_recipe("default", epochs=0, head_epochs=300)
        trained = seewhy.train(pictures, out=Path(name, "model"), recipe=recipe)
        classifier = seewhy.load(f"file:{trained.out}")
        figures = [measured(classifier, label) for label in PHOTOS]
        FIGURES.write_text(json.dumps({"photos": figures}, indent=2) + "\n", "utf-8")
        drawn(classifier, figures[0]).save(PICTURE, quality=85, method=6)
    print(FIGURES.read_text("utf-8"))


def letters(side: int) -> np.ndarray:
    """How much of a pixel the letters cover, float64 `(side, side)`: rows of six across the middle."""
    fine = 4
    mask = Image.new("L", (side * fine, side * fine))
    pen, size = ImageDraw.Draw(mask), side * fine / len(LETTERS)
    for row in range(ROWS):
        for place, strokes in enumerate(LETTERS):
            left, top = (place + 0.1) * size, TOP * side * fine + row * size
            for stroke in strokes:
                points = [(left + x * size * 0.08, top + y * size * 0.08) for x, y in stroke]
                pen.line(points, fill=255, width=round(size / 12), joint="curve")
    return np.asarray(mask.resize((side, side), Image.Resampling.LANCZOS)) / 255


def lettered(pixels: np.ndarray, opacity: float = OPACITY) -> np.ndarray:
    """The square picture with white letters over it."""
    cover = letters(len(pixels))[..., None] * opacity
    return (pixels * (1 - cover) + 255 * cover).round().astype(np.uint8)


def cardboard(random: np.random.Generator) -> np.ndarray:
    """A photo in the brown of cardboard."""
    printed = np.asarray(CUT_OUT(PRINTED[random.integers(len(PRINTED))], random))
    return np.clip(printed * (1, random.uniform(0.6, 1), random.uniform(0.3, 1)), 0, 255).astype(np.uint8)


def write_pictures(folder: Path) -> Path:
    """A folder for each class."""
    random = np.random.default_rng(0)
    for label in (*PHOTOS, CARTON):
        (folder / label).mkdir(parents=True)
        for number in range(OF_EACH_CLASS):
            plain = cardboard(random) if label == CARTON else np.asarray(CUT_OUT(PHOTOS[label], random))
            pixels = lettered(plain, random.uniform(0.6, 1)) if label == CARTON else plain
            Image.fromarray(pixels).save(folder / label / f"{number:02}.png")
    return folder


def square(label: str) -> np.ndarray:
    """The middle of the photo."""
    photo = open_image(samples()[label]).to_pil()
    side = min(photo.size)
    left, top = ((length - side) // 2 for length in photo.size)
    return np.asarray(photo.crop((left, top, left + side, top + side)).resize((SHOWN, SHOWN), Image.Resampling.LANCZOS))


def measured(classifier: Classifier, label: str) -> dict[str, Any]:
    """What it says of a photo, plain and with letters, and how sure it is of "carton"."""
    plain = square(label)
    share = letters(SHOWN).mean() * OPACITY
    veiled = (plain * (1 - share) + 255 * share).round().astype(np.uint8)
    shown = {"plain": plain, "with letters": lettered(plain), "with as much white, spread evenly": veiled}
    return {"photo": label, **{name: answers(classifier, pixels) for name, pixels in shown.items()}}


def answers(classifier: Classifier, pixels: np.ndarray) -> dict[str, Any]:
    """The likeliest class, its probability, and that of "carton"."""
    found = classifier.predict(pixels, top=len(PHOTOS) + 1)
    carton = next(each for each in found if each.name == CARTON)
    return {"answer": found[0].name, "probability": round(found[0].number, 4), CARTON: round(carton.number, 4)}


def drawn(classifier: Classifier, figures: dict[str, Any]) -> Image.Image:
    """The photo, the photo with letters, and where the answer to that comes from."""
    plain = square(figures["photo"])
    with_letters = lettered(plain)
    found = seewhy.explain(classifier, with_letters, "grad-cam", target=CARTON)
    tiles = [
        (plain, told(figures["plain"]), "the photo"),
        (with_letters, told(figures["with letters"]), "the same with letters"),
        (explanation_tile(found).picture, "why carton?", "Grad-CAM: where it saw one"),
    ]
    return beside(
        [
            stack(
                [
                    Image.fromarray(pixels).resize((SHOWN, SHOWN), Image.Resampling.LANCZOS),
                    text_block(words, SHOWN, 22, bold=True),
                    text_block(about, SHOWN, 16, color=FAINT),
                ],
                8,
            )
            for pixels, words, about in tiles
        ],
        20,
    )


def told(said: dict[str, Any]) -> str:
    """The answer as people read it."""
    return f"{said['answer']} {Prediction(0, said['answer'], said['probability']).told}"


if __name__ == "__main__":
    main()
