"""``LoggingConfig``: which members go together, and their defaults. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functory.services.lambda_ import errors
from functory.services.lambda_.records import Config

DEFAULT_LEVEL = "INFO"


def logging_changes(given: Mapping[str, Any], config: Config) -> dict[str, str]:
    """The fields of `Config` that a ``LoggingConfig`` parameter changes; members not given stay.

    AWS: levels need the format JSON, which sets both to INFO; going back to Text removes them.

    Raises:
        AwsError: a level without JSON.
    """
    changes: dict[str, str] = {}
    if "LogGroup" in given:
        changes["log_group"] = given["LogGroup"]
    log_format = given.get("LogFormat", config.log_format)
    changes["log_format"] = log_format
    for member, field in (("ApplicationLogLevel", "application_log_level"), ("SystemLogLevel", "system_log_level")):
        if log_format == "JSON":
            changes[field] = given.get(member) or getattr(config, field) or DEFAULT_LEVEL
        elif member in given:
            raise errors.invalid(f"{member} can only be set when LogFormat is JSON.")
        else:
            changes[field] = ""
    return changes
