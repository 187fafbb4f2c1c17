"""Makes the gallery of the documentation, `docs/gallery.md`: every method on one photo, and what it cost.

With names of methods, only what is said and drawn of these is made anew.
"""

from __future__ import annotations

import re
import sys
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
ROWS = re.compile(r"\n<figure markdown>\n\S[^\n]*img/gallery/([^\n]+?)\.webp.*?</figure>\n", re.DOTALL)


def main(*anew: str) -> None:
    """Explain the photo by every method that fits, or by some of them anew, and write the page."""
    classifier, page = seewhy.load(), DOCS / "gallery.md"
    (DOCS / "img/gallery").mkdir(parents=True, exist_ok=True)
    kept = {each[1]: each[0] for each in ROWS.finditer(page.read_text("utf-8")) if anew and each[1] not in anew}
    asked = [info for info in suitable_methods(classifier) if not anew or info.name in {*anew, *kept}]
    rows = [kept.get(info.name) or _row(classifier, info) for info in asked]
    page.write_text("".join([HEAD, *rows, "\n</div>\n"]), "utf-8")


def _row(classifier: seewhy.Classifier, info: type[Method]) -> str:
    """What is said of a method, whose picture is drawn; nothing where it fails."""
    start = process_time()
    (outcome,) = explain_each(classifier, [PHOTO], Request.of(classifier, [find_method(info.name)]))
    seconds = process_time() - start
    if outcome.value is None:
        print(f"{info.name}: {outcome.error}")
        return ""
    found = outcome.value[0]
    picture = explanation_tile(found).picture
    Image.fromarray(fit(picture, WIDTH)).save(DOCS / f"img/gallery/{info.name}.webp", quality=80, method=6)
    passes = ((found.cost.forwards, "forward"), (found.cost.backwards, "backward"))
    return ROW.format(
        alt=f"{info.title}: why “{found.target_label}”",
        name=info.name,
        title=info.title,
        anchor=info.name.replace("+", "p"),
        width=WIDTH,
        cost=", ".join(counted(count, noun) for count, noun in passes if count),
        seconds=f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
