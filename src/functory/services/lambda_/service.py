"""The Lambda service: its table of operations, and the jobs that belong to it."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Mapping
from functools import partial
from types import TracebackType

from functory.core.artifacts.artifacts import Artifacts
from functory.core.artifacts.images import Images
from functory.core.calls import Operation
from functory.core.environments.file_systems import FileSystems as MountableFolders
from functory.core.functions.catalogue import Functions
from functory.core.invocations.port import Invoker
from functory.core.mappings.controller import Mappings
from functory.core.reconcile.job import Job
from functory.core.targets.registry import Targets
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids
from functory.kernel.settings import LambdaSettings
from functory.runtimes.port import RuntimeCatalog
from functory.services.lambda_.account import AccountApi
from functory.services.lambda_.aliases import AliasesApi
from functory.services.lambda_.async_target import AsyncTarget
from functory.services.lambda_.code import CodeApi
from functory.services.lambda_.code_signing import CodeSigningApi
from functory.services.lambda_.commits import Commits
from functory.services.lambda_.concurrency import ConcurrencyApi, tell_all
from functory.services.lambda_.configuration import ConfigurationApi
from functory.services.lambda_.destination import FunctionDestination
from functory.services.lambda_.event_invoke import EventInvokeApi
from functory.services.lambda_.event_source_mappings import EventSourceMappingsApi
from functory.services.lambda_.functions import FunctionsApi
from functory.services.lambda_.invoke import PENDING_WAIT_S, InvokeApi
from functory.services.lambda_.invoke_stream import InvokeStreamApi, StreamingInvoker
from functory.services.lambda_.layers import LayersApi
from functory.services.lambda_.links import CodeLinks
from functory.services.lambda_.loader import StoreRoutes
from functory.services.lambda_.packages import Packages
from functory.services.lambda_.policies import PoliciesApi
from functory.services.lambda_.policy_cache import FunctionPolicies
from functory.services.lambda_.ports import (
    AnyRole,
    AsyncEvents,
    ExecutionRoles,
    FileSystems,
    Isolations,
    Provisioner,
    Reservations,
    Snapshots,
)
from functory.services.lambda_.prepare import Preparer
from functory.services.lambda_.provisioned import ProvisionedApi
from functory.services.lambda_.provisioning import Provisioning
from functory.services.lambda_.recursion import RecursionApi
from functory.services.lambda_.resource_tags import FunctionTags
from functory.services.lambda_.room import Room
from functory.services.lambda_.rules import ARCHITECTURES
from functory.services.lambda_.runtime_management import RuntimeManagementApi
from functory.services.lambda_.runtime_versions import RuntimeVersions
from functory.services.lambda_.signing import Signatures
from functory.services.lambda_.sweep import EVERY_S, Sweeper
from functory.services.lambda_.tags import TagsApi
from functory.services.lambda_.url_invoke import UrlInvocations
from functory.services.lambda_.urls import UrlsApi
from functory.services.lambda_.variables import Variables
from functory.services.lambda_.versions import VersionsApi
from functory.store.port import Store

_PREPARE_EVERY_S = 30.0


class LambdaService:
    """AWS Lambda. An async context manager: while entered, changed functions are prepared and unused code collected.

    Attributes:
        operations: see `functory.core.calls.Service`.
        functions: the catalogue in memory; whoever hears of a change made elsewhere calls its ``invalidate``.
        invoke_api: the fast path of Invoke for the HTTP edge.
        url_invocations: what function URLs lead to.
        async_target: where the queue of asynchronous invocations delivers.
        policies: the policies of functions and layer versions, for whoever decides about calls.
        links: checks the code links that GetFunction gives out.
    """

    name = "lambda"

    def __init__(
        self,
        *,
        store: Store,
        artifacts: Artifacts,
        images: Images,
        invoker: Invoker,
        streams: StreamingInvoker,
        async_events: AsyncEvents,
        reservations: Reservations,
        provisioner: Provisioner,
        isolations: Isolations,
        snapshots: Snapshots,
        targets: Targets,
        mappings: Mappings,
        runtimes: RuntimeCatalog,
        clock: Clock,
        ids: Ids,
        settings: LambdaSettings,
        link_secret: bytes,
        roles: ExecutionRoles | None = None,
        file_systems: FileSystems | None = None,
        public_keys: Mapping[str, bytes] | None = None,
        machine: str = "",
        pending_wait_s: float = PENDING_WAIT_S,
    ) -> None:
        self._variables = Variables(link_secret)
        self.functions = Functions(StoreRoutes(store, self._variables))
        self.links = CodeLinks(link_secret)
        self.policies = FunctionPolicies(store)
        self.resource_tags = FunctionTags(store)
        self._provisioning = Provisioning(store, self._variables, provisioner, reservations)
        self._store = store
        self._commits = Commits(store, self.functions, self.policies, self._provisioning)
        runtime_versions = RuntimeVersions(store, runtimes)
        self._preparer = Preparer(
            store=store,
            commits=self._commits,
            artifacts=artifacts,
            images=images,
            runtime_versions=runtime_versions,
            variables=self._variables,
            invoker=invoker,
            snapshots=snapshots,
            ids=ids,
            clock=clock,
        )
        self._prepare = Job("lambda.prepare", self._preparer.run, every_s=_PREPARE_EVERY_S)
        self._sweep = Job(
            "lambda.sweep", Sweeper(store=store, artifacts=artifacts, snapshots=snapshots, clock=clock).run, every_s=EVERY_S
        )
        self.invoke_api = InvokeApi(
            functions=self.functions,
            invoker=invoker,
            async_events=async_events,
            clock=clock,
            ids=ids,
            pending_wait_s=pending_wait_s,
        )
        self.url_invocations = UrlInvocations(store, self.functions, self.invoke_api, invoker, streams)
        self.async_target = AsyncTarget(
            functions=self.functions,
            invoker=invoker,
            reservations=reservations,
            ids=ids,
            pending_wait_s=pending_wait_s,
        )
        targets.register("lambda", FunctionDestination(clock, ids))
        self._tell_reservations = partial(tell_all, store, reservations)
        room = Room(
            store=store,
            commits=self._commits,
            packages=Packages(store, artifacts, clock),
            images=images,
            functions=self.functions,
            invoker=invoker,
            runtimes=runtimes,
            clock=clock,
            ids=ids,
            links=self.links,
            settings=settings,
            machine=ARCHITECTURES.get(machine or platform.machine(), "x86_64"),
            reservations=reservations,
            provisioner=provisioner,
            isolations=isolations,
            runtime_versions=runtime_versions,
            variables=self._variables,
            snapshots=snapshots,
            file_systems=file_systems or MountableFolders(),
            signatures=Signatures(public_keys),
            targets=targets,
            mappings=mappings,
            roles=roles or AnyRole(),
            nudge=self._prepare.nudge,
        )
        self.operations: Mapping[str, Operation] = _table(room, self.invoke_api, InvokeStreamApi(self.invoke_api, streams))
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> LambdaService:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._commits)
            await self._variables.seal_all(self._store)
            await self._tell_reservations()
            await self._provisioning.tell_all()
            await self._preparer.recover()
            await stack.enter_async_context(self._preparer)
            await stack.enter_async_context(self._prepare)
            await stack.enter_async_context(self._provisioning.job)
            await stack.enter_async_context(self._sweep)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)


def _table(room: Room, invoke: InvokeApi, invoke_stream: InvokeStreamApi) -> dict[str, Operation]:
    functions, versions, aliases = FunctionsApi(room), VersionsApi(room), AliasesApi(room)
    concurrency, policies, events = ConcurrencyApi(room), PoliciesApi(room), EventInvokeApi(room)
    mappings = EventSourceMappingsApi(room)
    recursion, provisioned, urls = RecursionApi(room), ProvisionedApi(room), UrlsApi(room)
    runtime_management, code_signing = RuntimeManagementApi(room), CodeSigningApi(room)
    configuration, tags, layers = ConfigurationApi(room), TagsApi(room), LayersApi(room)
    return {
        "AddLayerVersionPermission": layers.add_layer_version_permission,
        "AddPermission": policies.add_permission,
        "CreateAlias": aliases.create_alias,
        "CreateCodeSigningConfig": code_signing.create_code_signing_config,
        "CreateEventSourceMapping": mappings.create_event_source_mapping,
        "CreateFunction": functions.create_function,
        "CreateFunctionUrlConfig": urls.create_function_url_config,
        "DeleteAlias": aliases.delete_alias,
        "DeleteCodeSigningConfig": code_signing.delete_code_signing_config,
        "DeleteEventSourceMapping": mappings.delete_event_source_mapping,
        "DeleteFunction": functions.delete_function,
        "DeleteFunctionCodeSigningConfig": code_signing.delete_function_code_signing_config,
        "DeleteFunctionConcurrency": concurrency.delete_function_concurrency,
        "DeleteFunctionEventInvokeConfig": events.delete_function_event_invoke_config,
        "DeleteFunctionUrlConfig": urls.delete_function_url_config,
        "DeleteLayerVersion": layers.delete_layer_version,
        "DeleteProvisionedConcurrencyConfig": provisioned.delete_provisioned_concurrency_config,
        "DeleteResourcePolicy": policies.delete_resource_policy,
        "GetAccountSettings": AccountApi(room).get_account_settings,
        "GetAlias": aliases.get_alias,
        "GetCodeSigningConfig": code_signing.get_code_signing_config,
        "GetEventSourceMapping": mappings.get_event_source_mapping,
        "GetFunction": functions.get_function,
        "GetFunctionCodeSigningConfig": code_signing.get_function_code_signing_config,
        "GetFunctionConcurrency": concurrency.get_function_concurrency,
        "GetFunctionConfiguration": configuration.get_function_configuration,
        "GetFunctionEventInvokeConfig": events.get_function_event_invoke_config,
        "GetFunctionRecursionConfig": recursion.get_function_recursion_config,
        "GetFunctionUrlConfig": urls.get_function_url_config,
        "GetLayerVersion": layers.get_layer_version,
        "GetLayerVersionByArn": layers.get_layer_version_by_arn,
        "GetLayerVersionPolicy": layers.get_layer_version_policy,
        "GetPolicy": policies.get_policy,
        "GetProvisionedConcurrencyConfig": provisioned.get_provisioned_concurrency_config,
        "GetResourcePolicy": policies.get_resource_policy,
        "GetRuntimeManagementConfig": runtime_management.get_runtime_management_config,
        "Invoke": invoke.invoke_operation,
        "InvokeAsync": invoke.invoke_async,
        "InvokeWithResponseStream": invoke_stream.invoke_with_response_stream,
        "ListAliases": aliases.list_aliases,
        "ListCodeSigningConfigs": code_signing.list_code_signing_configs,
        "ListEventSourceMappings": mappings.list_event_source_mappings,
        "ListFunctionsByCodeSigningConfig": code_signing.list_functions_by_code_signing_config,
        "ListFunctionEventInvokeConfigs": events.list_function_event_invoke_configs,
        "ListFunctionUrlConfigs": urls.list_function_url_configs,
        "ListFunctions": functions.list_functions,
        "ListLayerVersions": layers.list_layer_versions,
        "ListLayers": layers.list_layers,
        "ListProvisionedConcurrencyConfigs": provisioned.list_provisioned_concurrency_configs,
        "ListTags": tags.list_tags,
        "ListVersionsByFunction": versions.list_versions_by_function,
        "PublishLayerVersion": layers.publish_layer_version,
        "PublishVersion": versions.publish_version,
        "PutFunctionCodeSigningConfig": code_signing.put_function_code_signing_config,
        "PutFunctionConcurrency": concurrency.put_function_concurrency,
        "PutFunctionEventInvokeConfig": events.put_function_event_invoke_config,
        "PutFunctionRecursionConfig": recursion.put_function_recursion_config,
        "PutProvisionedConcurrencyConfig": provisioned.put_provisioned_concurrency_config,
        "PutResourcePolicy": policies.put_resource_policy,
        "PutRuntimeManagementConfig": runtime_management.put_runtime_management_config,
        "RemoveLayerVersionPermission": layers.remove_layer_version_permission,
        "RemovePermission": policies.remove_permission,
        "TagResource": tags.tag_resource,
        "UntagResource": tags.untag_resource,
        "UpdateAlias": aliases.update_alias,
        "UpdateCodeSigningConfig": code_signing.update_code_signing_config,
        "UpdateEventSourceMapping": mappings.update_event_source_mapping,
        "UpdateFunctionCode": CodeApi(room).update_function_code,
        "UpdateFunctionConfiguration": configuration.update_function_configuration,
        "UpdateFunctionEventInvokeConfig": events.update_function_event_invoke_config,
        "UpdateFunctionUrlConfig": urls.update_function_url_config,
    }
