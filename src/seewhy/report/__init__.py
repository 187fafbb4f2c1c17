"""Results as pages: one self-contained HTML file each, for people who were not there."""

from seewhy.report.evaluate import evaluate_charts, evaluate_page
from seewhy.report.explain import ExplainReport
from seewhy.report.network import write_network_report
from seewhy.report.study import study_page
from seewhy.report.train import train_charts, train_page

__all__ = [
    "ExplainReport",
    "evaluate_charts",
    "evaluate_page",
    "study_page",
    "train_charts",
    "train_page",
    "write_network_report",
]
