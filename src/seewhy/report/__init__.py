"""Results as pages: one self-contained HTML file each, for people who were not there."""

from seewhy.report.cases import write_counterfactual_report, write_twins_report
from seewhy.report.evaluate import write_evaluate_report
from seewhy.report.explain import write_explain_report
from seewhy.report.network import write_network_report
from seewhy.report.prototypes import write_prototype_explanations_report, write_prototypes_report
from seewhy.report.study import study_page
from seewhy.report.train import write_train_report

__all__ = [
    "study_page",
    "write_counterfactual_report",
    "write_evaluate_report",
    "write_explain_report",
    "write_network_report",
    "write_prototype_explanations_report",
    "write_prototypes_report",
    "write_train_report",
    "write_twins_report",
]
