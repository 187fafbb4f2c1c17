"""The exact map of a B-cos network: what each place of the picture adds to the score, and nothing left over."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import override

from seewhy.methods.gradients import completeness_gap
from seewhy.methods.method import Method
from seewhy.methods.task import Found, Task
from seewhy.models import Classifier, capture
from seewhy.models.bcos import BcosNetwork, fixed_scales

ROUNDING = 1e-6  # of a score
LAYER = "encode"  # whose output the network multiplies by a matrix of its own making


class BcosMap(Method):
    """W(x) ⊙ x of a B-cos network, summed over colours and their complements: it adds up to the score."""

    name = "bcos"
    title = "B-cos map"
    family = "inherent"
    status = "verified"
    paper = "Böhle et al. 2022"
    arxiv = "2205.10268"
    needs = ("scores", "layers", "gradients")
    signed = True
    question = "What does each place of the picture add to the score, in a network that is made to say so?"
    reading = (
        "Orange areas added to the score of the class, blue ones took from it; together they are the score, with "
        "nothing left over. Only networks trained with `seewhy train --recipe bcos` can say so."
    )
    cost = "one forward, one backward for each class"

    @override
    def obstacle(self, classifier: Classifier) -> str | None:
        if isinstance(classifier.module, BcosNetwork):
            return None
        return f"{classifier.name} is no B-cos network; `seewhy train --recipe bcos` makes one, or take another method"

    @override
    def find(self, task: Task) -> list[Found]:
        module = task.classifier.module
        with fixed_scales(module), capture(module, [LAYER]) as seen:
            logits = task.classifier.logits(task.inputs)
            task.note(logits)
            task.spend(forwards=1, backwards=len(task.asked))
            scores = [target.score(logits[0]) for target in task.asked]
            return [_map(seen[LAYER], seen.gradients(score, [LAYER])[LAYER], score) for score in scores]


def _map(seen: Tensor, slopes: Tensor, score: Tensor) -> Found:
    values, whole = (seen * slopes)[0].sum(0).detach(), score.detach().double()
    gap = completeness_gap(values.double(), whole, ROUNDING * float(whole.abs()))
    return Found(values, checks={"completeness_gap": gap})
