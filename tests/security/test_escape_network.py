"""Attempts by way of the network: raw packets, routes, addresses, other protocols."""

from __future__ import annotations

import asyncio
import socket

import pytest

from functory.sandbox.drivers.oci import OciDriver
from tests.security.conftest import Program
from tests.support.sandboxes import PYTHON, finish, launch, prepared, started

pytestmark = pytest.mark.root
_REFUSED = {"EPERM", "EACCES", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EOPNOTSUPP", "ENODEV", "EINVAL"}


@pytest.mark.parametrize(
    ("family", "kind", "protocol"),
    [
        (2, 3, 1), (2, 3, 255), (10, 3, 58), (17, 3, 0x300), (17, 2, 0x300), (40, 1, 0), (38, 5, 0), (16, 3, 12), (29, 3, 1),
        (44, 3, 0),
    ],
    ids=["icmp", "raw", "icmp6", "packet", "packet-datagram", "vsock", "alg", "netfilter", "can", "xdp"],
)  # fmt: skip
def test_a_socket_that_goes_around_the_rules_cannot_be_used(python: Program, family: int, kind: int, protocol: int) -> None:
    lines = python(f"""
        made = attempt(socket.socket, {family}, {kind}, {protocol})
        print(made)
    """)
    if family == 16:  # may be made; every change through it needs a capability
        assert lines
    else:
        assert set(lines) <= _REFUSED


def test_routes_addresses_and_devices_cannot_be_changed(python: Program) -> None:
    lines = python("""
        import struct, fcntl
        def ask(kind, body):
            with socket.socket(16, 3, 0) as route:
                route.settimeout(2)
                route.send(struct.pack('=IHHII', 16 + len(body), kind, 0x5 | 0x600, 1, 0) + body)
                return struct.unpack_from('=i', route.recv(4096), 16)[0]
        def outcome(kind, body):
            try: return ask(kind, body)
            except OSError as error: return -error.errno
        print(outcome(24, struct.pack('=BBBBBBBBI', 2, 0, 0, 0, 254, 4, 0, 1, 0)) < 0)
        print(outcome(20, struct.pack('=BBBBI', 2, 32, 0, 0, 1) + b'\\x08\\0\\2\\0' + bytes([10, 9, 9, 9])) < 0)
        print(outcome(16, struct.pack('=BxHiII', 0, 0, 1, 0, 1)) < 0)
        with socket.socket() as s:
            for request in (0x8914, 0x8916, 0x8924, 0x890b):
                print(attempt(fcntl.ioctl, s, request, struct.pack('16sh22x', b'lo', 0)))
    """)
    assert lines[:3] == ["True"] * 3
    assert set(lines[3:]) <= _REFUSED | {"ENOTTY"}


def test_packets_cannot_be_sent_under_another_address(python: Program) -> None:
    lines = python("""
        for address in ('10.213.5.77', '8.8.8.8', '169.254.169.254'):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                print(attempt(s.bind, (address, 0)))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            attempt(s.setsockopt, socket.SOL_IP, 19, 1), attempt(s.setsockopt, socket.SOL_IP, 15, 1)  # TRANSPARENT, FREEBIND
            attempt(s.bind, ('8.8.8.8', 0))
            print(s.getsockname()[0] == '0.0.0.0' or attempt(s.connect, ('198.51.100.1', 9)))
    """)
    assert set(lines[:3]) <= {"EADDRNOTAVAIL", "EPERM", "EACCES"}
    assert lines[3] in {"True", "EINVAL", "ENETUNREACH"}  # nothing leaves under that address


def test_there_is_no_ipv6_beyond_the_sandbox(python: Program) -> None:
    lines = python("""
        for address in ('fe80::1%eth0', 'fe80::1%lo', '2001:db8::1', 'ff02::1%eth0', '::ffff:169.254.169.254'):
            print(attempt(lambda: socket.create_connection((address, 80), 2)))
    """)
    assert [line for line in lines if line.startswith("<socket")] == []


def test_abstract_sockets_of_another_sandbox_are_not_reached(driver: OciDriver) -> None:
    async def main() -> None:
        serve = """if True:
            import socket
            s = socket.socket(socket.AF_UNIX)
            s.bind(chr(0) + 'x'); s.listen(); print('up', flush=True); s.accept()
        """
        visit = "import socket; print(socket.socket(socket.AF_UNIX).connect_ex(chr(0) + 'x'))"
        async with started(driver), prepared(driver, name="one") as one, prepared(driver, name="two") as two:
            server = await launch(one, PYTHON, "-c", serve)
            await server.until("up")
            visitor = await launch(two, PYTHON, "-c", visit)
            await finish(two)
            assert visitor.text == "111\n"

    asyncio.run(main())


def test_the_ports_of_the_apis_cannot_be_taken_over(driver: OciDriver) -> None:
    """A function that listens itself where another one's client would look finds the place taken, and nobody else comes."""

    async def main() -> None:
        program = """if True:
            import socket
            for host in ('169.254.100.1', '0.0.0.0', '127.0.0.1'):
                for port in (9001, 4566):
                    s = socket.socket()
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                    try:
                        s.bind((host, port)); s.listen(); print('taken', host, port)
                    except OSError as error:
                        print(error.errno)
        """
        async with started(driver), prepared(driver) as sandbox:
            seen = await launch(sandbox, PYTHON, "-c", program)
            await finish(sandbox)
            assert set(seen.text.split()) <= {"98", "13", "1"}

    asyncio.run(main())


def test_the_nodes_own_ports_are_not_reached_from_any_address(python: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as own, socket.create_server(("0.0.0.0", 0)) as everywhere:
        ports = own.getsockname()[1], everywhere.getsockname()[1]
        lines = python(f"""
            gateways = [line.split()[1] for line in open('/etc/resolv.conf') if line.startswith('nameserver')]
            for host in ('127.0.0.1', 'localhost', '0.0.0.0', '169.254.100.1', *gateways):
                for port in {ports}:
                    print(attempt(socket.create_connection, (host, port), 2))
        """)
    assert set(lines) <= {"ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"}
