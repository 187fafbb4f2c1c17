"""A question is declared once, as a function: it is then a route, a method of the client, and a tool for agents.

    @question("Ask what is in a photo", Predictions)
    def predict(at: Services, asked: Predict, who: Visitor) -> Job[tuple[Prediction, ...]]:
        ...

The function hands in a job; the body says what may be asked, the answer's type what comes of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from seewhy.answers import schema_of
from seewhy.errors import Forbidden
from seewhy.models import DEFAULT_MODEL
from seewhy.web.services.hub import Services
from seewhy.web.services.jobs import Job
from seewhy.web.services.photos import Photo
from seewhy.web.visitors import Visitor

LONGEST = 300  # letters of a name
NOT_HERE = "this app is open to strangers, so nobody may bring folders of pictures or train; run seewhy on your machine"

Name = Annotated[str, Field(max_length=LONGEST)]
Seed = Annotated[int, Field(ge=0, lt=2**63, description="Of all randomness.")]


class Sent(BaseModel):
    """What comes in. A field that is not known is refused: it is a request, misspelt, that nobody would hear."""

    model_config = ConfigDict(extra="forbid")


class Modelled(Sent):
    """What is asked of a model."""

    model: str | None = Field(
        None,
        description=f"One of /models, such as {DEFAULT_MODEL}, or the id of a job that made one; by default the first.",
    )


class Asked(Modelled):
    """What every request about a photo says."""

    image: str = Field(description="The id of an uploaded photo, or sample:cat.")


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        name: the path of its route, and what a client and agents call it.
        summary: in a sentence.
        about: in more sentences, for agents.
        body: what may be asked.
        answer: the type of what comes of it.
        ask: hands in the job.
        private: whether strangers may not ask it.
    """

    name: str
    summary: str
    about: str
    body: type[Sent]
    answer: Any
    ask: Callable[[Services, Any, Visitor], Job[Any]]
    private: bool = False

    def hand_in(self, at: Services, asked: Sent, who: Visitor) -> Job[Any]:
        """Hand it in.

        Raises:
            Forbidden: strangers may not ask this.
            SeewhyError: it could never be answered, or too many are waiting.
        """
        check_private(at, private=self.private)
        return self.ask(at, asked, who)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its answer."""
        return schema_of(self.answer)


QUESTIONS: dict[str, Question] = {}  # by their names, in the order in which they are declared


def question(
    summary: str, answer: Any, *, private: bool = False
) -> Callable[[Callable[[Services, Any, Visitor], Job[Any]]], Callable[[Services, Any, Visitor], Job[Any]]]:
    """Declare a question: the function's name is its name, the type of `asked` its body."""

    def declare(ask: Callable[[Services, Any, Visitor], Job[Any]]) -> Callable[[Services, Any, Visitor], Job[Any]]:
        name = ask.__name__.replace("_", "-")
        body = inspect.signature(ask, eval_str=True).parameters["asked"].annotation
        about = inspect.getdoc(ask) or summary
        QUESTIONS[name] = Question(name, summary, about, body, answer, ask, private)
        return ask

    return declare


def check_private(at: Services, *, private: bool = True) -> None:
    """Refuse what strangers may not do.

    Raises:
        Forbidden: the app is open to them.
    """
    if private and at.settings.public:
        raise Forbidden(NOT_HERE)


def photo_of(at: Services, name: str) -> Photo:
    """The photo that somebody names: an upload by its secret, or a sample."""
    return at.photos.find(name)
