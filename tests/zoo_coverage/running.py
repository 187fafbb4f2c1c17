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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from zoo_coverage.networks import TIMM, TORCHVISION, Network
from zoo_coverage.transformers_networks import TRANSFORMERS

ZOO: tuple[Network, ...] = (*TORCHVISION, *TIMM, *TRANSFORMERS)
SECONDS = 240  # of computing for each network
PATIENCE = 10  # times as long on the clock, since machines are busy
Outcome = Literal["right", "refused", "wrong", "raw error"]
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


def run_zoo(results: Path, networks: Sequence[Network] = ZOO) -> list[Result]:
    """All cells of these networks; those in `results` already are taken from there."""
    from zoo_coverage.cells import CELLS, TRACE

    cells = {*CELLS, TRACE}
    known = read(results)
    done = {name for name in {each.network for each in known} if cells <= {e.cell for e in known if e.network == name}}
    todo = [network for network in networks if network.full not in done]
    with results.open("a", encoding="utf-8") as file:
        for network in todo:
            for result in run_alone(network):
                file.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")
                file.flush()
    names = {network.full for network in networks}
    return [each for each in read(results) if each.network in names]


def read(results: Path) -> list[Result]:
    """Lines of a file of results, the last of each cell."""
    lines = results.read_text("utf-8").splitlines() if results.exists() else []
    found = [Result(**json.loads(line)) for line in lines]
    return list({(each.network, each.cell): each for each in found}.values())


def run_alone(network: Network) -> Iterator[Result]:
    """All cells of one network in a process of its own; what did not come of them is a raw error."""
    context = multiprocessing.get_context("fork")  # from a process that imports, and computes nothing
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(network, sender))
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
    from zoo_coverage.cells import CELLS, TRACE

    reason = (
        f"no answer within {SECONDS} s of computing"
        if process.exitcode in {-24, -9}
        else f"the process died ({process.exitcode})"
    )
    yield from (Result(network.full, cell, "raw error", reason) for cell in (*CELLS, TRACE) if cell not in came)


def results_of(network: Network) -> Iterator[Result]:
    """All cells of one network, here."""
    from zoo_coverage.cells import CELLS, TRACE, trace
    from zoo_coverage.specimens import prepare

    specimen = prepare(network)
    before = trace(specimen)
    for cell, function in CELLS.items():
        start = time.perf_counter()
        outcome, detail = tried(function, specimen)
        yield Result(network.full, cell, outcome, detail, round(time.perf_counter() - start, 2))
    after = trace(specimen)
    changed = [what for what in before if before[what] != after[what]]
    yield Result(network.full, TRACE, "wrong" if changed else "right", ", ".join(changed))


def tried(function, specimen) -> tuple[Outcome, str]:
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


def _work(network: Network, sender) -> None:
    import torch

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    for result in results_of(network):
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
    networks = chosen(sys.argv[2:])
    for result in run_zoo(Path(sys.argv[1]), networks):
        if result.outcome != "right":
            print(f"{result.network} | {result.cell} | {result.outcome} | {result.detail}")


if __name__ == "__main__":
    main()
