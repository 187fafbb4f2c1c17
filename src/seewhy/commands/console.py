"""What commands have: options, their `Run`, their `Answer`, and the terminal: data on stdout, chatter on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.status import Status
from rich.table import Table as TextTable

from seewhy.core.files import json_text
from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress
from seewhy.core.text import duration, shown, visible
from seewhy.errors import SeewhyError, StoreError, UnknownName, UsageError

if TYPE_CHECKING:
    from seewhy.images import Image
    from seewhy.models import Classifier
    from seewhy.verbs.result import PhotoResults, Result

T_co = TypeVar("T_co", covariant=True)

DEFAULT_MODEL = "bundled:efficientnet-lite0"
NARROWEST = 7  # of a column
LONGEST_SENTENCE = 4_000  # letters on stderr; errors list what there is to choose from

Images = Annotated[
    list[str], typer.Argument(metavar="IMAGE…", help="Pictures, folders of pictures, or sample:cat, sample:coffee.")
]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "--models",
        help="bundled:…, torchvision:…, timm:…, bcos:small, hf-hub:org/name, onnx:PATH, file:FOLDER or "
        "py:module:factory.",
    ),
]
Target = Annotated[str | None, typer.Option(help='Class index, name or "A vs B". Default: what the model predicts.')]
Classes = Annotated[str, typer.Option(help="Take these class folders alone, joined by commas.")]
Without = Annotated[
    str, typer.Option(help="Methods to leave out, joined by commas; lrp: all that propagate relevance (see NOTICE).")
]
Masks = Annotated[Path | None, typer.Option(help="Folder of masks of the object, named like the pictures.")]
Cells = Annotated[int, typer.Option(min=0, help="Compare maps in so many cells a side; 0 leaves them as they are.")]
Regions = Annotated[
    str | None,
    typer.Option(
        help="For methods over regions: a segmenter, also with its size, as slic:80; network for what the model sees "
        "alike; auto; or a mask, a picture of the photo's size in which each colour is a region."
    ),
]

# Options that every command may have, in the order of its help, with their defaults.
SHARED: dict[str, tuple[Any, Any]] = {
    "model": (Model, DEFAULT_MODEL),
    "head": (
        Annotated[
            str | None,
            typer.Option(
                help="What the model's numbers are: logits, probabilities, log-probabilities, sigmoid, single-logit or "
                "values. Default: what it says of itself, or what it proves to be when tried."
            ),
        ],
        None,
    ),
    "output": (
        Annotated[str | None, typer.Option(help="Which of several outputs holds them, by name or number.")],
        None,
    ),
    "bands": (
        Annotated[
            str | None,
            typer.Option(
                help="Of pictures of bands, the three to draw in red, green and blue, or one, counted from 1: 4,3,2. "
                "Default: 1,2,3."
            ),
        ],
        None,
    ),
    "texts": (
        Annotated[
            str | None,
            typer.Option(
                "--classes",
                help="Of a model that compares pictures with texts, such as CLIP: the texts, joined by commas.",
            ),
        ],
        None,
    ),
    "weights": (
        Annotated[Path | None, typer.Option(help="A local .safetensors or .pth file for the named architecture.")],
        None,
    ),
    "out": (
        Annotated[Path, typer.Option(help="Folder for the report, the pictures and the raw maps.")],
        Path("seewhy-out"),
    ),
    "seed": (Annotated[int, typer.Option(help="Of all randomness; the same seed gives the same bytes.")], 0),
    "device": (Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")], "auto"),
    "json": (Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")], False),
}

# What Python calls what has an option of its own.
OWN_OPTIONS = {
    "classifier": "--model",
    "layers": "--layer",
    "methods": "--method",
    "seed": "--seed",
    "targets": "--target",
    "top": "--top",
}


@dataclass(frozen=True)
class Run:
    """One call of a command: what its shared options say, and what commands do with them."""

    model: str | None = DEFAULT_MODEL
    head: str | None = None
    output: str | None = None
    texts: str | None = None
    bands: str | None = None
    weights: Path | None = None
    out: Path = Path()
    seed: int = 0
    device: str = "auto"
    json: bool = False

    def load(self) -> Classifier:
        """The classifier that `--model` names."""
        from seewhy.models import load

        with waiting(f"loading {self.model}"):
            return load(self.named, self.weights, self.device)

    @property
    def named(self) -> str:
        """The model's name with what is declared about it."""
        from seewhy.models.load import declaring

        texts = None if self.texts is None else split_commas(self.texts)
        return declaring(self.model or DEFAULT_MODEL, self.head, self.output, texts)

    def drawing(self) -> AbstractContextManager[None]:
        """Pictures of bands are drawn as `--bands` says meanwhile."""
        if self.bands is None:
            return nullcontext()
        from seewhy.images.opening import drawing_bands

        return drawing_bands(parse_bands(self.bands))

    def progress(self) -> AbstractContextManager[Progress]:
        """A bar on stderr."""
        return progress_bar()


