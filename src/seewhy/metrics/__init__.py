"""How good is an explanation? One file per family of metrics, and what they share.

Functions such as `road`, `insertion` and `sparseness` score maps from anywhere; `score_maps` asks any metric by name.
"""

from seewhy.metrics.complexity import effective_complexity, entropy, mean_area, sparseness
from seewhy.metrics.confidence import average_drop
from seewhy.metrics.context import Context, Map, Score
from seewhy.metrics.localisation import average_precision, energy_in_mask, iou_top_area, pointing_game
from seewhy.metrics.metric import Metric, find_metric, list_metrics, metric_info, score_maps
from seewhy.metrics.mosaics import difull, grid_pointing_game
from seewhy.metrics.removal import deletion, insertion, road

__all__ = [
    "Context",
    "Map",
    "Metric",
    "Score",
    "average_drop",
    "average_precision",
    "deletion",
    "difull",
    "effective_complexity",
    "energy_in_mask",
    "entropy",
    "find_metric",
    "grid_pointing_game",
    "insertion",
    "iou_top_area",
    "list_metrics",
    "mean_area",
    "metric_info",
    "pointing_game",
    "road",
    "score_maps",
    "sparseness",
]
