"""The report of `network explain`: the whole network in one picture, then every layer with its groups."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from markupsafe import Markup

from seewhy.core.outcome import Outcome
from seewhy.metrics.context import spearman
from seewhy.network import Cluster, LayerView, NetworkPicture, NetworkView
from seewhy.network.layout import NO_EFFECT, fall
from seewhy.network.picture import face
from seewhy.network.reach import in_words
from seewhy.report.page import Picture, Sections, counted, embed, number, render_macro, write_page

FACE = 260
ENOUGH = 6  # groups, to say whether weights and effects agree


class NetworkReport:
    """The report of picture after picture, written into `folder/report.html` at the end.

    The sections wait in a temporary file, so that memory holds one picture at a time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._sections = folder, Sections()
        self._failures: list[Outcome[Any]] = []

    def add(self, outcome: Outcome[NetworkPicture], saved: Path | None = None) -> None:
        """Add a picture, with the folder it was saved in, if it was; or its failure."""
        if outcome.value:
            key = f"photo-{self._sections.count + 1}"
            section = _section(key, outcome.value, saved, self._folder)
            self._sections.add(html=render_macro("network-photo.html", "full", section, self._sections.count == 0))
        else:
            self._failures.append(outcome)

    def close(self) -> Path:
        """Write the page, whole or not at all; returns its path."""
        script = files("seewhy.report").joinpath("templates/network.js").read_text("utf-8")
        digest = b64encode(sha256(script.encode()).digest()).decode()
        done = self._sections.count > 0
        with self._sections.file:
            return write_page(
                self._folder / "report.html",
                "network.html",
                title="What the network found, layer by layer" if done else "Nothing could be explained",
                lead=_lead(len(self._failures), any_done=done),
                sections=self._sections,
                failures=self._failures,
                script=Markup(script),  # noqa: S704 - our own
                policy=f"'sha256-{digest}'",
            )


def write_network_report(
    folder: Path,
    results: Iterable[tuple[NetworkPicture, Path | None]],
    failures: Iterable[Outcome[Any]] = (),
) -> Path:
    """Write `folder/report.html` of pictures, each with the folder it was saved in, if it was; returns its path."""
    report = NetworkReport(folder)
    for picture, saved in results:
        report.add(Outcome(picture.view.image.name, picture), saved)
    for failure in failures:
        report.add(failure)
    return report.close()


def _lead(failed: int, *, any_done: bool) -> str:
    if not any_done:
        return "Every photo failed; the reasons are below."
    about = (
        "From the photo to the classes: in each layer, maps that respond in the same places stand together as one card."
    )
    return about + (f" {counted(failed, 'photo')} could not be explained: see the end." if failed else "")


def _section(key: str, picture: NetworkPicture, saved: Path | None, folder: Path) -> dict[str, Any]:
    """What the template says of one photo beside its view."""
    view = picture.view

    def lit(layer: LayerView, cluster: Cluster) -> Picture:
        alt = f"The photo, lit where group {cluster.index + 1} of {layer.name} responds"
        return embed(face(view, cluster, FACE), alt)

    return {
        "key": key,
        "view": view,
        # What makes the SVGs escapes every text in them.
        "definitions": Markup(picture.definitions(key)),  # noqa: S704
        "brief": Markup(picture.brief(key)),  # noqa: S704
        "stacked": Markup(picture.stacked(key)),  # noqa: S704
        "wide": Markup(picture.inside(key)),  # noqa: S704
        "folded": Markup(picture.folded(key)),  # noqa: S704
        "faithful": " ".join(filter(None, (_faithful(view), _stable(view)))),
        "about_words": picture.about_words,
        "words": picture.words,
        "lit": lit,
        "in_words": in_words,
        "link": quote(saved.relative_to(folder).as_posix()) + "/" if saved else None,
    }


def _faithful(view: NetworkView) -> str:
    """Whether heavy groups are those without which the class loses."""
    checked = [(each.weight, fall(view, each)) for layer in view.layers for each in layer.clusters]
    falls = [(weight, lost) for weight, lost in checked if lost is not None]
    if len(falls) < ENOUGH:
        return ""
    felt = sum(lost >= NO_EFFECT for _, lost in falls)
    words = (
        f"Of {len(falls)} groups shown, {felt} are felt: the class loses a twentieth or more when their maps are taken "
        "out of their layer."
    )
    correlation = spearman(*(np.array(each) for each in zip(*falls, strict=True)))
    return (
        f"{words} The gradient's weight and this loss agree with a rank correlation of {number(correlation, 2)}; "
        "1 is the same order."
    )


def _stable(view: NetworkView) -> str:
    """How far to believe in the groups themselves."""
    found = [layer.stability for layer in view.layers if layer.stability is not None]
    if not found:
        return ""
    return (
        f"Groups drawn again without a tenth of the maps agree with those shown by {number(float(np.mean(found)), 2)} "
        "on average, where 1 is the same groups and 0 is chance."
    )
