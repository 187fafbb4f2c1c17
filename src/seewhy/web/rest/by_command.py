"""Commands as questions: a command's signature says what may be asked, and its answer what comes of the job.

    offer("probe", network.probe, "Look for a backdoor", pictures=SET.of("images"), steps="steps")

What a command opens by its path is named by an id here: a set of pictures, or the job that made it. Nothing else of a
command may be said than what is named so, and thus no file of this machine.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import Field, create_model
from typing_extensions import override

from seewhy.commands.console import Answer, Run
from seewhy.core.progress import Progress, silent
from seewhy.methods.task import METHODS
from seewhy.models import Classifier
from seewhy.web.rest.found import Found, folder_of, model_of, plain
from seewhy.web.rest.question import QUESTIONS, Modelled, Name, Question, Seed, Sent
from seewhy.web.rest.sets import pictures_of
from seewhy.web.services.hub import LONG, TRAINING, Services
from seewhy.web.services.jobs import Job
from seewhy.web.services.reports import files_below, result_files
from seewhy.web.visitors import Visitor

MOST = 60  # things in one list
WORDS = Field(max_length=2000)  # of what people write
JOINED = ", joined by commas"  # as a command wants names; a request has them in a list


@dataclass(frozen=True)
class Given:
    """A field of a request, and what the command gets of it.

    Attributes:
        kind: of its value, or where it is `several` of each of them.
        words: what it is; by default the help of the parameter.
        taken: makes of the value what the command takes.
        parameter: of the command.
        several: whether it is a list.
        needed: whether it has to be there, even where the command does without.
    """

    kind: Any
    words: str = ""
    taken: Callable[[Services, Any], Any] = lambda _, value: value
    parameter: str = ""
    several: bool = False
    needed: bool = False

    def of(self, parameter: str, *, needed: bool = False) -> Given:
        """The same, for a parameter of a command."""
        return replace(self, parameter=parameter, needed=needed)


def job_of(question: str) -> Given:
    """What a job of a question has left."""
    return Given(Name, f"The id of a job of /{question}.", lambda at, name: folder_of(at, name, question))


SET = Given(Name, "The id of a set of pictures, as /sets gives it.", lambda _, name: pictures_of(name))
SETS = replace(SET, words="Ids of sets.", taken=lambda _, names: [pictures_of(name) for name in names], several=True)
MODELS = Given(
    str,
    "Names of /models, or ids of jobs that made one.",
    lambda at, names: [model_of(at, name) for name in names],
    several=True,
)
NAMES = Given(
    Annotated[str, Field(max_length=300, pattern="^[^,]*$")], taken=lambda _, names: ",".join(names), several=True
)


def _listed(names: Sequence[str]) -> str:
    """Names of methods as a command takes them; one that says which files to read is for the owner of a machine."""
    for name in names:
        METHODS.listed(name)
    return ",".join(names)


METHOD = Given(Name, taken=lambda _, name: _listed([name]))
METHOD_NAMES = replace(NAMES, taken=lambda _, names: _listed(names))


@dataclass(frozen=True)
class Served(Run):
    """The run of a command as a job: its model is one of the app's, its progress the job's."""

    opened: Classifier | None = None
    told: Progress = silent

    @override
    def load(self) -> Classifier:
        return self.opened or super().load()

    @override
    def progress(self) -> AbstractContextManager[Progress]:
        return nullcontext(self.told)


def offer(
    name: str,
    command: Any,
    summary: str,
    about: str = "",
    *,
    answer: Any = None,
    whole: bool = False,
    keeps: str = "",
    private: bool = True,
    fixed: Mapping[str, Any] | None = None,
    **fields: str | Given,
) -> None:
    """Declare a command as a question.

    Args:
        name: of the question.
        command: a function that `command` made.
        summary: of the question, in a sentence.
        about: in more sentences; by default what the command says of itself.
        answer: the type of the values, where it is not the command's.
        whole: whether they are all that the command's result knows.
        keeps: the parameter that gets the folder that later questions need; what is given for it fills that first.
        private: whether strangers may not ask it.
        fixed: what the command is told besides.
        fields: what may be asked, by the name in a request: the command's parameter, or how it is given.
    """
    parameters = inspect.signature(command).parameters
    sources = {
        field: _as_it_is(parameters[source]) if isinstance(source, str) else source for field, source in fields.items()
    }
    modelled = "model" in parameters
    body = create_model(
        f"{name.title().replace('-', '')}Asked",
        __base__=Modelled if modelled else Sent,
        __doc__=f"{summary}.",
        **{field: _field(source, parameters[source.parameter]) for field, source in sources.items()},  # type: ignore[call-overload]
    )

    def ask(at: Services, asked: Any, who: Visitor) -> Job[Any]:
        said = {field: getattr(asked, field) for field in sources}
        given: dict[str, Any] = {
            source.parameter: _suiting(parameters[source.parameter], source.taken(at, said[field]))
            for field, source in sources.items()
            if said[field] is not None
        }
        model = model_of(at, asked.model) if modelled else None
        if keeps:
            at.disk.check(who, 0)

        def work(opened: Classifier | None, tell: Progress) -> Found:
            run = Served(model=model, device=at.settings.device, json=True, opened=opened, told=tell)
            if not keeps:
                return _found(command.ask(run, **given, **(fixed or {})), whole=whole)
            with at.disk.filling(at.new_training_folder(), who) as kept:
                if fill := given.get(keeps):
                    fill(kept / name)
                told = {**given, **(fixed or {}), keeps: kept / name}
                return _found(command.ask(run, **told), kept / name, whole=whole)

        words, lane = f"{name} {model or ''}".rstrip(), TRAINING if keeps else LONG
        if model is None:
            return at.queue.submit(lambda job: work(None, job.tell), words, visitor=who, lane=lane)
        return at.submit(model, words, work, visitor=who, lane=lane)

    told = about or inspect.getdoc(command) or summary
    QUESTIONS[name] = Question(name, summary, told, body, answer or command.answer, ask, private)


def _as_it_is(parameter: inspect.Parameter) -> Given:
    """A field that is what the command's parameter is, with its bounds."""
    kind, option = get_args(parameter.annotation)[:2]
    if parameter.name == "seed":
        return Given(Seed, parameter=parameter.name)
    if _is_list(kind):
        return Given(Annotated[str, WORDS], parameter=parameter.name, several=True)
    texts = str in (kind, *get_args(kind))
    bounds = WORDS if texts else Field(ge=option.min, le=option.max)
    return Given(Annotated[kind, bounds], parameter=parameter.name)


