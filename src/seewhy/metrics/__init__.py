"""How good is an explanation? One file per family of metrics, and what they share."""

from seewhy.metrics.controls import CONTROLS
from seewhy.metrics.registry import Metric, MetricInfo, find_metric, list_metrics, metric_info, register_metric
from seewhy.metrics.subject import Score, Subject

__all__ = [
    "CONTROLS",
    "Metric",
    "MetricInfo",
    "Score",
    "Subject",
    "find_metric",
    "list_metrics",
    "metric_info",
    "register_metric",
]
