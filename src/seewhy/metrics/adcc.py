"""ADCC: average drop, coherency and complexity in one number, so that no map gets it for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import harmonic_mean

import numpy as np
import torch

from seewhy.core.progress import Progress, silent
from seewhy.engines import Fill
from seewhy.methods import Explanation
from seewhy.metrics.complexity import MeanArea
from seewhy.metrics.confidence import AverageDrop
from seewhy.metrics.registry import register_metric
from seewhy.metrics.robustness import Coherency
from seewhy.metrics.subject import Score, Subject


@register_metric(
    "adcc",
    title="ADCC",
    family="faithfulness",
    higher_is_better=True,
    bounds=(0, 1),
    paper="Poppi et al. 2021",
    arxiv="2104.10252",
    needs=("scores", "method"),
    question="Does a small map keep the class, and stay the same when the rest fades?",
    reading="1 is perfect in all three; one bad part spoils it.",
)
@dataclass(frozen=True, kw_only=True)
class ADCC:
    """Harmonic mean of coherency, 1 − mean area and 1 − average drop; the curve holds them. Source: Poppi 2021."""

    fill: str | Fill = "mean"

    def __call__(
        self,
        subject: Subject,
        explanations: Sequence[Explanation],
        *,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> list[Score]:
        """See `Metric`."""
        metrics = (Coherency(fill=self.fill), MeanArea(), AverageDrop(fill=self.fill))
        columns = [each(subject, explanations, generator=generator, progress=progress) for each in metrics]
        return [_joined(*parts) for parts in zip(*columns, strict=True)]


def _joined(coherency: Score, area: Score, drop: Score) -> Score:
    if coherency.value is None or area.value is None or drop.value is None:
        return Score.undefined(coherency.reason or area.reason or drop.reason)
    parts = [coherency.value, 1 - area.value, 1 - drop.value]
    return Score(harmonic_mean(parts), np.array(parts))
