"""The first process of a sandbox, and what it tells the node.

**Theory.** The kernel treats the first process of a process-id namespace unlike all others: a signal that it does not handle
does nothing to it, so that a runtime could not end itself by one, and orphans become its children, which a runtime does not
collect. So the runtime is the second process; the first one is a program of some 500 bytes without libraries
(``scripts/init``, `functory.sandbox.init_program`). It starts the runtime in a process group of its own, collects whatever
ends, hands SIGTERM on when it comes from outside, and ends with the runtime; with it the kernel ends everything else.

How a process ended has more values than an exit status can tell, so the first process writes two numbers of 32 bits to a
pipe: 0 or the error number of ``execve`` as soon as the runtime runs, and its wait status when it has ended.

**Cost.** One process of 20 KiB, kernel's memory included, and one more ``execve``: see ADR 0013.
"""

from __future__ import annotations

import asyncio
import os
import signal
import struct

from functory.sandbox.child import OutputPipe, exit_of
from functory.sandbox.init_program import PROGRAMS
from functory.sandbox.port import Exit

FOLDER = "/var/rapid"
"""Where the program is inside. AWS: has its own first process there."""
PATH = f"{FOLDER}/init"
_NUMBER = struct.Struct("=i")
_TOLD_MAX = 64


def program(machine: str) -> bytes | None:
    """The executable for a machine (``os.uname().machine``), or None where there is none."""
    return PROGRAMS.get(machine)


def arguments(descriptor: int) -> tuple[str, ...]:
    """What stands in front of the command. ``descriptor`` is the pipe's number inside, below 10."""
    return (PATH, str(descriptor))


class FirstProcess:
    """The node's end of the pipe."""

    def __init__(self) -> None:
        self._pipe = OutputPipe()
        self._told = bytearray()
        self._heard = asyncio.Event()

    @property
    def write_fd(self) -> int:
        """What the first process gets."""
        return self._pipe.write_fd

    def close_write_end(self) -> None:
        """The first process has it."""
        self._pipe.close_write_end()

    async def started(self) -> None:
        """Return when the runtime's program runs, or when the first process ended before.

        Raises:
            OSError: it could not be executed.
        """
        self._pipe.when_closed(self._heard.set)
        self._pipe.attach(self._take)
        await self._heard.wait()
        number = self._number(0)
        if number:
            raise OSError(number, os.strerror(number))

    def how(self) -> Exit | None:
        """How the runtime ended; None when the first process did not live to tell."""
        self._pipe.drain()
        status = self._number(1)
        if status is None or not (os.WIFEXITED(status) or os.WIFSIGNALED(status)):  # something inside wrote here
            return None
        how = exit_of(status)
        return how if how.signal is None or how.signal in signal.valid_signals() else None

    def close(self) -> None:
        """Let go of the pipe; idempotent."""
        self._pipe.close()

    def _take(self, data: bytes) -> None:
        self._told += data[: _TOLD_MAX - len(self._told)]
        if len(self._told) >= _NUMBER.size:
            self._heard.set()

    def _number(self, index: int) -> int | None:
        offset = index * _NUMBER.size
        if len(self._told) < offset + _NUMBER.size:
            return None
        number: int = _NUMBER.unpack_from(self._told, offset)[0]
        return number