@dataclass(frozen=True)
class Table:
    """A table for people; into a pipe go its rows alone."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""


@dataclass(frozen=True)
class Answer(Generic[T_co]):
    """What a command found: `values` for `--json`, tables for people, and what is to be said beside them.

    A command says that it returns `Answer[…]`: with the type of its values, of which `seewhy schema` tells.

    A `result` is saved to `--out` with its report; a command that writes as it goes gives the `report` it wrote. Of
    `asked` things the `failures` went wrong; the exit code says whether that is some, all or none of them, and where
    none did it is `code`.
    """

    values: T_co | Any
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    result: Result | None = None
    report: Path | None = None
    failures: Sequence[Outcome[Any]] = ()
    asked: int = 0
    code: int = 0

    @classmethod
    def of(cls, result: Result, **changes: Any) -> Answer[T_co]:
        """A result, told by its own rows and saved."""
        rows = result.rows()
        table = Table(list(rows[0]) if rows else [], [[cell_text(each) for each in row.values()] for row in rows])
        return replace(cls(result.to_dict(), [table], result=result), **changes)

    @classmethod
    def of_photos(cls, result: PhotoResults[Any], notes: Sequence[str] = ()) -> Answer[T_co]:
        """What was found about several photos, in JSON a list; saved unless all of them failed."""
        answer = cls.of(result, notes=notes, failures=result.failures, asked=len(result.found) + len(result.failures))
        values = [result.values(each) for each in result.found]
        return replace(answer, values=values, result=result if result.found else None)


def cell_text(value: Any) -> str:
    """A plain value as the cell of a table."""
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


# --- The terminal -------------------------------------------------------------------------------------------------


def complain(message: str) -> None:
    """One sentence of trouble on stderr."""
    _stderr().print(f"[bold red]seewhy:[/bold red] {_told(message)}")


def told(error: SeewhyError) -> str:
    """What went wrong, with the details that are for whoever runs seewhy."""
    return f"{error} ({error.details})" if isinstance(error, StoreError) and error.details else str(error)


def note(message: str) -> None:
    """One sentence of news on stderr."""
    _stderr().print(_told(message), style="dim")


def agreed(question: str, option: str) -> None:
    """Go on if whoever sits at the terminal says yes.

    Raises:
        UsageError: they do not, or nobody sits there.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"nobody is here to ask; write {option} to go on without being asked")
    if not typer.confirm(shown(question), err=True):
        raise UsageError("nothing was done, since you did not agree")


