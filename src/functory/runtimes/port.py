"""What the engine asks about runtimes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from functory.kernel.errors import FunctoryError


class RuntimeMissing(FunctoryError):  # noqa: N818  reads as what it is
    """The runtime is known, but its interpreter (or its client) is not on this machine; the text says how to get it."""


@dataclass(frozen=True, slots=True)
class RuntimeMount:
    """A host folder that the runtime needs inside: ``/var/lang`` (interpreter) or ``/var/runtime`` (client and SDK)."""

    source: Path
    target: str


@dataclass(frozen=True, slots=True)
class ReadyRuntime:
    """A runtime that can be started here.

    ``argv`` and ``env`` values are templates: ``{task}``, ``{runtime}``, ``{lang}``, ``{opt}`` and ``{tmp}`` stand for
    the paths of ``/var/task``, ``/var/runtime``, ``/var/lang``, ``/opt`` and ``/tmp`` as the sandbox's processes see them.

    Attributes:
        id: Lambda's identifier, e.g. ``python3.12``.
        version: exact version of the interpreter, e.g. ``3.12.1``; ``""`` for ``provided.*``.
        argv: the command that starts the runtime client.
        env: the variables this runtime adds to the common ones (PATH, LD_LIBRARY_PATH, AWS_EXECUTION_ENV, …).
        mounts: its host folders.
        entrypoints: templates like those of ``argv``; when not empty, the first one that exists takes the place of
            ``argv[0]``, and none is ``Runtime.InvalidEntrypoint`` (``provided.*``: the function brings its program).
        runtime_api_host: address under which AWS shows the Runtime API to this runtime.
        standby: whether its client can be started before its function is known: ``any`` for every function, ``memory`` for
            functions of one memory size, ``""`` not at all. Its process gets ``_FUNCTORY_STANDBY_FD``.
    """

    id: str
    version: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    mounts: tuple[RuntimeMount, ...]
    entrypoints: tuple[str, ...] = ()
    runtime_api_host: str = "169.254.100.1"
    standby: Literal["", "any", "memory"] = ""


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """One row of ``functory runtimes``.

    Attributes:
        id: identifier.
        ready: whether functions of it can run now.
        version: exact interpreter version when ready, else ``""``.
        location: folder of the interpreter when found, else ``""``.
        advice: how to get it when not ready; what to know of it when it is, or ``""``.
        deprecated: AWS's deprecation date ``YYYY-MM-DD`` when it has passed or is known, else ``""``.
    """

    id: str
    ready: bool
    version: str
    location: str
    advice: str
    deprecated: str


class RuntimeCatalog(Protocol):
    """Knows every runtime identifier and what is here."""

    def is_known(self, runtime: str) -> bool:
        """Whether Functory has a definition of that identifier."""

    def is_custom(self, runtime: str) -> bool:
        """Whether the function brings its own ``bootstrap`` (``provided.*``)."""

    def can_snap_start(self, runtime: str) -> bool:
        """Whether its client knows how to be kept and restored (SnapStart)."""

    async def resolve(self, runtime: str) -> ReadyRuntime:
        """The runtime, ready to start. Looks at the machine at most once per identifier and change; cheap afterwards.

        Raises:
            RuntimeMissing: it cannot be started here; the text says how to get it.
        """

    async def list(self) -> list[RuntimeStatus]:
        """Every known runtime and whether it is ready here."""
