"""What people typed, as labels: cleaned, corrected, grouped by meaning and named. Text in, labels out."""

from seewhy.words.text import (
    DEFAULT_ENCODER,
    THRESHOLD,
    Encoder,
    Grouping,
    group_by_distance,
    group_by_silhouette,
    sentence_encoder,
)
from seewhy.words.vocabulary import Label, Phrase, Vocabulary, find_labels

__all__ = [
    "DEFAULT_ENCODER",
    "THRESHOLD",
    "Encoder",
    "Grouping",
    "Label",
    "Phrase",
    "Vocabulary",
    "find_labels",
    "group_by_distance",
    "group_by_silhouette",
    "sentence_encoder",
]
