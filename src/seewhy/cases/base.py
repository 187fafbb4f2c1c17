"""A case base on disk: pictures as vectors, what the classifier says of each, and how to find the nearest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seewhy import __version__
from seewhy.core.files import write_json
from seewhy.errors import UsageError
from seewhy.images import Image, open_image

if TYPE_CHECKING:
    import polars as pl

    from seewhy.cases.embedders import Embedder

SCHEMA = 1
VECTORS, LOGITS, TABLE, INDEX = "embeddings.npy", "logits.npy", "cases.parquet", "index.faiss"
MANIFEST = "manifest.json"
NEXT = "next"  # where a base is written before it takes the place of the old one
EXACT = 50_000  # vectors: so many are compared one by one in some milliseconds
LISTS_PER_ROOT = 4  # lists, as multiples of √n; what FAISS recommends
LEARNT_FROM = 64  # vectors for each list
PROBES = 8  # lists looked at first; then twice as many, until the answer stays the same
CHUNK = 65_536
SEED = 1234


@dataclass(frozen=True)
class About:
    """What a case base was made from: `root` is the folder of the pictures, `model` and `weights` open the classifier.

    `fingerprint` is the classifier's, `encoder` that of a second network where the vectors come from one.
    """

    root: str
    embedding: str
    classifier: str
    fingerprint: str
    encoder: str | None
    model: str
    weights: str | None = None

    @classmethod
    def of(cls, root: Path, embedder: Embedder, model: str | None = None, weights: Path | None = None) -> About:
        """What a base of the pictures below `root` by `embedder` says of itself."""
        other = embedder.network is not embedder.classifier
        return cls(
            root=str(root.resolve()),
            embedding=embedder.name,
            classifier=embedder.classifier.name,
            fingerprint=embedder.classifier.fingerprint,
            encoder=embedder.network.fingerprint if other else None,
            model=model or embedder.classifier.name,
            weights=str(weights.resolve()) if weights else None,
        )

    def check(self, folder: Path, embedder: Embedder) -> None:
        """Refuse another classifier or embedding than the base in `folder` was built with.

        Raises:
            UsageError: which says what differs.
        """
        mine = About.of(Path(self.root), embedder)
        cure = "give the model it was built with, or build another: seewhy cases build FOLDER --out …"
        if mine.fingerprint != self.fingerprint:
            raise UsageError(
                f"{folder} holds cases of another classifier ({self.classifier}, fingerprint {self.fingerprint[:12]}…; "
                f"this one is {mine.classifier}, {mine.fingerprint[:12]}…): weights, architecture or preprocessing "
                f"differ, so its vectors and predictions mean nothing here; {cure}"
            )
        if (mine.embedding, mine.encoder) != (self.embedding, self.encoder):
            same = " with other weights" if mine.embedding == self.embedding else ""
            raise UsageError(f"{folder} is embedded by {self.embedding}, not by {mine.embedding}{same}; {cure}")


@dataclass(frozen=True, eq=False)
class CaseBase:
    """Pictures that explain by example. Row i of all arrays is the same picture.

    `vectors` `(n, D)` float32 of length 1 and `logits` `(n, K)` float32 are memory-mapped; `table` has the columns
    path (below the root), sha256 (of the file), pixels (hash of what is seen), print, label and predicted.
    """

    folder: Path
    about: About
    vectors: np.ndarray
    logits: np.ndarray
    table: pl.DataFrame

    @classmethod
    def open(cls, folder: str | Path) -> CaseBase:
        """Open what `seewhy cases build` wrote.

        Raises:
            UsageError: the folder holds no case base, a damaged one, or one of another schema.
        """
        import polars as pl

        folder = Path(folder)
        finish_writing(folder)
        about = read_about(folder)
        try:
            vectors, logits = (np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in (VECTORS, LOGITS))
            table = pl.read_parquet(folder / TABLE)
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            raise UsageError(f"the case base {folder} is damaged ({error}); remove it and build it again") from error
        if not len(vectors) == len(logits) == len(table):
            raise UsageError(f"the case base {folder} is damaged (its files differ in length); build it again")
        return cls(folder, about, vectors, logits, table)

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def predicted(self) -> np.ndarray:
        """The class that the classifier gives each picture, int64 `(n,)`."""
        return self.table["predicted"].to_numpy().astype(np.int64)

    @cached_property
    def prints(self) -> np.ndarray:
        """What survives scaling and saving again of each picture, uint64 `(n,)`."""
        return self.table["print"].to_numpy()

    @cached_property
    def neighbours(self) -> Neighbours:
        """The search among the vectors."""
        path = self.folder / INDEX
        return Neighbours(self.vectors, path if path.exists() else None)

    def image(self, row: int) -> Image:
        """The picture itself.

        Raises:
            BadImage: it is gone.
            UsageError: it was changed since the base was built.
        """
        path = self.table["path"][row]
        image = open_image(Path(self.about.root) / path, name=path)
        if image.sha256 != self.table["pixels"][row]:
            raise UsageError(
                f"{path} was changed since the case base {self.folder} was built; build it again: what has not changed "
                "is not embedded again"
            )
        return image


def read_about(folder: Path) -> About:
    """What the manifest in `folder` says.

    Raises:
        UsageError: there is none, or it is of another schema.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise UsageError(
            f"{folder} holds no case base (no {MANIFEST}); make one: seewhy cases build PICTURES --out DIR"
        )
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["schema"] != SCHEMA:
            raise UsageError(f"{folder} has schema {content['schema']}, this seewhy reads {SCHEMA}; build it again")
        return About(**content["about"])
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no manifest of a case base ({error}); build it again") from error


