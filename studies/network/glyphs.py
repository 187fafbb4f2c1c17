"""Are planted concepts found, do they lead, and do words carry over? Networks that know glyphs, trained in seconds.

    python studies/network/glyphs.py --out glyphs.jsonl [--seeds 10] [--first 0] [--count 10]

A picture holds two of six glyphs on noise, and the pair is its class. For each seed a network learns them; a book is
made of 100 pictures; in ten others a made-up person looks where a concept is, and calls it by the glyph there, or
passes; 200 more are explained. The same is asked of a network with random weights, whose book must say that it is not
stable. Seeds that are in the file already are not asked again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import planted_glyphs as planted
from seewhy.images import save_image
from seewhy.models import Classifier
from seewhy.network.parts import Part, PhotoConcepts
from seewhy.verbs.concepts import BuiltConcepts, build_concepts, explain_concepts

LAYER, STEPS = "last", 300
BOOK, NAMED, ASKED, LED = 100, 10, 200, 100  # pictures
MATCH = 0.9
SURE = 0.8  # share of the places shown that have to agree, for a person to give a word


def main() -> None:
    given = _arguments()
    known = {row["seed"] for row in _rows(given.out)}
    for seed in range(given.first, given.first + given.seeds):
        if seed not in known:
            row = _asked(seed, given.count)
            with given.out.open("a", encoding="utf-8") as file:
                print(json.dumps(row), file=file, flush=True)
            print(row, flush=True)
    _tell(_rows(given.out))


def _asked(seed: int, count: int) -> dict[str, Any]:
    classifier = planted.classifier(seed=seed, steps=STEPS)
    with tempfile.TemporaryDirectory() as folder:
        book = _built(classifier, Path(folder) / "book", 3 * seed, count)
        untrained = _built(planted.classifier(trained=False, seed=seed), Path(folder) / "none", 3 * seed, count)
        shown = _explained(classifier, book, Path(folder) / "named", NAMED, 3 * seed + 1)
        asked = _explained(classifier, book, Path(folder) / "asked", ASKED, 3 * seed + 2)
    words = _words(shown)
    there = [[number in glyphs.values() for number in range(len(planted.GLYPHS))] for glyphs, _ in asked]
    keys = [each.key for each in book.book.layers[0].concepts]
    peaks = np.array([[_peak(photo, key) for key in keys] for _, photo in asked])
    matches = np.array([[_correlation(seen, has) for seen in peaks.T] for has in np.transpose(there)])
    said = [(words[part.key], _under(part, glyphs)) for glyphs, photo in asked for part in _here(photo, words)]
    named = [
        number in {words[part.key] for part in _here(photo, words)}
        for glyphs, photo in asked
        for number in glyphs.values()
    ]
    own = dict(zip(keys, matches.argmax(0).tolist(), strict=True))
    led = [_leading(photo, own) == set(glyphs.values()) for glyphs, photo in asked[:LED]]
    layer = book.book.layers[0]
    return {
        "seed": seed,
        "right": float(np.mean([photo.label == _name(glyphs) for glyphs, photo in asked])),
        "stable": len(keys),
        "unstable": layer.unstable,
        "merged": layer.merged,
        "unexplained": round(layer.unexplained, 3),
        "matches": [round(float(each), 3) for each in matches.max(1, initial=0)],
        "led": float(np.mean(led)),
        "words": len(set(words.values())),
        "said": len(said),
        "said rightly": float(np.mean([word == glyph for word, glyph in said])),
        "glyphs named": float(np.mean(named)),
        "random weights": untrained.book.verdict,
    }


def _built(classifier: Classifier, folder: Path, seed: int, count: int) -> BuiltConcepts:
    return build_concepts(classifier, _written(folder, BOOK, seed)[0], layers=[LAYER], concepts=count)


def _explained(
    classifier: Classifier, book: BuiltConcepts, folder: Path, count: int, seed: int
) -> list[tuple[dict[int, int], PhotoConcepts]]:
    """The glyphs of each picture, by quarter, and the picture in concepts."""
    paths, pixels = _written(folder, count, seed)
    found = explain_concepts(classifier, paths, book.book).found
    return list(zip(map(planted.quarters, pixels), found, strict=True))


def _written(folder: Path, count: int, seed: int) -> tuple[list[Path], np.ndarray]:
    pixels, _ = planted.pictures(count, 50_000 + seed)
    folder.mkdir()
    paths = [folder / f"{number:03}.png" for number in range(count)]
    for path, each in zip(paths, pixels, strict=True):
        save_image(planted.image(each, path.name), path)
    return paths, pixels


def _words(shown: Sequence[tuple[dict[int, int], PhotoConcepts]]) -> dict[str, int]:
    """What a person calls each concept: the glyph that lies where it is, unless it is often another, or none."""
    seen: dict[str, Counter[int | None]] = {}
    for glyphs, photo in shown:
        for part in photo.layers[0].found:
            seen.setdefault(part.key, Counter())[_under(part, glyphs)] += 1
    best = {key: (*counts.most_common(1)[0], counts.total()) for key, counts in seen.items()}
    return {key: glyph for key, (glyph, times, of) in best.items() if glyph is not None and times >= SURE * of}


def _here(photo: PhotoConcepts, words: dict[str, int]) -> list[Part]:
    return [part for part in photo.layers[0].found if part.key in words]


def _under(part: Part, glyphs: dict[int, int]) -> int | None:
    """The glyph of the quarter in which a concept is strongest."""
    row, column = np.unravel_index(part.map.argmax(), part.map.shape)
    return glyphs.get(2 * (2 * int(row) >= part.map.shape[0]) + (2 * int(column) >= part.map.shape[1]))


def _leading(photo: PhotoConcepts, own: dict[str, int]) -> set[int]:
    """The two glyphs whose concepts come first; a glyph may have several concepts."""
    return set(list(dict.fromkeys(own[part.key] for part in photo.layers[0].parts if part.added > 0))[:2])


def _peak(photo: PhotoConcepts, key: str) -> float:
    return next((float(part.map.max()) for part in photo.layers[0].parts if part.key == key), 0.0)


def _correlation(one: np.ndarray, other: Sequence[bool]) -> float:
    return float(np.corrcoef(one, other)[0, 1]) if one.any() and any(other) else 0.0


def _name(glyphs: dict[int, int]) -> str:
    return "-".join(map(str, sorted(glyphs.values())))


def _tell(rows: Sequence[dict[str, Any]]) -> None:
    matches = np.array([min(row["matches"]) for row in rows])
    every = sum(matches >= MATCH)
    print(f"{len(rows)} networks; every glyph matched by {MATCH} in {every}; worst match {matches.min():.2f}")
    for what, told in (
        ("right", "pictures told rightly"),
        ("led", "pictures led by their two glyphs"),
        ("said rightly", "words that stand where their glyph is"),
        ("glyphs named", "glyphs that bear their word"),
        ("unexplained", "of the layer in no concept"),
    ):
        values = np.array([row[what] for row in rows])
        print(f"{told}: median {np.median(values):.1%} ({values.min():.1%} to {values.max():.1%})")
    told = sum((row["random weights"] or "").startswith("not stable") for row in rows)
    print(f"{told} of {len(rows)} networks with random weights are said to be not stable")


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=10, help="concepts looked for")
    return parser.parse_args()


if __name__ == "__main__":
    main()
