"""The extensions of one environment and their conversation with the Extensions API, without sockets.

Owns who is registered for what, in which state each extension is (`states.EXTENSION`), and the events they are given. The
edge ``edges/runtime_api`` turns HTTP into calls of `Extensions`; the environment listens through `ExtensionEvents` and
decides what a phase waits for. Starting their processes is `extension_processes`'s, ending them is `shutdown`'s.

**External** extensions are known before they register: each is a file in ``/opt/extensions``, started by the platform.
**Internal** ones are whoever else registers, from within the runtime's process; they cannot have SHUTDOWN.

Default-deny: a call that an extension's state does not allow is answered with the error AWS's agent gives and changes
nothing. AWS: error types and texts of its agent (runtime interface emulator, handlers of ``/extension``).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec

from functory.core.environments import platform_events
from functory.core.environments.failures import signal_name
from functory.core.environments.platform_events import PlatformEvent
from functory.core.environments.session import NextWaiter, RuntimeApiError
from functory.core.environments.states import EXTENSION, ExtensionState
from functory.core.functions.model import FunctionVersion
from functory.kernel.ids import Ids
from functory.sandbox.port import Exit

EXTENSIONS_MAX = 10
INVOKE = "INVOKE"
SHUTDOWN = "SHUTDOWN"
_IDENTIFIER = "Lambda-Extension-Identifier"
_ERROR_HEADER = "Lambda-Extension-Function-Error-Type"
_FINAL = frozenset(
    {ExtensionState.INIT_ERROR, ExtensionState.EXIT_ERROR, ExtensionState.LAUNCH_ERROR, ExtensionState.EXITED}
)


class ExtensionEvents(Protocol):
    """What an environment wants to know; called on the event loop, must not raise."""

    def extensions_moved(self) -> None:
        """An extension has become ready."""

    def extension_failed(self, error_type: str, text: str) -> None:
        """The process of an extension could not be started or has ended although nobody told it to."""


class _Registration(msgspec.Struct):
    events: list[str] = []
    configurationKeys: list[str] = []  # noqa: N815  AWS's name


class Extension:
    """One extension; see the module."""

    __slots__ = ("error_type", "events", "has_ended", "id", "is_external", "name", "state", "waiter")

    def __init__(self, name: str, identifier: str, *, is_external: bool) -> None:
        self.name = name
        self.id = identifier
        self.is_external = is_external
        self.events: tuple[str, ...] = ()
        self.state = ExtensionState.STARTED
        self.error_type = ""
        self.waiter: NextWaiter | None = None
        self.has_ended = False

    def move(self, target: ExtensionState, shown: str = "") -> None:
        """Change the state.

        Args:
            shown: how the error names it; its identifier unless given.

        Raises:
            RuntimeApiError: not allowed now.
        """
        if not EXTENSION.allows(self.state, target):
            raise _refused(
                "InvalidExtensionState",
                f"State transition from {self.state.value} to {target.value} failed for extension {shown or self.id}. "
                "Error: State transition is not allowed",
            )
        self.state = target

    @property
    def log_line(self) -> str:
        """How AWS logs it at the end of init."""
        line = f"EXTENSION\tName: {self.name}\tState: {self.state.value}\tEvents: [{', '.join(self.events)}]"
        return f"{line}\tError Type: {self.error_type}" if self.error_type else line

    @property
    def platform_event(self) -> PlatformEvent:
        """The same for those who read records."""
        return platform_events.extension(self.name, self.state.value, self.events, self.error_type)


class Extensions:
    """See the module.

    Args:
        version: what registered extensions are told about.
        ids: for their identifiers.
        listener: the environment.
    """

    def __init__(self, version: FunctionVersion, ids: Ids, listener: ExtensionEvents) -> None:
        self._version = version
        self._ids = ids
        self._listener = listener
        self._by_name: dict[str, Extension] = {}
        self._by_id: dict[str, Extension] = {}
        self._is_open = True
        self._ending: tuple[str, int] | None = None
        self.fatal_error = ""
        """The first error an extension reported: what a failure that follows is called."""
        self.registered = asyncio.Event()
        """Set when every external extension has registered (at once when there is none)."""
        self.departed = asyncio.Event()
        """After `shut_down`: set when every extension that asked for SHUTDOWN has ended."""

    def __iter__(self) -> Iterator[Extension]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    # -- what the platform does

    def expect(self, names: Sequence[str]) -> None:
        """External extensions that are about to be started."""
        for name in names:
            self._add(Extension(name, self._ids.uuid(), is_external=True))
        self._note_registered()

    def launch_failed(self, name: str, reason: str) -> None:
        """An external extension cannot be started.

        Args:
            reason: ``PermissionDenied``, ``TooManyExtensions`` or ``UnknownError``.
        """
        extension = self._by_name[name]
        extension.move(ExtensionState.LAUNCH_ERROR)
        extension.error_type = reason
        self._listener.extension_failed("Extension.LaunchError", reason)

    def ended(self, name: str, how: Exit) -> None:
        """The process of an external extension has ended."""
        extension = self._by_name[name]
        extension.has_ended = True
        extension.waiter = None
        if self._ending is not None:
            if EXTENSION.allows(extension.state, ExtensionState.EXITED):
                extension.state = ExtensionState.EXITED
            self._note_departed()
            return
        error_type = self.fatal_error or "Extension.Crash"
        if extension.state not in _FINAL:
            extension.state = ExtensionState.EXITED
            extension.error_type = error_type
        self._listener.extension_failed(error_type, exit_text(how))

    def close_registration(self) -> None:
        """The runtime is ready: nobody may register any more."""
        self._is_open = False

    @property
    def are_ready(self) -> bool:
        """Whether init need not wait for any of them."""
        return all(extension.state is ExtensionState.READY for extension in self)

    @property
    def are_idle(self) -> bool:
        """Whether none of them still works on an event."""
        return all(extension.state is not ExtensionState.RUNNING for extension in self)

    @property
    def has_external(self) -> bool:
        """Whether one was started as a process of its own."""
        return any(extension.is_external for extension in self)

    def invoke(self, event: dict[str, Any]) -> None:
        """Give the INVOKE event to those that registered for it."""
        body = b""
        for extension in self:
            if INVOKE in extension.events and extension.state is ExtensionState.READY:
                body = body or msgspec.json.encode(event)
                self._deliver(extension, body)

    def shut_down(self, reason: str, deadline_ms: int) -> None:
        """Tell those that registered for SHUTDOWN, now or as soon as they ask for their next event.

        Args:
            reason: ``spindown``, ``timeout`` or ``failure``.
            deadline_ms: epoch milliseconds after which they are killed.
        """
        self._ending = (reason, deadline_ms)
        for extension in self:
            if extension.waiter is not None and extension.state is ExtensionState.READY:
                self._say_shutdown(extension)
        self._note_departed()

    # -- what extensions call

    def register(self, name: str, body: bytes, *, wants_account: bool) -> tuple[str, dict[str, str]]:
        """``POST /extension/register``: identifier and answer document.

        Raises:
            RuntimeApiError: refused.
        """
        if not name:
            raise _refused("InvalidExtensionName", "Empty extension name")
        events = _events(body)
        extension = self._by_name.get(name)
        is_external = extension is not None and extension.is_external
        for event in events:
            if event not in {INVOKE, SHUTDOWN}:
                raise _refused("InvalidEventType", f"{event}: ErrorInvalidEventType")
            if event == SHUTDOWN and not is_external:
                raise _refused("InvalidEventType", f"{event}: ShutdownEventNotSupportedForInternalExtension")
        if extension is None or not is_external:
            extension = self._new_internal(name, known=extension is not None)
        extension.move(ExtensionState.REGISTERED, name)
        extension.events = tuple(dict.fromkeys(events))
        self._note_registered()
        version = self._version
        answer = {"functionName": version.name, "functionVersion": version.version, "handler": version.handler}
        if wants_account:
            answer["accountId"] = version.account_id
        return extension.id, answer

    def next(self, identifier: str, waiter: NextWaiter) -> None:
        """``GET /extension/event/next``; ``waiter`` is answered when there is an event.

        Raises:
            RuntimeApiError: it may not ask now.
        """
        extension = self.find(identifier)
        if extension.state is not ExtensionState.READY or (extension.waiter is not None and not extension.waiter.is_gone):
            extension.move(ExtensionState.READY)
        extension.waiter = waiter
        if self._ending is not None:
            self._say_shutdown(extension)
        else:
            self._listener.extensions_moved()

    def init_error(self, identifier: str, error_type: str) -> None:
        """``POST /extension/init/error``.

        Raises:
            RuntimeApiError: it may not say so now.
        """
        self._report(identifier, error_type, ExtensionState.INIT_ERROR, "Extension.InitError")

    def exit_error(self, identifier: str, error_type: str) -> None:
        """``POST /extension/exit/error``.

        Raises:
            RuntimeApiError: it may not say so now.
        """
        self._report(identifier, error_type, ExtensionState.EXIT_ERROR, "Extension.ExitError")

    def find(self, identifier: str) -> Extension:
        """The extension of a ``Lambda-Extension-Identifier``.

        Raises:
            RuntimeApiError: there is none.
        """
        if not identifier:
            raise _refused("MissingExtensionIdentifier", f"Missing {_IDENTIFIER} header")
        try:
            canonical = str(uuid.UUID(identifier))
        except ValueError:
            raise _refused("InvalidExtensionIdentifier", f"Invalid {_IDENTIFIER}") from None
        extension = self._by_id.get(canonical)
        if extension is None:
            raise _refused("UnknownExtensionIdentifier", f"Unknown extension {canonical}")
        return extension

    # -- inside

    def _add(self, extension: Extension) -> Extension:
        self._by_name[extension.name] = extension
        self._by_id[extension.id] = extension
        return extension

    def _new_internal(self, name: str, *, known: bool) -> Extension:
        if not self._is_open:
            raise _refused("RegistrationClosed", "Extension registration closed already")
        if known:
            raise _refused("InvalidExtensionState", "Extension with this name already registered")
        if len(self) >= EXTENSIONS_MAX:
            raise _refused("TooManyExtensions", f"Extension limit ({EXTENSIONS_MAX}) reached")
        return self._add(Extension(name, self._ids.uuid(), is_external=False))

    def _report(self, identifier: str, error_type: str, target: ExtensionState, fatal: str) -> None:
        extension = self.find(identifier)
        if not error_type:
            raise _refused("MissingHeader", f"{_ERROR_HEADER} not found")
        extension.move(target)
        extension.waiter = None
        extension.error_type = extension.error_type or error_type
        self.fatal_error = self.fatal_error or fatal

    def _deliver(self, extension: Extension, body: bytes) -> None:
        waiter, extension.waiter = extension.waiter, None
        if waiter is None:
            return
        extension.move(ExtensionState.RUNNING)
        headers = [("Content-Type", "application/json"), ("Lambda-Extension-Event-Identifier", self._ids.uuid())]
        waiter.deliver(headers, body)

    def _say_shutdown(self, extension: Extension) -> None:
        if SHUTDOWN in extension.events and self._ending is not None:
            reason, deadline_ms = self._ending
            event = {"eventType": SHUTDOWN, "shutdownReason": reason, "deadlineMs": deadline_ms}
            self._deliver(extension, msgspec.json.encode(event))

    def _note_registered(self) -> None:
        if all(each.state is not ExtensionState.STARTED for each in self if each.is_external):
            self.registered.set()

    def _note_departed(self) -> None:
        if all(each.has_ended for each in self if each.is_external and SHUTDOWN in each.events):
            self.departed.set()


def exit_text(how: Exit) -> str:
    """How AWS words the end of an extension's process."""
    if how.signal is not None:
        return f"signal: {signal_name(how.signal)}"
    return f"exit status {how.code}" if how.code else "exit code 0"


def _events(body: bytes) -> list[str]:
    try:
        registration = msgspec.json.decode(body, type=_Registration)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RuntimeApiError(403, "InvalidRequestFormat", str(error)) from None
    if registration.configurationKeys:
        text = "configurationKeys are deprecated; use environment variables instead"
        raise RuntimeApiError(403, "InvalidRequestFormat", text)
    return registration.events


def _refused(kind: str, message: str) -> RuntimeApiError:
    return RuntimeApiError(403, f"Extension.{kind}", message)
