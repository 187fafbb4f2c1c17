"""What people play and draw: the store of this process."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from math import ceil
from threading import Lock

from seewhy.errors import OverBudget
from seewhy.people.players import begin_session, join
from seewhy.people.store import Store, open_store
from seewhy.web.buckets import Buckets
from seewhy.web.visitors import Visitor

SESSIONS, HOUR = 120, 3600.0  # that one visitor may begin: several classes at school may share an address

_open = ExitStack()
_door = Lock()


@cache
def people_store() -> Store:
    """The store of this process, opened when it is first needed.

    Raises:
        StoreError: it cannot be opened.
    """
    return _open.enter_context(open_store())


def close_store() -> None:
    """Close it; the next who needs it opens it again."""
    _open.close()
    people_store.cache_clear()
    _sessions.cache_clear()


@cache
def _sessions() -> Buckets:
    """How many sessions each visitor may begin: whoever takes name after name learns the class of round after round."""
    return Buckets(SESSIONS, HOUR)


def enter(store: Store, name: str, *, trusted: bool, visitor: Visitor, secret: str | None = None) -> tuple[str, str]:
    """The player's name as it is kept, and the secret of a new session, which a browser may have already.

    Where names are `trusted`, as in a classroom, whoever gives a name plays under it; else a name that is taken is its
    owner's alone.

    Raises:
        Conflict: the name is taken, or looks like another's.
        UsageError: it is empty or too long, or holds what nobody can see.
        OverBudget: this visitor has begun too many sessions.
    """
    with _door:
        seconds = _sessions().take(visitor)
    if seconds:
        raise OverBudget("too many sessions were begun from here; come again later", ceil(seconds))
    player = join(store, name, fresh=not trusted)
    return player, begin_session(store, player, secret)
