"""One function per verb: what the command line, the app and Python all call."""

from seewhy.jobs.explain import Request, explain, explain_each
from seewhy.jobs.predict import Answer, predict_each
from seewhy.jobs.saving import save_each

__all__ = ["Answer", "Request", "explain", "explain_each", "predict_each", "save_each"]
