"""Several processes in one container: a shell that is told over a pipe what to start.

**Theory.** A container of an OCI runtime has one first process; when it ends, everything ends. Extensions must be there
before the runtime and outlive it, so with companions the first process is ``/bin/sh -s``: it reads commands from its
standard input, which is a pipe of the node. The node writes one line per process to start (and one to signal the main
process), and reads from a second pipe who was started under which pid and how it ended. The shell collects orphans as a
first process must; when the node dies, its input ends, and with it the container. The runtime's own command (``exec``)
would cost 20 ms for each process, and would die with the main one.

**Cost.** Two small shells per process while it lives, inside the function's own limits. Only functions with external
extensions have it. A process started so ignores SIGINT and SIGQUIT, as every background process of a shell does.

What the sandbox's processes could write to these pipes harms nobody but themselves: what is read is checked.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import shlex
import signal
from collections.abc import Callable, Mapping, Sequence

from functory.sandbox.child import Child, OutputPipe
from functory.sandbox.port import Command, Companion, Exit, SandboxError

STATUS_FD = 4
_FIRST_OUTPUT_FD = 5
_COMPANIONS_MAX = 16
_CONTROL_BYTES = 1024 * 1024
_STATUS_BYTES_MAX = 4096
_MAIN = 0
_STATUS = re.compile(rb"(\d{1,2}) (pid|exit) (\d{1,10})")
_SHELL_SIGNAL = 128


class Supervisor:
    """The node's side of it.

    Attributes:
        command: the container's first process.
        stdin: descriptor it reads its commands from.
        inherited: number inside -> descriptor here, beside the framed log channel; consecutive from `STATUS_FD`.
    """

    command = Command(("/bin/sh", "-s"), {"PATH": "/usr/bin:/bin"}, "/")

    def __init__(self, companions: Sequence[Companion]) -> None:
        if len(companions) > _COMPANIONS_MAX:
            raise SandboxError(f"at most {_COMPANIONS_MAX} companions")
        self._companions = tuple(companions)
        self.stdin, self._control = os.pipe()
        with contextlib.suppress(OSError):  # without the privilege the usual 64 KiB do, but for the largest environments
            fcntl.fcntl(self._control, fcntl.F_SETPIPE_SZ, _CONTROL_BYTES)
        os.set_blocking(self._control, False)
        self._status = OutputPipe()
        self._outputs = [OutputPipe() for _ in companions]
        self.inherited = {STATUS_FD: self._status.write_fd}
        for number, pipe in enumerate(self._outputs):
            self.inherited[_FIRST_OUTPUT_FD + number] = pipe.write_fd
        self._buffer = b""
        self._main_pid = 0
        self._main_pipes: tuple[OutputPipe, ...] = ()
        self._ended: set[int] = set()
        self._main_exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()

    def close_inherited(self) -> None:
        """The container has its ends of the pipes; let go of ours."""
        if self.stdin >= 0:
            os.close(self.stdin)
            self.stdin = -1
        for pipe in (self._status, *self._outputs):
            pipe.close_write_end()

    def begin(self, env: Mapping[str, str], cwd: str, main_pipes: tuple[OutputPipe, ...]) -> None:
        """Start the companions.

        Raises:
            SandboxError: the container's shell is gone.
        """
        self._main_pipes = main_pipes
        self._status.attach(self._take_status)
        for number, (pipe, companion) in enumerate(zip(self._outputs, self._companions, strict=True), start=1):
            pipe.attach(companion.output)
            redirects = f">&{_FIRST_OUTPUT_FD + number - 1} 2>&1 3>&-"
            self._tell(self._line(number, companion.argv, env, cwd, redirects))

    def start_main(self, command: Command) -> None:
        """Start the main process.

        Raises:
            SandboxError: the container's shell is gone.
        """
        self._tell(self._line(_MAIN, command.argv, command.env, command.cwd, ""))

    def terminate(self) -> None:
        """SIGTERM to the main process, once it runs."""
        if self._main_pid and _MAIN not in self._ended:
            with contextlib.suppress(SandboxError):
                self._tell(f"kill -TERM {self._main_pid} 2>/dev/null\n")

    async def wait(self, first: Child, conclude: Callable[[Exit, int], Exit]) -> Exit:
        """How the main process ended, or the container's first one when that was earlier."""
        over = asyncio.ensure_future(first.wait())
        try:
            await asyncio.wait([over, self._main_exit], return_when=asyncio.FIRST_COMPLETED)
            return conclude(self._main_exit.result(), 0) if self._main_exit.done() else over.result()
        finally:
            over.cancel()

    def drain(self) -> None:
        """Hand over what the companions have written."""
        for pipe in self._outputs:
            pipe.drain()

    def close(self) -> None:
        """Let go of everything; idempotent."""
        self.close_inherited()
        if self._control >= 0:
            os.close(self._control)
            self._control = -1
        for pipe in (self._status, *self._outputs):
            pipe.close()

    def _line(self, number: int, argv: Sequence[str], env: Mapping[str, str], cwd: str, redirects: str) -> str:
        """The shell command that starts a process and tells about it."""
        closed = " ".join(f"{fd}>&-" for fd in self.inherited)
        words = " ".join(shlex.quote(word) for word in (*(f"{name}={value}" for name, value in env.items()), *argv))
        start = f"( cd {shlex.quote(cwd)} && exec /usr/bin/env -i {words} </dev/null {redirects} {closed} ) &"
        told = f">&{STATUS_FD}"
        return f'( {start} echo "{number} pid $!" {told}; wait $!; echo "{number} exit $?" {told} ) &\n'

    def _tell(self, line: str) -> None:
        data = line.encode()
        try:
            written = os.write(self._control, data)
        except OSError as error:
            raise SandboxError(f"the sandbox's supervisor takes no commands: {error}") from error
        if written < len(data):
            raise SandboxError("the sandbox's supervisor takes no commands: too much at once")

    def _take_status(self, data: bytes) -> None:
        *lines, rest = (self._buffer + data).split(b"\n")
        self._buffer = rest[-_STATUS_BYTES_MAX:]
        for line in lines:
            found = _STATUS.fullmatch(line)
            if found is not None:
                self._told(int(found[1]), found[2].decode(), int(found[3]))

    def _told(self, number: int, what: str, value: int) -> None:
        if number > len(self._companions) or number in self._ended:
            return
        if what == "pid":
            self._main_pid = value if number == _MAIN else self._main_pid
            return
        self._ended.add(number)
        how = _exit(value)
        if number == _MAIN:
            for pipe in self._main_pipes:
                pipe.drain()
            self._main_exit.set_result(how)
        else:
            self._outputs[number - 1].drain()
            self._companions[number - 1].on_exit(how)


def _exit(status: int) -> Exit:
    """An exit status as a shell tells it."""
    number = status - _SHELL_SIGNAL
    if number in signal.valid_signals():
        return Exit(signal=number)
    return Exit(code=status & 0xFF)
