"""Runs the zoo: one process for each network, with a limit of time, and one line of JSON for each cell.

    python -m zoo_coverage.running RESULTS.jsonl [PART OF A NAME ...]

A network whose lines are all there is not run again.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from zoo_coverage.specimens import Specimen

from zoo_coverage.networks import TIMM, TORCHVISION, Network
from zoo_coverage.transformers_networks import TRANSFORMERS

ZOO: tuple[Network, ...] = (*TRANSFORMERS, *TIMM, *TORCHVISION)
SECONDS = 240  # of computing for each network
PATIENCE = 10  # times as long on the clock, since machines are busy
Outcome = Literal["right", "refused", "wrong", "raw error"]
Cell: TypeAlias = "Callable[[Specimen], str]"  # says in a few words what it found, or raises
LIBRARIES = [
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "captum",
    "seewhy.verbs",
    "sklearn.cluster",
    "skimage.segmentation",
]


@dataclass(frozen=True)
class Result:
    """What came of one cell of one network."""

    network: str
    cell: str
    outcome: Outcome
    detail: str
    seconds: float = 0.0


def run_zoo(results: Path, networks: Sequence[Network], cells: Mapping[str, Cell]) -> list[Result]:
    """These cells of these networks; a network whose lines are all in `results` is taken from there."""
    known = read(results)
    done = {each: {result.cell for result in known if result.network == each} for each in {e.network for e in known}}
    with results.open("a", encoding="utf-8") as file:
        for network in networks:
            if cells.keys() <= done.get(network.full, set()):
                continue
            for result in run_alone(network, cells):
                file.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")
                file.flush()
    names = {network.full for network in networks}
    return [each for each in read(results) if each.network in names]


def read(results: Path) -> list[Result]:
    """Lines of a file of results, the last of each cell."""
    lines = results.read_text("utf-8").splitlines() if results.exists() else []
    found = [Result(**json.loads(line)) for line in lines]
    return list({(each.network, each.cell): each for each in found}.values())


def run_alone(network: Network, cells: Mapping[str, Cell]) -> Iterator[Result]:
    """All cells of one network in a process of its own; what did not come of them is a raw error."""
    context = multiprocessing.get_context("fork")  # from a process that imports, and computes nothing
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(network, cells, sender))
    process.start()
    sender.close()
    came, deadline = set[str](), time.monotonic() + PATIENCE * SECONDS
    while receiver.poll(max(deadline - time.monotonic(), 0)):
        try:
            result = receiver.recv()
        except EOFError:
            break
        came.add(result.cell)
        yield result
    process.kill()
    process.join()
    late = process.exitcode in {-24, -9}  # killed by the limit, or here
    reason = f"no answer within {SECONDS} s of computing" if late else f"the process died ({process.exitcode})"
    yield from (Result(network.full, cell, "raw error", reason) for cell in cells if cell not in came)


def results_of(network: Network, cells: Mapping[str, Cell]) -> Iterator[Result]:
    """All cells of one network, here."""
    from zoo_coverage.specimens import prepare

    specimen = prepare(network)
    for cell, function in cells.items():
        start = time.perf_counter()
        outcome, detail = tried(function, specimen)
        yield Result(network.full, cell, outcome, detail, round(time.perf_counter() - start, 2))


def tried(function: Cell, specimen: Specimen) -> tuple[Outcome, str]:
    """What came of one cell."""
    from seewhy.errors import SeewhyError
    from zoo_coverage.cells import Wrong

    try:
        return "right", function(specimen)
    except Wrong as error:
        return "wrong", str(error)
    except SeewhyError as error:
        return "refused", f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        where = error.__traceback__
        while where and where.tb_next:
            where = where.tb_next
        place = f" ({Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno})" if where else ""
        return "raw error", f"{type(error).__name__}: {str(error)[:300]}{place}"


def _work(network: Network, cells: Mapping[str, Cell], sender: Connection) -> None:
    import torch

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    for result in results_of(network, cells):
        sender.send(result)


def preload() -> None:
    """Import what every network needs, once for all."""
    from importlib import import_module

    from seewhy.models.shim import ready_torchvision

    ready_torchvision()
    for library in LIBRARIES:
        import_module(library)


def chosen(parts: Iterable[str]) -> list[Network]:
    """The networks whose names hold one of these parts; all of them without any."""
    wanted = list(parts)
    return [network for network in ZOO if not wanted or any(part in network.full for part in wanted)]


def main() -> None:
    """Run the zoo and say what did not go well."""
    preload()
    from zoo_coverage.cells import CELLS

    for result in run_zoo(Path(sys.argv[1]), chosen(sys.argv[2:]), CELLS):
        if result.outcome != "right":
            print(f"{result.network} | {result.cell} | {result.outcome} | {result.detail}")


if __name__ == "__main__":
    main()
