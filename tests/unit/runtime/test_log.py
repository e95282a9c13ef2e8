"""Log lines."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import structlog

from posthouse.runtime import log

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """What was written to standard error, decoded; the process's own logging is as before afterwards."""
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    yield lambda: [msgspec.json.decode(line) for line in capsys.readouterr().err.splitlines()]
    structlog.reset_defaults()
    logging.getLogger().handlers = handlers
    logging.getLogger().setLevel(level)


def test_a_line_is_json_with_event_level_time_role_and_pid(lines: Lines) -> None:
    log.configure("delivery", index=2).info("attempt.settled", code=250)
    (line,) = lines()
    assert line.keys() == {"event", "level", "at", "role", "pid", "code"}
    assert (line["event"], line["role"], line["code"]) == ("attempt.settled", "delivery.2", 250)


def test_what_is_less_important_than_asked_for_is_not_written(lines: Lines) -> None:
    logger = log.configure("web", "warning")
    logger.info("a.b")
    logger.warning("c.d")
    assert [line["event"] for line in lines()] == ["c.d"]


def test_an_exception_is_one_line_too(lines: Lines) -> None:
    logger = log.configure("web")
    try:
        raise LookupError("gone")
    except LookupError:
        logger.exception("a.failed")
    (line,) = lines()
    assert "LookupError: gone" in line["exception"]


def test_a_library_is_heard_from_warnings_on(lines: Lines) -> None:
    log.configure("web", "debug")
    logging.getLogger("somelib").info("chatter")
    logging.getLogger("somelib").warning("careful")
    assert [line["message"] for line in lines()] == ["careful"]
