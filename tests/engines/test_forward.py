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
from methods.seeing import SIXTEEN, checkers, seeing
from seewhy.engines import Answers, Constant, Fill, Images, Linear, MaskedForward, Noise, RegionMean, forward
from seewhy.errors import Cancelled, ExplainError, ModelError, NonFinite, UsageError
from seewhy.images import Image
from seewhy.models import Classifier, Preprocessing
from seewhy.models.classifier import black_box

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
@settings(max_examples=25)
def test_an_answer_hangs_neither_on_batch_size_nor_order_nor_duplicates(network, asked, batch_size, alternatives):
    fill = Noise(draws=alternatives)
    which = torch.tensor(asked) % alternatives
    together = engine(network, fill=fill, batch_size=batch_size)
    alone = engine(network, fill=fill, batch_size=1)
    found = together(POOL[asked], which)
    close(found, torch.cat([alone(POOL[[row]], pick[None]) for row, pick in zip(asked, which, strict=True)]))
    assert together.forwards == len(set(asked)), "each once"
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
    assert ours.forwards == len(rule.rows)
    assert torch.equal(again[[0, 2]], first[[3, 0]])
    assert torch.equal(again[1], again[3])


def test_another_alternative_is_another_question():
    rule = Asked()
    ours = asking(rule, fill=Noise(draws=3))
    ours(POOL[[0, 0, 0, 0]], torch.tensor([0, 1, 2, 1]))
    assert len(rule.rows) == 3


def test_no_map_is_evaluated_twice():
    rule = Asked()
    ours = asking(rule)
    soft = torch.rand(5, 16, 16, generator=torch.Generator().manual_seed(0))
    first = ours.maps(soft[[0, 1, 2, 1]])
    again = ours.maps(soft[[2, 3, 4, 0]])
    assert ours.forwards == len(rule.rows) == 5
    assert torch.equal(again[[3, 0]], first[[0, 2]])
    assert len({row.numpy().tobytes() for row in torch.cat([first, again])}) == 5


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
    assert ours.forwards == len(distinct)


@pytest.mark.parametrize(("batch_size", "kept"), [(None, 4), (30, 3)])
def test_the_batch_size_that_fits_is_kept(batch_size, kept):
    rule = Asked(limit=5, error=OUT_OF_MEMORY[0])
    ours = asking(rule, batch_size=batch_size)
    ours(POOL[:20])
    if batch_size is None:  # kept with the network, so that another engine of it need not find out again
        ours = engine(ours.classifier, checkers(), labels=SIXTEEN)
    rule.error = AssertionError("a larger batch was tried again")
    told: list[int] = [ours.forwards]
    ours.progress = lambda done, total, message: told.append(done)
    ours(POOL[20:])
    assert set(np.diff(told)[:-1]) == {kept}


def test_memory_that_does_not_hold_one_picture_is_told():
    rule = Asked(error=OUT_OF_MEMORY[0])
    ours = asking(rule)
    rule.limit = 0
    with pytest.raises(ExplainError, match="memory runs out with a single image"):
        ours(POOL)


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(UsageError, match="at least one image, not 0"):
        engine("residual", batch_size=0)


# --- Precision ----------------------------------------------------------------------------------------------------


class Sensitive(nn.Module):
    """Answers by the last digits of a sum, which half precision does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.body = zoo.Residual()

    def forward(self, x: Tensor) -> Tensor:
        return (3000 * self.body(x)).sin()


class Overflowing(nn.Module):
    """Holds a number that is more than `precision` can."""

    def __init__(self, precision: str) -> None:
        super().__init__()
        self.body = zoo.Residual()
        self.large = nn.Parameter(torch.tensor({"float16": 1e5, "bfloat16": 3.4e38}[precision]))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) * (self.large / 1e4)


class Unsupported(nn.Module):
    """Uses what there is in full precision only."""

    def __init__(self) -> None:
        super().__init__()
        self.body = zoo.Residual()
        self.one = nn.Parameter(torch.eye(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) * torch.linalg.det(self.one)


def made(make: Callable[[], nn.Module], seed: int = 0) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Classifier.from_module(make().eval(), PREPROCESSING)


@pytest.fixture(params=["float16", "bfloat16"])
def half(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The half precision that this machine is said to be fast at."""
    monkeypatch.setattr(forward, "fast_precisions", lambda device: (request.param,))
    return request.param


