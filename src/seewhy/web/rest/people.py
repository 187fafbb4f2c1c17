"""Deep Reveal and masks for programs and crowds: who plays, rounds, guesses, drawings."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Header, HTTPException, Path
from fastapi.responses import Response
from pydantic import BaseModel, Field, TypeAdapter

from seewhy.draw import png_bytes
from seewhy.errors import UnknownName
from seewhy.people import game
from seewhy.people.coco import Coco, export_coco
from seewhy.people.game import RoundResult, RoundView
from seewhy.people.masks import MaskRevision, drawn, save_runs
from seewhy.people.names import (
    LONGEST_CLASS,
    LONGEST_IMAGE,
    LONGEST_KEY,
    LONGEST_LABEL,
    LONGEST_NAME,
    LONGEST_TAG,
    LONGEST_WORDS,
    MOST_LABELS,
)
from seewhy.people.players import Standing, end_session, leaderboard, player_of
from seewhy.people.rounds import answers
from seewhy.people.runs import LONGEST_RUNS, checked_runs, compressed
from seewhy.people.store import Store
from seewhy.web.rest.jobs import At, Who
from seewhy.web.rest.question import Sent, photo_of
from seewhy.web.services.storage import enter, people_store

router = APIRouter(tags=["people"])
PICTURE: Any = {200: {"content": {"image/png": {}}}}
People = Annotated[Store, Depends(people_store)]
Key = Annotated[
    str, Field(min_length=1, max_length=LONGEST_KEY, description="Yours, new for each; sent again, it counts once.")
]


class Name(Sent):
    """Who wants to play."""

    name: str = Field(max_length=LONGEST_NAME, description="What others see on the leaderboard.")


class Entered(BaseModel):
    """A player's session: `token` goes along with every request as the header X-Player."""

    player: str
    token: str


class Deeper(Sent):
    """Show more."""

    stage: int = Field(ge=0, description="The stage that is shown now; asked twice, it is done once.")


class Guess(Sent):
    """The end of a round: a class and words, or neither, to resign."""

    key: Key
    guess: str | None = Field(
        None, max_length=LONGEST_CLASS, description="One of the options; without, the round is given up."
    )
    labels: list[Annotated[str, Field(max_length=LONGEST_WORDS)]] = Field(
        [], max_length=MOST_LABELS, description="Words on what led to the guess; short ones."
    )
    language: str = Field("en", max_length=LONGEST_TAG, description="Of the words, as a tag.")


class Drawing(Sent):
    """A new state of a mask."""

    key: Key
    image: str = Field(max_length=LONGEST_IMAGE, description="The id of an uploaded photo, or sample:cat.")
    label: str = Field(max_length=LONGEST_LABEL, description="What was drawn.")
    counts: str = Field(max_length=LONGEST_RUNS, description="The mask in the photo's own pixels, as COCO run lengths.")
    base: int = Field(ge=0, description="The revision that this goes on from; 0 for the first.")


class Drawn(BaseModel):
    """A state of a mask that is kept."""

    label: str
    revision: int
    width: int
    height: int
    counts: str = Field(description="COCO run lengths.")


def player(people: People, x_player: Annotated[str, Header(description="The token of a session.")] = "") -> str:
    """Who is asking."""
    found = player_of(people, x_player) if x_player else None
    if found is None:
        raise HTTPException(401, "Join first, and send the token along: X-Player: TOKEN")
    return found


Player = Annotated[str, Depends(player)]
Number = Annotated[int, Path(ge=1, lt=2**31, description="Of the round.")]


@router.post("/players", status_code=201, summary="Join; the token goes along from then on, as X-Player")
def begin(people: People, at: At, visitor: Who, who: Name) -> Entered:
    """Begin a session under a new name, or where names are trusted under any."""
    name, token = enter(people, who.name, trusted=at.settings.sign_in == "names", visitor=visitor)
    return Entered(player=name, token=token)


@router.delete("/players/me", status_code=204, summary="End the session")
def end(people: People, x_player: Annotated[str, Header()] = "") -> None:
    """Forget this device."""
    end_session(people, x_player)


@router.post("/rounds/next", summary="The round to play now; null when none is left")
def next_round(people: People, who: Player) -> RoundView | None:
    """Take a round, or go on with the one that was begun."""
    return game.next_round(people, who)


@router.get("/rounds/{number}/picture.png", summary="What is revealed", response_class=Response, responses=PICTURE)
def picture(people: People, who: Player, number: Number) -> Response:
    """The picture as far as this player may see it."""
    shown = png_bytes(game.revealed(people, who, number))
    return Response(shown, media_type="image/png", headers={"Cache-Control": "no-store"})


@router.get("/rounds/{number}/whole.png", summary="All, after the answer", response_class=Response, responses=PICTURE)
def whole(people: People, who: Player, number: Number) -> Response:
    """The picture as a player may see it who has answered."""
    return Response(png_bytes(game.whole(people, who, number)), media_type="image/png")


@router.post("/rounds/{number}/more", summary="Show more")
def more(people: People, who: Player, number: Number, wanted: Deeper) -> RoundView:
    """Go on to the next stage."""
    return game.show_more(people, who, number, wanted.stage)


@router.post("/rounds/{number}/answer", summary="Guess, or give up")
def answer(people: People, who: Player, number: Number, given: Guess) -> RoundResult:
    """End a round; only now is its class told."""
    if given.guess is None:
        return game.resign(people, who, number, key=given.key)
    return game.guess(people, who, number, given.guess, given.labels, key=given.key, language=given.language)


@router.get("/leaderboard", summary="Who has how many points")
def board(people: People) -> list[Standing]:
    """All players, most points first; simulated ones apart from people."""
    return leaderboard(answers(people, simulated=False))


@router.post("/masks", status_code=201, summary="Save a drawing")
def save(people: People, who: Player, at: At, given: Drawing) -> Drawn:
    """Add a state of a mask."""
    image = photo_of(at, given.image)
    counts, shape = compressed(checked_runs(given.counts, image.height, image.width)), (image.height, image.width)
    kept = save_runs(people, who, image.name, image.sha256, given.label, counts, shape, base=given.base, key=given.key)
    return _plain(kept)


@router.get("/masks", summary="One's own drawings on a photo")
def masks(people: People, who: Player, at: At, image: str) -> list[Drawn]:
    """The last state of each."""
    return [_plain(each) for each in drawn(people, who, photo_of(at, image).sha256)]


@router.get("/masks/coco.json", summary="One's own drawings on all photos, as COCO")
def exported(people: People, who: Player) -> Coco:
    """The last state of each, as other tools read it."""
    return TypeAdapter(Coco).validate_python(export_coco(drawn(people, who)))


@router.get(
    "/masks/mask.png", summary="One's own drawing on a photo, as a picture", response_class=Response, responses=PICTURE
)
def mask(people: People, who: Player, at: At, image: str, label: str) -> Response:
    """White where something is drawn."""
    found = [each for each in drawn(people, who, photo_of(at, image).sha256) if each.label == label]
    if not found:
        raise UnknownName("you have drawn nothing of this name on this photo; /masks lists what you have drawn")
    return Response(png_bytes(found[0].mask * np.uint8(255)), media_type="image/png")


def _plain(kept: MaskRevision) -> Drawn:
    size = {"width": kept.width, "height": kept.height}
    return Drawn(label=kept.label, revision=kept.revision, counts=kept.counts, **size)
