"""The masked-forward engine: what does the model say when these parts of the picture are hidden?

Every method and metric that hides parts of a picture asks here. The engine alone owns batch size, memory format,
precision and device; it asks nothing that is among the answers at hand, reports progress, and counts its forwards.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal, TypeAlias
from weakref import ref

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from seewhy.core.progress import Progress, silent
from seewhy.engines.answers import Answers, content
from seewhy.engines.backends import answering_copy
from seewhy.engines.baselines import Fill, Filler, find_fill
from seewhy.engines.batches import BatchSize, batches, keep_large_blocks
from seewhy.engines.inference import HALF, ITSELF, Inference, Precision, fast_precisions, inference_copy
from seewhy.engines.regions import spread
from seewhy.errors import ModelError, UsageError
from seewhy.images import Image
from seewhy.models import Classifier

TRIALS, TRIAL_CELLS = 8, 7  # masks of 7 × 7 cells on which half precision has to agree with float32
TRIAL_CLASSES = 5
# Rounding error allowed, as a share of how much hiding parts changes the log-probabilities. LIME's weights in bfloat16
# and float32 on the same coalitions agree in rank at 0.994 or more with a share of 0.03 (ResNet-50: the predicted class
# 0.999), and at as little as 0.980 with 0.11 to 0.14 (EfficientNet-Lite0). Sampled estimates are held to it, too: most
# of a rounding error hangs on what is hidden, and more samples do not average that out. On one photo, with a tenth of
# the regions hidden at a time, the squared bias of a linear model's weights in bfloat16 was 0.001 to 0.03 of their
# sampling variance over 250 variations (ResNet-50), and 1.7 to 3.1 of that over 960 (EfficientNet-Lite0), while
# rounding added no more than 0.04 to the variance of either. Of EfficientNet-Lite0 no part in float32 cures it: neither
# its end nor its depthwise layers, and with its first half, which is 1.3 times as fast as all in float32, the squared
# bias still was 0.08 to 0.23 of the sampling variance over 600 variations (`benchmarks/rounding.py`).
ROUNDING = 0.05
REASKED, REASKED_OF = 16, 128  # of so many variations answered in half precision so many are asked in float32, too
COARSER = "OpenVINO was left aside: in half precision it rounds more than PyTorch, and more than the answers can bear."
ROUNDED = "Half precision was left aside: it would round more than the answers can bear."


Masks: TypeAlias = Callable[[Tensor], Tensor]  # the masks (n, h, w) of some rows, int64 (n,), of what is asked
Question: TypeAlias = tuple[Hashable, ...] | None  # what is hidden, and by which alternative; None: nothing is


class MaskedForward:
    """The model's logits under masks of one picture.

    Args:
        classifier: any; a black box answers for itself, a network through its fast private copy.
        picture: an image, or what the network sees of one, `(C, h, w)` before normalising; parts of that are hidden.
        fill: what hidden parts are replaced with, by name or as an object.
        labels: region of each pixel, int `(h, w)` from 0 on, for coalitions and for fills that need regions.
        generator: of random fills.
        precision: `auto` takes half precision where the machine is fast at it and it agrees with float32.
        batch_size: fixed, or None to find the fastest by trial.
        progress: told after every batch; raise `Cancelled` in it to stop.
        answers: what is known already, of this picture and others; what is asked is added.

    `network` is the copy that answers. `forwards` are those that the engine would take alone: an answer that another
    engine got counts, too, so that they do not hang on what else was asked.
    """

    def __init__(
        self,
        classifier: Classifier,
        picture: Image | Tensor,
        fill: str | Fill = "region-mean",
        *,
        labels: np.ndarray | None = None,
        generator: torch.Generator,
        precision: Precision | Literal["auto"] = "auto",
        batch_size: int | None = None,
        progress: Progress = silent,
        answers: Answers | None = None,
    ) -> None:
        keep_large_blocks()
        self.classifier = classifier
        self.labels = None if labels is None else torch.from_numpy(labels.astype(np.int64)).to(classifier.device)
        self.forwards = 0
        self.expected: int | None = None
        self.checks: dict[str, float] = {}
        self.progress = progress
        self._fixed = None if batch_size is None else BatchSize(classifier.device, batch_size)
        pixels = picture if isinstance(picture, Tensor) else classifier.preprocessing.pixels([picture])[0]
        self._pixels = pixels.to(classifier.device)
        self._filler = find_fill(fill).prepare(self._pixels, self.labels, generator)
        self._prepared: dict[tuple[torch.dtype, torch.memory_format], tuple[Tensor, Filler]] = {}
        self._answers = Answers() if answers is None else answers
        self._asked: set[Hashable] = set()
        self._version = classifier.weights_version
        self._aside: tuple[str, ...] = ()
        self._seed = generator.initial_seed()
        self.network = self._choose(precision)

    @cached_property
    def logits(self) -> Tensor:
        """Float32 logits `(K,)` of the whole picture from the network itself, which is asked when they are wanted."""
        (key,) = self._keys([None], ITSELF, self.classifier.dtype)
        self.forwards += 1
        self._asked.add(key)
        if (known := self._answers.get(key)) is not None:
            return known.float()
        x = self.classifier.preprocessing.normalize(self._pixels[None]).to(self.classifier.dtype)
        with torch.no_grad():
            found = self.classifier.logits(x)[0].cpu()
        found = found.to(torch.promote_types(found.dtype, torch.float32))
        self._answers.keep(key, found)
        return found.float()

    @property
    def told(self) -> tuple[str, ...]:
        """What answered, and what was left aside, in sentences."""
        return (*self.network.told, *self._aside)

    @property
    def asked(self) -> int:
        """How many different questions it answered so far."""
        return len(self._asked)

    @property
    def regions(self) -> int:
        """How many regions a coalition is about."""
        return int(self.region_labels.max()) + 1

    @property
    def label_map(self) -> np.ndarray:
        """The region of each pixel, int32 `(h, w)`."""
        return self.region_labels.cpu().numpy().astype(np.int32)

    @property
    def region_labels(self) -> Tensor:
        """The region of each pixel, int64 `(h, w)` on the network's device."""
        if self.labels is None:
            raise UsageError("coalitions are about regions: make the engine with labels")
        return self.labels

    @property
    def alternatives(self) -> int:
        """How many different fills there are to draw from; 1 for most."""
        return self._filler.alternatives

    def __call__(self, coalitions: Tensor, which: Tensor | None = None) -> Tensor:
        """Float32 logits `(n, K)` on the CPU for bool `(n, regions)`, true where a region is kept.

        `which` `(n,)` picks each one's alternative of the fill, the first without it. What was asked before is not
        evaluated again.
        """
        if coalitions.dtype != torch.bool or coalitions.shape[1:] != (self.regions,):
            raise UsageError(
                f"coalitions are bool (n, {self.regions}), not {coalitions.dtype} {tuple(coalitions.shape)}"
            )
        packed, kept = np.packbits(coalitions.cpu().numpy(), axis=1), coalitions.to(self._pixels.device)
        which, labels = self._alternative(which, len(coalitions)), self.region_labels
        rows = zip(packed, coalitions.any(1).tolist(), strict=True)
        masks = [(self._cut, row.tobytes()) if some else () for row, some in rows]
        questions = self._questions(masks, which, coalitions.all(1))
        return self._answered(questions, lambda rows: spread(kept[rows], labels), which)

    def maps(self, masks: Tensor, which: Tensor | None = None) -> Tensor:
        """Float32 logits `(n, K)` on the CPU for masks `(n, h, w)`: bool, or float in [0, 1], 1 where shown."""
        which = self._alternative(which, len(masks))
        return self._answered(self._of_maps(masks, which), lambda rows: masks[rows], which)

    def _of_maps(self, masks: Tensor, which: Tensor) -> list[Question]:
        # Blending rounds, so that a soft mask which hides nothing is not quite the picture.
        whole = masks.flatten(1).all(1) if masks.dtype == torch.bool else torch.zeros(len(masks), dtype=torch.bool)
        return self._questions([(content(each),) if each.any() else () for each in masks.cpu()], which, whole)

    def _questions(self, hidden: Sequence[tuple[Hashable, ...]], which: Tensor, whole: Tensor) -> list[Question]:
        """What each row asks: which alternative, and what it hides, `()` for all.

        Where it is the `whole` picture, what would have hidden parts says nothing.
        """
        picks = which.tolist() if self.alternatives > 1 else [0] * len(which)
        rows = zip(hidden, picks, whole.tolist(), strict=True)
        return [None if nothing else (pick, *each) for each, pick, nothing in rows]

    @cached_property
    def _cut(self) -> Hashable:
        return content(self.region_labels)

    @cached_property
    def _seen(self) -> tuple[Hashable, Hashable]:
        """The picture, and what hides parts of it."""
        return content(self._pixels), content(self._filler)

    def _keys(self, questions: Sequence[Question], backend: str, precision: torch.dtype) -> list[Hashable]:
        """What the answers that this computes are kept by."""
        picture, filler = self._seen
        who = (ref(self.classifier), self._version, backend, precision, picture)
        whole, partly = self._answers.subject(*who), self._answers.subject(*who, filler)
        return [(whole,) if each is None else (partly, *each) for each in questions]

    def _answered(self, questions: Sequence[Question], shown: Masks, which: Tensor) -> Tensor:
        """Logits `(n, K)` of the copy that answers; how far half precision moves them is found out once."""
        keys = self._keys(questions, self.network.backend, self.network.precision)
        fresh = _first_rows(keys, self._asked)  # whoever else knows the answer: what computes must not hang on that
        network = self._answering(len(fresh))
        rows = self._ask(questions, shown, which, network)
        if network.bits == HALF and len(fresh) >= REASKED_OF and "rounding" not in self.checks:
            some = fresh[:: len(fresh) // REASKED][:REASKED]
            asked = [questions[row] for row in some.tolist()]
            exact = inference_copy(self.classifier, "float32")
            again = self._ask(asked, lambda part: shown(some[part]), which[some], exact)
            moved = self._likeliest(rows[some]) - self._likeliest(again)
            self.checks["rounding"] = float(moved.square().mean().sqrt())  # of log-probabilities
        return rows

    def _ask(self, questions: Sequence[Question], shown: Masks, which: Tensor, network: Inference) -> Tensor:
        """Logits `(n, K)` of this network, which is asked what is not known."""
        keys = self._keys(questions, network.backend, network.precision)
        known = {key: row for key in dict.fromkeys(keys) if (row := self._answers.get(key)) is not None}
        rows = _first_rows(keys, known)
        self.forwards += len(known.keys() - self._asked)
        self._asked.update(keys)
        answers = self._run(lambda part: shown(rows[part]), which[rows], network)
        for row, logits in zip(rows.tolist(), answers, strict=True):
            known[keys[row]] = logits
            self._answers.keep(keys[row], logits)
        return torch.stack([known[key] for key in keys]) if keys else self.logits.new_empty((0, len(self.logits)))

    def _run(self, shown: Callable[[slice], Tensor], which: Tensor, network: Inference) -> Iterator[Tensor]:
        """Logits row by row; `shown` gives the masks `(n, h, w)` of a slice of `which`."""

        def ask(part: slice) -> Tensor:
            return network(self._composed(shown(part), which[part].to(self._pixels.device), network)).cpu()

        for rows in batches(ask, len(which), self._fixed or network.size):
            self.forwards += len(rows)
            self.progress(self.forwards, self.expected and max(self.expected, self.forwards), "variations")
            yield from rows

    def _composed(self, masks: Tensor, which: Tensor, network: Inference) -> Tensor:
        """Network inputs `(n, C, h, w)`: the picture where it is shown, the fill elsewhere, each exactly as it is."""
        picture, filler = self._sides(network.dtype, network.layout)
        fill = filler(masks, which)
        return torch.lerp(fill, picture, masks.unsqueeze(1).to(fill.dtype))

    def _sides(self, dtype: torch.dtype, layout: torch.memory_format) -> tuple[Tensor, Filler]:
        """The picture `(1, C, h, w)` and what hides it, normalised once for a network that takes them so."""

        def laid_out(pixels: Tensor) -> Tensor:
            return self.classifier.preprocessing.normalize(pixels).to(dtype, memory_format=layout)

        if (dtype, layout) not in self._prepared:
            self._prepared[dtype, layout] = (laid_out(self._pixels[None]), self._filler.then(laid_out))
        return self._prepared[dtype, layout]

    def _answering(self, count: int) -> Inference:
        """The copy that answers; compiled from when enough forwards are to come, these `count` among them."""
        if self.network.compiled is None and not self.network.aside:
            coming = max(count, (self.expected or 0) - self.forwards)
            self.network = self._no_coarser(answering_copy(self.classifier, self.network, coming))
        return self.network

    def _no_coarser(self, found: Inference) -> Inference:
        """What was found to answer, unless it rounds more than the copy at hand may; how much it does is noted."""
        if found.compiled is None or "precision_gap" not in self.checks:
            return found
        gap = self._gap(found)
        if gap > max(ROUNDING, self.checks["precision_gap"]):
            return replace(self.network, aside=(COARSER,))
        self.checks["precision_gap"] = gap
        return found

    def _choose(self, precision: Precision | Literal["auto"]) -> Inference:
        exact = inference_copy(self.classifier, "float32")
        if "layers" not in self.classifier.offers:  # a black box: there is no precision to choose
            return exact
        device = self._pixels.device
        wanted: tuple[Precision, ...] = fast_precisions(device) if precision == "auto" else (precision,)
        chosen = exact
        for each in () if precision == "float32" else wanted:
            fast = inference_copy(self.classifier, each)
            gap = self._gap(fast)
            if gap <= ROUNDING or precision != "auto":
                chosen, self._aside = fast, ()
                self.checks["precision_gap"] = min(gap, 1.0)
                break
            self._aside = (ROUNDED,)
        self.checks["precision_bits"] = float(chosen.bits)
        return chosen

    def _gap(self, fast: Inference) -> float:
        """How much rounding changes the log-probabilities, as a share of how much hiding parts changes them."""
        masks, truth, signal = self._trial
        try:
            rounded = self._likeliest(self._tried(masks, fast))
        except (ModelError, RuntimeError):  # it overflows, or has an operation that half precision lacks
            return float("inf")
        return float((rounded - truth).square().mean().sqrt() / signal.clamp(min=1e-3))

    @cached_property
    def _trial(self) -> tuple[Tensor, Tensor, Tensor]:
        """Masks to try precisions on, the log-probabilities under them in float32, and how much those differ."""
        generator = torch.Generator().manual_seed(self._seed)
        cells = torch.rand((TRIALS, 1, TRIAL_CELLS, TRIAL_CELLS), generator=generator).round()
        masks = interpolate(cells, self._pixels.shape[1:], mode="nearest")[:, 0].to(self._pixels.device) > 0
        truth = self._likeliest(self._tried(masks, inference_copy(self.classifier, "float32")))
        signal = torch.cat([truth, self._likeliest(self.logits[None])]).std(0).square().mean().sqrt()
        return masks, truth, signal

    def _tried(self, masks: Tensor, network: Inference) -> Tensor:
        which = self._alternative(None, TRIALS)
        return self._ask(self._of_maps(masks, which), lambda rows: masks[rows], which, network)

    def _likeliest(self, logits: Tensor) -> Tensor:
        """The log-probabilities of the picture's likeliest classes, of logits `(n, K)`."""
        head = self.classifier.head
        return head.log_probabilities(logits)[:, head.likeliest(self.logits, TRIAL_CLASSES)]

    def _alternative(self, which: Tensor | None, count: int) -> Tensor:
        return torch.zeros(count, dtype=torch.int64) if which is None else which.cpu()


def _first_rows(keys: Sequence[Hashable], known: Container[Hashable]) -> Tensor:
    """The first row of each key that is not known, int64 `(n,)`."""
    found: dict[Hashable, int] = {}
    for row, key in enumerate(keys):
        found.setdefault(key, row)
    return torch.tensor([row for key, row in found.items() if key not in known], dtype=torch.int64)