def test_half_precision_that_agrees_is_taken_and_the_gap_told(half):
    classifier = zoo.classifier("gap-linear")
    ours = engine(classifier, precision="auto")
    assert ours.network.dtype == getattr(torch, half)
    assert ours.checks["precision_bits"] == 16
    assert 0 < ours.checks["precision_gap"] <= forward.ROUNDING
    exact, found = engine(classifier)(POOL), ours(POOL)
    assert (found - exact).abs().max() < 0.1 * exact.std(0).max()
    assert found.dtype == torch.float32


@pytest.mark.parametrize("make", [Sensitive, Unsupported])
def test_half_precision_that_does_not_agree_is_refused(make, half):
    ours = engine(made(make), precision="auto")
    assert ours.network.dtype == torch.float32
    assert ours.checks["precision_bits"] == 32
    assert "precision_gap" not in ours.checks, "it is that of what was refused"
    assert ours.told[-1] == forward.ROUNDED
    assert torch.equal(ours(POOL), engine(ours.classifier)(POOL))


def test_of_many_answers_in_half_precision_it_is_told_how_far_they_moved(half):
    many = torch.rand((160, 16), generator=torch.Generator().manual_seed(5)) < 0.5
    ours, exact = engine("gap-linear", precision="auto"), engine("gap-linear")
    ours(POOL)
    assert "rounding" not in ours.checks, "a few are not worth asking again"
    before = ours.forwards
    moved = ours(many).log_softmax(1) - exact(many).log_softmax(1)
    assert ours.forwards == before + len(many.unique(dim=0)) + forward.REASKED
    assert ours.checks["rounding"] == pytest.approx(float(moved.square().mean().sqrt()), rel=0.5)
    exact(torch.rand((160, 16)) < 0.5)
    assert "rounding" not in exact.checks


def test_half_precision_that_overflows_is_refused(half):
    ours = engine(made(lambda: Overflowing(half)), precision="auto")
    assert ours.network.dtype == torch.float32
    assert ours.checks == {"precision_bits": 32}
    assert torch.isfinite(ours(POOL)).all()


