from __future__ import annotations

import asyncio
import tomllib
from importlib.resources import files

from functory.aws import model
from functory.core.calls import CallContext, Service
from functory.core.invocations.log_sink import LogSink
from functory.services.logs.service import OPERATIONS
from tests.support.logs_service import NOW_MS, Logs


def test_the_coverage_table_is_true() -> None:
    coverage = tomllib.loads(files("functory.services.logs").joinpath("coverage.toml").read_text("utf-8"))["operations"]
    assert sorted(coverage) == sorted(model.service("logs").operation_names)
    present = {name for name, entry in coverage.items() if entry != "absent"}
    assert present == set(OPERATIONS)
    for entry in coverage.values():
        assert entry in ("done", "absent") or (entry["status"] == "partial" and entry["missing"])


def test_it_is_a_service_and_has_a_sink() -> None:
    logs = Logs()
    service: Service = logs.service
    sink: LogSink = logs.service.sink
    assert service.name == "logs"
    sink.append("111122223333", "eu-central-1", "g", "s", [(NOW_MS, "x")])
    assert logs.get("s") == ["x"]


def test_while_it_runs_readers_wait_for_the_sink_and_leaving_saves_the_rest() -> None:
    logs = Logs()
    context = CallContext("111122223333", "eu-central-1", "request")

    async def scenario() -> list[str]:
        async with logs.service as service:
            logs.append("s", (0, "a"))
            answer = await service.operations["FilterLogEvents"](context, {"logGroupName": "g"})
            logs.append("s", (1, "b"))
        return [event["message"] for event in answer["events"]]

    assert asyncio.run(scenario()) == ["a"]
    assert logs.get("s") == ["a", "b"]


def test_deleting_wakes_the_background_job() -> None:
    logs = Logs()
    logs.group("g", "s")
    logs.put("s", (0, "x"))
    context = CallContext("111122223333", "eu-central-1", "request")

    async def scenario() -> None:
        async with logs.service as service:
            await asyncio.sleep(0)  # the job starts to wait
            before = logs.store.writes
            await service.operations["DeleteLogGroup"](context, {"logGroupName": "g"})
            async with asyncio.timeout(5):
                while logs.store.writes < before + 5:
                    await asyncio.sleep(0)

    asyncio.run(scenario())
    assert logs.rows("log_chunks", "log_streams", "log_trash", "log_groups") == 0
