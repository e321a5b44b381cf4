"""A network namespace per sandbox and the listening sockets inside it.

**Theory.** A thread that calls ``unshare(CLONE_NEWNET)`` is in a new, empty network; sockets it makes stay there for ever,
whichever thread or event loop uses them later. So a helper thread makes the namespace, brings ``lo`` up, adds Lambda's
link-local address, binds and listens, opens a descriptor of the namespace and ends. The node then serves those sockets like
any other, while no process outside the namespace can reach them and no other sandbox sees them.

The namespace has ``lo`` and, with a `Gateway`, one device that leads out; the listeners are bound to ``lo``, so that nothing
that came in by that device could ever reach them. The namespace lives as long as a descriptor, a socket or a process holds
it, so nothing has to be cleaned up after a killed node.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from functory.sandbox import linux
from functory.sandbox.gateway import Gateway, in_fresh_thread, namespace_of_this_thread
from functory.sandbox.netlink import End, RouteSocket

ADDRESS = "169.254.100.1"  # AWS: where managed runtimes of 2025 and later find the Runtime API
RUNTIME_PORT = 9001
AWS_PORT = 4566
CREDENTIALS = "169.254.170.2"  # AWS: the one address beside loopback that every SDK takes credentials from
OWN_STACK = "169.254.100.2"
_CABLE = "api0"
_CABLE_INDEX = 200
_CABLE_PREFIX = 16  # both addresses are neighbours
_MTU = 1500
_BACKLOG = 512
_EVERY = "0.0.0.0"  # noqa: S104  of one device

_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C
_NO_IPV6 = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")


@dataclass(slots=True)
class Network:
    """One namespace: ``fd`` names it (-1: the host's), the listeners live in it. The holder closes all of them.

    ``outside_fd`` names the namespace of the listeners when it is another one (`create_for_own_stack`), else it is -1.
    """

    fd: int
    runtime_listener: socket.socket
    aws_listener: socket.socket | None
    outside_fd: int = -1

    @property
    def path(self) -> str:
        """What names the namespace for other processes of root, while ``fd`` is open; empty for the host's."""
        return f"/proc/{os.getpid()}/fd/{self.fd}" if self.fd >= 0 else ""

    @property
    def runtime_address(self) -> str:
        """``host:port`` of the Runtime API as seen inside."""
        return _address(self.runtime_listener)

    @property
    def aws_address(self) -> str | None:
        """``host:port`` of the AWS endpoint as seen inside."""
        return None if self.aws_listener is None else _address(self.aws_listener)

    def close(self) -> None:
        """Let go of everything not yet closed."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self.outside_fd >= 0:
            os.close(self.outside_fd)
            self.outside_fd = -1
        self.runtime_listener.close()
        if self.aws_listener is not None:
            self.aws_listener.close()


def create(*, aws_endpoint: bool, gateway: Gateway | None = None) -> Network:
    """A new namespace with its listeners, joined to ``gateway`` if there is one. Blocks for half a millisecond to two.

    Raises:
        OSError: the kernel refused (no privilege, no network namespaces).
        SandboxError: the gateway has no free address.
    """

    def work() -> Network:
        linux.unshare(linux.CLONE_NEWNET)
        return _inside(aws_endpoint, gateway)

    return in_fresh_thread(work)


def create_for_own_stack(*, aws_endpoint: bool, gateway: Gateway | None = None) -> Network:
    """A namespace for a sandbox that brings a network stack of its own and takes the namespace's devices for itself.

    Nothing of the host's stack answers in such a namespace, so the listeners live at the other end of a cable, in a second
    one that has nothing else. The sandbox is `OWN_STACK` there, and sees the Runtime API as `ADDRESS` and `CREDENTIALS`.

    Raises:
        OSError: the kernel refused.
        SandboxError: the gateway has no free address.
    """
    with contextlib.ExitStack() as stack:
        inside = in_fresh_thread(_bare_namespace)
        stack.callback(os.close, inside)
        runtime, aws, outside = in_fresh_thread(lambda: _outside(inside, aws_endpoint=aws_endpoint))
        made = Network(inside, runtime, aws, outside)
        stack.pop_all()
        stack.callback(made.close)
        in_fresh_thread(lambda: _furnish(inside, gateway))
        stack.pop_all()
    return made


def _bare_namespace() -> int:
    linux.unshare(linux.CLONE_NEWNET)
    linux.bring_up("lo")
    return namespace_of_this_thread()


def _outside(inside: int, *, aws_endpoint: bool) -> tuple[socket.socket, socket.socket | None, int]:
    """In a thread of its own: the listeners, in a new namespace with a cable into ``inside``, and its descriptor."""
    linux.unshare(linux.CLONE_NEWNET)
    route = RouteSocket()
    try:
        route.make_pair(End(_CABLE, _CABLE_INDEX), End(_CABLE, _CABLE_INDEX, inside), _MTU)
        route.add_address(_CABLE_INDEX, IPv4Address(ADDRESS), _CABLE_PREFIX)
        route.add_address(_CABLE_INDEX, IPv4Address(CREDENTIALS))
    finally:
        route.close()
    with contextlib.ExitStack() as stack:
        runtime = stack.enter_context(_listen(_EVERY, RUNTIME_PORT, _CABLE.encode()))
        aws = stack.enter_context(_listen(_EVERY, AWS_PORT, _CABLE.encode())) if aws_endpoint else None
        fd = namespace_of_this_thread()
        stack.pop_all()
    return runtime, aws, fd


def _furnish(inside: int, gateway: Gateway | None) -> None:
    """In a thread of its own: the devices that the sandbox will take."""
    linux.setns(inside, linux.CLONE_NEWNET)
    linux.bring_up(_CABLE)
    route = RouteSocket()
    try:
        route.add_address(_CABLE_INDEX, IPv4Address(OWN_STACK), _CABLE_PREFIX)
    finally:
        route.close()
    if gateway is not None:
        gateway.connect(inside)


def create_on_host() -> Network:
    """No namespace: a listener on the host's loopback, at a port of its own. For development.

    Raises:
        OSError: no port is free.
    """
    return Network(-1, _listen("127.0.0.1", 0), None)


def _inside(aws_endpoint: bool, gateway: Gateway | None) -> Network:
    """In the new namespace: addresses, listeners, descriptor."""
    _configure_loopback()
    with contextlib.ExitStack() as stack:
        # On every address of `lo`: 169.254.100.1 and 127.0.0.1 alike.
        runtime = stack.enter_context(_listen(_EVERY, RUNTIME_PORT, b"lo"))
        aws = stack.enter_context(_listen(_EVERY, AWS_PORT, b"lo")) if aws_endpoint else None
        fd = namespace_of_this_thread()
        stack.callback(os.close, fd)
        if gateway is not None:
            with contextlib.suppress(OSError):  # no IPv6 here, or not to be changed: the gateway passes none
                _NO_IPV6.write_text("1")
            gateway.connect(fd)
        stack.pop_all()
    return Network(fd, runtime, aws)


def _configure_loopback() -> None:
    """``lo`` up, with Lambda's address beside 127.0.0.1 (as the label ``lo:1``; no ``ip`` tool is needed)."""
    linux.bring_up("lo")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        address = struct.pack("<16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(ADDRESS))
        fcntl.ioctl(control, _SIOCSIFADDR, address)
        mask = struct.pack("<16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton("255.255.255.255"))
        fcntl.ioctl(control, _SIOCSIFNETMASK, mask)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"{ADDRESS if host == _EVERY else host}:{port}"


def _listen(address: str, port: int, device: bytes = b"") -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if device:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
