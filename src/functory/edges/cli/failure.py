"""How a command fails: one sentence on standard error and an exit code, never a traceback.

======  =========================================================================
code    meaning
======  =========================================================================
0       done
1       what was asked for failed: a function error, an error of the node's API
2       the command line makes no sense
3       no node answered
70      a defect of Functory (``FUNCTORY_DEBUG=1`` shows the traceback)
130     interrupted
======  =========================================================================

The AWS client library is slow to import, so its exceptions are recognised only when something has imported it.
"""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlsplit

import click

from functory.kernel.errors import FunctoryError, SettingsError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO_NODE = 3
EXIT_DEFECT = 70
EXIT_INTERRUPTED = 130


class CommandError(click.ClickException):
    """A failure as the user reads it; the text says what to do where that is known."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self._exit_code = exit_code

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """What the process ends with."""
        return self._exit_code

    def show(self, file: Any = None) -> None:
        """Print the sentence to standard error."""
        click.echo(f"functory: {self.format_message()}", file=file, err=file is None)


def no_node(url: str, reason: str = "") -> CommandError:
    """Nothing answers at ``url``."""
    detail = f" ({reason})" if reason else ""
    return CommandError(f"no node answers at {url}{detail}; start one with `functory up`", EXIT_NO_NODE)


def translate(error: Exception) -> CommandError | None:
    """The user's view of an expected error; None for one that nobody expected."""
    if isinstance(error, SettingsError):
        return CommandError(str(error), EXIT_USAGE)
    if isinstance(error, FunctoryError):
        return CommandError(str(error))
    return _translate_client_error(error)


def _translate_client_error(error: Exception) -> CommandError | None:
    exceptions = sys.modules.get("botocore.exceptions")
    if exceptions is None:
        return None
    if isinstance(error, exceptions.ClientError):
        details = error.response.get("Error", {})
        return CommandError(f"{details.get('Code', 'Error')}: {details.get('Message', '')}")
    if isinstance(error, exceptions.EndpointConnectionError | exceptions.ConnectTimeoutError):
        parts = urlsplit(str(error.kwargs.get("endpoint_url", "")))
        return no_node(f"{parts.scheme}://{parts.netloc}")
    if isinstance(error, exceptions.BotoCoreError | exceptions.HTTPClientError):
        return CommandError(str(error))
    return None
