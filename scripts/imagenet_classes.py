"""Makes `src/seewhy/models/imagenet.json` from what timm and torchvision ship; needs no network.

Sources: WordNet 3.0 ids and lemmas in class order (timm), category names (torchvision).
"""

from __future__ import annotations

import json
import runpy
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

TARGET = Path(__file__).resolve().parents[1] / "src/seewhy/models/imagenet.json"

# Names that two classes share, that most readers take for something else, or that nobody says any more.
# What they replace stays a synonym.
RENAMED = {
    # two of a name
    134: "crane (bird)",
    517: "crane (machine)",
    264: "Cardigan Welsh corgi",
    474: "cardigan (garment)",
    638: "maillot (tights)",
    639: "maillot (tank suit)",
    # animals that sound like something else, or like another animal
    7: "rooster",
    21: "kite (bird)",
    192: "cairn terrier",
    242: "boxer (dog)",
    260: "chow chow",
    263: "Pembroke Welsh corgi",
    296: "polar bear",
    312: "cricket (insect)",
    321: "admiral (butterfly)",
    322: "ringlet butterfly",
    323: "monarch butterfly",
    332: "Angora rabbit",
    339: "sorrel (horse)",
    383: "ring-tailed lemur",
    387: "red panda",
    # things that sound like something else
    408: "amphibious vehicle",
    439: "bearskin hat",
    456: "bow (weapon)",
    458: "brass (memorial plaque)",
    553: "file cabinet",
    628: "ocean liner",
    666: "mortar (bowl)",
    680: "nipple (baby bottle)",
    714: "pick (plectrum)",
    724: "pirate ship",
    726: "carpenter's plane",
    738: "flowerpot",
    751: "race car",
    769: "ruler",
    800: "slot machine",
    881: "upright piano",
    884: "vault (ceiling)",
    948: "Granny Smith apple",
    989: "rose hip",
    998: "ear of corn",
    # out of use
    412: "trash can",
    436: "station wagon",
    608: "jeans",
    612: "rickshaw",
}


class ImageNetClass(TypedDict):
    """One class: WordNet id, display name (unique in any case), other names."""

    wnid: str
    name: str
    synonyms: list[str]


def main() -> None:
    """Write one class a line, in index order."""
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in classes())
    TARGET.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def classes() -> list[ImageNetClass]:
    """All 1000 classes; a display name is never another class's synonym, so it always finds its own class."""
    categories, wnids, lemmas = _torchvision_categories(), _timm_wnids(), _timm_lemmas()
    names = [RENAMED.get(index, category) for index, category in enumerate(categories)]
    shown = {name.casefold() for name in names}
    if len(shown) != len(names):
        raise SystemExit("two classes share a display name: tell them apart in RENAMED")
    return [
        {"wnid": wnid, "name": name, "synonyms": _others([category, *lemmas[wnid]], shown)}
        for wnid, name, category in zip(wnids, names, categories, strict=True)
    ]


def _others(candidates: list[str], shown: set[str]) -> list[str]:
    """The candidates that nobody's display name claims, each once."""
    distinct: dict[str, str] = {}
    for text in candidates:
        distinct.setdefault(text.casefold(), text)
    return [text for key, text in distinct.items() if key not in shown]


def _torchvision_categories() -> list[str]:
    # The file alone: importing torchvision would load torch, and fails beside a torch of another build.
    return runpy.run_path(str(_package("torchvision") / "models/_meta.py"))["_IMAGENET_CATEGORIES"]


def _timm_wnids() -> list[str]:
    return (_package("timm") / "data/_info/imagenet_synsets.txt").read_text("utf-8").split()


def _timm_lemmas() -> dict[str, list[str]]:
    text = (_package("timm") / "data/_info/imagenet_synset_to_lemma.txt").read_text("utf-8")
    rows = (line.split("\t", 1) for line in text.splitlines())
    return {wnid: lemmas.split(", ") for wnid, lemmas in rows}


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{name} is not installed: `pip install {name}`, or use the Python in .venv")
    return Path(spec.origin).parent


if __name__ == "__main__":
    main()
