"""Anchors against alibi's: how many times the model is asked, and whether the rules found are any good.

alibi is under the Business Source Licence and wants old libraries, so it is no dependency: the first run installs it
into a virtual environment of its own, below `out/`. It asks the same model through a pipe.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import numpy as np
import torch
from benchmarks._photos import about, photos
from benchmarks._timing import machine, quartiles, write_section

from seewhy import Classifier, Image, Target, find_method, load, open_image
from seewhy.engines import MaskedForward, segment
from seewhy.engines.backends import answering_copy
from seewhy.engines.inference import inference_copy
from seewhy.methods.regions import seen_pixels

ROOT = Path(__file__).parents[1]
HOME = ROOT / "out" / "alibi"
PINS = ("alibi==0.9.6", "click", "setuptools<80")  # the last two are missing from what it asks for
ALIBI = "alibi"
OURS = ("anchors", "anchors-lime")
PHOTOS, SEGMENTS = 10, 20
LARGEST = 6
FRESH = 1000
PROMISED = 0.9  # precision, but for one time in ten

ABOUT = f"""\
## Anchors

The same network, photo and regions ({SEGMENTS} asked of SLIC, mean colours); a precision of 0.95 wanted, δ 0.1, τ 0.15,
rules of {LARGEST} regions at most, else each one's defaults; no second look. {{photos}}; one seed each.

- *forwards*: pictures that the network was asked about: median, quartiles, most. *of alibi's*: their share of alibi's
  on the same photo, median and most. **Wanted: a sixth.**
- *rules*: on how many photos one was found, and their median number of regions.
- *holds*: of how many rules the true precision, over all variations or {FRESH:,} fresh ones, is above {PROMISED:g},
  as both promise with probability 0.9; the least of these.
"""


@dataclass(frozen=True)
class Task:
    """One photo, its regions, and the class that the model says: all that the contestants have in common."""

    classifier: Classifier
    image: Image
    labels: np.ndarray
    target: int

    @classmethod
    def of(cls, classifier: Classifier, photo: str) -> Task:
        """Cut the photo as `anchors` does."""
        image = open_image(photo)
        labels = segment(seen_pixels(classifier.preprocessing.pixels([image])[0]), "slic", n_segments=SEGMENTS)
        return cls(classifier, image, labels, int(classifier.logits(classifier.preprocess([image]))[0].argmax()))


@dataclass(frozen=True)
class Run:
    """What one contestant found: its rule, None where there was none, and how true that is."""

    forwards: int
    rule: tuple[int, ...] | None
    true: float | None


def main(device: torch.device, budget: float) -> None:  # noqa: ARG001
    """Measure, and write the section `anchors` of the results, however long it takes."""
    python, classifier, chosen = _alibi(), load(device=str(device)), photos(PHOTOS)
    runs: dict[str, list[Run]] = {name: [] for name in (*OURS, ALIBI)}
    for photo in chosen:
        task = Task.of(classifier, photo)
        truth = _Truth(task)
        for name, found in runs.items():
            forwards, rule = _ask_alibi(task, python) if name == ALIBI else _seewhy(task, name)
            found.append(Run(forwards, rule, None if rule is None else truth(rule)))
            print(photo, name, found[-1], flush=True)
    head = "| contestant | forwards | of alibi's | rules | holds |\n|---|--:|--:|--:|--:|"
    rows = [_row(name, found, runs[ALIBI]) for name, found in runs.items()]
    write_section("anchors", "\n".join([ABOUT.format(photos=about(chosen)), machine(device), "", head, *rows]))


def _row(name: str, runs: list[Run], alibi: list[Run]) -> str:
    forwards = [run.forwards for run in runs]
    shares = [run.forwards / other.forwards for run, other in zip(runs, alibi, strict=True)]
    low, middle, high = quartiles(forwards)
    rules = [len(run.rule) for run in runs if run.rule is not None]
    truths = [run.true for run in runs if run.true is not None]
    cells = [name, f"{middle:,.0f} ({low:,.0f}–{high:,.0f}, {max(forwards):,})"]
    cells.append(f"{median(shares):.2f}, {max(shares):.2f}")
    cells.append(f"{len(rules)} of {len(runs)}" + (f", {median(rules):g}" if rules else ""))
    held = sum(each > PROMISED for each in truths)
    cells.append(f"{held} of {len(truths)}" + (f", {min(truths):.3f}" if truths else ""))
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


def _seewhy(task: Task, name: str) -> tuple[int, tuple[int, ...] | None]:
    method = find_method(name, regions=task.labels, largest=LARGEST, other_fill=None)
    generator = torch.Generator().manual_seed(0)
    (found,) = method(task.classifier, [task.image], [[Target(task.target)]], generator=generator)
    return found.cost.forwards, found.rule.regions if found.rule and found.rule.sought else None


def _ask_alibi(task: Task, python: Path) -> tuple[int, tuple[int, ...]]:
    """Answer what it asks, until it asks nothing and says what it found."""
    forwards, shape = 0, (-1, *task.labels.shape, 3)
    with _process(task, python) as alibi:
        while asked := alibi.recv_bytes():
            pictures = np.frombuffer(asked, np.float32).reshape(shape)
            forwards += len(pictures)
            alibi.send_bytes(_classes(task.classifier, pictures).tobytes())
        found = json.loads(alibi.recv_bytes())
    return forwards, tuple(found["regions"])


def _classes(classifier: Classifier, pictures: np.ndarray) -> np.ndarray:
    """What the network says, by the copy that answers soonest: forwards are counted here, not seconds."""
    network = answering_copy(classifier, inference_copy(classifier, "float32"), 1000)
    x = classifier.preprocessing.normalize(torch.tensor(pictures).permute(0, 3, 1, 2)).to(classifier.device)
    return torch.cat([network(part).argmax(1) for part in x.split(network.size.size)]).cpu().numpy()


@contextmanager
def _process(task: Task, python: Path) -> Iterator[Connection]:
    ours, theirs = Pipe()
    with tempfile.TemporaryDirectory() as folder, ours:
        np.save(Path(folder, "picture.npy"), seen_pixels(task.classifier.preprocessing.pixels([task.image])[0]))
        np.save(Path(folder, "labels.npy"), task.labels)
        end = theirs.fileno()
        command = [python, Path(__file__).with_name("_alibi.py"), folder, str(end), "0", str(LARGEST)]
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
