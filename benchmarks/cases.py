"""The ten nearest of a million vectors, against scikit-learn."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from benchmarks._timing import machine, take_turns, write_section
from sklearn.neighbors import NearestNeighbors

from seewhy.cases.neighbours import Index, Neighbours

VECTORS, DIMENSIONS, CLUSTERS, SPREAD = 1_000_000, 128, 1000, 0.6
NEAREST, QUERIES = 10, 500
OURS, BRUTE, TREE = "seewhy", "scikit-learn, brute", "scikit-learn, ball tree"

ABOUT = f"""\
## Nearest cases

The {NEAREST} nearest of {VECTORS:,} vectors of {DIMENSIONS} numbers, in {CLUSTERS:,} Gaussian clusters, of
length 1; one query at a time, every round another. Recall is the mean share of the true nearest over {QUERIES} queries.

- *{OURS}*: what `seewhy cases` does with so many: an inverted file over memory-mapped vectors, of which twice as many
  lists are searched until the answer stays the same. **Wanted: recall of 0.95 at 10 ms a query.**
- *{BRUTE}* and *{TREE}*: `NearestNeighbors`, Euclidean: the same order on such vectors.
"""

Ask = Callable[[np.ndarray], np.ndarray]


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `cases` of the results; `budget` is in seconds for all together."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((CLUSTERS, DIMENSIONS), np.float32)
    vectors, queries = (_drawn(centres, count, generator) for count in (VECTORS, QUERIES))
    faiss.omp_set_num_threads(torch.get_num_threads())
    with tempfile.TemporaryDirectory() as folder:
        built = {name: _timed(lambda make=make: make(vectors, Path(folder))) for name, make in MAKERS.items()}
        ask: dict[str, Ask] = {name: made for name, (made, _) in built.items()}
        truth = Neighbours(vectors).nearest(queries, NEAREST).rows
        timing = take_turns({name: _next(each, queries) for name, each in ask.items()}, device, budget=budget)
        recall = {OURS: _recall(ask[OURS], queries, truth), BRUTE: 1.0, TREE: 1.0}
    rows: list[str] = []
    for name in MAKERS:
        numbers = [f"{built[name][1]:.1f}", f"{timing.milliseconds(name):.2f}", timing.ratio(name, OURS)]
        rows.append(f"| {' | '.join([name, *numbers, f'{recall[name]:.3f}'])} |")
    head = "| search | build, s | ms a query | it ÷ seewhy | recall at 10 |\n|---|--:|--:|--:|--:|"
    write_section("cases", "\n".join([ABOUT, machine(device), "", head, *rows]))


def _drawn(centres: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    noise = generator.standard_normal((count, DIMENSIONS), np.float32)
    vectors = centres[generator.integers(0, len(centres), count)] + SPREAD * noise
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _timed(make: Callable[[], Ask]) -> tuple[Ask, float]:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    return make(), clock() - start


def _next(ask: Ask, queries: np.ndarray) -> Callable[[], Any]:
    """Asks about another query each time."""
    rounds = iter(range(1_000_000_000))

    def run() -> np.ndarray:
        row = next(rounds) % len(queries)
        return ask(queries[row : row + 1])

    return run


def _recall(ask: Ask, queries: np.ndarray, truth: np.ndarray) -> float:
    found = [ask(queries[row : row + 1])[0] for row in range(len(queries))]
    shares = [len({*mine.tolist()} & {*true.tolist()}) / NEAREST for mine, true in zip(found, truth, strict=True)]
    return float(np.mean(shares))


# --- The contestants ----------------------------------------------------------------------------------------------


def _seewhy(vectors: np.ndarray, folder: Path) -> Ask:
    np.save(folder / "vectors.npy", vectors)
    neighbours = Neighbours(np.load(folder / "vectors.npy", mmap_mode="r"), Index.of(vectors))
    return lambda query: neighbours.nearest(query, NEAREST).rows


def _scikit_learn(algorithm: str, vectors: np.ndarray) -> Ask:
    model = NearestNeighbors(n_neighbors=NEAREST, algorithm=algorithm).fit(vectors)
    return lambda query: model.kneighbors(query, return_distance=False)


MAKERS: dict[str, Callable[[np.ndarray, Path], Ask]] = {
    OURS: _seewhy,
    BRUTE: lambda vectors, _: _scikit_learn("brute", vectors),
    TREE: lambda vectors, _: _scikit_learn("ball_tree", vectors),
}
