"""What a comparison says, in people's words."""

from __future__ import annotations

from collections.abc import Sequence

from seewhy.explainers import method_info
from seewhy.metrics import CONTROLS
from seewhy.report.words import counted, listed
from seewhy.study.comparison import Cell, Comparison

__all__ = ["cell_words", "title_of", "verdict"]


def title_of(method: str) -> str:
    """A method's or a control's title."""
    if method.startswith("control:"):
        return CONTROLS[method.removeprefix("control:")]().info.title
    return method_info(method).title


def verdict(comparison: Comparison) -> str:
    """In a sentence or two which method to believe, and why; which are no better than chance."""
    tests = len(comparison.ranked_by)
    hopeless = [each for each in comparison.no_better_than_chance if each in comparison.methods]
    best = comparison.best
    if best is None:
        return "None of these metrics asks whether a map is true to the network, so none of the methods is put first."
    if best in hopeless:
        return (
            f"None can be recommended: even {title_of(best)}, which ranks first in {counted(tests, 'test')} of "
            "faithfulness, scores no better than maps drawn by chance."
        )
    beaten = sum(bool(cell and cell.beats_chance) for cell in _cells(comparison, best))
    words = (
        f"Believe {title_of(best)} first: of {counted(len(comparison.methods), 'method')} it ranks best over "
        f"{counted(tests, 'test')} of faithfulness"
    )
    words += (
        f" and beats maps drawn by chance in {_of(beaten, tests)}." if beaten else "; what chance would get is unknown."
    )
    if hopeless:
        names = listed([title_of(each) for each in hopeless])
        words += f" {names} {'does' if len(hopeless) == 1 else 'do'} no better than chance here."
    return words


def cell_words(cell: Cell) -> str:
    """A score, with its interval where it is one."""
    if cell.high - cell.low < PRECISION:
        return _number(cell.value)
    return f"{_number(cell.value)} ({_number(cell.low)} to {_number(cell.high)})"


PRECISION = 5e-4


def _cells(comparison: Comparison, method: str) -> Sequence[Cell | None]:
    return [comparison.cell(metric, method) for metric in comparison.ranked_by]


def _number(value: float) -> str:
    return f"{value:z.3f}".replace("-", "\N{MINUS SIGN}")


def _of(some: int, all_: int) -> str:
    if some == all_:
        return "all of them" if all_ > 2 else "both" if all_ == 2 else "it"
    return f"{some} of them"
