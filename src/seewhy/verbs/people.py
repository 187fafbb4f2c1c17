"""People: their work out of the store and into it, and how far they agree."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from seewhy import __version__
from seewhy.core.files import write_json
from seewhy.errors import BadImage, UsageError
from seewhy.images import open_image
from seewhy.people.agreement import AreaAgreement, area_agreement, guess_agreement
from seewhy.people.coco import export_coco, import_coco
from seewhy.people.jsonl import export_lines, import_lines
from seewhy.people.masks import drawn
from seewhy.people.reliability import Reliability, reliability
from seewhy.people.rounds import answers, gold_rounds, option_counts
from seewhy.people.spreadsheet import answers_csv
from seewhy.people.store import Store

LINES, MASKS, ANSWERS, MANIFEST = "people.jsonl", "masks.json", "answers.csv", "manifest.json"


@dataclass(frozen=True)
class Agreement:
    """How far people agree.

    Attributes:
        answers: How many there are.
        alpha: Krippendorff's α of their guesses; None where no two people guessed in one round.
        layers: The same for each layer.
        areas: Of each picture and label that several people drew.
    """

    answers: int
    alpha: float | None
    layers: Mapping[str, float | None]
    areas: tuple[AreaAgreement, ...]
    players: tuple[Reliability, ...]


def agreement(store: Store, *, simulated: bool = False) -> Agreement:
    """Of people, or of simulated players; never of both together."""
    given = answers(store, simulated=simulated)
    layers = dict.fromkeys(answer.layer for answer in given)
    return Agreement(
        len(given),
        guess_agreement(given),
        {layer: guess_agreement(each for each in given if each.layer == layer) for layer in layers},
        tuple(area_agreement(each for each in drawn(store) if each.simulated == simulated)),
        tuple(reliability(given, gold_rounds(store), option_counts(store))),
    )


def export_people(store: Store, out: Path) -> dict[str, int]:
    """Write everything as JSON Lines, masks as COCO and answers as CSV; returns how many records each file holds."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / LINES).open("w", encoding="utf-8", newline="\n") as file:
        lines = sum(file.write(line) > 0 for line in export_lines(store))
    masks, given = drawn(store), answers(store)
    write_json(out / MASKS, export_coco(masks))
    (out / ANSWERS).write_text(answers_csv(given), "utf-8", newline="")
    counts = {LINES: lines, MASKS: len(masks), ANSWERS: len(given)}
    simulated = sum(each.simulated for each in given)
    write_json(out / MANIFEST, {"seewhy": __version__, "records": counts, "simulated_answers": simulated})
    return counts


def import_people(store: Store, source: Path, images: Path | None = None, player: str = "imported") -> Counter[str]:
    """Add what a file of `export_people` holds, or a COCO file of any tool; returns how many records were new.

    A COCO file that has no hashes of its pictures, as other tools write it, needs the folder of `images`; its masks
    are kept as drawn by `player`.

    Raises:
        UsageError: the file is not there, or is neither.
        Conflict: the store knows the same thing otherwise.
    """
    try:
        if source.suffix.lower() != ".json":
            with source.open(encoding="utf-8") as lines:
                return import_lines(store, lines)
        document = json.loads(source.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {source}") from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"{source} cannot be read ({error}); give a .jsonl or a COCO .json file") from error
    if not isinstance(document, dict):
        raise UsageError(f"{source} is no COCO data set; JSON Lines end in .jsonl")
    hashes = _hashes(document, images) if images else {}
    return Counter(mask=import_coco(store, document, player, hashes))


def _hashes(document: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """The hash of each picture of the document that lies in the folder, by the name that the document gives it."""
    found: dict[str, str] = {}
    for each in document.get("images", ()):
        name = str(each.get("file_name", ""))
        path = folder / PurePath(name.replace("\\", "/")).name  # whatever folder the file says it was in
        try:
            found[name] = open_image(path).sha256
        except BadImage:
            continue  # its masks will be refused by name
    return found
