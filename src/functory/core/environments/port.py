"""What the engine needs from its neighbours; ``wiring`` brings them together."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from functory.core.environments.credential_door import CredentialDoor
from functory.core.environments.extensions import Extensions
from functory.core.environments.session import RuntimeSession
from functory.core.environments.telemetry import Telemetry
from functory.core.environments.variables import Credentials
from functory.core.functions.model import FunctionVersion

Close = Callable[[], None]
"""Stops serving a listener and closes it."""


class ArtifactSource(Protocol):
    """Where a function's code and its layers are."""

    async def unpack(self, key: str) -> Path:
        """The folder with the unpacked code of a blob key; made once per content, read-only for everyone."""

    async def merge(self, keys: Sequence[str]) -> Path:
        """The folder that shows several packages as one, later ones over earlier ones; made once per list of keys."""


class Served(Protocol):
    """What an environment answers to the processes inside."""

    session: RuntimeSession
    extensions: Extensions
    telemetry: Telemetry
    credentials: CredentialDoor | None


class RuntimeApiHost(Protocol):
    """Serves the Runtime API of one environment."""

    async def serve(self, listener: socket.socket, served: Served) -> Close:
        """Answer calls that come in on ``listener`` from the parts of an environment."""


class EndpointHost(Protocol):
    """Offers the node's AWS endpoint inside a sandbox."""

    async def serve(self, listener: socket.socket) -> Close:
        """Answer calls that come in on ``listener`` as the node's own endpoint does."""

    @property
    def url(self) -> str:
        """The endpoint as processes on the host reach it."""


class CredentialSource(Protocol):
    """Gives functions the credentials of their role."""

    async def credentials(self, version: FunctionVersion) -> Credentials:
        """Credentials for one new environment of ``version``."""
