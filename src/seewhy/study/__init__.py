"""Many models × methods × images: planned, run so that nothing is lost, and judged."""

from seewhy.core.callable_room import make_callable
from seewhy.study.executors import Executor, Local, run
from seewhy.study.plan import Failure, Found, Plan, Result, Row, Task, Unit, Work
from seewhy.study.ray import Ray

__all__ = ["Executor", "Failure", "Found", "Local", "Plan", "Ray", "Result", "Row", "Task", "Unit", "Work", "run"]

make_callable(__name__)  # `seewhy.study(...)` is the verb, whether or not this package was imported before
