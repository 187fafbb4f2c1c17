"""Anchors against alibi's: how many times the model is asked, and whether the rules found are any good.

alibi is under the Business Source Licence and wants old libraries, so it is no dependency: the first run installs it
into a virtual environment of its own, below `out/`. It asks the same model through a pipe.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import numpy as np
import torch
from benchmarks._timing import machine, write_section

from seewhy import Classifier, Image, Target, find_method, load, open_image
from seewhy.engines import MaskedForward, segment
from seewhy.methods.regions import seen_pixels

ROOT = Path(__file__).parents[1]
HOME = ROOT / "out" / "alibi"
PINS = ("alibi==0.9.6", "click", "setuptools<80")  # the last two are missing from what it asks for
ALIBI = "alibi"
OURS = ("anchors", "anchors-lime")
PHOTOS = {"sample:astronaut": 20}  # and how many segments SLIC is asked for
LARGEST = 6
BATCH = 8
LEAST_SEEDS = 1
FRESH = 1000

ABOUT = f"""\
## Anchors

The same network, photo and regions (SLIC, mean colours); a precision of 0.95 wanted, δ 0.1, τ 0.15, rules of
{LARGEST} regions at most, else each one's defaults. Medians over seeds.

- *forwards*: pictures that the network was asked about. **Wanted of `anchors`: a third of alibi's at most.**
- *of them new*: the others it had been asked before.
- *seconds*: by the clock, with alibi's pipe.
- *regions*: in the rule.
- *claimed*, *true*: its precision as said, and over all variations or {FRESH:,} fresh ones.
- *holds*: in how many runs the true precision is above 0.90, as both promise with probability 0.9.
"""


@dataclass(frozen=True)
class Task:
    """One photo, its regions, and the class that the model says: all that the contestants have in common."""

    classifier: Classifier
    image: Image
    labels: np.ndarray
    target: int

    @classmethod
    def of(cls, classifier: Classifier, photo: str, segments: int) -> Task:
        """Cut the photo as `anchors` does."""
        image = open_image(photo)
        labels = segment(seen_pixels(classifier.preprocessing.pixels([image])[0]), "slic", n_segments=segments)
        return cls(classifier, image, labels, int(classifier.logits(classifier.preprocess([image]))[0].argmax()))


@dataclass(frozen=True)
class Run:
    """What one contestant found with one seed."""

    forwards: int
    new: int
    seconds: float
    regions: tuple[int, ...]
    claimed: float


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `anchors` of the results; `budget` is in seconds a photo."""
    python = _alibi()
    classifier = load(device=str(device))
    rows = [
        row for photo, segments in PHOTOS.items() for row in _rows(Task.of(classifier, photo, segments), python, budget)
    ]
    head = (
        "| photo | regions in all | contestant | forwards | of them new | seconds | regions | claimed | true | holds |"
    )
    write_section("anchors", "\n".join([ABOUT, machine(device), "", head, "|---|--:|---|" + "--:|" * 7, *rows]))


def _rows(task: Task, python: Path, budget: float) -> Iterator[str]:
    contestants: dict[str, Callable[[int], Run]] = {
        **{name: lambda seed, name=name: _seewhy(task, name, seed) for name in OURS},
        ALIBI: lambda seed: _ask_alibi(task, python, seed),
    }
    runs: dict[str, list[Run]] = {name: [] for name in contestants}
    truth = _Truth(task)
    end, seed = time.perf_counter() + budget, 0
    while time.perf_counter() < end or seed < LEAST_SEEDS:
        for name, contestant in contestants.items():
            runs[name].append(contestant(seed))
        seed += 1
    for name, found in runs.items():
        yield _row(task, name, found, [truth(each.regions) for each in found])