def write_base(
    folder: Path, about: About, parts: Iterable[tuple[np.ndarray, np.ndarray]], table: pl.DataFrame
) -> CaseBase:
    """Put a base in the place of whatever base `folder` held: the whole of it, whenever the process may end.

    `parts` gives vectors `(m, D)` and logits `(m, K)` in the order of `table`.
    """
    fresh = folder / NEXT
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    vectors, logits = _write_arrays(fresh, parts, len(table))
    table.write_parquet(fresh / TABLE)
    write_index(vectors, fresh / INDEX)
    counts = {"cases": len(table), "dimensions": vectors.shape[1], "classes": logits.shape[1]}
    write_json(fresh / MANIFEST, {"schema": SCHEMA, "seewhy": __version__, "about": asdict(about), **counts})
    finish_writing(folder)
    return CaseBase.open(folder)


def _write_arrays(folder: Path, parts: Iterable[tuple[np.ndarray, np.ndarray]], count: int) -> list[np.memmap]:
    """Part by part, so that they need not fit into memory."""
    files: list[np.memmap] = []
    start = 0
    for part in parts:
        files = files or [
            np.lib.format.open_memmap(folder / name, "w+", np.float32, (count, array.shape[1]))
            for name, array in zip((VECTORS, LOGITS), part, strict=True)
        ]
        for file, array in zip(files, part, strict=True):
            file[start : start + len(array)] = array
            file.flush()
        start += len(part[0])
    return files


def finish_writing(folder: Path) -> None:
    """Move what was written whole, and not yet moved, to its place; can be interrupted and done again.

    The manifest is written last and moved last, so that it stands for all that it speaks of.
    """
    fresh = folder / NEXT
    if not (fresh / MANIFEST).is_file():
        return
    if (fresh / TABLE).exists():  # nothing is moved yet, and the next base may have no index
        (folder / INDEX).unlink(missing_ok=True)
    for name in (TABLE, VECTORS, LOGITS, INDEX, MANIFEST):
        if (fresh / name).exists():
            (fresh / name).replace(folder / name)
    fresh.rmdir()


# --- Nearest vectors ------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """Rows `(m, k)` nearest to m queries, best first, and their cosines; row −1 where there are fewer than k."""

    similarities: np.ndarray
    rows: np.ndarray


class Neighbours:
    """Searches among `vectors`, float32 `(n, D)` of length 1, which may be memory-mapped.

    `index` is the file that `write_index` wrote for them, if it wrote one.
    """

    def __init__(self, vectors: np.ndarray, index: Path | None = None) -> None:
        self._vectors = vectors
        self._index: Any = None
        if index is not None:
            import faiss

            self._index = faiss.read_index(str(index), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)

    def nearest(self, queries: np.ndarray, count: int, among: np.ndarray | None = None) -> Found:
        """The `count` nearest rows to `queries` `(m, D)`, of those where bool `among` `(n,)` is true, if given.

        Exact where no more than `EXACT` rows are asked about.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        if among is None and self._index is None:
            return _exact(queries, self._vectors, count)
        if among is None or (self._index is not None and np.count_nonzero(among) > EXACT):
            return self._through_index(queries, count, among)
        rows = np.flatnonzero(among)
        found = _exact(queries, np.ascontiguousarray(self._vectors[rows]), count)
        return Found(found.similarities, np.append(rows, -1)[found.rows])

    def _through_index(self, queries: np.ndarray, count: int, among: np.ndarray | None) -> Found:
        """Look into more and more lists until the answer stays the same."""
        import faiss

        options: dict[str, Any] = {}
        if among is not None:
            select: Any = faiss.IDSelectorBitmap
            options["sel"] = select(np.packbits(among, bitorder="little"))
        parameters: Any = faiss.SearchParametersIVF
        found, probes = None, PROBES
        while True:
            before, probes = found, min(probes, self._index.nlist)
            found = Found(*self._index.search(queries, count, params=parameters(nprobe=probes, **options)))
            same = before and (before.rows == found.rows).all() and (found.rows >= 0).all()
            if same or probes == self._index.nlist:
                return found
            probes *= 2


def write_index(vectors: np.ndarray, path: Path) -> bool:
    """Write an index of `vectors` where there are more than `EXACT`; says whether it did. The same on every run."""
    if len(vectors) <= EXACT:
        return False
    import faiss

    lists = int(LISTS_PER_ROOT * len(vectors) ** 0.5)
    quantizer: Any = faiss.IndexFlatIP(vectors.shape[1])
    index: Any = faiss.IndexIVFFlat(quantizer, vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    count = min(LEARNT_FROM * lists, len(vectors))
    learnt = np.sort(np.random.default_rng(SEED).choice(len(vectors), count, replace=False))
    index.train(np.ascontiguousarray(vectors[learnt]))
    for start in range(0, len(vectors), CHUNK):
        index.add(np.ascontiguousarray(vectors[start : start + CHUNK]))
    faiss.write_index(index, str(path))
    return True


def _exact(queries: np.ndarray, vectors: np.ndarray, count: int) -> Found:
    import faiss

    if not len(vectors):
        shape = (len(queries), count)
        return Found(np.full(shape, -np.inf, np.float32), np.full(shape, -1, np.int64))
    return Found(*faiss.knn(queries, vectors, count, metric=faiss.METRIC_INNER_PRODUCT))
