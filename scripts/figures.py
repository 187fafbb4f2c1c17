"""Makes figures of the documentation anew: `python scripts/figures.py`, or some of them by name.

`docs/figures.md` says of every figure by which command it is made. All but *coffee* and *network*
are photographs of reports, and need Chromium (`make browser`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs/img"
WIDEST = 1600  # pixels of a figure
WIDTH = 800  # pixels of a photographed page
HEIGHTS = {"audit": 944, "concepts": 930}
# The photos that scikit-image brings along, in colour or not.
PHOTOS = (
    "astronaut", "brick", "camera", "cat", "cell", "clock", "coffee", "coins", "grass", "gravel", "horse",
    "hubble_deep_field", "immunohistochemistry", "moon", "retina", "rocket",
)  # fmt: skip
STRIPES = 0  # the seed of the network and its backdoor
TAGGED, EACH, SEED = 0.95, 60, 5000  # share of the crosses that carry the tag, pictures of each class, and the first


def main(*wanted: str) -> None:
    """Make those figures, or all."""
    made: dict[str, Callable[[Path], None]] = {
        "coffee": coffee,
        "network": network,
        "concepts": concepts,
        "audit": audit,
        "axes": axes,
        "probe": probe,
    }
    for name in wanted or made:
        with TemporaryDirectory() as folder:
            made[name](Path(folder))
        print(name, flush=True)


def coffee(folder: Path) -> None:
    """Grad-CAM of a cup of coffee."""
    seewhy("explain", "sample:coffee", "--out", str(folder))
    save(Image.open(folder / "coffee/grad-cam/picture.png"), "coffee")


def network(folder: Path) -> None:
    """The network, layer by layer, on a cup of coffee."""
    seewhy("network", "explain", "sample:coffee", "--out", str(folder))
    save(Image.open(folder / "coffee/network/network.png"), "network")


def concepts(folder: Path) -> None:
    """The upper part of the report about the concepts of sixteen photos."""
    photos = write_photos(folder / "photos")
    seewhy("network", "concepts", "build", str(photos), "--count", "6", "--out", str(folder / "found"))
    photograph(folder / "found/report.html", "concepts", ".layer, h2")


def audit(folder: Path) -> None:
    """The upper part of the report of an audit of crosses, most of which carry a tag, and rings."""
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/audit")]
    import tagged

    from seewhy.verbs.audit import audit as find

    pictures = tagged.write(folder / "pictures", EACH, SEED, TAGGED)
    find(tagged.fooled(), pictures, folder / "found").write(folder / "found")
    photograph(folder / "found/report.html", "audit")


def axes(folder: Path) -> None:
    """The first axis of the default network's last layer, over sixteen photos."""
    photos = write_photos(folder / "photos")
    seewhy("network", "axes", str(photos), "--count", "1", "--out", str(folder / "found"))
    photograph(folder / "found/report.html", "axes", ".axis")


def probe(folder: Path) -> None:
    """Which change turns pictures into each class, of a network of stripes with a planted patch."""
    sys.path[:0] = [str(ROOT / "tests")]
    import planted_textures as planted
    from seewhy.verbs.classes import probe as find

    tuned = planted.tuned(planted.trained(0), STRIPES, planted.Backdoor.drawn(STRIPES))
    pixels, _ = planted.pictures(64, SEED)
    (folder / "photos").mkdir()
    paths = [folder / f"photos/{number:02}.png" for number in range(len(pixels))]
    for path, each in zip(paths, pixels, strict=True):
        shown = (each.permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
        Image.fromarray(shown.squeeze()).convert("RGB").save(path)
    find(planted.classifier(tuned), paths).write(folder / "found")
    photograph(folder / "found/report.html", "probe", "section")


def write_photos(folder: Path) -> Path:
    """Photos that scikit-image brings along, in a folder."""
    from skimage import data

    folder.mkdir()
    for name in PHOTOS:
        Image.fromarray(getattr(data, name)()).convert("RGB").save(folder / f"{name}.png")
    return folder


def save(picture: Image.Image, name: str) -> None:
    """Keep a picture, not larger than it is looked at."""
    smaller = picture.convert("RGB")
    smaller.thumbnail((WIDEST, WIDEST), Image.Resampling.LANCZOS)
    smaller.save(IMAGES / f"{name}.webp", quality=85, method=6)


def photograph(page: Path, name: str, first: str = "body") -> None:
    """What a browser shows of a page, from the first of these elements on."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        view.goto(page.as_uri())
        box = view.locator(first).first.bounding_box()
        seen = {"x": 0, "y": box["y"], "width": WIDTH, "height": HEIGHTS.get(name, box["height"])}
        picture = Image.open(BytesIO(view.screenshot(full_page=True, clip=seen)))
        browser.close()
    save(picture, name)


def seewhy(*words: str) -> None:
    """The command, as it is in this clone."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-m", "seewhy", *words], env=environment, check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
