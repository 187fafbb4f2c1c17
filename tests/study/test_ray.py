"""Ray's actors as workers: the same bytes as with processes, whatever dies."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from seewhy.errors import UsageError
from seewhy.study import Local, Ray, run
from seewhy.study.executors import LOST
from seewhy.study.ray import _cluster as cluster
from seewhy.study.results import FAILURES, MAPS, RESULTS
from study import toys


def skip_without_ray() -> None:
    """Not by importing it, which would be too early: what it reads then is not set yet."""
    if find_spec("ray") is None:
        pytest.skip("the extra `ray` is not installed")


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"seewhy\[ray\]"):
        list(Ray().run([*toys.plan(1).tasks], toys.work(), 1))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nowhere.invalid:6379", "127.0.0.1:port"])
def test_no_cluster_at_the_address_says_so(address):
    skip_without_ray()
    with pytest.raises(UsageError, match=f"no Ray cluster answers at {address}"):
        list(Ray(address=address).run([*toys.plan(1).tasks], toys.work(), 1))


class Pretended:
    """Ray without a cluster: actors are objects here, and what they are asked for is kept."""

    def __init__(self, **resources: float) -> None:
        self.resources, self.asked, self.put_once = resources, list[dict[str, Any]](), list[Any]()
        self.exceptions = SimpleNamespace(RayError=RuntimeError)
        self.is_initialized, self.cluster_resources = lambda: True, lambda: resources

    def put(self, value: Any) -> Any:
        self.put_once.append(value)
        return value

    def remote(self, **asked: Any) -> Any:
        self.asked.append(asked)

        def make(kind: Any) -> Any:
            def hire(*arguments: Any) -> Any:
                actor = kind(*arguments)
                return SimpleNamespace(
                    **{name: SimpleNamespace(remote=getattr(actor, name)) for name in ("ready", "do")}
                )

            return SimpleNamespace(remote=hire)

        return make

    def get(self, answer: Any) -> Any:
        return answer

    def wait(self, answers: list[Any], num_returns: int) -> Any:
        return answers[:num_returns], answers[num_returns:]

    def kill(self, actor: Any) -> None:
        pass


def test_each_actor_has_its_gpu_and_all_the_same_work(monkeypatch):
    pretended = Pretended(CPU=64, GPU=2)
    monkeypatch.setitem(sys.modules, "ray", pretended)
    done = list(Ray(gpus=1).run([*toys.plan(5, 1, 1).tasks], toys.work(), 1))
    assert len(done) == 5
    assert {each["num_gpus"] for each in pretended.asked} == {1}
    assert len(pretended.asked) == 2, "as many as the cluster has GPUs"
    assert len(pretended.put_once) == 1


def test_a_cluster_without_room_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", Pretended(CPU=2))
    with pytest.raises(UsageError, match="the 1 processors and 1 GPUs that a worker takes"):
        list(Ray(gpus=1).run([*toys.plan(1).tasks], toys.work(), 1))
    with pytest.raises(UsageError, match="the 4 processors that a worker takes"):
        list(Ray().run([*toys.plan(1).tasks], toys.work(), 4))


@pytest.fixture(scope="module")
def ray():
    """One cluster for all tests of this file: they find the connection and leave it."""
    skip_without_ray()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # for the workers, who unpickle toys
        with cluster(None, processors=2) as ray:
            yield ray


@pytest.mark.heavy
def test_ray_and_local_give_the_same_bytes_whatever_dies(ray, tmp_path: Path):
    plan = toys.plan(["a.png", "raises.png", "once.png", "killed.png", "b.png", "nan.png"])
    rayed = run(plan, toys.work(tmp_path / "log"), Ray(workers=2), tmp_path / "ray")
    local = run(plan, toys.work(tmp_path / "other log"), Local(workers=2), tmp_path / "local")
    for name in (RESULTS, FAILURES, MAPS):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
    assert [result.attempts for result in rayed] == [result.attempts for result in local]
    assert {result.unit.image for result in rayed if result.failure and result.failure.error == LOST} == {"killed.png"}
    assert ray.is_initialized()


@pytest.mark.heavy
def test_actors_keep_to_their_threads(ray):
    found = list(Ray(1).run([*toys.plan(1, 1, 1).tasks], toys.Work(toys.load_torch, toys.report_threads), 1))
    assert [result.rows for results in found for result in results] == [({"threads": 1},)]


@pytest.mark.heavy
def test_closing_frees_the_cluster(ray):
    running = Ray(2).run([*toys.plan(50).tasks], toys.work(delay=0.05), 1)
    next(running)
    running.close()
    assert len(list(Ray(2).run([*toys.plan(1).tasks], toys.work(), 1))) == 2


@pytest.mark.heavy
def test_more_workers_than_processors_still_end(ray):
    assert len(list(Ray(5).run([*toys.plan(3).tasks], toys.work(), 1))) == 6


@pytest.mark.heavy
def test_nobody_outside_this_machine_can_reach_the_cluster(ray):
    me, listening = psutil.Process(), set[str]()
    for process in (me, *me.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            ports = process.net_connections()
            listening |= {port.laddr.ip for port in ports if port.status == psutil.CONN_LISTEN}
    assert listening
    assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


@pytest.mark.heavy
def test_a_cluster_that_is_there_is_used_by_its_address(ray, tmp_path: Path):
    address = ray.get_runtime_context().gcs_address
    code = f"import sys; sys.path = {sys.path!r}\nfrom study import toys; from pathlib import Path\n"
    code += f"toys.run(toys.plan(3), toys.work(), toys.Ray(2, {address!r}), Path({str(tmp_path / 'ray')!r}))"
    subprocess.run([sys.executable, "-c", code], check=True)
    run(toys.plan(3), toys.work(), Local(1), tmp_path / "local")
    assert (tmp_path / "ray" / RESULTS).read_bytes() == (tmp_path / "local" / RESULTS).read_bytes()


@pytest.mark.heavy
def test_what_a_killed_ray_run_began_a_local_one_ends(tmp_path: Path):
    skip_without_ray()
    child = toys.begin(tmp_path / "killed", tmp_path / "log", 10, 0.05, "ray")
    toys.wait_for(tmp_path / "log", 9, child)
    child.kill()
    child.wait()
    begun = toys.scored(tmp_path / "log")
    assert 9 <= begun.total() < 40
    run(toys.plan(10), toys.work(tmp_path / "log"), Local(2), tmp_path / "killed")
    assert toys.scored(tmp_path / "log").total() <= 40 + 2 * 2  # two workers lose a task each, of two methods
    run(toys.plan(10), toys.work(), Local(2), tmp_path / "calm")
    assert (tmp_path / "killed" / RESULTS).read_bytes() == (tmp_path / "calm" / RESULTS).read_bytes()
