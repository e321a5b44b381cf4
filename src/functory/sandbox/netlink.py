"""The few messages of Linux's route netlink that sandboxes need: devices, addresses, routes.

Owns: building the messages, sending them and reading the kernel's answer. Deliberately knows nothing of sandboxes. A socket
works in the network namespace of the thread that made it, for ever and from every thread; that is why no thread has to enter
a namespace again to change it. A change costs 20-200 µs; the tool ``ip`` would cost 3 ms for each, and the well-known
library an import of 100 ms.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

_NEWLINK, _DELLINK, _NEWADDR, _NEWROUTE, _GETROUTE = 16, 17, 20, 24, 26
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _EXCLUSIVE, _CREATE, _DUMP = 1, 4, 0x200, 0x400, 0x300
_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_IFLA_IFNAME, _IFLA_MTU, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 3, 4, 18, 28
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_TABLE_MAIN, _PROTOCOL_STATIC, _SCOPE_GLOBAL, _SCOPE_LINK, _UNICAST = 254, 4, 0, 253, 1
_ONLINK = 4
_IFF_UP = 1
_BUFFER = 65_536
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class End:
    """One end of a pair of virtual devices.

    Attributes:
        name: of the device, at most 15 characters.
        index: its number; 0 lets the kernel choose. The kernel heeds a peer's number only beside one of the first end.
        namespace: descriptor of the network namespace it shall be in; None: the socket's.
    """

    name: str
    index: int = 0
    namespace: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A route of IPv4: where to, and through the device of which number (0: none)."""

    target: IPv4Network
    device: int


class RouteSocket:
    """A route netlink socket of the calling thread's network namespace. Calls may come from any thread."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.settimeout(_TIMEOUT_S)
        self._turn = threading.Lock()
        self._sequence = 0

    def close(self) -> None:
        """Close it; idempotent."""
        self._socket.close()

    def make_pair(self, end: End, peer: End, mtu: int) -> None:
        """Make two devices joined as by a cable; the first is up, its peer cannot be yet.

        Raises:
            OSError: EEXIST, EBUSY: a name or number is taken; EPERM, EOPNOTSUPP: not allowed or not known here.
        """
        other = _LINK.pack(0, 0, peer.index, 0, 0) + _end(peer, mtu)
        data = _attribute(_IFLA_INFO_DATA, _attribute(_VETH_INFO_PEER, other))
        info = _attribute(_IFLA_LINKINFO, _attribute(_IFLA_INFO_KIND, b"veth") + data)
        body = _LINK.pack(0, 0, end.index, _IFF_UP, _IFF_UP) + _end(end, mtu) + info
        self._change(_NEWLINK, _CREATE | _EXCLUSIVE, body)

    def remove(self, name: str) -> bool:
        """Remove a device and its peer; whether it was there.

        Raises:
            OSError: the kernel's errno.
        """
        try:
            self._change(_DELLINK, 0, _LINK.pack(0, 0, 0, 0, 0) + _attribute(_IFLA_IFNAME, name.encode() + b"\0"))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return False
        return True

    def add_address(self, device: int, address: IPv4Address, prefix: int = 32) -> None:
        """Give a device an address.

        Raises:
            OSError: the kernel's errno.
        """
        body = _ADDRESS.pack(socket.AF_INET, prefix, 0, 0, device)
        body += _attribute(_IFA_LOCAL, address.packed) + _attribute(_IFA_ADDRESS, address.packed)
        self._change(_NEWADDR, _CREATE | _EXCLUSIVE, body)

    def add_route(self, device: int, target: IPv4Address | None, gateway: IPv4Address | None = None) -> None:
        """Send what is for ``target`` (None: for anywhere) through a device, to ``gateway`` if given.

        Raises:
            OSError: the kernel's errno.
        """
        length = 32 if target else 0
        scope, flags = (_SCOPE_GLOBAL, _ONLINK) if gateway else (_SCOPE_LINK, 0)
        body = _ROUTE.pack(socket.AF_INET, length, 0, 0, _TABLE_MAIN, _PROTOCOL_STATIC, scope, _UNICAST, flags)
        body += _attribute(_RTA_OIF, struct.pack("=I", device))
        body += _attribute(_RTA_DST, target.packed) if target else b""
        body += _attribute(_RTA_GATEWAY, gateway.packed) if gateway else b""
        self._change(_NEWROUTE, _CREATE | _EXCLUSIVE, body)

    def routes(self) -> list[Route]:
        """All routes of IPv4, those of the machine's own addresses included.

        Raises:
            OSError: the kernel's errno.
        """
        with self._turn:
            self._send(_GETROUTE, _DUMP, _ROUTE.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0))
            found: list[Route] = []
            while True:
                for kind, body in self._receive():
                    if kind == _DONE:
                        return found
                    if kind == _NEWROUTE:
                        found.append(_route(body))

    def _change(self, kind: int, flags: int, body: bytes) -> None:
        with self._turn:
            self._send(kind, _ACK | flags, body)
            while not any(answer == _ERROR for answer, _ in self._receive()):  # an error of number 0 says: done
                pass

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, self._sequence, 0) + body)

    def _receive(self) -> Iterator[tuple[int, bytes]]:
        """The messages of one datagram that answer the last one sent.

        Raises:
            OSError: the kernel's answer is an error.
        """
        data = self._socket.recv(_BUFFER)
        while len(data) >= _HEADER.size:
            length, kind, _, sequence, _ = _HEADER.unpack_from(data)
            body, data = data[_HEADER.size : length], data[_padded(length) :]
            if sequence != self._sequence:
                continue
            if kind == _ERROR and (number := -struct.unpack_from("=i", body)[0]):
                raise OSError(number, f"netlink: {os.strerror(number)}")
            yield kind, body


def _route(body: bytes) -> Route:
    length = body[1]
    attributes = dict(_attributes(body[_ROUTE.size :]))
    target = attributes.get(_RTA_DST, bytes(4))
    device = struct.unpack("=I", attributes.get(_RTA_OIF, bytes(4)))[0]
    return Route(IPv4Network((target, length), strict=False), device)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[_padded(length) :]


def _end(end: End, mtu: int) -> bytes:
    attributes = _attribute(_IFLA_IFNAME, end.name.encode() + b"\0") + _attribute(_IFLA_MTU, struct.pack("=I", mtu))
    if end.namespace is not None:
        attributes += _attribute(_IFLA_NET_NS_FD, struct.pack("=I", end.namespace))
    return attributes


def _attribute(kind: int, body: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(body)
    return _ATTRIBUTE.pack(length, kind) + body + bytes(_padded(length) - length)


def _padded(length: int) -> int:
    return (length + 3) & ~3
