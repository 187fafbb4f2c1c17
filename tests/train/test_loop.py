"""The training loop: what it computes, what it leaves alone, and how it is taken up again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seewhy.errors import Cancelled, ModelError, NonFinite
from seewhy.train.loop import Batch, Group, Stage, batch_norms, fit, seed_of

STEPS, EVERY = 12, 3


class Net(nn.Module):
    """BatchNorm keeps state, dropout draws."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.3)
        self.last = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.drop(self.norm(self.first(x)).relu()))


def network() -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net()


def batch(step: int) -> Batch:
    generator = torch.Generator().manual_seed(seed_of("batch", step))
    x = torch.randn((8, 6), generator=generator)
    return Batch(x, (x[:, 0] > 0).long(), torch.arange(8))


def stage(module: nn.Module, **changes) -> Stage:
    def objective(given: Batch) -> dict[str, Tensor]:
        logits = module(given.x)
        return {"loss": F.cross_entropy(logits, given.y), "largest": logits.detach().abs().max()}

    settings = {"steps": STEPS, "every": EVERY, "groups": [Group(list(module.parameters()), 1e-2)]} | changes
    return Stage(batches=batch, objective=objective, **settings)


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_does_what_a_loop_written_out_does():
    mine, plain = network().double(), network().double()
    norms = {"norm": batch_norms(mine), "plain": batch_norms(plain)}
    mine.drop.p = plain.drop.p = 0.0
    groups = [Group(list(mine.first.parameters()), 1e-2, 1e-3), Group(list(mine.last.parameters()), 3e-2)]

    def objective(given: Batch) -> dict[str, Tensor]:
        return {"loss": F.cross_entropy(mine(given.x.double()), given.y)}

    found = fit(mine, Stage(STEPS, EVERY, batch, objective, groups, norms["norm"], lambda step: 0.9**step))

    optimizer = torch.optim.Adam([
        {"params": plain.first.parameters(), "lr": 1e-2, "weight_decay": 1e-3},
        {"params": plain.last.parameters(), "lr": 3e-2},
    ])  # fmt: skip
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    losses = []
    for step in range(STEPS):
        plain.train()
        plain.norm.eval()
        loss = F.cross_entropy(plain(batch(step).x.double()), batch(step).y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(mine.state_dict()[name], tensor)
    assert [record["step"] for record in found] == [3, 6, 9, 12]
    assert [record["loss"] for record in found] == pytest.approx([sum(losses[i : i + 3]) / 3 for i in range(0, 12, 3)])


def test_what_is_in_no_group_and_what_is_in_evaluation_stays_as_it_was():
    module = network()
    before = weights(module)
    fit(module, stage(module, groups=[Group(list(module.last.parameters()), 1e-2)], evaluating=[module.norm]))
    changed = {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"last.weight", "last.bias"}
    assert not module.training
    assert all(each.requires_grad and each.grad is None for each in module.parameters())
    fit(module, stage(module))
    assert not torch.equal(module.norm.running_mean, before["norm.running_mean"])


def test_the_seed_decides_dropout_and_nobody_elses_numbers_are_touched():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, two, other = network(), network(), network()
    for module, seed in ((one, 1), (two, 1), (other, 2)):
        fit(module, stage(module, seed=seed))
    assert torch.equal(torch.rand(3), expected)
    assert same(weights(one), weights(two))
    assert not same(weights(one), weights(other))


def test_stopped_at_any_step_it_ends_as_if_it_had_not_been(tmp_path):
    whole = network()
    records = fit(whole, stage(whole))
    for stop in range(1, STEPS):
        path = tmp_path / f"{stop}.pt"

        def halt(done: int, total: int | None, message: str, stop: int = stop) -> None:
            if done == stop:
                raise Cancelled

        module = network()
        with pytest.raises(Cancelled):
            fit(module, stage(module), checkpoint=path, progress=halt)
        assert all(each.requires_grad for each in module.parameters())
        again, told = network(), []
        assert fit(again, stage(again), checkpoint=path, tell=told.append) == records == told
        assert same(weights(again), weights(whole))


def test_killed_it_ends_as_if_it_had_not_been(tmp_path):
    whole = network()
    fit(whole, stage(whole, steps=60))
    path = tmp_path / "run.pt"
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from train.test_loop import network, stage, fit\n"
        "module = network()\n"
        "slow = lambda done, total, message: time.sleep(0.01)\n"
        "fit(module, stage(module, steps=60), checkpoint=Path(sys.argv[1]), progress=slow)\n"
    )
    tests = Path(__file__).resolve().parents[1]
    child = subprocess.Popen([sys.executable, "-c", code, str(path), str(tests)])
    deadline = time.monotonic() + 240
    while not path.exists() and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert 0 < torch.load(path, weights_only=True)["step"] < 60
    again = network()
    fit(again, stage(again, steps=60), checkpoint=path)
    assert same(weights(again), weights(whole))


def test_a_stage_that_ended_is_not_run_again(tmp_path):
    module = network()
    records = fit(module, stage(module), checkpoint=tmp_path / "run.pt")

    def never(step: int) -> Batch:
        raise AssertionError

    again = network()
    ended = stage(again)
    assert (
        fit(again, Stage(STEPS, EVERY, never, ended.objective, ended.groups), checkpoint=tmp_path / "run.pt") == records
    )
    assert same(weights(again), weights(module))


def test_patience_keeps_the_best_weights(tmp_path):
    losses = [3.0, 1.0, 2.0, 2.0, 0.0]
    module, seen = network(), []

    def look() -> dict[str, float]:
        assert not module.training
        seen.append(weights(module))
        return {"validation_loss": losses[len(seen) - 1]}

    found = fit(module, stage(module, steps=15, look=look, patience=2), checkpoint=tmp_path / "run.pt")
    assert [record["validation_loss"] for record in found] == losses[:4]
    assert same(weights(module), seen[1])
    again = network()
    fit(again, stage(again, steps=15, look=look, patience=2), checkpoint=tmp_path / "run.pt")
    assert len(seen) == 4
    assert same(weights(again), seen[1])


def test_a_loss_that_is_no_number_is_told():
    module = network()
    with torch.no_grad():
        module.last.bias.fill_(float("nan"))
    with pytest.raises(NonFinite, match="at step 1; lower"):
        fit(module, stage(module))


def test_a_damaged_checkpoint_is_told(tmp_path):
    path = tmp_path / "run.pt"
    path.write_bytes(b"no checkpoint")
    module = network()
    with pytest.raises(ModelError, match="delete it"):
        fit(module, stage(module), checkpoint=path)


def test_seeds_differ_by_every_part():
    seeds = {seed_of(1, "a", 2), seed_of(1, "a", 3), seed_of(1, "b", 2), seed_of(2, "a", 2), seed_of(1, "a2")}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_of("a") == seed_of("a")
