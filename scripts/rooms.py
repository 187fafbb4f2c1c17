"""Draws the rooms of the house for `docs/architecture.md`: `docs/img/rooms.svg`. A room imports rooms to its left."""

from __future__ import annotations

from html import escape
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "docs/img/rooms.svg"
# As tests/test_architecture.py holds it: a room imports rooms to its left, and above it in its own column.
COLUMNS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "ground",
        (
            ("errors", "one tree of exceptions"),
            ("core", "registry, files, progress, names"),
            ("answers", "what is told, typed"),
        ),
    ),
    ("pictures", (("images", "the only door for pictures; masks"), ("draw", "arrays to pictures"))),
    ("networks", (("models", "classifier, sources, layers, capture"), ("engines", "masked forward, backward rules"))),
    ("answers", (("methods", "task in, found out; both doors"), ("metrics", "how good is an explanation"))),
    (
        "subjects",
        (
            ("people", "players, rounds, masks"),
            ("words", "what people typed, to labels"),
            ("train", "class folders to classifiers"),
            ("cases", "twins, parts, influence"),
            ("explainers", "explainers that learn"),
            ("prototypes", "parts that decide"),
            ("network", "layers, clusters, concepts"),
            ("study", "scores, chance, runs over folders"),
            ("audit", "wrong reasons, tried and repaired"),
        ),
    ),
    (
        "results",
        (
            ("report", "results to one page"),
            ("verbs", "one function, one result"),
            ("commands", "what may be asked of a verb"),
        ),
    ),
    (
        "doors",
        (
            ("web", "the app and REST"),
            ("client", "REST from Python"),
            ("mcp", "tools for agents"),
            ("cli", "the command line"),
        ),
    ),
)
WIDTH, HEIGHT, GAP, LEFT, TOP = 168, 62, 12, 12, 44
STYLE = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',Arial,sans-serif;fill:#1b1f24}"
    ".name{font-size:15px;font-weight:600}.about{font-size:11px;fill:#5b6470}.head{font-size:12px;fill:#5b6470}"
    "rect{fill:#f3f5f8;stroke:#c5ccd6}path{fill:none;stroke:#8a94a3;stroke-width:1.5}"
    "@media(prefers-color-scheme:dark){text{fill:#e8ebef}.about,.head{fill:#a7b0bc}rect{fill:#242a32;stroke:#4a5462}}"
)


def main() -> None:
    """Write the picture."""
    TARGET.write_text(picture(), "utf-8")


def picture() -> str:
    """The rooms as SVG."""
    tallest = max(len(rooms) for _, rooms in COLUMNS)
    width = LEFT * 2 + len(COLUMNS) * (WIDTH + 26) - 26
    height = TOP + tallest * (HEIGHT + GAP)
    about = 'role="img" aria-label="The rooms of the house, from left to right"'
    view = f'viewBox="0 0 {width} {height}" width="{width}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {view} {about}><style>{STYLE}</style>']
    for number, (head, rooms) in enumerate(COLUMNS):
        x = LEFT + number * (WIDTH + 26)
        parts.append(f'<text class="head" x="{x}" y="24">{escape(head)}</text>')
        start = TOP + (tallest - len(rooms)) * (HEIGHT + GAP) / 2
        for row, (name, purpose) in enumerate(rooms):
            y = start + row * (HEIGHT + GAP)
            parts += [
                f'<rect x="{x}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="7"/>',
                f'<text class="name" x="{x + 11}" y="{y + 24:g}">{name}</text>',
                *(
                    f'<text class="about" x="{x + 11}" y="{y + 41 + 13 * line:g}">{escape(text)}</text>'
                    for line, text in enumerate(_lines(purpose))
                ),
            ]
        if number + 1 < len(COLUMNS):
            middle = TOP + tallest * (HEIGHT + GAP) / 2 - GAP / 2
            parts.append(f'<path d="M{x + WIDTH + 6} {middle - 6:g}l7 6l-7 6m7 -6"/>')
    return "".join([*parts, "</svg>\n"])


def _lines(about: str) -> list[str]:
    """One line or two, as wide as a room."""
    if len(about) <= 26:
        return [about]
    cut = about.rfind(" ", 0, 27)
    return [about[:cut], about[cut + 1 :]]


if __name__ == "__main__":
    main()
