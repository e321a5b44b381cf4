"""The way out for sandboxes: one *gateway* network namespace per node, between the sandboxes and the host.

**Theory.** Every sandbox has a cable (a veth pair) to the gateway, and the gateway has one cable to the host. In the gateway
the packet filter decides who may go where (`firewall`): out, but not to another sandbox, not to the host, not to metadata
services; and nothing comes in. Two things only are added to the host's own namespace: the host's end of that one cable and
one table that masquerades what comes out of it and keeps it away from the host's own services.

The gateway is held by a descriptor of the node. When the node ends, however it ends, the kernel takes the gateway away and
with it all cables; what is left is the host's table, which names a device that is gone and so matches nothing. The next
start on the same run folder replaces or removes it.

**Name service and services of the host.** Both are sockets of the node in the gateway, answered by the node's event loop
from the host's side (`relay`). So the host's resolver works inside whatever it is (a stub on 127.0.0.53, a company's server
behind a VPN), and a service of the host is reached only where the settings offer it, under ``host.functory.internal``.

**Forwarding.** The host must forward IPv4 packets (``net.ipv4.ip_forward``). Where it is off it is switched on, said in the
log, and left on: others may have come to rely on it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TypeVar

from functory.kernel import log
from functory.sandbox import addresses, firewall, linux
from functory.sandbox.netlink import End, RouteSocket
from functory.sandbox.port import SandboxError

T = TypeVar("T")

DEVICE_PREFIX = "fcty"
INSIDE_DEVICE = "eth0"
HOST_NAME = "host.functory.internal"
_FIRST_INDEX = 1024  # the kernel numbers the gateway's other devices from 1
_INSIDE_INDEX = 100
_LOOPBACK_INDEX = 1
_BACKLOG = 512
_ATTEMPTS = 64
_DNS_PORT = 53
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_CONF4, _CONF6 = Path("/proc/sys/net/ipv4/conf"), Path("/proc/sys/net/ipv6/conf")

_log = log.get("sandbox.gateway")


@dataclass(frozen=True, slots=True)
class Doors:
    """Sockets in the gateway for the node to serve; who takes them closes them.

    Attributes:
        datagrams: name service over UDP, non-blocking.
        stream: name service over TCP, listening, non-blocking.
        host_ports: port -> listening, non-blocking socket.
    """

    datagrams: socket.socket
    stream: socket.socket
    host_ports: dict[int, socket.socket]

    def close(self) -> None:
        """Close all of them."""
        for each in (self.datagrams, self.stream, *self.host_ports.values()):
            each.close()


class Gateway:
    """The gateway of one node. Every method blocks; call them in threads that are in the host's network namespace.

    Args:
        key: short name of the node's run folder (hexadecimal).
        marker: file that says that a table may be there.
        lock_folder: folder of the lock that all nodes of this machine take while they choose addresses.
        network_range: the setting of that name.
        host_ports: the setting of that name.
    """

    def __init__(
        self, key: str, marker: Path, lock_folder: Path, network_range: str = "auto", host_ports: Sequence[int] = ()
    ) -> None:
        self._start_at = int(key, 16)
        self._table = f"functory_{key}"
        self._device = f"{DEVICE_PREFIX}{key[:8]}"
        self._marker = marker
        self._lock_folder = lock_folder
        self._network_range = network_range
        self._host_ports = tuple(host_ports)
        self._fd = -1
        self._route: RouteSocket | None = None
        self._mtu = 1500
        self._slot = 0
        self._choosing = threading.Lock()
        self.notes: tuple[str, ...] = ()

    def start(self) -> Doors:
        """Make it.

        Raises:
            SandboxError: it cannot work here; the text says why. Nothing is left behind.
        """
        if firewall.find_tool() is None:
            raise SandboxError(firewall.NO_TOOL)
        try:
            self._mtu = _mtu()
            host = RouteSocket()
            try:
                with self._alone():
                    host.remove(self._device)
                    self._fd = in_fresh_thread(_new_namespace)
                    self.plan = self._choose(host)
                    self._connect_host(host)
            finally:
                host.close()
            self._marker.touch()
            firewall.apply(firewall.host_rules(self._table, self._device, f"{DEVICE_PREFIX}*", self.plan.uplink))
            doors = in_fresh_thread(self._furnish)
            with contextlib.ExitStack() as stack:
                stack.callback(doors.close)
                _enable_forwarding()  # last, because it stays
                self.notes = tuple(map(_warning, firewall.dropping_chains()))
                stack.pop_all()
        except OSError as error:
            self.close()
            raise SandboxError(f"no network beyond the sandbox: {error}") from error
        except SandboxError:
            self.close()
            raise
        return doors

    def recover(self) -> None:
        """Remove what a killed node left, for a start that makes no gateway.

        Raises:
            SandboxError: the table could not be removed.
        """
        if self._marker.exists():
            firewall.apply(firewall.removal(self._table))
            self._marker.unlink()

    def close(self) -> None:
        """Remove it; idempotent, never raises."""
        if self._route is not None:
            self._route.close()
            self._route = None
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        try:
            host = RouteSocket()
            try:
                host.remove(self._device)
            finally:
                host.close()
            self.recover()
        except (OSError, SandboxError) as error:
            _log.error("gateway_left", device=self._device, table=self._table, reason=str(error))

    def connect(self, namespace: int) -> None:
        """Lay a cable from the calling thread's network namespace, of which ``namespace`` is a descriptor, to the gateway.

        Raises:
            OSError: the kernel refused.
            SandboxError: all addresses are in use.
        """
        gateway = self._require_route()
        slot = self._lay(gateway, namespace)
        address = self.plan.sandbox(slot)
        gateway.add_route(_FIRST_INDEX + slot, address)
        linux.bring_up(INSIDE_DEVICE)
        inside = RouteSocket()
        try:
            inside.add_address(_INSIDE_INDEX, address)
            inside.add_route(_INSIDE_INDEX, None, gateway=self.plan.resolver)
        finally:
            inside.close()

    def _lay(self, gateway: RouteSocket, namespace: int) -> int:
        """Make the cable in a free slot; its number.

        Slots go round: that of an ended sandbox is not used again before all others, because the kernel takes its time.
        """
        for _ in range(_ATTEMPTS):
            with self._choosing:
                slot = self._slot
                self._slot = (slot + 1) % self.plan.slots
            end = End(f"s{slot}", _FIRST_INDEX + slot)
            try:
                gateway.make_pair(end, End(INSIDE_DEVICE, _INSIDE_INDEX, namespace), self._mtu)
            except OSError as error:
                if error.errno not in {errno.EEXIST, errno.EBUSY}:
                    raise
                continue
            return slot
        raise SandboxError(f"no free address for a sandbox in {self.plan.range} after {_ATTEMPTS} attempts")

    def _require_route(self) -> RouteSocket:
        if self._route is None:
            raise SandboxError("the gateway is closed")
        return self._route

    def _choose(self, host: RouteSocket) -> addresses.Plan:
        names = dict(socket.if_nameindex())
        ours: list[IPv4Network] = []
        others: list[IPv4Network] = []
        for route in host.routes():
            is_ours = names.get(route.device, "").startswith(DEVICE_PREFIX)
            (ours if is_ours else others).append(route.target)
        return addresses.plan(self._network_range, others, ours, self._start_at)

    def _connect_host(self, host: RouteSocket) -> None:
        host.make_pair(End(self._device), End(firewall.UPLINK, 0, self._fd), self._mtu)
        _write(_CONF6 / self._device / "disable_ipv6", "1")
        host.add_address(socket.if_nametoindex(self._device), self.plan.host_end, self.plan.uplink.prefixlen)

    def _furnish(self) -> Doors:
        """In a thread of its own: everything inside the gateway."""
        linux.setns(self._fd, linux.CLONE_NEWNET)
        _write(_CONF6 / "all" / "disable_ipv6", "1")
        _FORWARDING.write_text("1")
        _write(_CONF4 / "all" / "rp_filter", "1")
        firewall.apply(firewall.gateway_rules(self.plan.range, self.plan.resolver, self.plan.host, self._host_ports))
        route = RouteSocket()
        self._route = route
        for address in (self.plan.resolver, self.plan.host):
            route.add_address(_LOOPBACK_INDEX, address)
        linux.bring_up(firewall.UPLINK)
        uplink = socket.if_nametoindex(firewall.UPLINK)
        route.add_address(uplink, self.plan.gateway_end, self.plan.uplink.prefixlen)
        route.add_route(uplink, None, gateway=self.plan.host_end)
        return self._open_doors()

    def _open_doors(self) -> Doors:
        resolver, host = str(self.plan.resolver), str(self.plan.host)
        with contextlib.ExitStack() as stack:
            datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            datagrams.bind((resolver, _DNS_PORT))
            datagrams.setblocking(False)
            stream = stack.enter_context(_listen(resolver, _DNS_PORT))
            ports = {port: stack.enter_context(_listen(host, port)) for port in self._host_ports}
            stack.pop_all()
        return Doors(datagrams, stream, ports)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other node of this machine chooses addresses meanwhile."""
        self._lock_folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._lock_folder / "network.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def in_fresh_thread(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread that ends with it and so may change its network namespace."""
    made: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            made.append(work())
        except (OSError, SandboxError) as error:
            failed.append(error)

    # Never a pooled thread: whoever got it next would work in the wrong network.
    thread = threading.Thread(target=run, name="netns")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


