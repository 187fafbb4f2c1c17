"""One function per verb: what the command line, the app and Python all call."""

from seewhy.verbs.best import BEST, best_method
from seewhy.verbs.cases import (
    Cases,
    CounterfactualsResult,
    TwinsResult,
    ask_each,
    build_cases,
    classifier_of_cases,
    find_counterfactuals,
    find_twins,
    open_cases,
)
from seewhy.verbs.compare import Contest, compare
from seewhy.verbs.comparing import comparison_rows, open_each, save_comparison, view_masks
from seewhy.verbs.evaluate import evaluate, save_evaluation
from seewhy.verbs.explain import Request, explain, explain_each
from seewhy.verbs.network import NetworkOutcome, NetworkRequest, explain_network, explain_network_each
from seewhy.verbs.predict import predict_each
from seewhy.verbs.prototypes import PrototypeExplanations, PrototypeTraining, explain_prototypes, train_prototypes_on
from seewhy.verbs.result import PhotoResults, Result
from seewhy.verbs.saving import save_each
from seewhy.verbs.studies import find_studies, open_study
from seewhy.verbs.study import STUDY_METHODS, study
from seewhy.verbs.train import train

__all__ = [
    "BEST",
    "STUDY_METHODS",
    "Cases",
    "Contest",
    "CounterfactualsResult",
    "NetworkOutcome",
    "NetworkRequest",
    "PhotoResults",
    "PrototypeExplanations",
    "PrototypeTraining",
    "Request",
    "Result",
    "TwinsResult",
    "ask_each",
    "best_method",
    "build_cases",
    "classifier_of_cases",
    "compare",
    "comparison_rows",
    "evaluate",
    "explain",
    "explain_each",
    "explain_network",
    "explain_network_each",
    "explain_prototypes",
    "find_counterfactuals",
    "find_studies",
    "find_twins",
    "open_cases",
    "open_each",
    "open_study",
    "predict_each",
    "save_comparison",
    "save_each",
    "save_evaluation",
    "study",
    "train",
    "train_prototypes_on",
    "view_masks",
]
