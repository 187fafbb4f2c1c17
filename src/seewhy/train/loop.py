"""The training loop: counted in steps, killed at any moment, and taken up again bit for bit on the same machine.

All that a step needs is a function of its number: which pictures, how they are changed, which units are dropped. So
weights, optimiser and step number are the whole state.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from seewhy.core.files import whole_file
from seewhy.core.progress import Progress, silent
from seewhy.errors import ModelError, NonFinite
from seewhy.models.checkpoints import unpickled

Record: TypeAlias = dict[str, float]  # "step", the means of what the objective gave, and what the look found
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
DIVERGED = "the loss is no finite number at step {}; lower the learning rate (--lr)"


class Batch(NamedTuple):
    """Network inputs `(n, C, h, w)`, class numbers `(n,)`, and the places `(n,)` of the pictures in their list."""

    x: Tensor
    y: Tensor
    indices: Tensor


class Group(NamedTuple):
    """Parameters that learn at one rate."""

    parameters: Sequence[nn.Parameter]
    learning_rate: float
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Stage:
    """One stage of training: Adam on `groups`, all other parameters at rest.

    Attributes:
        steps: updates of the weights.
        every: steps between two looks; after each a checkpoint is written.
        batches: the batch of a step.
        objective: what to minimise, as "loss", and beside it what else to record; scalars.
        evaluating: parts that stay in evaluation mode: what is frozen, and BatchNorms of small data sets.
        decay: by how much the learning rates are multiplied at a step.
        look: measures the network now and then, such as on validation pictures; it runs in evaluation mode.
        watched: the name of the number, less is better, by which `patience` judges.
        patience: so many looks without a better one end the stage, which then keeps the weights of the best.
        half: compute in bfloat16 on a GPU that is built for it; elsewhere it changes nothing.
        seed: of what the network draws, such as dropout.
    """

    steps: int
    every: int
    batches: Callable[[int], Any]
    objective: Callable[[Any], Mapping[str, Tensor]]
    groups: Sequence[Group]
    evaluating: Sequence[nn.Module] = ()
    decay: Callable[[int], float] | None = None
    look: Callable[[], Mapping[str, float]] = dict
    watched: str = "validation_loss"
    patience: int | None = None
    half: bool = False
    seed: int = 0


def fit(
    module: nn.Module,
    stage: Stage,
    *,
    checkpoint: Path | None = None,
    progress: Progress = silent,
    tell: Callable[[Record], object] = lambda _record: None,
) -> list[Record]:
    """Train `module` in place; it is left in evaluation mode, its parameters all trainable.

    Args:
        module: the network.
        stage: what to do.
        checkpoint: a file that is written after each look. Where it is there already, training goes on from it, and
            a stage that had ended is not run again.
        progress: called before each step; may raise `Cancelled`.
        tell: called with each record, also with those that the checkpoint held.

    Returns:
        A record for each look.

    Raises:
        NonFinite: the loss is NaN or infinite.
        ModelError: the checkpoint is damaged.
    """
    run = _Run(module, stage)
    if checkpoint is not None and checkpoint.is_file():
        run.restore(checkpoint)
    for record in run.history:
        tell(record)
    with _only(module, stage.groups):
        for step in run.remaining():
            progress(step, stage.steps, "training steps")
            run.step(step)
            if (step + 1) % stage.every == 0 or step + 1 == stage.steps:
                record = run.look(step + 1)
                if checkpoint is not None:
                    run.save(checkpoint)
                tell(record)
    if run.best:
        module.load_state_dict(run.best["weights"])
    module.eval()
    return run.history


def batch_norms(module: nn.Module) -> list[nn.Module]:
    """The parts whose training mode replaces what they know by the statistics of the batch."""
    return [part for part in module.modules() if isinstance(part, BATCH_NORMS)]


def seed_of(*parts: int | str) -> int:
    """A seed for what these name, unrelated to that of any other."""
    return int.from_bytes(sha256(repr(parts).encode()).digest()[:8], "big") >> 1


@dataclass
class _Run:
    module: nn.Module
    stage: Stage
    done: int = 0
    history: list[Record] = field(default_factory=list[Record])
    best: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        groups = [
            {"params": list(group.parameters), "lr": group.learning_rate, "weight_decay": group.weight_decay}
            for group in self.stage.groups
        ]
        self.rates = [group.learning_rate for group in self.stage.groups]
        self.optimizer = torch.optim.Adam(groups)
        self.sums: dict[str, float] = {}
        self.count = 0

    def remaining(self) -> Iterator[int]:
        """The steps still to do; none once patience has run out."""
        patience = self.stage.patience
        while self.done < self.stage.steps:
            if patience is not None and self.best and len(self.history) - self.best["look"] >= patience:
                return
            yield self.done

    def step(self, number: int) -> None:
        stage = self.stage
        self.module.train()
        for part in stage.evaluating:
            part.eval()
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * (stage.decay(number) if stage.decay else 1)
        device = next(self.module.parameters()).device
        batch = stage.batches(number)
        self.optimizer.zero_grad(set_to_none=True)
        half = stage.half and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        with _seeded(device, seed_of(stage.seed, "step", number)):
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                found = _finite(stage.objective, batch, number)
            found["loss"].backward()
        self.optimizer.step()
        for name, value in found.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value.detach())
        self.count += 1
        self.done = number + 1

    def look(self, step: int) -> Record:
        self.module.eval()
        means = {name: total / self.count for name, total in self.sums.items()}
        self.sums, self.count = {}, 0
        with torch.no_grad():
            record: Record = {"step": step, **means, **self.stage.look()}
        self.history.append(record)
        if self.stage.patience is not None and record[self.stage.watched] < self.best.get("value", float("inf")):
            weights = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}
            self.best = {"value": record[self.stage.watched], "look": len(self.history), "weights": weights}
        return record

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        state = {
            "step": self.done,
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": self.history,
            "best": self.best,
        }
        with whole_file(path) as file:
            torch.save(state, file)

    def restore(self, path: Path) -> None:
        try:
            state = unpickled(path, next(self.module.parameters()).device)
            done, history, best = _progress(state, self.stage.steps)
            self.module.load_state_dict(state["module"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.done, self.history, self.best = done, history, best
        except Exception as error:  # a damaged file can fail in any way
            raise ModelError(f"the checkpoint {path} is damaged or of another network; delete it to begin again "
                             f"({error})") from error  # fmt: skip


def _progress(state: Mapping[Any, Any], steps: int) -> tuple[int, list[Record], dict[str, Any]]:
    """How far a run had come: its steps, records and best weights; raises `ValueError` where that cannot be."""
    done, history, best = state["step"], state["history"], state["best"]
    numbers = [value for record in history for value in record.values()]
    if best:
        numbers += [best["value"], best["look"]]
    if not all(isinstance(value, int | float) for value in (done, *numbers)) or not 0 <= done <= steps:
        raise ValueError("it tells of no such run")
    return done, history, best


def _finite(objective: Callable[[Any], Mapping[str, Tensor]], batch: Any, step: int) -> Mapping[str, Tensor]:
    """What the objective gives; an answer that is no number has one cure, whoever saw it first."""
    try:
        found = objective(batch)
    except NonFinite as error:
        raise NonFinite(f"{DIVERGED.format(step + 1)} ({error})") from error
    if not torch.isfinite(found["loss"].detach()):
        raise NonFinite(DIVERGED.format(step + 1))
    return found


@contextmanager
def _seeded(device: torch.device, seed: int) -> Generator[None]:
    """Random numbers of one's own, such as for dropout; the global state is left as it was found."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def _only(module: nn.Module, groups: Sequence[Group]) -> Generator[None]:
    """Gradients for the parameters of these groups, and for no others of the network."""
    mine = {id(parameter) for group in groups for parameter in group.parameters}
    for parameter in module.parameters():
        parameter.requires_grad_(id(parameter) in mine)
    try:
        yield
    finally:
        for parameter in module.parameters():
            parameter.requires_grad_(True)
            parameter.grad = None
