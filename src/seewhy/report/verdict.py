"""What scores say, in people's words."""

from __future__ import annotations

from seewhy.methods import Method
from seewhy.report.words import counted, listed, number
from seewhy.study.summary import Mean, ModelScores, StudyResult, beats_chance, no_better_than_chance

PRECISION = 5e-4


def title_of(method: str) -> str:
    """The title of a method or control."""
    return Method.registry[method].title


def study_verdict(result: StudyResult) -> str:
    """A verdict on each model, by its name where there are several."""
    if len(result.scores) == 1:
        return verdict(result.scores[0])
    return " ".join(f"{each.model}: {verdict(each)}" for each in result.scores)


def verdict(scores: ModelScores) -> str:
    """In a sentence or two which method to believe for a model, and why; which are no better than chance."""
    tests, best = len(scores.tests), scores.best
    if not any(scores.values.values()):
        return "None of the pictures could be explained, so there is nothing to compare."
    if not tests:
        return "None of these metrics asks whether a map is true to the network, so none of the methods is put first."
    if best is None or len(scores.rivals) < 2:
        return "There are no two methods with scores of faithfulness to choose from."
    unscored = [each for each in scores.rivals if not any(scores.of(metric.name, each) for metric in scores.tests)]
    hopeless = [each for each in no_better_than_chance(scores) if each in scores.rivals and each not in unscored]
    if best in hopeless:
        return (
            f"None can be recommended: even {title_of(best)}, which ranks first in {counted(tests, 'test')} of "
            "faithfulness, scores no better than maps drawn by chance."
        )
    words = (
        f"Believe {title_of(best)} first: of {counted(len(scores.rivals), 'method')} it ranks best over "
        f"{counted(tests, 'test')} of faithfulness{_against_chance(scores, best)}."
    )
    if hopeless:
        names = listed([title_of(each) for each in hopeless])
        where = "here" if tests == 1 else "over all tests together"
        words += f" {names} {'does' if len(hopeless) == 1 else 'do'} no better than chance {where}."
    if unscored:
        words += f" {listed([title_of(each) for each in unscored])} got no score, and so the last rank."
    return words


def cell_words(mean: Mean) -> str:
    """A score, with its interval where it is one."""
    if mean.high - mean.low < PRECISION:
        return number(mean.value)
    return f"{number(mean.value)} ({number(mean.low)} to {number(mean.high)})"


def _against_chance(scores: ModelScores, method: str) -> str:
    known = [beats_chance(scores, metric).get(method) for metric in scores.tests]
    if not any(each is not None for each in known):
        return "; what chance would get is unknown"
    return f" and beats maps drawn by chance in {_of(known.count(True), len(known))}"


def _of(some: int, all_: int) -> str:
    if some == all_:
        return "all of them" if all_ > 2 else "both" if all_ == 2 else "it"
    return f"{some} of them" if some else "all of them together"
