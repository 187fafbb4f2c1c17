"""What strangers can write into the log."""

from __future__ import annotations

import logging

import pytest

from seewhy.web import logs


@pytest.fixture
def log(monkeypatch, caplog):
    made = logging.getLogRecordFactory()
    logger = logging.getLogger("loud")
    logs.bound_log(["loud"])
    yield logger
    logging.setLogRecordFactory(made)
    logger.filters.clear()


def fail(log, text):
    log.error("failed", exc_info=ValueError(text))


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "\x1b]0;owned\x07", "\u202e", "a\rb", "\x9b31m"])
def test_lines_are_escaped_in_messages_arguments_and_tracebacks(log, caplog, text):
    log.warning("seen: %s", text)
    fail(log, text)
    plain, failed = caplog.records
    assert text not in plain.getMessage()
    assert "\n" not in plain.getMessage()
    formatted = logging.Formatter().format(failed)
    assert "ValueError" in formatted
    assert text not in formatted.replace("\nb", "")


def test_lines_are_short(log, caplog):
    log.warning("x" * 10**6)
    fail(log, "x" * 10**6)
    assert all(len(record.getMessage()) <= logs.LONGEST for record in caplog.records)
    assert len(logging.Formatter().format(caplog.records[1])) < 10 * logs.LONGEST


def test_one_place_writes_so_many_lines_a_minute_and_others_write_on(log, caplog):
    for number in range(1000):
        log.warning("again %s", number)
    log.warning("another")
    assert logs.A_MINUTE <= len(caplog.records) - 1 <= logs.A_MINUTE + 2
    assert caplog.records[-1].getMessage() == "another"
