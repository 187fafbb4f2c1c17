"""The masked-forward engine: against a picture composed by hand, and what it promises of cost, precision and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import zoo
from explainers.seeing import SIXTEEN, checkers, seeing
from seewhy.errors import Cancelled, ExplainError, NonFinite, UsageError
from seewhy.explainers import masking
from seewhy.explainers.fills import Constant, Fill, Images, Linear, Noise, RegionMean
from seewhy.explainers.masking import MaskedForward
from seewhy.images import Image
from seewhy.models import Classifier, Preprocessing
from seewhy.models.black_box import black_box

pytestmark = pytest.mark.usefixtures("one_thread")

PREPROCESSING = Preprocessing(zoo.SIZE)
PHOTO = zoo.photos(1)[0]
REGIONS = np.kron(SIXTEEN, np.ones((2, 2), int))  # of the 32 × 32 that the zoo's networks see
POOL = torch.rand((40, 16), generator=torch.Generator().manual_seed(3)) < 0.5
CPU_WORDS = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to"


def engine(
    classifier: Classifier | str, image: Image = PHOTO, fill: str | Fill = "region-mean", seed: int = 0, **options: Any
) -> MaskedForward:
    classifier = zoo.classifier(classifier) if isinstance(classifier, str) else classifier
    options = {"labels": REGIONS, "precision": "float32", **options}
    return MaskedForward(classifier, image, fill, generator=torch.Generator().manual_seed(seed), **options)


def close(found: Tensor, wanted: Tensor) -> None:
    """Equal to rounding: 1e-5 of the largest logit."""
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))


# --- What it answers ----------------------------------------------------------------------------------------------


def by_hand(classifier: Classifier, fill: Fill, masks: Tensor, which: Tensor) -> Tensor:
    """Each picture mixed, normalised and asked by itself."""
    pixels = classifier.preprocessing.pixels([PHOTO])[0]
    filler = fill.prepare(pixels, torch.from_numpy(REGIONS), torch.Generator().manual_seed(0))
    found = []
    for mask, pick in zip(masks.float(), which, strict=True):
        mixed = mask * pixels + (1 - mask) * filler(mask[None], pick[None])[0]
        with torch.no_grad():
            found.append(classifier.logits(classifier.preprocessing.normalize(mixed[None]))[0])
    return torch.stack(found)


@pytest.mark.parametrize("network", ["residual", "tiny-vit", "dict", "mutates-input", "training"])
def test_coalitions_are_answered_as_pictures_composed_by_hand(network):
    classifier = zoo.classifier(network)
    shown = POOL[:12][:, torch.from_numpy(REGIONS)]
    close(engine(network)(POOL[:12]), by_hand(classifier, RegionMean(), shown, torch.zeros(12, dtype=torch.int64)))


FILLS = [RegionMean(), Constant("black"), Noise(draws=4), Linear(), Images(tuple(zoo.photos(3, seed=8)))]


@pytest.mark.parametrize("fill", FILLS, ids=lambda fill: type(fill).__name__)
def test_each_fill_and_each_of_its_alternatives(fill):
    ours = engine("residual", fill=fill)
    which = torch.arange(12) % ours.alternatives
    shown = POOL[:12][:, torch.from_numpy(REGIONS)]
    close(ours(POOL[:12], which), by_hand(ours.classifier, fill, shown, which))
    soft = torch.rand((12, *zoo.SIZE), generator=torch.Generator().manual_seed(1))
    close(ours.maps(soft, which), by_hand(ours.classifier, fill, soft, which))


def test_without_a_choice_the_first_alternative_is_taken():
    ours = engine("residual", fill=Noise(draws=4))
    assert torch.equal(ours(POOL), ours(POOL, torch.zeros(40, dtype=torch.int64)))
    assert not torch.equal(ours(POOL), ours(POOL, torch.ones(40, dtype=torch.int64)))


def test_a_map_of_zeros_and_ones_is_a_coalition():
    ours = engine("residual")
    close(ours.maps(POOL[:, torch.from_numpy(REGIONS)].float()), ours(POOL))


def test_the_whole_picture_is_what_the_network_itself_says():
    ours = engine("residual")
    wanted = ours.classifier.logits(ours.classifier.preprocess([PHOTO]))[0]
    assert torch.equal(ours.logits, wanted.detach())
    close(ours(torch.ones(1, 16, dtype=torch.bool))[0], wanted.detach())


def test_logits_are_float32_on_the_cpu_without_a_graph():
    found = engine("residual")(POOL)
    assert (found.dtype, found.device.type, found.requires_grad) == (torch.float32, "cpu", False)
    assert found.shape == (40, zoo.CLASSES)


def test_nothing_asked_is_nothing_answered():
    ours = engine("residual")
    assert ours(POOL[:0]).shape == (0, zoo.CLASSES)
    assert ours.maps(torch.zeros(0, *zoo.SIZE)).shape == (0, zoo.CLASSES)
    assert ours.forwards == 1


def test_regions_are_counted_and_given_back():
    ours = engine("residual")
    assert ours.regions == 16
    assert ours.label_map.dtype == np.int32
    assert np.array_equal(ours.label_map, REGIONS)


@pytest.mark.parametrize("coalitions", [POOL.float(), POOL[:, :15], POOL[0]])
def test_what_is_no_coalition_is_refused(coalitions):
    with pytest.raises(UsageError, match=r"bool \(n, 16\)"):
        engine("residual")(coalitions)


def test_coalitions_without_regions_are_refused():
    with pytest.raises(UsageError, match="make the engine with labels"):
        engine("residual", labels=None)(POOL)


# --- Batches ------------------------------------------------------------------------------------------------------

rows = st.lists(st.integers(0, len(POOL) - 1), min_size=1, max_size=60)


@pytest.mark.parametrize("network", ["residual", "tiny-vit"])
@given(asked=rows, batch_size=st.integers(1, 40), alternatives=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_an_answer_hangs_neither_on_batch_size_nor_order_nor_duplicates(network, asked, batch_size, alternatives):
    fill = Noise(draws=alternatives)
    which = torch.tensor(asked) % alternatives
    together = engine(network, fill=fill, batch_size=batch_size)
    alone = engine(network, fill=fill, batch_size=1)
    found = together(POOL[asked], which)
    close(found, torch.cat([alone(POOL[[row]], pick[None]) for row, pick in zip(asked, which, strict=True)]))
    assert together.forwards == 1 + len(set(asked)), "each once, and the whole picture"
    soft = POOL[asked][:, torch.from_numpy(REGIONS)].float()
    close(together.maps(soft, which), found)


class Asked:
    """A rule of `seeing` that notes the regions shown in every row it is asked, whatever copy of it is asked."""

    def __init__(self, limit: int | None = None, error: Exception | None = None) -> None:
        self.rows: list[tuple[int, ...]] = []
        self.limit, self.error = limit, error

    def __deepcopy__(self, memo: Any) -> Asked:
        return self

    def __call__(self, visible: Tensor) -> Tensor:
        if self.limit is not None and self.error is not None and len(visible) > self.limit:
            raise self.error
        self.rows += [tuple(row.nonzero().flatten().tolist()) for row in visible > 0.5]
        return torch.stack([visible @ torch.linspace(-1, 1, visible.shape[1]), visible.prod(1)], 1)


def asking(rule: Asked, **options: Any) -> MaskedForward:
    ours = engine(seeing(SIXTEEN, rule), checkers(), labels=SIXTEEN, **options)
    rule.rows.clear()
    return ours


def test_no_coalition_is_evaluated_twice():
    rule = Asked()
    ours = asking(rule)
    first = ours(POOL[[0, 1, 1, 2, 0]])
    assert len(rule.rows) == 3
    again = ours(POOL[[2, 3, 0, 3]])
    assert sorted(rule.rows) == sorted(tuple(row.nonzero().flatten().tolist()) for row in POOL[:4])
    assert ours.forwards == 1 + len(rule.rows)
    assert torch.equal(again[[0, 2]], first[[3, 0]])
    assert torch.equal(again[1], again[3])


def test_another_alternative_is_another_question():
    rule = Asked()
    ours = asking(rule, fill=Noise(draws=3))
    ours(POOL[[0, 0, 0, 0]], torch.tensor([0, 1, 2, 1]))
    assert len(rule.rows) == 3


def test_maps_are_all_asked_and_counted():
    rule = Asked()
    ours = asking(rule)
    ours.maps(torch.ones(5, 16, 16))
    ours.maps(torch.ones(5, 16, 16))
    assert len(rule.rows) == 10
    assert ours.forwards == 11


OUT_OF_MEMORY = [torch.cuda.OutOfMemoryError("CUDA out of memory"), RuntimeError(CPU_WORDS), MemoryError()]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("batch_size", [None, 30])
def test_memory_that_runs_out_halves_the_batch_and_changes_nothing_else(error, batch_size):
    plain = asking(Asked())(POOL)
    rule = Asked(limit=5, error=error)
    ours = asking(rule, batch_size=batch_size)
    close(ours(POOL), plain)
    distinct = {tuple(row.nonzero().flatten().tolist()) for row in POOL}
    assert sorted(rule.rows) == sorted(distinct), "no answer is lost, none is asked for again"
    assert ours.forwards == 1 + len(distinct)


@pytest.mark.parametrize(("batch_size", "kept"), [(None, 4), (30, 3)])
def test_the_batch_size_that_fits_is_kept(batch_size, kept):
    classifier, tries = seeing(SIXTEEN, Asked()), []
    ours = engine(classifier, checkers(), labels=SIXTEEN, batch_size=batch_size)
    rule = ours.network.module.rule
    rule.limit, rule.error = 5, OUT_OF_MEMORY[0]
    ours(POOL[:20])
    if batch_size is None:  # with the network, for every later engine of it
        ours = engine(classifier, checkers(), labels=SIXTEEN)
    rule.error = AssertionError("a larger batch was tried again")
    ours.progress = lambda done, total, message: tries.append(done)
    before = ours.forwards
    ours(POOL[20:])
    assert np.diff([before, *tries])[:-1].tolist() == [kept] * (len(tries) - 1)


def test_memory_that_does_not_hold_one_picture_is_told():
    with pytest.raises(ExplainError, match="memory runs out with a single image"):
        asking(Asked(limit=0, error=None)).network.module.rule.__init__(0, OUT_OF_MEMORY[0]) or pytest.fail("unset")


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(UsageError, match="at least one image, not 0"):
        engine("residual", batch_size=0)
