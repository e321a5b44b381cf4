"""What an ``oci`` sandbox reaches with each setting of ``sandbox.network``; the world outside is a namespace of the test."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Coroutine, Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from functory.kernel.settings import SandboxSettings
from functory.sandbox import firewall, linux
from functory.sandbox.drivers.oci import OciDriver
from functory.sandbox.netlink import RouteSocket
from functory.sandbox.outbound import Mode, Wish
from functory.sandbox.port import Sandbox, SandboxDriver, SandboxError
from functory.sandbox.probe import doctor
from functory.sandbox.recovery import key_of
from tests.support.networks import NAME, Outside, outside
from tests.support.sandboxes import PYTHON, finish, launch, oci_driver, prepared, started

pytestmark = pytest.mark.root
Work = Callable[[SandboxDriver], Coroutine[None, None, None]]
_TRY = """
import socket
def reach(host, port, kind=socket.SOCK_STREAM, data=b''):
    with socket.socket(socket.AF_INET, kind) as s:
        s.settimeout(3)
        try:
            s.connect((host, port))
            if data:
                s.sendall(data)
            return s.recv(100).decode() or 'closed'
        except OSError as error:
            return type(error).__name__ + ' ' + str(error.errno)
"""


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def world() -> Iterator[Outside]:
    if os.geteuid() != 0 or firewall.find_tool() is None:
        pytest.skip("needs root and nft")
    with outside() as there:
        yield there


def driver_with(run_dir: Path, wish: Wish) -> OciDriver:
    return oci_driver(run_dir, wish=wish)


@pytest.fixture
def run(run_dir: Path) -> Callable[..., None]:
    def work_with(work: Work, network: Mode = "nat") -> None:
        driver = driver_with(run_dir, Wish(network))

        async def main() -> None:
            async with started(driver):
                await work(driver)

        asyncio.run(main())

    return work_with


async def python(sandbox: Sandbox, program: str) -> list[str]:
    seen = await launch(sandbox, PYTHON, "-c", _TRY + textwrap.dedent(program))
    await finish(sandbox)
    return seen.text.splitlines()


async def lines_of(driver: SandboxDriver, program: str) -> list[str]:
    async with prepared(driver) as sandbox:
        return await python(sandbox, program)


def test_tcp_and_udp_to_the_outside_work_and_come_from_the_host(run: Callable[..., None], world: Outside) -> None:
    async def work(driver: SandboxDriver) -> None:
        lines = await lines_of(
            driver, f"print(reach('{world.address}', 80)); print(reach('{world.address}', 7, socket.SOCK_DGRAM, b'again'))"
        )
        assert lines == ["hello from outside", "", "again"]
        assert world.asked_by == [world.host]

    run(work)


def test_names_are_resolved_by_the_hosts_own_servers(run: Callable[..., None], world: Outside, tmp_path: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        file = tmp_path / "resolv.conf"
        file.write_text(f"nameserver {world.host}\nnameserver {world.address}\n")  # the first one refuses
        linux.bind(file, Path("/etc/resolv.conf"), read_only=True)  # seen by this process only
        try:
            lines = await lines_of(
                driver,
                f"""
                print(socket.gethostbyname('{NAME}'))
                query = bytes.fromhex('000701000001000000000000') + b'\\x07service\\x07example\\0\\0\\1\\0\\1'
                server = open('/etc/resolv.conf').read().split()[1]
                with socket.create_connection((server, 53)) as s:
                    s.sendall(len(query).to_bytes(2, 'big') + query)
                    print(s.recv(1000)[-4:].hex())
                """,
            )
        finally:
            linux.detach(Path("/etc/resolv.conf"))
        assert lines == ["203.0.113.5", "cb007105"]

    run(work)


def test_nothing_on_this_machine_is_reached(run: Callable[..., None], world: Outside) -> None:
    async def work(driver: SandboxDriver) -> None:
        with socket.create_server(("0.0.0.0", 0)) as service:
            port = service.getsockname()[1]
            own = [address for address in _own_addresses() if not address.startswith("127.")]
            lines = await lines_of(
                driver,
                f"""
                gateway = open('/etc/resolv.conf').read().split()[1]
                for host in ['127.0.0.1', '169.254.100.1', gateway, 'host.functory.internal', *{own}]:
                    print(host, reach(host, {port}))
                """,
            )
            assert len(own) >= 2
            assert len(lines) == 4 + len(own)
            assert [line for line in lines if "ConnectionRefusedError" not in line and "OSError 113" not in line] == []

    run(work)


def test_metadata_services_and_private_ends_are_not_reached(run: Callable[..., None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        with outside(2, address="169.254.169.254") as metadata:
            lines = await lines_of(
                driver,
                f"""
                for host in ['{metadata.address}', '168.63.129.16', '100.100.100.200', '10.213.0.1', '255.255.255.255']:
                    print(host, reach(host, 80))
                """,
            )
            assert len(lines) == 5
            assert [line for line in lines if "Error" not in line] == []
            assert metadata.asked_by == []

    run(work)


def test_one_sandbox_does_not_reach_another(run: Callable[..., None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver, name="one") as one, prepared(driver, name="two") as two:
            serve = """
                s = socket.create_server(('0.0.0.0', 8000))
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
                    own.connect(('203.0.113.1', 9))
                    print(own.getsockname()[0], flush=True)
                s.accept(); print('visited', flush=True)
            """
            server = await launch(one, PYTHON, "-c", _TRY + textwrap.dedent(serve))
            await server.until("\n")
            address = server.text.strip()
            lines = await python(two, f"for port in (8000, 9001, 4566): print(reach('{address}', port))")
            assert lines == ["OSError 113"] * 3
            assert "visited" not in server.text

    run(work)


def test_nothing_comes_in(run: Callable[..., None], world: Outside) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            serve = """
                s = socket.create_server(('0.0.0.0', 8000))
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
                    own.connect(('203.0.113.1', 9))
                    print(own.getsockname()[0], flush=True)
                s.accept(); print('visited', flush=True)
            """
            server = await launch(sandbox, PYTHON, "-c", _TRY + textwrap.dedent(serve))
            await server.until("\n")

            address = server.text.strip()
            _lead_to(address, driver)

            def knock() -> str:
                return " ".join(_knock(address, port) for port in (8000, 9001, 4566))

            for result in (await asyncio.to_thread(world.within, knock), await asyncio.to_thread(knock)):
                assert "open" not in result
            assert "visited" not in server.text

    run(work)


def test_only_the_offered_ports_of_this_machine_are_reached(run_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as offered, socket.create_server(("127.0.0.1", 0)) as other:
        ports = offered.getsockname()[1], other.getsockname()[1]
        driver = driver_with(run_dir, Wish("nat", host_ports=(ports[0],)))

        def answer() -> None:
            connection, _ = offered.accept()
            with connection:
                connection.sendall(b"at your service")

        async def main() -> None:
            async with started(driver):
                serving = asyncio.create_task(asyncio.to_thread(answer))
                lines = await lines_of(driver, f"for port in {ports}: print(reach('host.functory.internal', port))")
                await serving
                assert lines == ["at your service", "ConnectionRefusedError 111"]

        asyncio.run(main())


def test_the_aws_endpoint_and_the_runtime_api_are_there(run: Callable[..., None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        async with prepared(driver) as sandbox:
            assert sandbox.aws_listener is not None
            assert (sandbox.runtime_address, sandbox.aws_address) == ("169.254.100.1:9001", "169.254.100.1:4566")

            def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(b"here")
                writer.close()

            servers = [
                await asyncio.start_server(greet, sock=each) for each in (sandbox.runtime_listener, sandbox.aws_listener)
            ]
            lines = await python(sandbox, "print(reach('169.254.100.1', 9001), reach('169.254.100.1', 4566))")
            assert lines == ["here here"]
            for server in servers:
                server.close()

    run(work)


def test_none_has_only_its_loopback(run: Callable[..., None], world: Outside) -> None:
    async def work(driver: SandboxDriver) -> None:
        program = (
            f"print(socket.if_nameindex()); print(reach('{world.address}', 80)); print(open('/etc/resolv.conf').read())"
        )
        lines = await lines_of(driver, program)
        assert lines[:2] == ["[(1, 'lo')]", "OSError 101"]
        assert "nameserver" not in "".join(lines)

    run(work, "none")


def test_host_shares_everything_and_says_so(run: Callable[..., None], world: Outside) -> None:
    async def work(driver: SandboxDriver) -> None:
        assert not driver.capabilities.private_network
        assert any("development only" in note for note in driver.capabilities.notes)
        async with prepared(driver) as sandbox:
            assert (sandbox.aws_listener, sandbox.aws_address) == (None, None)
            host, _, port = sandbox.runtime_address.partition(":")
            assert (host, int(port)) == sandbox.runtime_listener.getsockname()
            serve = "s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); s.accept()"
            seen = await launch(sandbox, PYTHON, "-c", f"{_TRY}\nprint(reach('{world.address}', 80)); {serve}")
            async with asyncio.timeout(10):
                while seen.text.count("\n") < 3:
                    await asyncio.sleep(0.002)
            assert seen.text.startswith("hello from outside\n")
            (await sandbox.connect(int(seen.text.split()[-1]))).close()

    run(work, "host")


def test_a_node_that_ends_leaves_nothing(run: Callable[..., None], run_dir: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        assert _left(run_dir)
        await lines_of(driver, "pass")

    run(work)
    assert _left(run_dir) == []
    assert not (run_dir / "gateway").exists()


@pytest.mark.parametrize("next_life", ["nat", "none"])
def test_what_a_killed_node_leaves_is_removed_by_the_next(run_dir: Path, next_life: Mode, world: Outside) -> None:
    driver = driver_with(run_dir, Wish(next_life))
    script = str(Path(__file__).parent / "doomed_node.py")
    node = subprocess.Popen(
        [sys.executable, script, str(driver._runtime), str(run_dir), "nat"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
    )
    with node:
        assert node.stdout is not None
        while node.stdout.readline() not in (b"ready\n", b""):
            pass
        node.send_signal(signal.SIGKILL)
    assert any("table" in trace for trace in _left(run_dir))

    async def main() -> None:
        async with started(driver):
            lines = await lines_of(driver, f"print(reach('{world.address}', 80))")
            assert lines[0] == ("hello from outside" if next_life == "nat" else "OSError 101")

    asyncio.run(main())
    assert _left(run_dir) == []


def test_two_nodes_live_side_by_side(tmp_path: Path, world: Outside) -> None:
    drivers = [driver_with(tmp_path / name, Wish("nat")) for name in ("a", "b")]

    async def main() -> None:
        async with started(drivers[0]), started(drivers[1]):
            for driver in drivers:
                assert (await lines_of(driver, f"print(reach('{world.address}', 80))"))[0] == "hello from outside"

    asyncio.run(main())


def test_many_sandboxes_come_and_go_with_addresses_of_their_own(run: Callable[..., None]) -> None:
    async def work(driver: SandboxDriver) -> None:
        program = (
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('203.0.113.1', 9)); print(s.getsockname()[0])"
        )

        async def one(number: int) -> str:
            async with prepared(driver, name=f"s{number}") as sandbox:
                return (await python(sandbox, program))[0]

        found = [address for _ in range(3) for address in await asyncio.gather(*(one(number) for number in range(5)))]
        assert len(set(found)) == 15

    run(work)


def test_a_range_that_the_host_uses_is_refused(run_dir: Path, world: Outside) -> None:
    driver = driver_with(run_dir, Wish("nat", "198.51.96.0/20"))

    async def main() -> None:
        with pytest.raises(SandboxError, match="the host has routes into"):
            async with started(driver):
                pass

    asyncio.run(main())
    assert _left(run_dir) == []


def test_the_doctor_says_what_functions_reach(run_dir: Path, world: Outside) -> None:
    checks = asyncio.run(doctor(SandboxSettings(), run_dir))
    assert next(check for check in checks if check.name == "network nat").ok


def _knock(address: str, port: int) -> str:
    try:
        with socket.create_connection((address, port), timeout=0.3):
            return "open"
    except OSError as error:
        return type(error).__name__


def _lead_to(address: str, driver: SandboxDriver) -> None:
    """Tell the host the way to a sandbox, as somebody might who wants to get in; it goes with the node's device."""
    plan = driver._outbound._gateway.plan  # type: ignore[attr-defined]
    device = next(
        index for index, name in socket.if_nameindex() if name.startswith("fcty") and _address_of(name) == plan.host_end
    )
    route = RouteSocket()
    route.add_route(device, IPv4Address(address), gateway=plan.gateway_end)
    route.close()


def _address_of(device: str) -> IPv4Address:
    request = struct.pack("<16s24x", device.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        return IPv4Address(fcntl.ioctl(control, 0x8915, request)[20:24])


def _own_addresses() -> list[str]:
    found = json.loads(subprocess.run(["/usr/sbin/ip", "-j", "-4", "addr"], capture_output=True, check=True).stdout)
    return [entry["local"] for device in found for entry in device["addr_info"]]


def _left(run_dir: Path) -> list[str]:
    """The node's table and device in the host's namespace."""
    key = key_of(run_dir)
    tables = subprocess.run([firewall.find_tool() or "nft", "list", "tables"], capture_output=True, text=True, check=True)
    found = [line for line in tables.stdout.splitlines() if key in line]
    return found + [name for _, name in socket.if_nameindex() if name == f"fcty{key[:8]}"]
