"""Two encoders about the same pictures: is what the classifier finds alike also alike to the other?"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from seewhy.cases.queries import Query, copies
from seewhy.cases.twins import Beside, Twins, find_twins
from seewhy.errors import UsageError
from seewhy.metrics.maps import spearman

if TYPE_CHECKING:
    from seewhy.cases.base import CaseBase
    from seewhy.cases.embedders import Embedder
    from seewhy.images import Image


def jaccard(one: Collection[str], other: Collection[str]) -> float:
    """What two sets have in common, as a share of what either has."""
    return len({*one} & {*other}) / len({*one} | {*other})


def twins_beside(
    first: Twins, base: CaseBase, embedder: Embedder, other: CaseBase, other_embedder: Embedder, image: Image, top: int
) -> Beside:
    """The twins of `image` in `other` beside `first`, those in `base`.

    Raises:
        UsageError: the two bases have no candidate in common.
    """
    second = find_twins(other, other_embedder, image, top)
    query, other_query = Query.of(embedder, image), Query.of(other_embedder, image)
    left_out = copies(base, query)
    rows = np.flatnonzero(base.predicted == query.predicted) if first.same_class else np.arange(len(base))
    places = {path: row for row, path in enumerate(other.table["path"].to_list())}
    mine = [row for row in rows.tolist() if row not in left_out and base.path(row) in places]
    if not mine:
        raise UsageError(f"{base.folder} and {other.folder} have no pictures in common; build both from one folder")
    theirs = [places[base.path(row)] for row in mine]
    return Beside(
        second,
        jaccard(*([each.case.path for each in found.twins] for found in (first, second))),
        spearman(base.vectors[mine] @ query.vector, other.vectors[theirs] @ other_query.vector),
        len(mine),
    )
