"""The canvas that masks are drawn on: brush, eraser, polygon and regions, in the photo's own pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit.components.v2 import component

from seewhy.draw import fit, photo_uri
from seewhy.engines import segment
from seewhy.errors import UsageError
from seewhy.images import Image, Mask
from seewhy.people.masks import MaskRevision
from seewhy.people.runs import decode, runs

HERE = Path(__file__).parent
PARTS = ("mask.js", "view.js", "tools.js", "saving.js", "input.js", "annotate.js")  # one module, in this order
SHOWN, CUT = 1600, 384  # pixels of the longer side: of the photo as it is shown, and as it is cut into regions
REGIONS = 160
LONGEST_KEY = 64


def _read(name: str) -> str:
    return (HERE / name).read_text("utf-8")


_canvas: Any = component(
    "seewhy_annotate", html=_read("annotate.html"), css=_read("annotate.css"), js="\n".join(map(_read, PARTS))
)


@dataclass(frozen=True, eq=False)
class Drawing:
    """What somebody saves: a mask that goes on from revision `base`, and a key by which it is known when sent again."""

    mask: Mask
    base: int
    key: str

    @classmethod
    def of(cls, sent: object, image: Image) -> Drawing:
        """What a browser sent.

        Raises:
            UsageError: it is not what our own canvas sends.
        """
        match sent:
            case {"counts": [*counts], "base": int(base), "key": str(key)} if (
                all(type(count) is int for count in counts) and base >= 0 and 0 < len(key) <= LONGEST_KEY
            ):
                return cls(decode(counts, image.height, image.width), base, key)
            case _:
                raise UsageError("this is no drawing; reload the page and save again")


def annotate(
    key: str,
    identity: str,
    image: Image,
    label: str,
    saved: MaskRevision | None,
    save: Callable[[Drawing], None],
    *,
    fields: Mapping[str, str],
    refused: str | None = None,
) -> None:
    """Let somebody mark `label` on a photo, from the last state `saved` on.

    `save` is called with each state that is to be kept; `refused` is the key of one that could not be. `identity` says
    whose drawing of what this is; the browser keeps drafts by it. `fields` are text inputs of the page that go into it,
    by their keys: while one holds something else than it did, nothing is drawn, since another drawing is on its way.
    """

    def told() -> None:
        sent: Mapping[str, Any] | None = st.session_state[key].get("save")
        if sent and sent.get("identity") == identity:
            save(Drawing.of(sent, image))

    _canvas(
        key=key,
        data={
            "identity": identity,
            "name": image.name,
            "label": label,
            "width": image.width,
            "height": image.height,
            "photo": _photo(image),
            "regions": _regions(image),
            "saved": saved and {"revision": saved.revision, "counts": runs(saved.mask)},
            "refused": refused,
            "fields": dict(fields),
        },
        on_save_change=told,
    )


def region_runs(labels: np.ndarray) -> list[int]:
    """A label map `(h, w)` as runs, row by row: label, length, next label, its length and so on."""
    flat = labels.ravel()
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    lengths = np.diff(np.r_[starts, flat.size])
    return np.column_stack([flat[starts], lengths]).ravel().tolist()


@st.cache_data(show_spinner=False, max_entries=16, hash_funcs={Image: lambda image: image.sha256})
def _photo(image: Image) -> str:
    return photo_uri(image.pixels if max(image.width, image.height) <= SHOWN else fit(image.pixels, SHOWN))


@st.cache_data(show_spinner="Finding regions", max_entries=16, hash_funcs={Image: lambda image: image.sha256})
def _regions(image: Image) -> dict[str, Any]:
    pixels = image.pixels if max(image.width, image.height) <= CUT else fit(image.pixels, CUT)
    labels = segment(pixels, "slic", n_segments=REGIONS)
    return {"width": labels.shape[1], "height": labels.shape[0], "runs": region_runs(labels)}
