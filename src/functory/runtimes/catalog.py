"""Answers what `port.RuntimeCatalog` asks: which runtimes exist, and which can be started on this machine.

A runtime is ready when its interpreter was found and executed (`interpreters`) and its pack exists (`packs`). What was
found once is kept for the life of the node; what was missing is looked for again when one of the folders changed, so that an
installation is seen without a restart. Looking executes programs, so it happens in a thread, once per identifier at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from functory.kernel.settings import RuntimeSettings
from functory.runtimes import interpreters, javascript_sdk, packs
from functory.runtimes.definitions import Definition, load_all
from functory.runtimes.interpreters import Interpreter, Places, Search
from functory.runtimes.port import ReadyRuntime, RuntimeMissing, RuntimeMount, RuntimeStatus

LANG = "/var/lang"
RUNTIME = "/var/runtime"
_PROGRAMS = {"nodejs": ["node"], "ruby": ["ruby"]}
"""What ``/var/lang/bin`` holds of an interpreter without a prefix of its own; Python's names have its version."""


class Catalog:
    """The runtimes of this node; see `port.RuntimeCatalog`."""

    def __init__(self, settings: RuntimeSettings, environ: Mapping[str, str] | None = None) -> None:
        self.folder = Path(settings.dir).expanduser()
        self.definitions = load_all()
        stand_ins = interpreters.parse_stand_ins(settings.stand_ins, self.definitions)
        self.places = Places.of(os.environ if environ is None else environ, self.folder / "interpreters", stand_ins)
        self._ready: dict[str, ReadyRuntime] = {}
        self._awaited_sdks: dict[str, Path] = {}
        self._missing: dict[str, tuple[tuple[int, ...], str]] = {}
        self._looking = {identifier: asyncio.Lock() for identifier in self.definitions}

    def is_known(self, runtime: str) -> bool:
        """See `port.RuntimeCatalog`."""
        return runtime in self.definitions

    def is_custom(self, runtime: str) -> bool:
        """See `port.RuntimeCatalog`."""
        return self.is_known(runtime) and self.definitions[runtime].is_custom

    def can_snap_start(self, runtime: str) -> bool:
        """See `RuntimeCatalog`."""
        return self.is_known(runtime) and self.definitions[runtime].snap_start

    async def resolve(self, runtime: str) -> ReadyRuntime:
        """See `port.RuntimeCatalog`."""
        ready = self._ready.get(runtime)
        if ready is not None and not self._has_sdk_now(runtime):
            return ready
        if runtime not in self.definitions:
            raise RuntimeMissing(f"Runtime {runtime} is not known to this node.")
        async with self._looking[runtime]:
            if runtime not in self._ready or self._has_sdk_now(runtime):
                self._ready[runtime] = await asyncio.to_thread(self._look, self.definitions[runtime])
            return self._ready[runtime]

    def _has_sdk_now(self, runtime: str) -> bool:
        """Whether a runtime that was ready without the SDK has it since."""
        awaited = self._awaited_sdks.get(runtime)
        return awaited is not None and awaited.is_dir()

    async def list(self) -> list[RuntimeStatus]:
        """See `port.RuntimeCatalog`. Looks at the machine every time."""
        return await asyncio.to_thread(lambda: [self.status(definition) for definition in self.definitions.values()])

    def _look(self, definition: Definition) -> ReadyRuntime:
        """`prepare`, without executing anything while the machine is as it was when the runtime was missing."""
        packs_folder = self.folder / "packs"
        packs_changed = packs_folder.stat().st_mtime_ns if packs_folder.is_dir() else 0
        fingerprint = (*self.places.fingerprint(), packs_changed)
        known, text = self._missing.get(definition.id, ((), ""))
        if known == fingerprint:
            raise RuntimeMissing(text)
        try:
            return self.prepare(definition)
        except RuntimeMissing as missing:
            if "chmod" not in str(missing):  # permissions leave no trace in the fingerprint
                self._missing[definition.id] = (fingerprint, str(missing))
            raise

    def prepare(self, definition: Definition) -> ReadyRuntime:
        """Look for interpreter and pack, and make what needs no network. Blocks.

        Raises:
            RuntimeMissing: see `port.RuntimeCatalog.resolve`.
        """
        if definition.is_custom:
            return _ready(definition, "", ())
        looked = interpreters.search(definition, self.places)
        if looked.found is None:
            raise RuntimeMissing(missing_text(definition, looked))
        if definition.has_fetched_pack:
            pack = packs.pack_path(definition, self.folder)
            if not pack.is_dir():
                raise RuntimeMissing(missing_text(definition, looked))
        else:
            pack = packs.make_own_pack(definition, self.folder, self._sdk(definition))
        mounts = (RuntimeMount(self._lang(definition, looked.found), LANG), RuntimeMount(pack, RUNTIME))
        return _ready(definition, looked.found.version, mounts)

    def _sdk(self, definition: Definition) -> Path | None:
        """The SDK's folder when it is here; else it is waited for."""
        path = javascript_sdk.sdk_path(definition, self.folder)
        if path is None or path.is_dir():
            self._awaited_sdks.pop(definition.id, None)
            return path
        self._awaited_sdks[definition.id] = path
        return None

    def status(self, definition: Definition) -> RuntimeStatus:
        """One row of `list`. Blocks."""
        version = location = advice = ""
        is_ready = True
        if not definition.is_custom:
            looked = interpreters.search(definition, self.places)
            if looked.found is not None:
                version, location = looked.found.version, str(looked.found.location)
            if looked.found is None or (definition.has_fetched_pack and not self._has_pack(definition)):
                is_ready, version, advice = False, "", missing_text(definition, looked)
            elif definition.id in self.places.stand_ins and not f"{version}.".startswith(f"{definition.version}."):
                advice = f"stands in for {definition.interpreter}, whose version it has not: for tests only"
            elif javascript_sdk.is_lacking(definition, self.folder):
                advice = f"without the AWS SDK for JavaScript; get it with: functory runtimes install {definition.id}"
        return RuntimeStatus(definition.id, is_ready, version, location, advice, definition.deprecated)

    def _has_pack(self, definition: Definition) -> bool:
        return packs.pack_path(definition, self.folder).is_dir()

    def _lang(self, definition: Definition, interpreter: Interpreter) -> Path:
        """The folder to mount at ``/var/lang``: the interpreter's own, or one that offers just its executable.

        Executables under ``/usr`` are linked, since every sandbox sees them there; others are copied.
        """
        if interpreter.prefix is not None:
            return interpreter.prefix
        names = _PROGRAMS.get(definition.language) or [f"python{definition.version}", "python3", "python"]
        executable = interpreter.executable
        mark = hashlib.sha256(f"{executable}:{interpreter.version}".encode()).hexdigest()[:12]
        final = self.folder / "lang" / f"{definition.id}-{mark}"
        if not final.is_dir():
            with packs.staging(final.parent) as work:
                (work / "bin").mkdir()
                if executable.is_relative_to(interpreters.SYSTEM):
                    (work / "bin" / names[0]).symlink_to(executable)
                else:
                    shutil.copy(executable, work / "bin" / names[0])
                for name in names[1:]:
                    (work / "bin" / name).symlink_to(names[0])
                packs.publish(work, final)
        return final


def missing_text(definition: Definition, looked: Search) -> str:
    """What to tell the operator about a runtime that cannot be started."""
    install = f"functory runtimes install {definition.id}"
    start = f"Runtime {definition.id} is not installed on this node"
    if looked.found is not None:
        return f"{start}. Install it with: {install}"
    reasons = [reason for reason in looked.rejected if "chmod" in reason or "cannot be given" in reason]
    why = f" ({'; '.join(reasons)})" if reasons else ""
    if definition.sources:
        return f"{start}{why}. Install it with: {install}"
    preview = f" ({definition.interpreter} is a preview, on AWS as well)" if definition.is_preview else ""
    commands = " or: ".join(definition.get)
    return f"{start}: no usable {definition.interpreter} was found{why}{preview}. Get one with: {commands}; then: {install}"


def _ready(definition: Definition, version: str, mounts: tuple[RuntimeMount, ...]) -> ReadyRuntime:
    return ReadyRuntime(
        id=definition.id,
        version=version,
        argv=definition.argv,
        env=definition.env,
        mounts=mounts,
        entrypoints=definition.entrypoints,
        runtime_api_host=definition.runtime_api_host,
        standby=definition.standby,
    )
