"""Arrays to pictures: overlays, legends, panels and bars. Knows nothing of networks or explanations."""

from __future__ import annotations

from seewhy.draw.canvas import data_uri, photo_uri, png_bytes
from seewhy.draw.charts import (
    Confidence,
    Dot,
    Weight,
    bars,
    bars_svg,
    confusion_svg,
    curves_svg,
    epochs_svg,
    intervals_svg,
    percent,
    reliability_svg,
    spark_svg,
    weight_bars,
    weight_bars_svg,
)
from seewhy.draw.colors import OURS, Colors, colorize, peak, scale
from seewhy.draw.display import display
from seewhy.draw.overlay import NOTHING, View, blank, boxed, crop, cut, fit, overlay, photo, spotlight
from seewhy.draw.panel import GridRow, Legend, Tile, grid_html, grid_picture, panel, tile
from seewhy.draw.regions import kept_overlay, region_overlay

__all__ = [
    "NOTHING",
    "OURS",
    "Colors",
    "Confidence",
    "Dot",
    "GridRow",
    "Legend",
    "Tile",
    "View",
    "Weight",
    "bars",
    "bars_svg",
    "blank",
    "boxed",
    "colorize",
    "confusion_svg",
    "crop",
    "curves_svg",
    "cut",
    "data_uri",
    "display",
    "epochs_svg",
    "fit",
    "grid_html",
    "grid_picture",
    "intervals_svg",
    "kept_overlay",
    "overlay",
    "panel",
    "peak",
    "percent",
    "photo",
    "photo_uri",
    "png_bytes",
    "region_overlay",
    "reliability_svg",
    "scale",
    "spark_svg",
    "spotlight",
    "tile",
    "weight_bars",
    "weight_bars_svg",
]
