"""A socket of the node's that lives in a sandbox's network, for what the node itself connects to in there.

A socket stays in the network namespace where it was made. A helper thread enters the namespace, makes the socket and ends;
connecting and talking is then the event loop's work, as with any other socket.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import threading

_CLONE_NEWNET = 0x40000000


def socket_in(namespace: str) -> socket.socket:
    """An unconnected, non-blocking TCP socket in a network namespace. Blocks for a fraction of a millisecond.

    Args:
        namespace: path that names it, e.g. ``/proc/1/ns/net``.

    Raises:
        OSError: it is gone, or the kernel refused.
    """
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def work() -> None:
        try:
            fd = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(fd, _CLONE_NEWNET) != 0:
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number), namespace)
                made.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            finally:
                os.close(fd)
        except OSError as error:
            failed.append(error)

    # Never a pooled thread: whoever got it next would work in the sandbox's network.
    thread = threading.Thread(target=work, name="into-netns")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    made[0].setblocking(False)
    return made[0]


async def connect(new: socket.socket, address: tuple[str, int]) -> socket.socket:
    """Connect a socket; it is closed when that fails.

    Raises:
        OSError: nobody listens.
    """
    try:
        await asyncio.get_running_loop().sock_connect(new, address)
    except BaseException:
        new.close()
        raise
    return new
