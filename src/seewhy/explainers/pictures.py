"""Explanations as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seewhy.draw import OPACITY, Tile, panel, tile
from seewhy.explainers.registry import method_info

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from seewhy.explainers.explanation import Explanation

__all__ = ["explanation_panel", "explanation_tile"]


def explanation_panel(explanation: Explanation, *, opacity: float = OPACITY, cmap: str | None = None) -> Picture:
    """The photo, and beside it what the method found."""
    return panel(
        explanation.image.pixels,
        explanation.view,
        [explanation_tile(explanation, opacity=opacity, cmap=cmap)],
        title=f"Why “{explanation.target_label}”?",
        caption=_caption(explanation),
    )


def explanation_tile(
    explanation: Explanation,
    caption: str | None = None,
    *,
    opacity: float = OPACITY,
    cmap: str | None = None,
    limit: float | None = None,
) -> Tile:
    """The overlay alone, with its legend; `limit` puts several on one scale."""
    return tile(
        explanation.image.pixels,
        explanation.values,
        explanation.view,
        caption or method_info(explanation.method).title,
        signed=explanation.signed,
        opacity=opacity,
        cmap=cmap,
        limit=limit,
    )


def _caption(explanation: Explanation) -> str:
    facts: Sequence[str] = (
        f"{explanation.image.name}, explained class at {explanation.probability:.1%}",
        method_info(explanation.method).title + (f" at layer {explanation.layer}" if explanation.layer else ""),
        explanation.classifier,
    )
    return " · ".join(facts)
