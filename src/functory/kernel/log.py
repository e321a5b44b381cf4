"""Functory's own log: an event name in snake_case plus key/values, never a formatted sentence.

Goes to standard error. What functions print is data and never comes here. `redact` replaces values whose key names a
secret, so that a careless caller cannot leak one.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, cast

import structlog

from functory.kernel.settings import LogSettings

REDACTED = "[redacted]"
_SECRET_WORDS = (
    "secret",
    "password",
    "token",
    "authorization",
    "signature",
    "credential",
    "private_key",
    "environment",
)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the value of every key that names a secret."""
    for key in event:
        lower = key.lower()
        if any(word in lower for word in _SECRET_WORDS):
            event[key] = REDACTED
    return event


def configure(settings: LogSettings) -> None:
    """Set up logging for the whole process; called once by the entry point."""
    as_text = settings.format == "text" or (settings.format == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if as_text else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def get(room: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a room (``core.environments``); bind more keys with ``.bind``."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(room=room))
