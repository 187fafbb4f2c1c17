"""Many models × methods × images: planned, run so that nothing is lost, and judged."""

from seewhy.core.callable_room import make_callable
from seewhy.study.executors import Executor
from seewhy.study.local import Local
from seewhy.study.plan import Plan, Unit
from seewhy.study.ray import Ray
from seewhy.study.run import run
from seewhy.study.work import Failure, Result, Row, Work

__all__ = ["Executor", "Failure", "Local", "Plan", "Ray", "Result", "Row", "Unit", "Work", "run"]

make_callable(__name__)  # `seewhy.study(...)` is the verb, whether or not this package was imported before
