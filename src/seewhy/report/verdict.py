"""What a comparison says, in people's words."""

from __future__ import annotations

from seewhy.methods import method_info
from seewhy.metrics import CONTROLS
from seewhy.report.words import counted, listed, number
from seewhy.study.comparison import Cell, Comparison


def title_of(method: str) -> str:
    """A method's or a control's title."""
    if method.startswith("control:"):
        return CONTROLS[method.removeprefix("control:")]().info.title
    return method_info(method).title


def verdict(comparison: Comparison) -> str:
    """In a sentence or two which method to believe, and why; which are no better than chance."""
    if not comparison.trials:
        return "None of the pictures could be explained, so there is nothing to compare."
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
    words = (
        f"Believe {title_of(best)} first: of {counted(len(comparison.methods), 'method')} it ranks best over "
        f"{counted(tests, 'test')} of faithfulness{_against_chance(comparison, best)}."
    )
    if hopeless:
        names = listed([title_of(each) for each in hopeless])
        where = "here" if tests == 1 else "over all tests together"
        words += f" {names} {'does' if len(hopeless) == 1 else 'do'} no better than chance {where}."
    return words


def cell_words(cell: Cell) -> str:
    """A score, with its interval where it is one."""
    if cell.high - cell.low < PRECISION:
        return number(cell.value)
    return f"{number(cell.value)} ({number(cell.low)} to {number(cell.high)})"


PRECISION = 5e-4


def _against_chance(comparison: Comparison, method: str) -> str:
    cells = [comparison.cell(metric, method) for metric in comparison.ranked_by]
    known = [cell.beats_chance for cell in cells if cell and cell.beats_chance is not None]
    if not known:
        return "; what chance would get is unknown"
    return f" and beats maps drawn by chance in {_of(sum(known), len(cells))}"


def _of(some: int, all_: int) -> str:
    if some == all_:
        return "all of them" if all_ > 2 else "both" if all_ == 2 else "it"
    return f"{some} of them" if some else "all of them together"