def namespace_of_this_thread() -> int:
    """A descriptor of the calling thread's network namespace."""
    return os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _new_namespace() -> int:
    linux.unshare(linux.CLONE_NEWNET)
    linux.bring_up("lo")
    return namespace_of_this_thread()


def _listen(address: str, port: int) -> socket.socket:
    listener = socket.create_server((address, port), backlog=_BACKLOG)
    listener.setblocking(False)
    return listener


def _enable_forwarding() -> None:
    if _FORWARDING.read_text().strip() == "1":
        return
    try:
        _FORWARDING.write_text("1")
    except OSError as error:
        raise SandboxError(
            f"IPv4 forwarding is off and cannot be switched on ({error}): sysctl net.ipv4.ip_forward=1"
        ) from error
    _log.warning("ip_forwarding_enabled", sysctl="net.ipv4.ip_forward=1")


def _mtu() -> int:
    """The least of the devices that default routes go through, so that no packet is too long on its way."""
    found = [1500]
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        device, target, *_ = line.split()
        if target == "00000000":
            with contextlib.suppress(OSError):
                found.append(int(Path(f"/sys/class/net/{device}/mtu").read_text()))
    return min(found)


def _write(path: Path, text: str) -> None:
    with contextlib.suppress(OSError):  # no IPv6 here, or /proc/sys is read-only: the packet filter holds without it
        path.write_text(text)


def _warning(chain: str) -> str:
    return (
        f"the firewall's chain {chain!r} drops forwarded packets: functions reach the network only when it accepts those "
        f"from and to {DEVICE_PREFIX}* (with Docker: iptables -I DOCKER-USER -i {DEVICE_PREFIX}+ -j ACCEPT; "
        f"iptables -I DOCKER-USER -o {DEVICE_PREFIX}+ -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT)"
    )
