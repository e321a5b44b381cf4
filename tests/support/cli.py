"""Fakes for the command line: a Lambda service, a Logs service, a node and a machine, all in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.validate import ParamValidator
from click.testing import CliRunner, Result

from functory.aws import model
from functory.edges.cli.client import Endpoint
from functory.edges.cli.main import cli
from functory.edges.cli.outside import Outside, ReadyInfo
from functory.kernel.errors import FunctoryError
from functory.kernel.settings import RuntimeSettings, Settings
from functory.runtimes.port import RuntimeStatus


class NotFoundError(Exception):
    """Stands for botocore's modelled ResourceNotFoundException."""


def check(service: str, operation: str, parameters: Mapping[str, Any]) -> None:
    """Fail when the real client would refuse the parameters."""
    shape = model.operation(service, operation).input_shape
    report = ParamValidator().validate(parameters, shape).generate_report()
    assert not report, report


class Exceptions:
    """``client.exceptions``."""

    ResourceNotFoundException = NotFoundError


class Paginator:
    """Gives prepared pages and remembers what was asked."""

    def __init__(self, pages: Callable[[dict[str, Any]], Iterable[dict[str, Any]]]) -> None:
        self._pages = pages

    def paginate(self, **parameters: Any) -> Iterable[dict[str, Any]]:
        return self._pages(parameters)


class FakeLambda:
    """As much of Lambda as the commands use. A change takes ``delay`` looks until it is done."""

    exceptions = Exceptions

    def __init__(self) -> None:
        self.functions: dict[str, dict[str, Any]] = {}
        self.codes: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.answer: dict[str, Any] = {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
        self.result = b"{}"
        self.invoked: dict[str, Any] = {}
        self.delay = 1
        self.fails_with = ""

    def get_paginator(self, operation: str) -> Paginator:
        assert operation == "list_functions"
        return Paginator(lambda _: [{"Functions": [function]} for function in self.functions.values()])

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803  the API's name
        if FunctionName not in self.functions:
            raise NotFoundError(FunctionName)
        function = self.functions[FunctionName]
        seen = dict(function)
        if function["LastUpdateStatus"] == "InProgress":
            function["looks"] -= 1
            if function["looks"] <= 0:
                status = {"State": "Failed", "StateReason": self.fails_with} if self.fails_with else {"State": "Active"}
                function.update(LastUpdateStatus="Successful", **status)
        return seen

    def create_function(self, *, Code: dict[str, bytes], **members: Any) -> None:  # noqa: N803
        check("lambda", "CreateFunction", {"Code": Code, **members})
        self._change("create", members["FunctionName"], members | {"State": "Pending"}, Code["ZipFile"])

    def update_function_code(self, *, FunctionName: str, ZipFile: bytes) -> None:  # noqa: N803
        check("lambda", "UpdateFunctionCode", {"FunctionName": FunctionName, "ZipFile": ZipFile})
        self._change("code", FunctionName, {}, ZipFile)

    def update_function_configuration(self, *, FunctionName: str, **members: Any) -> None:  # noqa: N803
        check("lambda", "UpdateFunctionConfiguration", {"FunctionName": FunctionName, **members})
        self._change("configuration", FunctionName, members, None)

    def _change(self, call: str, name: str, members: dict[str, Any], code: bytes | None) -> None:
        function = self.functions.setdefault(name, {"LastUpdateStatus": "Successful"})
        assert function["LastUpdateStatus"] == "Successful", "Lambda refuses a change while another is under way"
        self.calls.append(call)
        function.update(members, LastUpdateStatus="InProgress", looks=self.delay)
        if code is not None:
            self.codes[name] = code

    def invoke(self, **parameters: Any) -> dict[str, Any]:
        check("lambda", "Invoke", parameters)
        self.invoked = parameters
        return self.answer | {"Payload": io.BytesIO(self.result), "ResponseMetadata": {"RequestId": "r-1"}}


class FakeLogs:
    """Log groups with events; ``rounds`` are what appears before each look."""

    exceptions = Exceptions

    def __init__(self) -> None:
        self.groups: dict[str, list[dict[str, Any]]] = {}
        self.rounds: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, operation: str) -> Paginator:
        assert operation == "filter_log_events"
        return Paginator(self._pages)

    def _pages(self, parameters: dict[str, Any]) -> Iterable[dict[str, Any]]:
        check("logs", "FilterLogEvents", parameters)
        self.asked.append(parameters)
        if parameters["logGroupName"] not in self.groups:
            raise NotFoundError(parameters["logGroupName"])
        events = self.groups[parameters["logGroupName"]]
        yield from ({"events": [event]} for event in events if event["timestamp"] >= parameters["startTime"])


