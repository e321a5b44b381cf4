"""A Lambda service among fakes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.validate import ParamValidator

from functory.aws import model
from functory.aws.errors import AwsError
from functory.core.admission.permits import Admission
from functory.core.artifacts.artifacts import Artifacts
from functory.core.artifacts.image_source import ImageSource
from functory.core.artifacts.images import Images
from functory.core.calls import CallContext, Calls
from functory.core.environments.file_systems import FileSystems
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.streams import Streams
from functory.core.mappings.controller import Mappings
from functory.core.mappings.sources.sqs import SqsSource
from functory.core.targets.registry import Targets
from functory.kernel.ids import SeededIds
from functory.kernel.settings import ImageSettings, LambdaSettings
from functory.sandbox.port import Mount
from functory.services.lambda_.service import LambdaService
from functory.services.sqs.target import QueueTarget
from tests.support.lambda_store import (
    FakeEvents,
    FakeInvoker,
    FakeIsolations,
    FakeProvisioner,
    FakeRuntimes,
    FakeSnapshots,
    InlineStore,
    InMemoryBlobs,
    SetClock,
    make_zip,
)

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ROLE = "arn:aws:iam::123456789012:role/r"
ACCESS_POINT = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0123456789abcdef0"
REQUEST_ID = "11111111-2222-4333-8444-555555555555"


def arn(name: str = "f", qualifier: str = "") -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}" + (f":{qualifier}" if qualifier else "")


class FakeRoles:
    """Every role may do everything but what is ``denied``: role, action, resource."""

    def __init__(self) -> None:
        self.denied: set[tuple[str, str, str]] = set()

    async def check(self, *_: object) -> None:
        return

    async def allows(self, version: FunctionVersion, action: str, resource_arn: str) -> bool:
        return (version.role, action, resource_arn) not in self.denied


class House:
    """Everything around one service; survives the service, as a disk survives a node."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = InlineStore()
        self.blobs = InMemoryBlobs()
        self.invoker = FakeInvoker()
        self.snapshots = FakeSnapshots()
        self.streams = Streams(self.invoker, LambdaSettings())
        self.runtimes = FakeRuntimes()
        self.events = FakeEvents()
        self.provisioner = FakeProvisioner()
        self.clock = SetClock()
        self.ids = SeededIds(7)
        self.admission = Admission(LambdaSettings(), self.clock)
        self.ctx = CallContext(ACCOUNT, REGION, REQUEST_ID, "http://localhost:4566")
        source = ImageSource(ImageSettings(folders=(str(folder.parent / "layouts"),)))
        self.images = Images(folder, source, "x86_64", is_supported=True)
        self.roles = FakeRoles()
        self.targets = Targets()
        self.queues = SqsSource(Calls(), SeededIds())
        self.service: LambdaService = self._service(Artifacts(self.blobs, folder))

    def _service(self, artifacts: Artifacts, pending_wait_s: float = 5.0) -> LambdaService:
        self.targets = Targets()
        self.targets.register("sqs", QueueTarget())
        self.mappings = Mappings(self.store, {"sqs": self.queues})
        return LambdaService(
            store=self.store,
            artifacts=artifacts,
            images=self.images,
            invoker=self.invoker,
            streams=self.streams,
            async_events=self.events,
            reservations=self.admission,
            provisioner=self.provisioner,
            isolations=FakeIsolations(),
            snapshots=self.snapshots,
            targets=self.targets,
            roles=self.roles,
            file_systems=FileSystems({ACCESS_POINT: Mount(self.folder, "/mnt/x")}),
            mappings=self.mappings,
            runtimes=self.runtimes,
            clock=self.clock,
            ids=self.ids,
            settings=LambdaSettings(),
            link_secret=b"0123456789abcdef",
            machine="x86_64",
            pending_wait_s=pending_wait_s,
        )

    @contextlib.asynccontextmanager
    async def running(self, *, jobs: bool = True, pending_wait_s: float = 5.0) -> AsyncIterator[LambdaService]:
        """A started service; without ``jobs`` nothing is ever prepared."""
        async with Artifacts(self.blobs, self.folder) as artifacts:
            self.service = self._service(artifacts, pending_wait_s)
            if jobs:
                async with self.service:
                    yield self.service
            else:
                async with self.service._commits:
                    yield self.service

    async def call(self, operation: str, /, **params: Any) -> dict[str, Any]:
        """Call an operation; parameters and result must be what the model has."""
        shapes = model.operation("lambda", operation)
        report = ParamValidator().validate(params, shapes.input_shape)
        assert not report.has_errors(), report.generate_report()
        result = await self.service.operations[operation](self.ctx, params)
        if shapes.output_shape is not None:
            check_members(shapes.output_shape, result, operation)
        else:
            assert result == {}
        return result

    async def refused(self, operation: str, /, **params: Any) -> tuple[str, str]:
        """Code and text of the error an operation answers with."""
        with pytest.raises(AwsError) as caught:
            await self.service.operations[operation](self.ctx, params)
        return caught.value.code, caught.value.message

    async def create(self, name: str = "f", **params: Any) -> dict[str, Any]:
        defaults: dict[str, Any] = {
            "FunctionName": name,
            "Runtime": "python3.12",
            "Handler": "index.handler",
            "Role": ROLE,
            "Code": {"ZipFile": make_zip()},
        }
        return await self.call("CreateFunction", **{**defaults, **params})

    async def settle(self, name: str = "f", qualifier: str = "") -> dict[str, Any]:
        """Wait until nothing of a version is under way; returns its configuration."""
        extra = {"Qualifier": qualifier} if qualifier else {}
        async with asyncio.timeout(10):
            while True:
                shown = await self.call("GetFunctionConfiguration", FunctionName=name, **extra)
                if shown["State"] != "Pending" and shown.get("LastUpdateStatus") != "InProgress":
                    return shown
                await asyncio.sleep(0.001)

    async def retired(self, version: FunctionVersion) -> None:
        """Wait until the engine was told to end what is older than ``version``: that follows the commit."""
        async with asyncio.timeout(10):
            while version not in self.invoker.retired:
                await asyncio.sleep(0.001)

    async def created(self, name: str = "f", **params: Any) -> dict[str, Any]:
        """A function that is ready."""
        await self.create(name, **params)
        return await self.settle(name)


def check_members(shape: Any, value: Any, where: str) -> None:
    """A result has only members of the model, of the right kind, and none that is None."""
    assert value is not None, where
    if shape.type_name == "structure":
        assert set(value) <= set(shape.members), where
        for name, member in value.items():
            check_members(shape.members[name], member, f"{where}.{name}")
    elif shape.type_name == "list":
        for member in value:
            check_members(shape.member, member, f"{where}[]")
    elif shape.type_name == "map":
        for member in value.values():
            check_members(shape.value, member, f"{where}{{}}")
    else:
        kinds = {
            "string": str,
            "integer": int,
            "long": int,
            "boolean": bool,
            "double": float,
            "blob": bytes,
            "timestamp": float,
        }
        assert isinstance(value, kinds[shape.type_name]), where


def run(folder: Path, scenario: Callable[[House], Awaitable[None]], **options: Any) -> House:
    """Run a scenario against a started service."""
    house = House(folder)

    async def main() -> None:
        async with house.running(**options):
            await scenario(house)

    try:
        asyncio.run(main())
    finally:
        asyncio.run(house.store.close())
    return house
