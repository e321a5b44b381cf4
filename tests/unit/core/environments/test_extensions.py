"""The Extensions API's rules, and what an environment's phases wait for; virtual time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from functory.core.environments.extension_processes import extension_variables, find_extensions
from functory.core.environments.extensions import EXTENSIONS_MAX, Extensions
from functory.core.environments.session import RuntimeApiError
from functory.kernel.ids import SeededIds
from functory.sandbox.port import Exit, Mount
from tests.support.engine import FakeRuntime, engine, version
from tests.support.virtual_time import run_virtual

NOBODY = "00000000-0000-4000-8000-000000000000"


@dataclass
class _Listener:
    failures: list[tuple[str, str]] = field(default_factory=list)
    moves: int = 0

    def extensions_moved(self) -> None:
        self.moves += 1

    def extension_failed(self, error_type: str, text: str) -> None:
        self.failures.append((error_type, text))


@dataclass
class _Waiter:
    events: list[dict[str, object]] = field(default_factory=list)
    is_gone: bool = False

    def deliver(self, headers: list[tuple[str, str]], body: bytes) -> None:
        assert dict(headers)["Lambda-Extension-Event-Identifier"]
        self.events.append(json.loads(body))


def _subject(*external: str) -> tuple[Extensions, _Listener]:
    listener = _Listener()
    subject = Extensions(version(), SeededIds(), listener)
    subject.expect(external)
    return subject, listener


def _register(subject: Extensions, name: str, *events: str) -> str:
    return subject.register(name, json.dumps({"events": events}).encode(), wants_account=False)[0]


def _refusal(error: pytest.ExceptionInfo[RuntimeApiError]) -> tuple[int, str, str]:
    return error.value.status, error.value.error_type, error.value.message


def test_registration_tells_about_the_function() -> None:
    subject, _ = _subject("one")
    assert not subject.registered.is_set()
    _, answer = subject.register("one", b'{"events":["INVOKE"]}', wants_account=True)
    assert answer == {"functionName": "f", "functionVersion": "$LATEST", "handler": "app.handler", "accountId": "0" * 12}
    assert subject.registered.is_set()


@pytest.mark.parametrize(
    ("name", "body", "refusal"),
    [
        ("", b"{}", ("Extension.InvalidExtensionName", "Empty extension name")),
        (
            "inner",
            b'{"events":["SHUTDOWN"]}',
            ("Extension.InvalidEventType", "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"),
        ),
        ("one", b'{"events":["OTHER"]}', ("Extension.InvalidEventType", "OTHER: ErrorInvalidEventType")),
        (
            "one",
            b'{"configurationKeys":["a"]}',
            ("InvalidRequestFormat", "configurationKeys are deprecated; use environment variables instead"),
        ),
        ("known", b"{}", ("Extension.InvalidExtensionState", "Extension with this name already registered")),
    ],
)
def test_refused_registrations(name: str, body: bytes, refusal: tuple[str, str]) -> None:
    subject, _ = _subject("one")
    _register(subject, "known")
    with pytest.raises(RuntimeApiError) as error:
        subject.register(name, body, wants_account=False)
    assert _refusal(error) == (403, *refusal)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"events":1}', b"\xff\xfe", b'{"events":[1]}'])
def test_a_body_that_is_no_registration_is_refused(body: bytes) -> None:
    subject, _ = _subject("one")
    with pytest.raises(RuntimeApiError) as error:
        subject.register("one", body, wants_account=False)
    assert error.value.error_type == "InvalidRequestFormat"


def test_an_external_extension_registers_once() -> None:
    subject, _ = _subject("one")
    _register(subject, "one", "INVOKE")
    with pytest.raises(RuntimeApiError) as error:
        _register(subject, "one", "INVOKE")
    assert _refusal(error) == (
        403,
        "Extension.InvalidExtensionState",
        "State transition from Registered to Registered failed for extension one. Error: State transition is not allowed",
    )


def test_at_most_ten_and_none_after_init() -> None:
    subject, _ = _subject()
    for number in range(EXTENSIONS_MAX):
        _register(subject, f"e{number}")
    with pytest.raises(RuntimeApiError) as error:
        _register(subject, "one-too-many")
    assert _refusal(error) == (403, "Extension.TooManyExtensions", "Extension limit (10) reached")
    subject.close_registration()
    with pytest.raises(RuntimeApiError) as error:
        _register(subject, "late")
    assert _refusal(error) == (403, "Extension.RegistrationClosed", "Extension registration closed already")


@pytest.mark.parametrize(
    ("identifier", "kind", "message"),
    [
        ("", "MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"),
        ("no-uuid", "InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"),
        (NOBODY, "UnknownExtensionIdentifier", f"Unknown extension {NOBODY}"),
    ],
)
def test_who_does_not_say_who_it_is_gets_no_event(identifier: str, kind: str, message: str) -> None:
    subject, _ = _subject("one")
    with pytest.raises(RuntimeApiError) as error:
        subject.next(identifier, _Waiter())
    assert _refusal(error) == (403, f"Extension.{kind}", message)


def test_invoke_goes_to_its_subscribers_and_a_second_next_is_refused() -> None:
    subject, _ = _subject("one", "two")
    first, second = _register(subject, "one", "INVOKE"), _register(subject, "two", "SHUTDOWN")
    waiter, other = _Waiter(), _Waiter()
    subject.next(first, waiter)
    subject.next(second, other)
    with pytest.raises(RuntimeApiError) as error:
        subject.next(first, _Waiter())
    assert "from Ready to Ready failed for extension" in error.value.message
    subject.invoke({"eventType": "INVOKE"})
    assert (waiter.events, other.events) == ([{"eventType": "INVOKE"}], [])
    assert not subject.are_idle
    subject.next(first, _Waiter())
    assert subject.are_idle


def test_an_extension_that_lost_its_connection_may_ask_again() -> None:
    subject, _ = _subject("one")
    identifier = _register(subject, "one", "INVOKE")
    subject.next(identifier, _Waiter(is_gone=True))
    waiter = _Waiter()
    subject.next(identifier, waiter)
    subject.invoke({"eventType": "INVOKE"})
    assert len(waiter.events) == 1


def test_shutdown_is_told_now_or_with_the_next_event() -> None:
    subject, listener = _subject("idle", "busy", "deaf")
    idle, busy, deaf = (_register(subject, name, *events) for name, events in
                        [("idle", ["SHUTDOWN"]), ("busy", ["INVOKE", "SHUTDOWN"]), ("deaf", [])])  # fmt: skip
    waiters = {name: _Waiter() for name in (idle, busy, deaf)}
    for identifier, waiter in waiters.items():
        subject.next(identifier, waiter)
    subject.invoke({"eventType": "INVOKE"})
    subject.shut_down("timeout", 12)
    event = {"eventType": "SHUTDOWN", "shutdownReason": "timeout", "deadlineMs": 12}
    assert (waiters[idle].events, waiters[deaf].events) == ([event], [])
    late = _Waiter()
    subject.next(busy, late)
    assert late.events == [event]
    subject.ended("idle", Exit(code=0))
    assert not subject.departed.is_set()
    subject.ended("busy", Exit(code=1))
    assert subject.departed.is_set()
    assert listener.failures == []


def test_an_end_nobody_asked_for_is_a_failure_under_the_name_it_gave() -> None:
    subject, listener = _subject("crashes", "fails", "gives-up")
    subject.ended("crashes", Exit(signal=11))
    assert listener.failures[-1] == ("Extension.Crash", "signal: segmentation fault")
    fails = _register(subject, "fails")
    with pytest.raises(RuntimeApiError) as error:
        subject.init_error(fails, "")
    assert _refusal(error) == (403, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found")
    subject.init_error(fails, "Extension.NoConfig")
    subject.init_error(fails, "Extension.Second")
    subject.ended("fails", Exit(code=0))
    assert listener.failures[-1] == ("Extension.InitError", "exit code 0")
    assert [one.log_line for one in subject][1] == (
        "EXTENSION\tName: fails\tState: InitError\tEvents: []\tError Type: Extension.NoConfig"
    )


def test_what_is_not_allowed_changes_nothing() -> None:
    subject, _ = _subject("one")
    identifier = next(iter(subject)).id
    for call in (
        lambda: subject.next(identifier, _Waiter()),
        lambda: subject.init_error(identifier, "Extension.X"),
        lambda: subject.exit_error(identifier, "Extension.X"),
    ):
        with pytest.raises(RuntimeApiError):
            call()
    assert _register(subject, "one") == identifier


def test_extensions_are_the_files_of_opt_extensions(tmp_path: Path) -> None:
    assert find_extensions([Mount(tmp_path, "/var/task"), Mount(tmp_path, "/opt")]) == []
    (tmp_path / "extensions" / "lib").mkdir(parents=True)
    for name in ("b", "a"):
        (tmp_path / "extensions" / name).touch()
    assert [file.name for file in find_extensions([Mount(tmp_path, "/opt")])] == ["a", "b"]
    (tmp_path / "disable-extensions-jwigqn8j").touch()
    assert find_extensions([Mount(tmp_path, "/opt")]) == []


def test_extensions_do_not_see_what_is_the_runtimes() -> None:
    env = {"_HANDLER": "a.b", "LAMBDA_TASK_ROOT": "/var/task", "AWS_REGION": "eu-west-1", "MINE": "1"}
    assert extension_variables(env) == {"AWS_REGION": "eu-west-1", "MINE": "1"}


# -- in an environment


class _Inner:
    """An internal extension played by the runtime's script."""

    def __init__(self, runtime: FakeRuntime) -> None:
        extensions = runtime.sandbox._driver.extensions[runtime.sandbox.runtime_listener]
        self.extensions = extensions
        self.identifier = extensions.register("inner", b'{"events":["INVOKE"]}', wants_account=False)[0]

    def next(self) -> _Waiter:
        waiter = _Waiter()
        self.extensions.next(self.identifier, waiter)
        return waiter


