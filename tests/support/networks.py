"""An outside world for tests: a network namespace behind a cable to the host, with services in it."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from functory.sandbox import linux
from functory.sandbox.gateway import in_fresh_thread, namespace_of_this_thread
from functory.sandbox.netlink import End, RouteSocket

NAME = "service.example"


@dataclass(frozen=True, slots=True)
class Outside:
    """Addresses of both ends, and the namespace (a descriptor).

    Attributes:
        address: of the outside's services: TCP 80 (says hello and who asked), UDP 7 (echo), UDP and TCP 53 (a name).
        host: the host's address in that network.
        asked_by: where connections to TCP 80 came from.
    """

    address: str
    host: str
    namespace: int
    asked_by: list[str]

    def within(self, work: Callable[[], str]) -> str:
        """Do something from outside."""

        def run() -> str:
            linux.setns(self.namespace, linux.CLONE_NEWNET)
            return work()

        return in_fresh_thread(run)


@contextlib.contextmanager
def outside(number: int = 1, address: str | None = None) -> Iterator[Outside]:
    """The world 198.51.100.4n/30, or one with another ``address``."""
    first = int(IPv4Address("198.51.100.0")) + 4 * number
    host = IPv4Address(first + 1)
    there = IPv4Address(address) if address else IPv4Address(first + 2)
    device = f"fout{os.getpid() % 100_000}{number}"
    stop = threading.Event()
    asked_by: list[str] = []

    def make() -> tuple[int, list[socket.socket]]:
        linux.unshare(linux.CLONE_NEWNET)
        linux.bring_up("lo")
        namespace = namespace_of_this_thread()
        ours.make_pair(End(device), End("world", 0, namespace), 1500)
        linux.bring_up("world")
        inside = RouteSocket()
        index = socket.if_nametoindex("world")
        inside.add_address(index, there)
        inside.add_route(index, host)
        inside.add_route(index, None, gateway=host)
        inside.close()
        sockets = [socket.create_server((str(there), port)) for port in (80, 53)]
        for port in (7, 53):
            sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sockets[-1].bind((str(there), port))
        for each in sockets:
            each.settimeout(0.05)
        return namespace, sockets

    ours = RouteSocket()
    namespace, sockets = in_fresh_thread(make)
    ours.add_address(socket.if_nametoindex(device), host)
    ours.add_route(socket.if_nametoindex(device), there)
    works = (_greeter(asked_by), _name_stream, _echo, _name_datagram)
    threads = [threading.Thread(target=_serve, args=(each, work, stop)) for each, work in zip(sockets, works, strict=True)]
    for thread in threads:
        thread.start()
    try:
        yield Outside(str(there), str(host), namespace, asked_by)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for each in sockets:
            each.close()
        os.close(namespace)
        ours.remove(device)
        ours.close()


def _serve(service: socket.socket, work: Callable[[socket.socket], None], stop: threading.Event) -> None:
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            work(service)


def _greeter(asked_by: list[str]) -> Callable[[socket.socket], None]:
    def greet(service: socket.socket) -> None:
        connection, peer = service.accept()
        with connection:
            asked_by.append(peer[0])
            connection.sendall(b"hello from outside\n")

    return greet


def _echo(service: socket.socket) -> None:
    data, peer = service.recvfrom(1024)
    service.sendto(data, peer)


def answer_to(query: bytes) -> bytes:
    """A DNS answer with one address, 203.0.113.5."""
    question = query[12 : query.index(b"\0", 12) + 5]
    if question[-4:-2] != b"\0\x01":  # not an A record: no such record
        return query[:2] + struct.pack(">HHHHH", 0x8180, 1, 0, 0, 0) + question
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton("203.0.113.5")
    return query[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + question + record


def _name_datagram(service: socket.socket) -> None:
    query, peer = service.recvfrom(1024)
    service.sendto(answer_to(query), peer)


def _name_stream(service: socket.socket) -> None:
    connection, _ = service.accept()
    with connection:
        query = connection.recv(1024)[2:]
        answer = answer_to(query)
        connection.sendall(struct.pack(">H", len(answer)) + answer)
