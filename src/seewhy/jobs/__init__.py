"""One function per verb: what the command line, the app and Python all call."""

from seewhy.jobs.best import BEST, best_method
from seewhy.jobs.compare import Contest, compare
from seewhy.jobs.comparing import comparison_rows, open_each, save_comparison, view_masks
from seewhy.jobs.evaluate import evaluate, save_evaluation
from seewhy.jobs.explain import Request, explain, explain_each
from seewhy.jobs.predict import Answer, predict_each
from seewhy.jobs.saving import save_each
from seewhy.jobs.studies import find_studies, open_study
from seewhy.jobs.study import STUDY_METHODS, study
from seewhy.jobs.train import train

__all__ = [
    "BEST",
    "STUDY_METHODS",
    "Answer",
    "Contest",
    "Request",
    "best_method",
    "compare",
    "comparison_rows",
    "evaluate",
    "explain",
    "explain_each",
    "find_studies",
    "open_each",
    "open_study",
    "predict_each",
    "save_comparison",
    "save_each",
    "save_evaluation",
    "study",
    "train",
    "view_masks",
]