def test_where_one_half_precision_is_refused_the_next_is_tried(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(forward, "fast_precisions", lambda device: ("float16", "bfloat16"))
    ours = engine(made(lambda: Overflowing("float16")), precision="auto")
    assert ours.network.dtype == torch.bfloat16
    assert ours.told == ("PyTorch computed the answers in half precision.",)
    assert engine("gap-linear", precision="auto").network.dtype == torch.float16


def test_answers_of_one_half_precision_are_none_of_the_other():
    classifier, answers = zoo.classifier("gap-linear"), Answers()
    wanted = [engine(classifier, precision=each)(POOL) for each in ("float16", "bfloat16")]
    found = [engine(classifier, precision=each, answers=answers)(POOL) for each in ("float16", "bfloat16")]
    assert all(torch.equal(*pair) for pair in zip(found, wanted, strict=True))
    assert not torch.equal(*found)


def test_how_the_trial_falls_out_hangs_on_nothing_but_the_seed(half):
    first, second, other = (
        engine("residual", seed=seed, precision="auto").checks["precision_gap"] for seed in (0, 0, 1)
    )
    assert first == second
    assert first != other


def test_forwards_of_the_trial_count(half):
    assert engine("residual", precision="auto").forwards == 1 + 2 * forward.TRIALS


@pytest.mark.parametrize(("precision", "bits"), [("float64", 64), ("float32", 32), ("bfloat16", 16), ("float16", 16)])
def test_a_precision_may_be_forced(precision, bits):
    ours = engine(made(Sensitive), precision=precision)
    assert ours.network.dtype == getattr(torch, precision)
    assert ours.checks["precision_bits"] == bits
    assert ("precision_gap" in ours.checks) == (precision != "float32"), "which is what it is compared with"


def test_forced_where_it_overflows_it_says_so():
    ours = engine(made(lambda: Overflowing("float16")), precision="float16")
    with pytest.raises(NonFinite, match="half precision"):
        ours(POOL)


class Locked(nn.Module):
    """Holds what cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.body = zoo.Residual()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)

    def __deepcopy__(self, memo: Any) -> Locked:
        raise TypeError("cannot pickle '_thread.lock' object")


def test_a_network_that_cannot_be_copied_answers_for_itself_in_its_own_precision(half):
    ours = engine(made(Locked), precision="auto")
    assert ours.network.module is ours.classifier.module
    assert ours.checks == {"precision_bits": 32, "precision_gap": 0}
    close(ours(POOL), engine(made(zoo.Residual))(POOL))


# --- Progress and stopping ----------------------------------------------------------------------------------------


def test_progress_is_told_after_every_batch():
    told: list[tuple[int, int | None, str]] = []
    ours = engine("residual", batch_size=16, progress=lambda *now: told.append(now))
    ours.expected = 40
    ours(POOL)
    assert told == [(16, 40, "variations"), (32, 40, "variations"), (40, 40, "variations")]


def test_what_was_answered_before_it_was_stopped_is_kept():
    def stop(done: int, total: int | None, message: str) -> None:
        if done > 20:
            raise Cancelled("enough")

    rule = Asked()
    ours = asking(rule, batch_size=8)
    ours.progress = stop
    random, grad = torch.get_rng_state(), torch.is_grad_enabled()
    with pytest.raises(Cancelled, match="enough"):
        ours(POOL)
    assert len(rule.rows) == 24
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.is_grad_enabled() == grad
    assert not torch.is_inference_mode_enabled()
    assert not ours.classifier.module.training
    ours.progress = lambda done, total, message: None
    close(ours(POOL), asking(Asked())(POOL))
    assert len(rule.rows) <= len(POOL) + 8, "only the batch that was stopped is asked again"


def test_a_network_that_fails_can_be_asked_again():
    rule = Asked(limit=5, error=ValueError("the network's own"))
    ours = asking(rule, batch_size=8)
    with pytest.raises(ModelError, match="raised ValueError: the network's own"):
        ours(POOL)
    rule.limit = None
    close(ours(POOL), asking(Asked())(POOL))


def test_the_network_that_was_given_stays_as_it_was():
    classifier = zoo.classifier("training")
    before = {name: tensor.clone() for name, tensor in classifier.module.state_dict().items()}
    engine(classifier)(POOL)
    assert classifier.module.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in classifier.module.state_dict().items())
    assert all(parameter.requires_grad for parameter in classifier.module.parameters())


# --- Networks and pictures with little in them --------------------------------------------------------------------


@pytest.mark.parametrize("network", ["nan", "inf"])
def test_a_network_without_sound_scores_is_refused_at_once(network):
    with pytest.raises(NonFinite, match="NaN or infinity"):
        engine(network)


def test_scores_that_are_unsound_only_where_something_is_hidden_are_refused():
    def rule(visible: Tensor) -> Tensor:
        return visible[:, :2] / (visible.abs() > 1e-3).any(1, keepdim=True)

    ours = engine(seeing(SIXTEEN, rule), checkers(), labels=SIXTEEN)
    assert ours(torch.ones(1, 16, dtype=torch.bool)).isfinite().all()
    with pytest.raises(NonFinite, match="NaN or infinity"):
        ours(torch.zeros(1, 16, dtype=torch.bool))


def test_a_constant_network_says_the_same_of_everything(half):
    ours = engine("constant", precision="auto")
    assert torch.equal(ours(POOL), ours.logits.expand(40, -1))
    assert np.isfinite(ours.checks["precision_gap"])


@pytest.mark.parametrize("colour", [0, 90, 255])
def test_of_a_picture_of_one_colour_nothing_can_be_hidden_with_its_mean(colour):
    ours = engine("residual", Image(np.full((40, 48, 3), colour, np.uint8), "plain"))
    close(ours(POOL), ours.logits.expand(40, -1))


# --- Black boxes --------------------------------------------------------------------------------------------------


def test_a_black_box_sees_pictures_of_what_is_shown():
    seen: list[np.ndarray] = []

    def score(pictures: np.ndarray) -> np.ndarray:
        seen.append(pictures)
        red = pictures[..., 0].mean((1, 2)) / 255
        return np.stack([red, 1 - red], 1)

    classifier = black_box(score, size=zoo.SIZE)
    ours = engine(classifier, fill="black", precision="auto", batch_size=7)
    seen.clear()
    found = ours(POOL).softmax(1)
    pixels = classifier.preprocessing.pixels([PHOTO])[0].permute(1, 2, 0).mul(255).round().byte().numpy()
    wanted = pixels * POOL[:, torch.from_numpy(REGIONS)].numpy()[..., None]
    assert np.array_equal(np.concatenate(seen), wanted)
    np.testing.assert_allclose(found[:, 0], wanted[..., 0].mean((1, 2)) / 255, atol=1e-6)
    assert ours.forwards == 40
    assert not ours.checks, "there is no precision to choose"


def test_a_black_box_that_runs_out_of_memory_gets_smaller_batches():
    def score(pictures: np.ndarray) -> list[list[float]]:
        if len(pictures) > 5:
            raise MemoryError
        return [[0.25, 0.75]] * len(pictures)

    assert engine(black_box(score, size=zoo.SIZE))(POOL).shape == (40, 2)
