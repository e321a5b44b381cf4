"""SnapStart in the engine, on virtual time: what is made once, what begins from it, and every way that can fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from functory.aws.errors import AwsError
from functory.core.environments.variables import Credentials
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import OutcomeKind
from functory.kernel.settings import EnvironmentSettings
from functory.sandbox.port import Exit
from tests.support.engine import Engine, FakeCredentials, FakeRuntime, Script, engine, version
from tests.support.virtual_time import run_virtual

KEY = ("000000000000", "us-east-1", "f")
Work = Callable[[Engine], Awaitable[None]]


def snap_start(**changes: object) -> FunctionVersion:
    return version("f", **{"version": "1", "snap_start": True, **changes})


def function(*, init_s: float = 1.0, after_s: float = 0.25, after: str = "", handler_s: float = 0.0) -> Script:
    """A runtime that initialises, waits to be restored, runs its hooks (``after``: what fails in them) and serves."""

    async def script(runtime: FakeRuntime) -> Exit | None:
        if "restored" not in runtime.env:
            runtime.print("init\n")
            await asyncio.sleep(init_s)
        await runtime.restored()
        await asyncio.sleep(after_s)
        if after == "error":
            runtime.restore_error(b'{"errorType":"X"}', "Runtime.AfterRestoreError")
            return Exit(code=65)
        if after == "exit":
            return Exit(code=1)
        while True:
            event = await runtime.next()
            await asyncio.sleep(handler_s)
            runtime.respond(event, json.dumps(dict(runtime.env)).encode())

    return script


def _run(tmp_path: Path, script: Script, work: Work, settings: EnvironmentSettings | None = None) -> None:
    async def run() -> None:
        async with engine(script, snapshots=tmp_path / "snapshots", settings=settings) as subject:
            await work(subject)
        assert subject.driver.live == set()

    run_virtual(run())


def _folders(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "snapshots").iterdir())


def test_init_runs_once_and_every_environment_begins_from_it(tmp_path: Path) -> None:
    async def work(subject: Engine) -> None:
        assert await subject.environments.snapshots.publish(snap_start()) is None
        assert subject.driver.live == set()
        outcomes = await asyncio.gather(*(subject.call(snap_start(), tail=True) for _ in range(3)))
        assert [outcome.kind for outcome in outcomes] == [OutcomeKind.SUCCEEDED] * 3
        env = json.loads(outcomes[0].payload)
        assert env["AWS_LAMBDA_INITIALIZATION_TYPE"] == "snap-start"
        assert env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://169.254.170.2:9001/2021-04-23/credentials"
        assert len(env["AWS_CONTAINER_AUTHORIZATION_TOKEN"]) == 64
        gone = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
        assert not set(env) & (gone | {"AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"})
        report = outcomes[0].log_tail.decode().splitlines()[-1]
        assert "Restore Duration: 350.00 ms\tBilled Restore Duration: 250 ms\t" in report
        assert "Init Duration" not in report
        assert outcomes[0].billed_ms == 250
        texts = subject.sink.texts()
        assert texts.count("init\n") == 1
        assert texts.count("INIT_REPORT Init Duration: 1100.00 ms\n") == 1
        assert sum(text.startswith("RESTORE_START Runtime Version: python:3.12.1\t") for text in texts) == 3
        assert texts.count("RESTORE_REPORT Restore Duration: 350.00 ms\n") == 3
        again = await subject.call(snap_start(), tail=True)
        assert b"Restore Duration" not in again.log_tail

    _run(tmp_path, function(), work)


def test_json_logs_have_the_platforms_events(tmp_path: Path) -> None:
    of = snap_start(log_format="JSON", system_log_level="DEBUG", application_log_level="TRACE")

    async def work(subject: Engine) -> None:
        assert await subject.environments.snapshots.publish(of) is None
        await subject.call(of)
        lines = [json.loads(text) for text in subject.sink.texts() if text.startswith('{"time"')]
        assert [line["type"].removeprefix("platform.") for line in lines] == [
            "initStart", "initRuntimeDone", "initReport",
            "restoreStart", "restoreRuntimeDone", "restoreReport", "start", "runtimeDone", "report",
        ]  # fmt: skip
        records = {line["type"]: line["record"] for line in lines}
        assert records["platform.initStart"]["initializationType"] == "snap-start"
        assert records["platform.initReport"]["metrics"] == {"durationMs": 1100.0}
        assert records["platform.restoreReport"] == {"status": "success", "metrics": {"durationMs": 350.0}}
        metrics = records["platform.report"]["metrics"]
        assert (metrics["restoreDurationMs"], metrics["billedRestoreDurationMs"]) == (350.0, 250)
        assert "initDurationMs" not in metrics

    _run(tmp_path, function(), work)


def test_an_environment_that_failed_begins_from_the_snapshot_again(tmp_path: Path) -> None:
    async def work(subject: Engine) -> None:
        await subject.environments.snapshots.publish(snap_start())
        assert (await subject.call(snap_start())).kind is OutcomeKind.TIMED_OUT
        assert (await subject.call(snap_start())).kind is OutcomeKind.TIMED_OUT
        assert [each.folder is not None for each in subject.driver.snapshots_made] == [False, True, True]
        assert all(each.spec.tmp_of is None for each in subject.driver.snapshots_made)

    _run(tmp_path, function(handler_s=100), work)


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        (function(init_s=1000), "FunctionError.InitTimeout", "130 seconds"),
        ("exit", "FunctionError.RuntimeInitError", "exit status 3"),
        ("error", "FunctionError.RuntimeInitError", "Runtime.ImportModuleError"),
        ("serves", "FunctionError.RuntimeInitError", "did not wait to be restored"),
    ],
)
def test_a_failed_init_is_the_reason_of_the_version(tmp_path: Path, script: Script | str, code: str, reason: str) -> None:
    async def failing(runtime: FakeRuntime) -> Exit | None:
        if script == "exit":
            return Exit(code=3)
        if script == "error":
            runtime.init_error(b"{}", "Runtime.ImportModuleError")
            return Exit(code=1)
        await runtime.next()
        return None

    async def work(subject: Engine) -> None:
        verdict = await subject.environments.snapshots.publish(snap_start())
        assert verdict is not None
        assert (verdict[0], reason in verdict[1]) == (code, True), verdict
        assert _folders(tmp_path) == []
        with pytest.raises(AwsError) as refused:
            await subject.call(snap_start())
        assert refused.value.code == "SnapStartRegenerationFailureException"

    _run(tmp_path, failing if isinstance(script, str) else script, work)


def test_a_role_that_cannot_be_assumed_fails_the_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_: FakeCredentials, version: FunctionVersion) -> Credentials:
        raise AwsError("InvalidParameterValueException", f"The role of {version.name} cannot be assumed by Lambda.")

    async def work(subject: Engine) -> None:
        verdict = await subject.environments.snapshots.publish(snap_start())
        assert verdict == ("InsufficientRolePermissions", "The role of f cannot be assumed by Lambda.")

    monkeypatch.setattr(FakeCredentials, "credentials", refuse)
    _run(tmp_path, function(), work)


def test_the_time_of_a_long_function_is_the_time_of_its_init(tmp_path: Path) -> None:
    async def work(subject: Engine) -> None:
        assert await subject.environments.snapshots.publish(snap_start(timeout_s=600)) is None

    _run(tmp_path, function(init_s=500), work)


@pytest.mark.parametrize(("fault", "code"), [("in use", "FunctionError"), ("broken", "InternalError")])
def test_a_sandbox_that_cannot_be_kept_is_told(tmp_path: Path, fault: str, code: str) -> None:
    async def work(subject: Engine) -> None:
        subject.driver.snapshot_faults.add(fault)
        verdict = await subject.environments.snapshots.publish(snap_start())
        assert verdict is not None
        assert verdict[0] == code
        assert _folders(tmp_path) == []

    _run(tmp_path, function(), work)


@pytest.mark.parametrize(
    ("script", "code", "line"),
    [
        (
            function(after_s=60),
            "SnapStartTimeoutException",
            "RESTORE_REPORT Restore Duration: 10100.00 ms\tStatus: timeout\n",
        ),
        (
            function(after="error"),
            "SnapStartException",
            "RESTORE_REPORT Restore Duration: 350.00 ms\tStatus: error\tError Type: Runtime.AfterRestoreError\n",
        ),
        (
            function(after="exit"),
            "SnapStartException",
            "RESTORE_REPORT Restore Duration: 350.00 ms\tStatus: error\tError Type: Runtime.ExitError\n",
        ),
    ],
)
def test_a_failed_restore_fails_its_invocation(tmp_path: Path, script: Script, code: str, line: str) -> None:
    async def work(subject: Engine) -> None:
        assert await subject.environments.snapshots.publish(snap_start()) is None
        with pytest.raises(AwsError) as refused:
            await subject.call(snap_start())
        assert refused.value.code == code
        assert line in subject.sink.texts()
        assert subject.sink.texts().count("init\n") == 1
        assert subject.environments.count() == 0

    _run(tmp_path, script, work)


def test_a_snapshot_that_is_gone_or_damaged_is_made_anew(tmp_path: Path) -> None:
    async def publish(subject: Engine) -> None:
        assert await subject.environments.snapshots.publish(snap_start()) is None

    async def use(subject: Engine) -> None:
        assert (await subject.call(snap_start())).kind is OutcomeKind.SUCCEEDED

    def inits(subject: Engine) -> int:
        return sum(each.folder is None for each in subject.driver.snapshots_made)

    async def whole(subject: Engine) -> None:
        await use(subject)
        assert inits(subject) == 0

    async def damaged(subject: Engine) -> None:
        (_folders(tmp_path)[0] / "memory").write_text("{}")
        await asyncio.gather(use(subject), use(subject))
        assert inits(subject) == 1

    async def gone(subject: Engine) -> None:
        (_folders(tmp_path)[0] / "memory").unlink()
        await use(subject)
        assert inits(subject) == 1

    async def of_another_interpreter(subject: Engine) -> None:
        manifest = _folders(tmp_path)[0] / "manifest.json"
        manifest.write_text(manifest.read_text().replace("3.12.1", "3.12.0"))
        await use(subject)
        assert inits(subject) == 1

    async def of_another_runtime(subject: Engine) -> None:
        subject.driver.snapshot_faults.add("restore")
        await use(subject)
        assert inits(subject) == 1

    for work in (publish, whole, damaged, gone, of_another_interpreter, of_another_runtime, whole):
        _run(tmp_path, function(), work)
    assert len(_folders(tmp_path)) == 1


def test_another_epoch_has_another_snapshot(tmp_path: Path) -> None:
    async def work(subject: Engine) -> None:
        for epoch in ("1", "1/gvisor", "1"):
            assert await subject.environments.snapshots.publish(snap_start(epoch=epoch)) is None
        assert len(_folders(tmp_path)) == 2

        async def is_current(key: tuple[str, str, str, str], epoch: str) -> bool:
            assert key == (*KEY, "1")
            return epoch == "1"

        await subject.environments.snapshots.sweep(is_current)
        assert len(_folders(tmp_path)) == 1

    _run(tmp_path, function(), work)


def test_snapshots_go_with_their_version(tmp_path: Path) -> None:
    async def work(subject: Engine) -> None:
        for number in ("1", "2", "3"):
            await subject.environments.snapshots.publish(snap_start(version=number))
        subject.environments.remove(*KEY, "2")
        await asyncio.sleep(1)
        assert len(_folders(tmp_path)) == 2
        subject.environments.remove(*KEY, None)
        await asyncio.sleep(1)
        assert _folders(tmp_path) == []

    _run(tmp_path, function(), work)


def test_without_memory_nothing_is_initialised(tmp_path: Path) -> None:
    async def work(subject: Engine) -> None:
        verdict = await subject.environments.snapshots.publish(snap_start(memory_mib=512))
        assert verdict == ("InternalError", "This node has no memory left to initialise the function.")
        assert subject.driver.snapshots_made == []

    _run(tmp_path, function(), work, EnvironmentSettings(max_memory_mib=256))
