"""One function per verb: what the command line, the app and Python all call."""

from seewhy.jobs.best import BEST, best_method
from seewhy.jobs.compare import Contest, compare
from seewhy.jobs.comparing import comparison_rows, open_each, save_comparison, view_masks
from seewhy.jobs.explain import Request, explain, explain_each
from seewhy.jobs.predict import Answer, predict_each
from seewhy.jobs.saving import save_each
from seewhy.jobs.study import STUDY_METHODS, study

__all__ = [
    "BEST",
    "STUDY_METHODS",
    "Answer",
    "Contest",
    "Request",
    "best_method",
    "compare",
    "comparison_rows",
    "explain",
    "explain_each",
    "open_each",
    "predict_each",
    "save_comparison",
    "save_each",
    "study",
    "view_masks",
]
