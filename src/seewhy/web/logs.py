"""The app's log: what strangers can write into it is escaped and short, and comes no faster than can be read."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable
from functools import partial

from seewhy.core.text import shown
from seewhy.web.middleware.pace import Buckets

LONGEST = 1000  # letters of a line
LINES = 60  # of a traceback, its last ones
A_MINUTE = 60  # lines from one place in the code
# Streamlit's loggers hand nothing on to others, so that each has to be named.
LOUD = (
    "uvicorn.error",
    "seewhy.web",
    "streamlit.runtime.app_session",
    "streamlit.runtime.scriptrunner.exec_code",
    "streamlit.error_util",
    "streamlit.web.server.starlette.starlette_auth_routes",
    "streamlit.web.server.starlette.starlette_routes",
    "streamlit.web.server.starlette.starlette_websocket",
)


def bound_log(names: Iterable[str] = LOUD) -> None:
    """Escape and shorten every record of this process, and let those of loud loggers through at a pace."""
    logging.setLogRecordFactory(partial(_record, logging.getLogRecordFactory()))
    buckets = Buckets(A_MINUTE)
    for name in names:
        logging.getLogger(name).addFilter(lambda record: not buckets.take(f"{record.pathname}:{record.lineno}"))


def _record(make: Callable[..., logging.LogRecord], *args: object, **kwargs: object) -> logging.LogRecord:
    record = make(*args, **kwargs)
    record.msg, record.args = shown(record.getMessage(), LONGEST), ()
    if record.exc_info and record.exc_info[1]:
        lines = "".join(traceback.format_exception(record.exc_info[1])).splitlines()[-LINES:]
        record.exc_text = "\n".join(shown(line, LONGEST) for line in lines)  # which every formatter takes as it is
    return record
