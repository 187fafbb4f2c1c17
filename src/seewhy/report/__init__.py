"""Results as pages: one self-contained HTML file each, for people who were not there."""

from seewhy.report.compare import write_compare_report
from seewhy.report.evaluate import write_evaluate_report
from seewhy.report.explain import write_explain_report
from seewhy.report.network import write_network_report
from seewhy.report.study import write_study_report
from seewhy.report.train import write_train_report

__all__ = [
    "write_compare_report",
    "write_evaluate_report",
    "write_explain_report",
    "write_network_report",
    "write_study_report",
    "write_train_report",
]