class FakeCatalog:
    """A machine with some runtimes; installing makes a known one ready."""

    def __init__(self, *rows: RuntimeStatus) -> None:
        self.rows = {row.id: row for row in rows}
        self.installed: list[str] = []

    async def list(self) -> list[RuntimeStatus]:
        return list(self.rows.values())

    async def find_all(self) -> list[str]:
        return [row.id for row in self.rows.values() if row.location]

    async def install(self, runtimes: Iterable[str], report: Callable[[str], None]) -> None:
        for runtime in runtimes:
            if runtime not in self.rows:
                raise FunctoryError(f"Runtime {runtime} is not known")
            self.installed.append(runtime)
            self.rows[runtime] = runtime_row(runtime, "1.2.3")
            report(f"{runtime}: ready")


def runtime_row(identifier: str, version: str = "", *, location: str = "") -> RuntimeStatus:
    """A row that is ready when it has a version."""
    return RuntimeStatus(identifier, bool(version), version, location, "" if version else "get it somewhere", "")


@dataclass(frozen=True, slots=True)
class Ready:
    """What a node tells when it is ready."""

    url: str = "http://127.0.0.1:4999"
    driver: str = "fake"
    data_dir: str = "elsewhere"
    version: str = "0.1.0"


@dataclass
class World:
    """Everything commands can see; pass it to `run`."""

    home: Path
    lambda_: FakeLambda = field(default_factory=FakeLambda)
    logs: FakeLogs = field(default_factory=FakeLogs)
    catalog: FakeCatalog = field(default_factory=FakeCatalog)
    checks: list[Any] = field(default_factory=list)
    health: dict[str, Any] | OSError | ValueError = field(default_factory=lambda: OSError("refused"))
    environ: Mapping[str, str] = field(default_factory=dict)
    settings: Settings | None = None
    endpoints: list[Endpoint] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    posted: list[tuple[str, bytes, Mapping[str, str]]] = field(default_factory=list)
    posts_answer: tuple[int, dict[str, Any]] | OSError = (200, {})
    wishes: list[tuple[Settings, Mapping[str, Any]]] = field(default_factory=list)
    administrator: dict[str, Any] = field(default_factory=dict)
    while_ready: Callable[[], int] = lambda: 0
    on_wait: Callable[[], None] = lambda: None

    def outside(self) -> Outside:
        return Outside(
            environ={"FUNCTORY_NODE_DATA_DIR": str(self.home), **self.environ},
            run_node=self._run_node,
            client=self._client,
            get_json=self._get_json,
            post_json=self._post_json,
            bootstrap=self._bootstrap,
            catalog=self._machine,
            installer=self._machine,
            sandbox_checks=lambda _: self.checks,
            epoch_s=lambda: 1_800_000_000.0,
            wait=lambda _: self.on_wait(),
        )

    def _run_node(self, settings: Settings, ready: Callable[[ReadyInfo], None]) -> int:
        self.settings = settings
        ready(Ready())  # type: ignore[arg-type]  frozen here, plain attributes there
        return self.while_ready()

    def _client(self, service: str, endpoint: Endpoint) -> Any:
        self.endpoints.append(endpoint)
        return {"lambda": self.lambda_, "logs": self.logs}[service]

    def _get_json(self, url: str, timeout_s: float) -> dict[str, Any]:
        self.urls.append(url)
        if isinstance(self.health, Exception):
            raise self.health
        return self.health

    def _post_json(self, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> tuple[int, dict[str, Any]]:
        self.posted.append((url, body, headers))
        if isinstance(self.posts_answer, OSError):
            raise self.posts_answer
        return self.posts_answer

    def _bootstrap(self, settings: Settings, wish: Mapping[str, Any]) -> dict[str, Any]:
        self.wishes.append((settings, wish))
        return self.administrator

    def _machine(self, settings: RuntimeSettings) -> FakeCatalog:
        return self.catalog


def run(world: World, *arguments: str, stdin: str | bytes | None = None) -> Result:
    """Run a command in a world; a defect of the command fails the test."""
    result = CliRunner().invoke(cli, list(arguments), obj=world.outside(), input=stdin)
    assert result.exit_code != 70, result.stderr
    return result
