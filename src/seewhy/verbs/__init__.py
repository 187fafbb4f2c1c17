"""One function per verb: what the command line, the app and Python all call."""

from seewhy.cases import Cases, find_counterfactuals, find_twins, open_cases
from seewhy.methods.method import BEST
from seewhy.verbs.agreement import Agreement, MaskAgreement, agreement, nothing_to_compare
from seewhy.verbs.best import best_method
from seewhy.verbs.cases import CounterfactualsResult, TwinsResult, ask_each, build_cases, classifier_of_cases
from seewhy.verbs.compare import Comparison, compare
from seewhy.verbs.evaluate import EvaluateResult, evaluate, predict_each
from seewhy.verbs.explain import Request, explain, explain_each
from seewhy.verbs.explanations import Explanations, ExplanationWriter, write_explanations, write_photo
from seewhy.verbs.network import GlobalResult, NetworkRequest, NetworkWriter, explain_network, explain_network_each
from seewhy.verbs.prototypes import PrototypeExplanations, PrototypeTraining, explain_prototypes, train_prototypes_on
from seewhy.verbs.result import PhotoResults, Result
from seewhy.verbs.study import STUDY_METHODS, Study, find_studies, open_study, study
from seewhy.verbs.teach import TeachConfig, TeachResult, teach
from seewhy.verbs.train import TrainResult, train

__all__ = [
    "BEST",
    "STUDY_METHODS",
    "Agreement",
    "Cases",
    "Comparison",
    "CounterfactualsResult",
    "EvaluateResult",
    "ExplanationWriter",
    "Explanations",
    "GlobalResult",
    "MaskAgreement",
    "NetworkRequest",
    "NetworkWriter",
    "PhotoResults",
    "PrototypeExplanations",
    "PrototypeTraining",
    "Request",
    "Result",
    "Study",
    "TeachConfig",
    "TeachResult",
    "TrainResult",
    "TwinsResult",
    "agreement",
    "ask_each",
    "best_method",
    "build_cases",
    "classifier_of_cases",
    "compare",
    "evaluate",
    "explain",
    "explain_each",
    "explain_network",
    "explain_network_each",
    "explain_prototypes",
    "find_counterfactuals",
    "find_studies",
    "find_twins",
    "nothing_to_compare",
    "open_cases",
    "open_study",
    "predict_each",
    "study",
    "teach",
    "train",
    "train_prototypes_on",
    "write_explanations",
    "write_photo",
]
