"""Events, not sentences: structured log lines on standard error.

One event name in the form noun.verb, then fields. Never a secret, never a body, never a whole header block. On a terminal the
lines are made for eyes, elsewhere they are JSON with `event`, `level`, `at` (RFC 3339, UTC), `role` and `pid`.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec


@contextlib.contextmanager
def _without(module: str) -> Iterator[None]:
    """Imports in the block find no such module, unless it is loaded already."""
    absent = module not in sys.modules
    if absent:
        sys.modules[module] = None  # type: ignore[assignment]  # what the import system understands as "not there"
    try:
        yield
    finally:
        if absent:
            del sys.modules[module]


with _without("rich"):  # structlog would load it for tracebacks that we print plainly: 8 MB and 0.1 s of every process
    import structlog
    from structlog.typing import EventDict, FilteringBoundLogger, Processor

Logger: TypeAlias = FilteringBoundLogger

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(role: str, level: str = "info", style: str = "auto", index: int = 1) -> Logger:
    """The log of this process. `style` is json, console, or auto: console on a terminal. `role` is bound to every line."""
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer()] if console else [structlog.processors.format_exc_info, _json]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp" if console else "at"),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _adopt_stdlib(level)
    name = role if index == 1 else f"{role}.{index}"
    bound: Logger = structlog.get_logger().bind(role=name, pid=os.getpid())
    return bound


def _json(_: object, __: str, event: EventDict) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def _adopt_stdlib(level: str) -> None:
    """Lines that libraries log the standard way come out in the same form; their chatter below warning does not."""
    root = logging.getLogger()
    root.handlers = [_Adopted()]
    root.setLevel(max(LEVELS[level], logging.WARNING))


class _Adopted(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, f"library.{record.name}", message=record.getMessage(), exc_info=record.exc_info or None
        )
