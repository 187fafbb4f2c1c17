"""Many models × methods × images: planned, run so that nothing is lost, and judged."""

from seewhy.core.callable_room import make_callable
from seewhy.study.executors import Executor, Local, run
from seewhy.study.ledger import Failure, Plan, Result, Row, Unit, Work
from seewhy.study.ray import Ray

__all__ = ["Executor", "Failure", "Local", "Plan", "Ray", "Result", "Row", "Unit", "Work", "run"]

make_callable(__name__)  # `seewhy.study(...)` is the verb, whether or not this package was imported before
