"""A network namespace per sandbox and the listening sockets inside it.

**Theory.** A thread that calls ``unshare(CLONE_NEWNET)`` is in a new, empty network; sockets it makes stay there for ever,
whichever thread or event loop uses them later. So a helper thread makes the namespace, brings ``lo`` up, adds Lambda's
link-local address, binds and listens, opens a descriptor of the namespace and ends. The node then serves those sockets like
any other, while no process outside the namespace can reach them and no other sandbox sees them.

The namespace has no device but ``lo``: no way out, and none in. It lives as long as a descriptor, a socket or a process
holds it, so nothing has to be cleaned up after a killed node.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import threading
from dataclasses import dataclass

from functory.sandbox import linux

ADDRESS = "169.254.100.1"  # AWS: where managed runtimes of 2025 and later find the Runtime API
RUNTIME_PORT = 9001
AWS_PORT = 4566
_BACKLOG = 512

_SIOCSIFFLAGS = 0x8914
_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C
_IFF_UP_RUNNING = 0x1 | 0x40


@dataclass(slots=True)
class Network:
    """One namespace: ``fd`` names it, the listeners live in it. The holder closes all three."""

    fd: int
    runtime_listener: socket.socket
    aws_listener: socket.socket | None

    def close(self) -> None:
        """Let go of everything not yet closed."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self.runtime_listener.close()
        if self.aws_listener is not None:
            self.aws_listener.close()


def create(*, aws_endpoint: bool) -> Network:
    """A new namespace with its listeners. Blocks for about half a millisecond.

    Raises:
        OSError: the kernel refused (no privilege, no network namespaces).
    """
    made: list[Network] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            linux.unshare(linux.CLONE_NEWNET)
            made.append(_inside(aws_endpoint))
        except OSError as error:
            failed.append(error)

    # Never a pooled thread: whoever got it next would work in the sandbox's network.
    thread = threading.Thread(target=work, name="netns")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


def _inside(aws_endpoint: bool) -> Network:
    """In the new namespace: addresses, listeners, descriptor."""
    _configure_loopback()
    runtime = _listen(RUNTIME_PORT)
    aws: socket.socket | None = None
    try:
        aws = _listen(AWS_PORT) if aws_endpoint else None
        fd = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        runtime.close()
        if aws is not None:
            aws.close()
        raise
    return Network(fd, runtime, aws)


def _configure_loopback() -> None:
    """``lo`` up, with Lambda's address beside 127.0.0.1 (as the label ``lo:1``; no ``ip`` tool is needed)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        _set_flags(control, b"lo")
        address = struct.pack("<16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(ADDRESS))
        fcntl.ioctl(control, _SIOCSIFADDR, address)
        mask = struct.pack("<16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton("255.255.255.255"))
        fcntl.ioctl(control, _SIOCSIFNETMASK, mask)


def _set_flags(control: socket.socket, device: bytes) -> None:
    fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("<16sh22x", device, _IFF_UP_RUNNING))


def _listen(port: int) -> socket.socket:
    """A listener on every address of the namespace: 169.254.100.1 and 127.0.0.1 alike."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", port))  # noqa: S104  this namespace has only loopback
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
