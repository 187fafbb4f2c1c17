"""Makes what a public installation shows of its own: `python deploy/showcase.py OUT [PICTURES]`.

A small classifier, its cases, its prototypes and a study, all below OUT; PICTURES has a folder for each class. With
`--words`, simulated players say something of it and of the default model, too, in the store of `SEEWHY_HOME`; on pages
their words are marked as theirs, and people's take their place.

Without PICTURES it learns *cat* and *no cat* from cut-outs of the photos that scikit-image brings along: of one cat, in
other sizes, mirrored and in other light, and of eight photos without one. All of them may be passed on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance
from skimage import data

from seewhy.core.progress import Progress
from seewhy.images import samples
from seewhy.models import load
from seewhy.people.simulate import simulate
from seewhy.people.store import open_store
from seewhy.verbs.people import make_rounds
from seewhy.verbs.study import study
from seewhy.verbs.teach import TeachConfig, TeachResult, teach

CAT, NO_CAT = "cat", "no cat"
PHOTOS = {
    CAT: ("chelsea",),
    NO_CAT: ("coffee", "rocket", "astronaut", "camera", "brick", "grass", "gravel", "coins"),
}
OF_EACH_CLASS = 32
SIDE = 224  # pixels of a picture
SHARE = (0.55, 0.95)  # of the photo's short side
BACKBONE = "bundled:efficientnet-lite0"
METHODS = ("grad-cam", "layer-cam", "eigen-cam", "control:random")
METRICS = ("insertion-minus-deletion", "sparseness")
STUDIED = 4  # pictures


def main(*given: str) -> None:
    """Draw the pictures if there are none, then learn, build and study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("pictures", type=Path, nargs="?", help="Default: cut-outs of scikit-image's photos.")
    parser.add_argument("--name", default="showcase", help="Of the classifier.")
    parser.add_argument("--words", action="store_true", help="Let simulated players put the models into words.")
    parser.add_argument("--backbone", default=BACKBONE, help="What the classifier starts from.")
    asked = parser.parse_args(given)
    pictures = asked.pictures or draw(asked.out / "pictures")
    found = make(asked.out, pictures, asked.name, asked.backbone)
    if asked.words:
        speak((BACKBONE, found.model))
    print(f"SEEWHY_MODELS={BACKBONE},{found.model}")
    for each in ("cases", "prototypes", "studies"):
        print(f"SEEWHY_{each.upper()}={asked.out.resolve() / each}")


def make(out: Path, pictures: Path, name: str, backbone: str = BACKBONE) -> TeachResult:
    """A classifier of the pictures' classes, its cases and prototypes, and a study of it, all below `out`."""
    config = TeachConfig(name, pictures.resolve(), backbone, prototypes=True)
    found = teach(config, out.resolve(), progress=told())
    for each in found.objections:
        print(f"the prototypes are not offered: {each}", file=sys.stderr)
    study(pictures, (found.model,), METHODS, METRICS, out / "studies" / name, limit=STUDIED, progress=told())
    return found


def speak(models: Sequence[str]) -> None:
    """Let simulated players say what these models go by in the photos that come along."""
    with open_store() as store:
        for name in models:
            made = make_rounds(load(name), [*samples().values()], store, simulated=True, progress=told())
            for each in made:
                if each.error:
                    print(each.error, file=sys.stderr)
        simulate(store, progress=told())


def draw(folder: Path) -> Path:
    """Write the cut-outs, a folder for each class."""
    random = np.random.default_rng(0)
    for label, names in PHOTOS.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(OF_EACH_CLASS):
            name = names[number % len(names)]
            cut_out(name, random).save(folder / label / f"{name}-{number:02}.png")
    return folder


def cut_out(name: str, random: np.random.Generator) -> Image.Image:
    """A square part of one of scikit-image's photos, of any size and place, perhaps mirrored, in other light."""
    photo = Image.fromarray(getattr(data, name)()).convert("RGB")
    side = round(min(photo.size) * random.uniform(*SHARE))
    left, top = (int(random.integers(0, length - side + 1)) for length in photo.size)
    part = photo.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    if random.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return ImageEnhance.Brightness(part).enhance(random.uniform(0.8, 1.2))


def told() -> Progress:
    """Tells of each kind of work once, which is what a log of a build has room for."""
    said: set[str] = set()

    def tell(_done: int, _total: int | None, what: str) -> None:
        if what not in said:
            said.add(what)
            print(what, file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    main(*sys.argv[1:])
