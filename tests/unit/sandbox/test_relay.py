"""Name service and offered ports, on the loopback instead of a gateway."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from functory.sandbox.gateway import Doors
from functory.sandbox.relay import Address, HostResolver, Relay, parse_servers

QUERY = b"\x12\x34question"


def datagram_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


def listener() -> socket.socket:
    made = socket.create_server(("127.0.0.1", 0))
    made.setblocking(False)
    return made


@contextlib.asynccontextmanager
async def relay(*servers: Address, port: int = 0) -> AsyncIterator[Doors]:
    doors = Doors(datagram_socket(), listener(), {port: listener()} if port else {})
    made = Relay(doors, lambda: servers)
    await made.start()
    try:
        yield doors
    finally:
        await made.close()
        await made.close()


async def ask(doors: Doors, asker: socket.socket, query: bytes = QUERY) -> None:
    await asyncio.get_running_loop().sock_sendto(asker, query, doors.datagrams.getsockname())


async def heard(asker: socket.socket) -> bytes:
    async with asyncio.timeout(10):
        return await asyncio.get_running_loop().sock_recv(asker, 1000)


def test_a_question_is_handed_on_and_its_answer_back() -> None:
    async def main() -> None:
        with datagram_socket() as server, datagram_socket() as asker:
            async with relay(server.getsockname()) as doors:
                await ask(doors, asker)
                async with asyncio.timeout(10):
                    query, peer = await asyncio.get_running_loop().sock_recvfrom(server, 1000)
                assert query == QUERY
                await asyncio.get_running_loop().sock_sendto(server, b"\x99\x99not the answer", peer)
                await asyncio.get_running_loop().sock_sendto(server, b"\x12\x34answer", peer)
                assert await heard(asker) == b"\x12\x34answer"

    asyncio.run(main())


def test_a_server_that_refuses_is_passed_over() -> None:
    async def main() -> None:
        with datagram_socket() as closed:
            nobody = closed.getsockname()
        with datagram_socket() as server, datagram_socket() as asker:
            async with relay(nobody, server.getsockname()) as doors:
                await ask(doors, asker)
                async with asyncio.timeout(10):
                    _, peer = await asyncio.get_running_loop().sock_recvfrom(server, 1000)
                await asyncio.get_running_loop().sock_sendto(server, b"\x12\x34answer", peer)
                assert await heard(asker) == b"\x12\x34answer"

    asyncio.run(main())


def test_one_asker_cannot_take_all_places() -> None:
    async def main() -> None:
        with datagram_socket() as server, datagram_socket() as asker:
            async with relay(server.getsockname()) as doors:
                for number in range(200):
                    await ask(doors, asker, number.to_bytes(2, "big") + b"question")
                seen = 0
                with contextlib.suppress(TimeoutError):
                    while True:
                        async with asyncio.timeout(0.1):
                            await asyncio.get_running_loop().sock_recv(server, 1000)
                        seen += 1
                assert seen == 64

    asyncio.run(main())


def test_a_connection_to_an_offered_port_is_joined_with_the_hosts_service() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"you said " + await reader.read())
        writer.close()

    async def main() -> None:
        service = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with service, relay(port=service.sockets[0].getsockname()[1]) as doors:
            (door,) = doors.host_ports.values()
            reader, writer = await asyncio.open_connection(*door.getsockname())
            writer.write(b"hello")
            writer.write_eof()
            async with asyncio.timeout(10):
                assert await reader.read() == b"you said hello"
            writer.close()

    asyncio.run(main())


def test_connections_under_way_end_with_the_relay() -> None:
    async def main() -> None:
        joined: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        service = await asyncio.start_server(lambda _, far: joined.put_nowait(far), "127.0.0.1", 0)
        async with service:
            async with relay(port=service.sockets[0].getsockname()[1]) as doors:
                (door,) = doors.host_ports.values()
                reader, writer = await asyncio.open_connection(*door.getsockname())
                writer.write(b"hello")
                await writer.drain()
                async with asyncio.timeout(10):
                    far = await joined.get()
            async with asyncio.timeout(10):
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
            for each in (writer, far):
                each.close()
                with contextlib.suppress(ConnectionError):
                    await each.wait_closed()

    asyncio.run(main())


def test_the_hosts_servers_are_read_again_when_they_change(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    resolver = HostResolver(file)
    assert resolver.servers() == (("127.0.0.1", 53),)
    file.write_text("nameserver 192.0.2.1\n")
    assert resolver.servers() == (("192.0.2.1", 53),)
    file.write_text("nameserver 192.0.2.2\n")
    os.utime(file, ns=(1, 1))
    assert resolver.servers() == (("192.0.2.2", 53),)


def test_at_most_three_servers_are_taken_and_nonsense_is_not() -> None:
    text = "search x\nnameserver no.such\nnameserver fe80::1%eth0\n#nameserver 192.0.2.9\n" + "nameserver 192.0.2.1\n" * 4
    assert parse_servers(text) == (("fe80::1%eth0", 53), ("192.0.2.1", 53), ("192.0.2.1", 53))