def _row(task: Task, name: str, runs: list[Run], truths: list[float]) -> str:
    forwards, new, seconds, claimed = (
        median(getattr(run, each) for run in runs) for each in ("forwards", "new", "seconds", "claimed")
    )
    size = median(len(run.regions) for run in runs)
    held = sum(each > 0.9 for each in truths)
    cells = [task.image.name, str(task.labels.max() + 1), name, f"{forwards:,.0f}", f"{new:,.0f}", f"{seconds:.1f}"]
    cells += [f"{size:g}", f"{claimed:.3f}", f"{median(truths):.3f}", f"{held} of {len(truths)}"]
    return f"| {' | '.join(cells)} |"


class _Truth:
    """The precision of rules, from variations of our own."""

    def __init__(self, task: Task) -> None:
        generator = torch.Generator().manual_seed(2**31)
        self._target = task.target
        self._engine = MaskedForward(task.classifier, task.image, labels=task.labels, generator=generator)

    def __call__(self, rule: tuple[int, ...]) -> float:
        regions = self._engine.regions
        free = [region for region in range(regions) if region not in rule]
        rng = np.random.default_rng(2**31)
        chosen = np.arange(2 ** len(free)) if 2 ** len(free) <= FRESH else rng.integers(2 ** len(free), size=FRESH)
        shown = np.ones((len(chosen), regions), bool)
        shown[:, free] = (chosen[:, None] >> np.arange(len(free))) % 2 == 1
        return float((self._engine(torch.from_numpy(shown)).argmax(1) == self._target).float().mean())


# --- The contestants ----------------------------------------------------------------------------------------------


def _seewhy(task: Task, name: str, seed: int) -> Run:
    method = find_method(name, regions=task.labels, largest=LARGEST)
    start = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)
    (found,) = method(task.classifier, [task.image], [[Target(task.target)]], generator=generator)
    seconds = time.perf_counter() - start
    if found.rule is None:
        raise SystemExit(f"{name} found no rule at all")
    return Run(found.cost.forwards, found.cost.forwards, seconds, found.rule.regions, found.rule.precision)


def _ask_alibi(task: Task, python: Path, seed: int) -> Run:
    """Answer what it asks, until it asks nothing and says what it found."""
    seen: set[bytes] = set()
    forwards, start = 0, time.perf_counter()
    shape = (-1, *task.labels.shape, 3)
    with _process(task, python, seed) as alibi:
        while asked := alibi.recv_bytes():
            pictures = np.frombuffer(asked, np.float32).reshape(shape)
            forwards += len(pictures)
            seen |= {picture.tobytes() for picture in pictures}
            alibi.send_bytes(_classes(task.classifier, pictures).tobytes())
        found = json.loads(alibi.recv_bytes())
    return Run(forwards, len(seen), time.perf_counter() - start, tuple(found["regions"]), found["precision"])


def _classes(classifier: Classifier, pictures: np.ndarray) -> np.ndarray:
    x = classifier.preprocessing.normalize(torch.tensor(pictures).permute(0, 3, 1, 2)).to(classifier.device)
    with torch.no_grad():
        return torch.cat([classifier.logits(part).argmax(1) for part in x.split(BATCH)]).cpu().numpy()


@contextmanager
def _process(task: Task, python: Path, seed: int) -> Iterator[Connection]:
    ours, theirs = Pipe()
    with tempfile.TemporaryDirectory() as folder, ours:
        np.save(Path(folder, "picture.npy"), seen_pixels(task.classifier, task.image))
        np.save(Path(folder, "labels.npy"), task.labels)
        end = theirs.fileno()
        command = [python, Path(__file__).with_name("_alibi.py"), folder, str(end), str(seed), str(LARGEST)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[end]):
            theirs.close()  # so that its end is noticed
            yield ours


def _alibi() -> Path:
    """The interpreter that has alibi; made and filled if there is none."""
    python = HOME / "bin" / "python"
    if not (HOME / "ready").exists():
        print(f"installing {PINS[0]} into {HOME}, once", file=sys.stderr)
        venv.create(HOME, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--quiet", *PINS], check=True)
        (HOME / "ready").touch()
    return python