def test_init_waits_for_extensions_and_the_answer_does_not() -> None:
    async def script(runtime: FakeRuntime) -> Exit | None:
        inner = _Inner(runtime)

        async def observe() -> None:
            await asyncio.sleep(0.5)
            waiter = inner.next()
            while not waiter.events:
                await asyncio.sleep(0.01)
            await asyncio.sleep(1.0)
            inner.next()

        watching = asyncio.ensure_future(observe())
        event = await runtime.next()
        runtime.respond(event, b'"answer"')
        await runtime.next()
        await watching
        return None

    async def run() -> None:
        async with engine(script) as subject:
            loop = asyncio.get_running_loop()
            began = loop.time()
            assert (await subject.call(version())).payload == b'"answer"'
            assert 0.6 <= loop.time() - began < 1.0, "init waited, the answer did not"
            assert not any(text.startswith("REPORT") for text in subject.sink.texts())
            await asyncio.sleep(1.5)
            report = next(text for text in subject.sink.texts() if text.startswith("REPORT"))
            assert "\tDuration: 10" in report, "the extension's time counts"
            assert subject.sink.texts()[1] == "EXTENSION\tName: inner\tState: Ready\tEvents: [INVOKE]\n"

    run_virtual(run())


def test_an_extension_that_is_never_done_runs_into_the_timeout() -> None:
    async def script(runtime: FakeRuntime) -> Exit | None:
        _Inner(runtime).next()
        event = await runtime.next()
        runtime.respond(event, b'"answer"')
        await runtime.next()
        await asyncio.sleep(1000)
        return None

    async def run() -> None:
        async with engine(script) as subject:
            outcome = await subject.call(version(timeout_s=3))
            assert outcome.payload == b'"answer"'
            await asyncio.sleep(5)
            assert any("Status: timeout" in text for text in subject.sink.texts())
            subject.environments.remove("000000000000", "us-east-1", "f", None)
            await asyncio.sleep(1)
            assert subject.driver.live == set()

    run_virtual(run())
