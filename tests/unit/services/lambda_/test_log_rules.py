"""Which members of LoggingConfig go together."""

from __future__ import annotations

import msgspec
import pytest

from functory.aws.errors import AwsError
from functory.services.lambda_.log_rules import logging_changes
from functory.services.lambda_.records import Config

TEXT = Config(runtime="python3.12", role="r")


def _after(config: Config, **given: str) -> tuple[str, str, str, str]:
    after = msgspec.structs.replace(config, **logging_changes(given, config))
    return after.log_format, after.application_log_level, after.system_log_level, after.log_group


def test_json_has_levels_and_text_has_none() -> None:
    assert _after(TEXT, LogFormat="JSON") == ("JSON", "INFO", "INFO", "")
    as_json = msgspec.structs.replace(TEXT, **logging_changes({"LogFormat": "JSON", "SystemLogLevel": "WARN"}, TEXT))
    assert _after(as_json, ApplicationLogLevel="TRACE", LogGroup="g") == ("JSON", "TRACE", "WARN", "g")
    assert _after(as_json, LogFormat="Text") == ("Text", "", "", "")
    assert _after(TEXT, LogGroup="g") == ("Text", "", "", "g")


@pytest.mark.parametrize("given", [{"SystemLogLevel": "INFO"}, {"LogFormat": "Text", "ApplicationLogLevel": "INFO"}])
def test_a_level_without_json_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(AwsError) as error:
        logging_changes(given, TEXT)
    assert error.value.code == "InvalidParameterValueException"