def _field(source: Given, parameter: inspect.Parameter) -> tuple[Any, Any]:
    """A field for pydantic: its type, and its default with what it is."""
    help_: str = get_args(parameter.annotation)[1].help or ""
    words = source.words or help_.replace(JOINED, "")
    needed = source.needed or parameter.default is inspect.Parameter.empty
    if source.several:
        kind = Annotated[list[source.kind], Field(min_length=int(needed), max_length=MOST)]
        return kind, Field(... if needed else [], description=words)
    kind = source.kind | None if parameter.default is None and not needed else source.kind
    return kind, Field(... if needed else parameter.default, description=words)


def _suiting(parameter: inspect.Parameter, value: Any) -> Any:
    """A folder as the command takes it, which may want a list of pictures and folders."""
    return [str(value)] if isinstance(value, Path) and _is_list(get_args(parameter.annotation)[0]) else value


def _is_list(kind: Any) -> bool:
    return any(get_origin(each) is list for each in (kind, *get_args(kind)))


def _found(answer: Answer[Any], folder: Path | None = None, *, whole: bool = False) -> Found:
    """An answer as it is kept: with the files of its report, and with those that it keeps in a folder.

    Raises:
        SeewhyError: nothing came of anything that was asked.
    """
    result = answer.result
    if len(answer.failures) >= answer.asked and not (result or answer.report):
        for error in filter(None, (each.error for each in answer.failures)):
            raise error
    values = plain(result.to_dict() if whole and result else answer.values)
    if folder is None:
        return Found(values, result_files(result) if result else {})
    if result:
        result.save(folder)
    return Found(values, files_below(folder) if result or answer.report else {}, folder=folder)
