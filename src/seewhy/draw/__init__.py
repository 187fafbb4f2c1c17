"""Arrays to pictures: overlays, legends, panels and bars. Knows nothing of networks or explanations."""

from __future__ import annotations

from seewhy.draw.bars import bars, bars_svg, percent
from seewhy.draw.boxes import boxed
from seewhy.draw.colors import OURS, Colors, colorize, peak, scale
from seewhy.draw.curves import curves_svg
from seewhy.draw.display import display
from seewhy.draw.encode import data_uri, photo_uri, png_bytes
from seewhy.draw.epochs import epochs_svg
from seewhy.draw.grid import GridRow, grid_html, grid_picture
from seewhy.draw.intervals import Dot, intervals_svg
from seewhy.draw.judging import Confidence, confusion_svg, reliability_svg
from seewhy.draw.legend import Legend
from seewhy.draw.overlay import NOTHING, View, blank, fit, overlay, photo
from seewhy.draw.panel import Tile, panel, tile
from seewhy.draw.regions import kept_overlay, region_overlay
from seewhy.draw.spotlight import cut, spotlight
from seewhy.draw.weights import Weight, weight_bars, weight_bars_svg

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
    "spotlight",
    "tile",
    "weight_bars",
    "weight_bars_svg",
]
