"""What a Python process does around its snapshot (SnapStart), beside what the official client does.

The client runs the hooks and waits in ``GET /runtime/restore/next``. Around that wait:

* Before, connections are given up: none lives longer than the snapshot, and gVisor keeps no sandbox with one in use. Their
  descriptors stay and read as a connection that its other side has closed, which every library knows how to get over.
* The wait's own connection is reset by the snapshot, so asking is repeated until it is answered.
* After, everything that makes random numbers of its own state is given new: ``random``, and OpenSSL. What asks the operating
  system each time (``secrets``, ``uuid``, ``os.urandom``) needs nothing. The hashes of ``str`` stay those of the snapshot.

Runs on every supported Python.
"""

# ruff: noqa: PTH208  (pathlib is slow to import)

from __future__ import annotations

import os
import socket
import struct
import sys
import time

TYPE_CHECKING = False  # the module typing is slow to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ATTEMPTS = 200
_PAUSE_S = 0.05
_ENTROPY_BYTES = 48
_NO_LINGER = struct.pack("ii", 1, 0)


def install(client: Any) -> None:
    """Have a runtime client (a class of the official one) wait for its restore in this way."""
    client.restore_next = _around(client.restore_next)


def _around(true_wait: Callable[[Any], None]) -> Callable[[Any], None]:
    def restore_next(client: Any) -> None:
        hang_up()
        for left in reversed(range(_ATTEMPTS)):
            try:
                true_wait(client)
                break
            except OSError:
                if not left:
                    raise
                time.sleep(_PAUSE_S)
        renew_randomness()

    return restore_next


def hang_up() -> None:
    """Give up every TCP connection of this process."""
    for name in os.listdir("/proc/self/fd"):
        try:
            shared = socket.socket(fileno=os.dup(int(name)))
        except OSError:  # no socket, or the descriptor of the listing itself
            continue
        with shared:
            if _is_connection(shared):
                shared.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                _put_closed_one(int(name))


def _is_connection(candidate: socket.socket) -> bool:
    if candidate.type != socket.SOCK_STREAM or candidate.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    try:
        candidate.getpeername()
    except OSError:
        return False
    return True


def _put_closed_one(fd: int) -> None:
    """In the place of a descriptor, a connection whose other side has hung up."""
    ours, other = socket.socketpair()
    other.close()
    with ours:
        ours.setblocking(os.get_blocking(fd))
        os.dup2(ours.fileno(), fd, inheritable=os.get_inheritable(fd))


def renew_randomness() -> None:
    """Make random numbers differ from those of every other process of the same snapshot."""
    random: Any = sys.modules.get("random")
    if random is not None:
        random.seed()
    ssl: Any = sys.modules.get("ssl")
    if ssl is not None:
        ssl.RAND_add(os.urandom(_ENTROPY_BYTES), float(_ENTROPY_BYTES))
