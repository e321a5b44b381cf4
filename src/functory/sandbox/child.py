"""One child process of the node: its exit status and its output, on any event loop.

**Theory.** asyncio's own subprocess support differs between asyncio and uvloop and, in places, collects the status of *any*
child. Sandboxes need only three things, and get them from plain descriptors: the end of one process (its pidfd becomes
readable, then exactly that pid is waited for), what it wrote (pipes read when readable, and synchronously by `drain`), and a
race-free way to signal it (through the pidfd). Where the system has no pidfd, a thread waits instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterable

from functory.kernel import log
from functory.sandbox.port import Exit, OutputSink

_CHUNK = 65_536
_DRAIN_BYTES_MAX = 4 * 1024 * 1024  # far more than a pipe holds; bounds `drain` against a process that never stops writing
_EOF_WAIT_S = 1.0

_log = log.get("sandbox.child")


class OutputPipe:
    """The node's end of one pipe, and where its bytes go."""

    def __init__(self) -> None:
        self.fd, self.write_fd = os.pipe()
        os.set_blocking(self.fd, False)
        self._sink: OutputSink | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_end: Callable[[], None] = lambda: None

    @property
    def is_closed(self) -> bool:
        """Whether everything was read, or `close` was called."""
        return self.fd < 0

    def when_closed(self, call: Callable[[], None]) -> None:
        """Call ``call`` once after the last byte was handed over."""
        self._on_end = call

    def close_write_end(self) -> None:
        """Call after the child has inherited it; otherwise the pipe never ends."""
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1

    def attach(self, sink: OutputSink) -> None:
        """Begin handing bytes to ``sink``; nothing happens when the pipe is closed already."""
        if self.is_closed:
            return
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.fd, self._read_one)

    def drain(self) -> None:
        """Hand over what is in the pipe now."""
        taken = 0
        while taken < _DRAIN_BYTES_MAX:
            count = self._read_one()
            if count == 0:
                return
            taken += count

    def close(self) -> None:
        """Stop reading; idempotent."""
        self.close_write_end()
        if self.fd >= 0:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self.fd)
            os.close(self.fd)
            self.fd = -1
            self._on_end()

    def _read_one(self) -> int:
        """Read once; the number of bytes handed over."""
        if self.fd < 0:
            return 0
        try:
            data = os.read(self.fd, _CHUNK)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            data = b""
        if not data:
            self.close()
            return 0
        if self._sink is not None:  # None: the start was given up, nobody listens
            self._sink(data)
        return len(data)


class Child:
    """A process whose parent is this node.

    Args:
        pid: the child; it must not have been waited for.
        pipes: its pipes, attached; closed when it has ended.
        conclude: called once when the process has ended and been reaped, with its `Exit` and its maximum resident set in
            bytes; gives the `Exit` that `wait` returns.
        on_exit: called once with that `Exit`, when its output has been handed over.
    """

    def __init__(
        self,
        pid: int,
        pipes: tuple[OutputPipe, ...],
        conclude: Callable[[Exit, int], Exit],
        on_exit: Callable[[Exit], None] = lambda _: None,
    ) -> None:
        self.pid = pid
        self._pipes = pipes
        self._conclude = conclude
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._exit: asyncio.Future[Exit] = self._loop.create_future()
        self._reaped = False
        self._pidfd = -1
        self._give_up: asyncio.TimerHandle | None = None
        if hasattr(os, "pidfd_open"):
            self._pidfd = os.pidfd_open(pid)
            self._loop.add_reader(self._pidfd, self._on_pidfd)
        else:
            threading.Thread(target=self._wait_in_thread, name=f"wait-{pid}", daemon=True).start()

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended (its output may still be on the way)."""
        return self._reaped

    async def wait(self) -> Exit:
        """How it ended, after its output was handed over."""
        return await asyncio.shield(self._exit)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens after the end."""
        if self._reaped:
            return
        with contextlib.suppress(ProcessLookupError):
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, number)
            else:
                os.kill(self.pid, number)

    def drain(self) -> None:
        """Hand over everything already written."""
        for pipe in self._pipes:
            pipe.drain()

    def _on_pidfd(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self._ended(*reap(self.pid))

    def _wait_in_thread(self) -> None:
        result = reap(self.pid)
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
            self._loop.call_soon_threadsafe(self._ended, *result)

    def _ended(self, how: Exit, peak_bytes: int) -> None:
        self._reaped = True
        final = self._conclude(how, peak_bytes)
        self.drain()
        # A process that is being killed, or one out of the sandbox's reach, may hold a pipe: give it a bounded time.
        self._give_up = self._loop.call_later(_EOF_WAIT_S, self._close_pipes)
        for pipe in self._pipes:
            pipe.when_closed(lambda: self._finish_if_closed(final))
        self._finish_if_closed(final)

    def _close_pipes(self) -> None:
        for pipe in self._pipes:
            pipe.drain()
            pipe.close()

    def _finish_if_closed(self, final: Exit) -> None:
        if not self._exit.done() and all(pipe.is_closed for pipe in self._pipes):
            if self._give_up is not None:
                self._give_up.cancel()
            self._exit.set_result(final)
            self._on_exit(final)


def reap(pid: int) -> tuple[Exit, int]:
    """Wait for exactly this child; its `Exit` and maximum resident set in bytes."""
    try:
        _, status, usage = os.wait4(pid, 0)
    except ChildProcessError:
        _log.error("child_status_lost", pid=pid)
        return Exit(code=255), 0
    return exit_of(status), usage.ru_maxrss * 1024


def reap_if_ended(pids: Iterable[int]) -> set[int]:
    """Collect the status of those that are ended children of ours; gives the children that have not ended."""
    alive = set()
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                alive.add(pid)
    return alive


def exit_of(status: int) -> Exit:
    """A wait status as an `Exit`."""
    code = os.waitstatus_to_exitcode(status)
    return Exit(signal=-code) if code < 0 else Exit(code=code)
