"""A store and blobs in memory for the tests of the Lambda service, and the fakes around it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, StaticPool, create_engine

import functory.services.lambda_.tables  # noqa: F401  declares the tables
from functory.core.environments.provisioned import Provisioning, Wish
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import Invocation, Outcome, OutcomeKind
from functory.runtimes.port import ReadyRuntime, RuntimeMissing, RuntimeStatus
from functory.services.lambda_.ports import AsyncEvent
from functory.store.port import METADATA

T = TypeVar("T")


class InlineStore:
    """`functory.store.port.Store` on SQLite in memory, everything on the calling thread."""

    def __init__(self) -> None:
        self._engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        METADATA.create_all(self._engine)
        self.reads = 0

    async def read(self, work: Callable[[Connection], T]) -> T:
        self.reads += 1
        with self._engine.connect() as conn:
            return work(conn)

    async def write(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as conn:
            return work(conn)

    async def close(self) -> None:
        self._engine.dispose()


class InMemoryBlobs:
    """`functory.store.port.Blobs` in a dictionary; while `is_unreadable` nothing can be read."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.is_unreadable = False

    async def put(self, content: bytes) -> str:
        key = hashlib.sha256(content).hexdigest()
        self.content[key] = content
        return key

    async def get(self, key: str) -> bytes:
        if self.is_unreadable:
            raise OSError(28, "No space left on device")
        return self.content[key]

    async def size(self, key: str) -> int:
        return len(self.content[key])

    async def delete(self, key: str) -> None:
        self.content.pop(key, None)

    async def keys(self) -> AsyncIterator[str]:
        for key in list(self.content):
            yield key

    def path(self, key: str) -> Path | None:
        return None


class FakeInvoker:
    """`functory.core.invocations.port.Invoker` that answers at once and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[FunctionVersion, Invocation]] = []
        self.retired: list[FunctionVersion] = []
        self.isolated: list[tuple[str, str, str, str]] = []
        self.removed: list[tuple[str, str, str, str | None]] = []
        self.answer: Outcome | Exception | None = None

    async def invoke(self, version: FunctionVersion, invocation: Invocation) -> Outcome:
        self.calls.append((version, invocation))
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        return Outcome(OutcomeKind.SUCCEEDED, invocation.request_id, invocation.payload, log_tail=b"REPORT\n")

    async def retire(self, version: FunctionVersion) -> None:
        self.retired.append(version)

    async def isolate(self, account_id: str, region: str, name: str, isolation: str) -> None:
        self.isolated.append((account_id, region, name, isolation))

    async def remove(self, account_id: str, region: str, name: str, version: str | None = None) -> None:
        self.removed.append((account_id, region, name, version))


class FakeIsolations:
    """`functory.services.lambda_.ports.Isolations` of a machine that has containers only."""

    async def refusal(self, account_id: str, isolation: str) -> str:
        return "" if isolation == "container" else f"No {isolation} here."


class FakeProvisioner:
    """`functory.services.lambda_.ports.Provisioner` that has what a test says it has."""

    def __init__(self) -> None:
        self.wishes: Mapping[tuple[str, str, str, str], Wish] = {}
        self.failure = ""
        self.holds_back = False

    def want(self, wishes: Mapping[tuple[str, str, str, str], Wish]) -> None:
        self.wishes = dict(wishes)

    def state(self, key: tuple[str, str, str, str]) -> Provisioning:
        wish = self.wishes.get(key)
        if wish is None:
            return Provisioning()
        return Provisioning(0 if self.failure or self.holds_back else wish.count, 0, self.failure, wish.generation)


class FakeSnapshots:
    """`functory.services.lambda_.ports.Snapshots` that remembers; `verdict` fails what is published."""

    def __init__(self) -> None:
        self.why = ""
        self.published: list[FunctionVersion] = []
        self.verdict: tuple[str, str] | None = None
        self.going_on = asyncio.Event()
        self.going_on.set()
        self.kept: list[tuple[tuple[str, str, str, str], str]] = []

    async def refusal(self) -> str:
        return self.why

    async def publish(self, version: FunctionVersion) -> tuple[str, str] | None:
        self.published.append(version)
        await self.going_on.wait()
        return self.verdict

    async def sweep(self, is_current: Callable[[tuple[str, str, str, str], str], Awaitable[bool]]) -> None:
        self.kept = [each for each in self.kept if await is_current(*each)]


class FakeRuntimes:
    """`functory.runtimes.port.RuntimeCatalog` that knows two runtimes; `missing` ones are known but not here."""

    def __init__(self) -> None:
        self.known = {"python3.12", "provided.al2023"}
        self.missing: set[str] = set()

    def is_known(self, runtime: str) -> bool:
        return runtime in self.known

    def can_snap_start(self, runtime: str) -> bool:
        return runtime == "python3.12"

    def is_custom(self, runtime: str) -> bool:
        return runtime.startswith("provided")

    async def resolve(self, runtime: str) -> ReadyRuntime:
        if runtime in self.missing:
            raise RuntimeMissing(f"{runtime} is not installed")
        env: Mapping[str, str] = {}
        return ReadyRuntime(runtime, "1.2.3", ("/bin/true",), env, ())

    async def list(self) -> list[RuntimeStatus]:
        return []


class FakeEvents:
    """`functory.services.lambda_.ports.AsyncEvents` in a list."""

    def __init__(self) -> None:
        self.accepted: list[AsyncEvent] = []

    async def accept(self, event: AsyncEvent) -> None:
        self.accepted.append(event)


class SetClock:
    """A clock that stands until it is told otherwise."""

    def __init__(self, epoch_s: float = 1_795_420_800.0) -> None:
        self.now = epoch_s

    def epoch_s(self) -> float:
        return self.now

    def monotonic_s(self) -> float:
        return self.now


def make_zip(files: Mapping[str, bytes | str] | None = None, *, mode: int = 0o644) -> bytes:
    """A zip of files, the same bytes for the same arguments."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (files if files is not None else {"index.py": "def handler(e, c): return e\n"}).items():
            info = zipfile.ZipInfo(name, (2026, 11, 23, 8, 0, 0))
            info.external_attr = (0o100000 | mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()
