from __future__ import annotations

import botocore.exceptions as aws
import pytest

from functory.edges.cli.failure import EXIT_FAILED, EXIT_NO_NODE, EXIT_USAGE, translate
from functory.kernel.errors import FunctoryError, SettingsError


def client_error() -> aws.ClientError:
    return aws.ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no such function"}}, "Invoke")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (SettingsError("setting x"), EXIT_USAGE, "setting x"),
        (FunctoryError("broken"), EXIT_FAILED, "broken"),
        (client_error(), EXIT_FAILED, "ResourceNotFoundException: no such function"),
        (
            aws.EndpointConnectionError(endpoint_url="http://127.0.0.1:1/x"),
            EXIT_NO_NODE,
            "no node answers at http://127.0.0.1:1;",
        ),
        (
            aws.ConnectTimeoutError(endpoint_url="http://127.0.0.1:1/x"),
            EXIT_NO_NODE,
            "no node answers at http://127.0.0.1:1;",
        ),
        (aws.ReadTimeoutError(endpoint_url="http://127.0.0.1:1"), EXIT_FAILED, "Read timeout"),
        (aws.ParamValidationError(report="bad name"), EXIT_FAILED, "bad name"),
    ],
)
def test_an_expected_error_has_its_exit_code_and_sentence(error: Exception, code: int, text: str) -> None:
    found = translate(error)
    assert found is not None
    assert found.exit_code == code
    assert text in found.message


def test_what_nobody_expected_is_not_translated() -> None:
    assert translate(KeyError("x")) is None
