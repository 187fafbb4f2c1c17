"""Verdicts in words: which methods to believe, who beats whom, and what cannot be told."""

from __future__ import annotations

from collections.abc import Sequence

from seewhy.report.page import counted, listed, title_of
from seewhy.study.summary import StudyResult
from seewhy.study.verdict import Verdict

NOTHING = "None of the pictures could be explained, so there is nothing to compare."
UNTESTED = "None of these metrics asks whether a map is true to the network, so none of the methods is put first."


def study_verdict(result: StudyResult) -> str:
    """A verdict on each model, by its name where there are several."""
    if len(result.scores) == 1:
        return model_verdict(result, result.scores[0].model)
    return " ".join(f"{each.model}: {model_verdict(result, each.model)}" for each in result.scores)


def model_verdict(result: StudyResult, model: str) -> str:
    """In a few sentences which methods to believe for a model, why, and which scores are missing for what reason."""
    (scores,) = (each for each in result.scores if each.model == model)
    verdict = result.verdicts[model]
    if not any(scores.values.values()):
        return " ".join([NOTHING, *_missing(result, model)])
    if not scores.tests:
        return UNTESTED
    if len(verdict.order) < 2:
        sentences = ["There are no two methods with scores of faithfulness to choose from."]
    else:
        sentences = [verdict_words(verdict)]
    return " ".join([*sentences, *_missing(result, model)])


def verdict_words(verdict: Verdict) -> str:
    """Which methods to believe, of two at least."""
    first = verdict.recommended
    told = [_believe(verdict) if first else _none(verdict)]
    if len(first) > 1 or verdict.first_under < verdict.tests:
        share = f"{verdict.first_under} of {counted(verdict.tests, 'metric')}"
        told += [f"{title_of(verdict.order[0])} has the best mean rank, and the best mean by {share}."]
    if verdict.needed:
        told += [f"To tell {len(verdict.order)} methods apart by a test takes {verdict.needed} photos at least."]
    if len(first) != 1 and (beaten := [each for each in verdict.order if each not in verdict.best]):
        told += [f"{_names(beaten)} {'is' if len(beaten) == 1 else 'are'} beaten by another method."]
    if hopeless := [each for each in verdict.no_better if first or each != verdict.order[0]]:
        told += [f"{_names(hopeless)} {'does' if len(hopeless) == 1 else 'do'} no better than the controls."]
    return " ".join(told)


def photo_words(verdict: Verdict) -> str:
    """What the scores on one photo say, where no test can."""
    lead = f"On this photo {title_of(verdict.order[0])} stands first"
    if not verdict.strongest:
        return f"{lead}."
    control = f"the strongest control, {title_of(verdict.strongest)}"
    if not verdict.above:
        return f"{lead}, yet no method stands before {control}."
    every = len(verdict.above) == len(verdict.order)
    names = "every method" if every and len(verdict.order) > 1 else _names(verdict.above)
    verb = "stands" if every or len(verdict.above) == 1 else "stand"
    return f"{lead}; {names} {verb} before {control}."


def _believe(verdict: Verdict) -> str:
    names, bar = _names(verdict.recommended), _bar(verdict)
    unknown = "" if bar else " There was no control, so what chance would get is unknown."
    if verdict.one and len(verdict.best) == 1:
        others = len(verdict.order) - 1
        than = "the other method" if others == 1 else f"each of {others} other methods"
        above = f", and better than {bar}" if bar else ""
        return (
            f"Believe {names}: {_over(verdict)} it scores better than {than}{above} (paired signed-rank tests, "
            f"Holm).{unknown}"
        )
    if len(verdict.recommended) == 1:
        return f"{names} alone scores better than {bar}, {_over(verdict)}; that no other is better cannot be told."
    above = f"all of them score better than {bar}, and " if bar else ""
    return (
        f"Which of {names} is best cannot be told: {_over(verdict)} {above}no other method beats any of them.{unknown}"
    )


def _none(verdict: Verdict) -> str:
    lead = title_of(verdict.order[0])
    if verdict.controls.get(verdict.order[0]) is not False:
        photos = counted(verdict.pictures, "photo")
        return f"None can be recommended: whether {lead} does better than the controls cannot be told from {photos}."
    return (
        f"None can be recommended: even {lead}, which ranks first {_over(verdict)}, scores no better than "
        f"{_bar(verdict)}."
    )


def _over(verdict: Verdict) -> str:
    return f"over {counted(verdict.questions, 'test')} of faithfulness on {counted(verdict.pictures, 'photo')}"


def _bar(verdict: Verdict) -> str:
    """What a method has to beat; nothing where there was no control."""
    if not verdict.controls:
        return ""
    return f"the strongest control, {title_of(verdict.strongest)}" if verdict.strongest else "maps drawn by chance"


def _missing(result: StudyResult, model: str) -> list[str]:
    """Who lacks scores, on how many photos, and why."""
    (scores,) = (each for each in result.scores if each.model == model)
    photos = counted(len(result.plan.images), "photo")
    failed = {method: told for (name, method), told in result.failed.items() if name == model}
    unscored = [each for each in scores.rivals if scores.tests and each not in (*scores.scored, *failed)]
    return [
        *(f"{title_of(method)} failed on {count} of {photos}: {reason.rstrip('.')}."
          for method, (count, reason) in failed.items() if method in scores.rivals),
        *(f"{title_of(method)} has no score: {result.reason(model, method) or 'none was asked for'}."
          for method in unscored),
    ]  # fmt: skip


def _names(methods: Sequence[str]) -> str:
    return listed([title_of(each) for each in methods])