def print_json(value: Any) -> None:
    """One JSON document on stdout; NaN is refused."""
    print(json_text(value))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout; into a pipe it is tab-separated, for other programs."""
    console = Console(emoji=False)
    if not console.is_terminal:
        for row in rows:
            print("\t".join(map(visible, row)))
        return
    heads = [escape(visible(column)) for column in columns]
    above = escape(visible(title)) or None
    table = TextTable(*heads, title=above, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(escape(visible(cell)) for cell in row))
    console.print(table)


def waiting(message: str) -> Status:
    """A spinner on stderr while something of unknown length goes on."""
    return _stderr().status(_told(message))


@contextmanager
def progress_bar() -> Generator[Progress]:
    """A bar with time left on stderr, gone when done."""
    if _stderr().is_terminal:
        with progress_table(()) as (progress, _):
            yield progress
    else:
        yield progress_lines(note)


def progress_lines(say: Callable[[str], None], every: float = 30, clock: Callable[[], float] = monotonic) -> Progress:
    """Progress as a line from time to time, for logs: after `every` seconds, and at the end of what took so long.

    Args:
        say: takes a line.
        every: so many seconds.
        clock: tells the time in seconds.
    """
    began = last = clock()
    long = False  # whether a line was said of what is going on now
    # What was done before: a study goes on where it stood, and one piece of work may follow another.
    start, of_all = 0, None
    before: int | None = None

    def report(done: int, total: int | None, message: str) -> None:
        nonlocal began, last, long, start, before, of_all
        now = clock()
        if before is None:
            start = done
        elif done < before or total != of_all:
            start, began, long = done, now, False
        before, of_all = done, total
        if now - last < every and not (done == total and long):
            return
        last, long = now, True
        gained = done - start
        of = f" of {total:,}" if total else ""
        left = f", about {duration((now - began) / gained * (total - done))} left" if total and gained else ""
        say(f"{message} {done:,}{of}{left if done != total else ''}")

    return report


@contextmanager
def progress_table(columns: Sequence[str]) -> Generator[tuple[Progress, Callable[[Sequence[str]], None]]]:
    """A bar with time left on stderr, gone when done, and above it a table that grows by a row at a time, and stays."""
    widths = [max(len(column), NARROWEST) for column in columns]

    def add(cells: Sequence[str]) -> None:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        bar.console.print(_told(line.rstrip()))

    parts = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*parts, console=_stderr(), transient=True) as bar:
        task = bar.add_task("", total=None)
        if columns:
            add(columns)

        def report(done: int, total: int | None, message: str) -> None:
            bar.update(task, completed=done, total=total, description=_told(message))

        yield report, add


def _told(message: str) -> str:
    """A sentence as it is, for Rich, with escapes for what a terminal would obey."""
    return escape(shown(message, LONGEST_SENTENCE))


def _stderr() -> Console:
    return Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)


# --- What people write as an option -------------------------------------------------------------------------------


def split_commas(text: str) -> list[str]:
    """`a,b` as a list; empty parts are dropped."""
    return [part.strip() for part in text.split(",") if part.strip()]


def parse_bands(text: str) -> list[int]:
    """Numbers of bands joined by commas."""
    try:
        return [int(part) for part in split_commas(text)]
    except ValueError:
        raise UsageError(f"--bands wants the numbers of three bands, or of one, such as 4,3,2, not '{text}'") from None


def parse_background(text: str) -> object:
    """The name of a fill as it is; else the pictures of a folder, or one picture."""
    from seewhy import engines
    from seewhy.images import find_images, open_image

    if text in engines.FILLS:
        return text
    paths = find_images([text])
    if not paths[0].exists():
        raise UnknownName(f"--background '{text}' is no picture, no folder and none of {', '.join(engines.FILLS)}")
    return engines.Images(tuple(map(open_image, paths)))


def parse_regions(text: str) -> str | Image:
    """A picture, where there is a file of that name; else what names regions, as it is."""
    from seewhy.images import open_image

    return open_image(text) if Path(text).is_file() else text


def parse_settings(settings: Sequence[str]) -> dict[str, object]:
    """`name=value` pairs with values read as JSON where they are JSON, else as text."""
    found: dict[str, object] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set wants NAME=VALUE, not '{setting}'")
        name = name.strip()
        if name in OWN_OPTIONS:
            raise UsageError(f"--set is for parameters of methods; write {OWN_OPTIONS[name]} instead of --set {name}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
