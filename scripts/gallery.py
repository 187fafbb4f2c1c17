"""Makes the gallery of the documentation, `docs/gallery.md`: every method on one photo, and what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import process_time

from PIL import Image

import seewhy
from seewhy.draw import fit
from seewhy.methods import Method, find_method, suitable_methods
from seewhy.methods.explanation import explanation_tile
from seewhy.report.page import counted
from seewhy.verbs.explain import Request, explain_each

DOCS = Path(__file__).resolve().parents[1] / "docs"
PHOTO = "sample:cat"
WIDTH = 300
HEAD = """# Gallery

Every method on the same photo, about the class that the default network gives it, with default settings. Made by
`scripts/gallery.py`; seconds are processor time of one thread, start-up left out.

<div class="gallery" markdown>
"""
ROW = """
<figure markdown>
![{alt}](img/gallery/{name}.webp){{ width={width} loading=lazy }}
<figcaption markdown>[**{title}**](methods.md#{anchor}) · {cost} · {seconds}</figcaption>
</figure>
"""


def main() -> None:
    """Explain the photo by every method that fits, and write the page."""
    classifier = seewhy.load()
    (DOCS / "img/gallery").mkdir(parents=True, exist_ok=True)
    rows = [row for info in suitable_methods(classifier) for row in _row(classifier, info)]
    (DOCS / "gallery.md").write_text("".join([HEAD, *rows, "\n</div>\n"]))


def _row(classifier: seewhy.Classifier, info: type[Method]) -> Iterator[str]:
    start = process_time()
    (outcome,) = explain_each(classifier, [PHOTO], Request.of(classifier, [find_method(info.name)]))
    seconds = process_time() - start
    if outcome.value is None:
        print(f"{info.name}: {outcome.error}")
        return
    found = outcome.value[0]
    picture = explanation_tile(found).picture
    Image.fromarray(fit(picture, WIDTH)).save(DOCS / f"img/gallery/{info.name}.webp", quality=80, method=6)
    passes = ((found.cost.forwards, "forward"), (found.cost.backwards, "backward"))
    yield ROW.format(
        alt=f"{info.title}: why “{found.target_label}”",
        name=info.name,
        title=info.title,
        anchor=info.name.replace("+", "p"),
        width=WIDTH,
        cost=", ".join(counted(count, noun) for count, noun in passes if count),
        seconds=f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s",
    )


if __name__ == "__main__":
    main()
