"""The report of `network explain`: the whole network in one picture, then every layer with its groups."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import numpy as np
from markupsafe import Markup

from seewhy.draw import percent
from seewhy.errors import SeewhyError
from seewhy.metrics.maps import spearman
from seewhy.network import Cluster, LayerView, NetworkPicture, NetworkView
from seewhy.network.cards import face
from seewhy.report.page import write_page
from seewhy.report.pictures import Picture, embed
from seewhy.report.words import counted, number

FACE = 260
ENOUGH = 6  # groups, to say whether weights and effects agree


@dataclass(frozen=True)
class Failed:
    """A photo that could not be explained."""

    source: str
    error: SeewhyError


@dataclass(frozen=True)
class Group:
    """One cluster: its picture, and what is to be said of it."""

    key: str
    picture: Picture
    weight: str
    maps: str
    effect: str
    words: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Stage:
    """One layer, and words about it."""

    name: str
    about: str
    outcome: str | None
    groups: Sequence[Group]


@dataclass(frozen=True)
class Section:
    """One photo of the page."""

    name: str
    key: str
    label: str
    probability: str
    definitions: Markup
    wide: Markup
    folded: Markup
    faithful: str
    about_words: str
    stages: Sequence[Stage]
    facts: Mapping[str, str]
    link: str | None


def write_network_report(
    folder: Path,
    results: Iterable[tuple[NetworkPicture, Path | None]],
    failures: Iterable[tuple[str, SeewhyError]] = (),
) -> Path:
    """Write `folder/report.html` of pictures, each with the folder it was saved in, if it was; returns its path.

    `failures` are read after the pictures, which may be made one by one.
    """
    sections = [_section(f"photo-{number}", *each, folder) for number, each in enumerate(results, start=1)]
    failed = [Failed(*each) for each in failures]
    script = _script()
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return write_page(
        folder / "report.html",
        "network.html",
        title="What the network found, layer by layer" if sections else "Nothing could be explained",
        lead=_lead(sections, len(failed)),
        sections=sections,
        failures=failed,
        script=Markup(script),  # noqa: S704 - our own
        policy=f"'sha256-{digest}'",
    )


@cache
def _script() -> str:
    return files("seewhy.report").joinpath("templates/network.js").read_text("utf-8")


def _lead(sections: Sequence[Section], failed: int) -> str:
    if not sections:
        return "Every photo failed; the reasons are below."
    about = (
        "From the photo at the left to the classes at the right: in each layer, maps that respond in the same places "
        "stand together as one card."
    )
    return about + (f" {counted(failed, 'photo')} could not be explained: see the end." if failed else "")


def _section(key: str, picture: NetworkPicture, saved: Path | None, folder: Path) -> Section:
    view = picture.view
    # What makes the SVGs escapes every text in them.
    return Section(
        view.image.name,
        key,
        view.target_label,
        percent(view.probability),
        Markup(picture.definitions(key)),  # noqa: S704
        Markup(picture.inside(key)),  # noqa: S704
        Markup(picture.folded(key)),  # noqa: S704
        " ".join(filter(None, (_faithful(view), _stable(view)))),
        picture.about_words,
        [_stage(key, number, layer, picture) for number, layer in enumerate(view.layers)],
        _facts(view),
        quote(saved.relative_to(folder).as_posix()) + "/" if saved else None,
    )


def _stage(key: str, number: int, layer: LayerView, picture: NetworkPicture) -> Stage:
    groups = [_group(f"{key}-{number}-{each.index}", layer, each, picture) for each in layer.clusters]
    maps = counted(layer.grid.channels, "map")
    parts = [f"{maps} of {layer.grid.height} × {layer.grid.width} cells"]
    if layer.clusters:
        shown = sum(abs(each.weight) for each in layer.clusters)
        parts.append(f"those that passed the filter carry {layer.weight_kept:.0f} % of the layer's weight, "
                     f"the groups shown {shown:.0f} %")  # fmt: skip
    if layer.stability is not None:
        parts.append(f"stability {layer.stability:.2f}")
    return Stage(layer.name, "; ".join(parts), layer.outcome, groups)


def _group(key: str, layer: LayerView, cluster: Cluster, picture: NetworkPicture) -> Group:
    words = list(picture.words.get((layer.name, cluster.index), ()))
    alt = f"The photo, lit where group {cluster.index + 1} of {layer.name} responds"
    return Group(
        key,
        embed(face(picture.view, cluster, FACE), alt),
        f"{cluster.weight:.1f} %".replace("-", "\N{MINUS SIGN}"),
        counted(len(cluster.maps), "map"),
        _effect(cluster),
        words,
    )


def _effect(cluster: Cluster) -> str:
    if cluster.effect is None:
        return "not checked"
    return f"{percent(cluster.effect.hidden)} with it hidden, {percent(cluster.effect.shown)} with it alone"


def _faithful(view: NetworkView) -> str:
    """Whether heavy groups are those whose loss is felt."""
    checked = [each for layer in view.layers for each in layer.clusters if each.effect]
    if len(checked) < ENOUGH:
        return ""
    falls = [view.probability - each.effect.hidden for each in checked if each.effect]
    felt = sum(fall >= 0.05 * view.probability for fall in falls)
    words = f"Of {len(checked)} groups shown, {felt} are felt: without them the class loses a twentieth or more."
    correlation = spearman(np.array([each.weight for each in checked]), np.array(falls))
    return words + f" Weight and loss agree with a rank correlation of {number(correlation, 2)}; 1 is the same order."


def _stable(view: NetworkView) -> str:
    """How far to believe in the groups themselves."""
    found = [layer.stability for layer in view.layers if layer.stability is not None]
    if not found:
        return ""
    return (
        f"Groups drawn again without a tenth of the maps agree with those shown by {number(float(np.mean(found)), 2)} "
        "on average, where 1 is the same groups and 0 is chance."
    )


def _facts(view: NetworkView) -> dict[str, str]:
    forwards, backwards, seconds = view.cost
    return {
        "Model": view.classifier,
        "Fingerprint": view.fingerprint[:16],
        "Groups by": "Ward's clustering of correlations" if view.clustering == "ward" else view.clustering,
        "Weights": "mean gradients, of both signs" if view.signed else "mean guided gradients (generalised Grad-CAM)",
        "Stability": "the mean adjusted Rand index when a tenth of the maps is left out; 1 means the same groups",
        "Seed": str(view.seed),
        "Cost": f"{counted(forwards, 'forward')}, {counted(backwards, 'backward')}, {seconds:.1f} s",
    }
