"""From an HTTP request to an HTTP response: the ordered steps of every AWS call, on one screen.

0. a function URL is no API call: its own edge answers;
1. a path of the node's own (health, code links) is answered by `own`;
2. Lambda's Invoke takes the short way: no model work, no generic parsing;
3. route: which service, operation, account and region;
4. who is it: the gate checks the signature (where a node authenticates);
5. parse the parameters, check the model's constraints;
6. may they: the gate asks for the operation's action on its resources;
7. call the operation;
8. serialise its result, or the error, in the caller's protocol.

Anything that escapes an operation and is not an `AwsError` is our fault: it is logged once with its traceback and answered
as the service's internal error. This is the one place of the edge that catches everything. A store that refuses (a full
disk) is no defect: its sentence is logged, without a traceback for every request that meets it.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import Protocol

from functory.aws import codec, hosts, model, sigv4
from functory.aws.errors import AwsError
from functory.aws.function_urls import is_function_url
from functory.aws.http import HttpRequest, HttpResponse
from functory.aws.routing import Route, Router
from functory.aws.validation import validate
from functory.core.authorization.context import request_keys
from functory.core.calls import CallContext, Calls
from functory.core.identity.port import Caller
from functory.edges.aws_api.gate import Gate
from functory.edges.aws_api.invoke import qualifier_of
from functory.edges.aws_api.limits import is_invoke, too_large
from functory.kernel import log
from functory.kernel.ids import Ids
from functory.kernel.settings import NodeSettings
from functory.store.port import StoreError

OWN_PREFIX = "/_functory/"

_INTERNAL_ERRORS = {"lambda": "ServiceException", "sqs": "InternalError", "s3": "InternalError"}
_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/([a-z0-9-]+)/lambda/aws4_request")


class InvokeEntry(Protocol):
    """Lambda's Invoke for callers that have the HTTP request at hand."""

    async def answer(self, ctx: CallContext, request: HttpRequest, function_name: str) -> HttpResponse:
        """Run one Invoke.

        Raises:
            AwsError: it was refused.
        """


class OwnRoutes(Protocol):
    """Paths that are the node's own."""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer a request whose path begins with `OWN_PREFIX`."""


class UrlEntry(Protocol):
    """Function URLs, which share the endpoint's sockets."""

    async def answer(self, request: HttpRequest, *, oversize: bool = False) -> HttpResponse:
        """Answer a request to a function URL, whatever comes of it."""


class Pipeline:
    """See the module."""

    def __init__(
        self,
        calls: Calls,
        invoke: InvokeEntry,
        own: OwnRoutes,
        urls: UrlEntry,
        gate: Gate,
        ids: Ids,
        settings: NodeSettings,
    ) -> None:
        self._calls = calls
        self._gate = gate
        self._invoke = invoke
        self._own = own
        self._urls = urls
        self._ids = ids
        self._settings = settings
        self._router = Router(calls.names())
        self._log = log.get("edges.aws_api")

    async def answer(self, request: HttpRequest, *, oversize: bool = False) -> HttpResponse:
        """The response to one request; never raises but for cancellation.

        Args:
            oversize: the body was longer than `limits.body_limit` and is not there.
        """
        if is_function_url(request):
            return await self._answer_url(request, oversize=oversize)
        if is_invoke(request):
            return await self._answer_invoke(request, oversize=oversize)
        if request.path.startswith(OWN_PREFIX):
            return await self._guard(lambda: self._own.answer(request), "functory", "rest-json", self._ids.uuid())
        request_id = self._ids.uuid()
        try:
            route = self._router.route(request, self._settings.default_account, self._settings.default_region)
        except AwsError as error:
            return codec.serialize_error(model.service("lambda"), "rest-json", error, request_id)
        if route is None:
            unknown = AwsError("UnknownOperationException", "The request is of no service of this node.", status=404)
            return codec.serialize_error(model.service("lambda"), "rest-json", unknown, request_id)
        return await self._guard(
            lambda: self._call(request, route, request_id, oversize=oversize), route.service, route.protocol, request_id
        )

    async def _call(self, request: HttpRequest, route: Route, request_id: str, *, oversize: bool) -> HttpResponse:
        service, protocol = route.service, route.protocol
        if oversize:
            raise too_large(request, route.operation)
        caller, request = await self._gate.identify(request, service, route.operation, protocol)
        operation = self._calls.find(route.service, route.operation)
        if operation is None:
            raise AwsError(
                "NotImplementedException",
                f"Functory does not support {route.service}:{route.operation} yet.",
                status=501,
            )
        shape = model.operation(service, route.operation)
        parameters = codec.parse_request(shape, protocol, request, route.path_params)
        validate(service, route.operation, parameters)
        trace_id = request.headers.get("x-amzn-trace-id", "")
        account_id = _account_of(caller, route.account_id)
        keys = partial(request_keys, request)
        context = CallContext(account_id, route.region, request_id, endpoint_of(request), trace_id, caller, keys)
        context = await self._gate.allow(context, request, service, route.operation, parameters, protocol)
        result = await operation(context, parameters)
        return codec.serialize_response(shape, protocol, result, request_id)

    async def _answer_url(self, request: HttpRequest, *, oversize: bool) -> HttpResponse:
        """A function URL; what its edge lets out is a defect."""
        return await self._guard(
            lambda: self._urls.answer(request, oversize=oversize), "functory", "rest-json", self._ids.uuid()
        )

    async def _answer_invoke(self, request: HttpRequest, *, oversize: bool) -> HttpResponse:
        """Invoke's short way."""
        request_id = self._ids.uuid()

        async def call() -> HttpResponse:
            if oversize:
                raise too_large(request, "Invoke")
            account, region = self._scope_of(request)
            name = request.path[len("/2015-03-31/functions/") : -len("/invocations")]
            if "%" in name:
                name = urllib.parse.unquote(name)
            caller, signed = await self._gate.identify(request, "lambda", "Invoke", "rest-json")
            context = CallContext(_account_of(caller, account), region, request_id, caller=caller)
            params = {"FunctionName": name, "Qualifier": qualifier_of(signed)}
            context = await self._gate.allow(context, signed, "lambda", "Invoke", params, "rest-json")
            return await self._invoke.answer(context, signed, name)

        return await self._guard(call, "lambda", "rest-json", request_id)

    def _scope_of(self, request: HttpRequest) -> tuple[str, str]:
        found = _account_and_region(request.headers.get("authorization", ""), self._settings.default_account)
        if found is not None:
            return found
        scope = sigv4.parse_scope(request)
        by_host = hosts.parse(request.headers.get("host", "")).region or self._settings.default_region
        if scope is None:
            return self._settings.default_account, by_host
        return sigv4.account_id(scope.access_key, self._settings.default_account), scope.region or by_host

    async def _guard(
        self, call: Callable[[], Awaitable[HttpResponse]], service: str, protocol: str, request_id: str
    ) -> HttpResponse:
        """Run one call; every error becomes an answer."""
        shown = service if service != "functory" else "lambda"
        try:
            return await call()
        except AwsError as error:
            return codec.serialize_error(model.service(shown), protocol, error, request_id)
        except StoreError as error:
            self._log.error("store_refused", service=service, request_id=request_id, reason=str(error))
            return codec.serialize_error(model.service(shown), protocol, _internal(service), request_id)
        except Exception as error:  # noqa: BLE001  the edge's translator: whatever a service lets out is our fault
            self._log.error("call_failed", service=service, request_id=request_id, exc_info=error)
            return codec.serialize_error(model.service(shown), protocol, _internal(service), request_id)


def _internal(service: str) -> AwsError:
    """The service's own words for a fault of ours."""
    code = _INTERNAL_ERRORS.get(service, "InternalFailure")
    return AwsError(code, "An internal error occurred.", status=500)


@lru_cache(maxsize=1024)
def _account_and_region(authorization: str, default_account: str) -> tuple[str, str] | None:
    """The account and region of an ordinary Lambda signature; None when it is something else."""
    found = _SCOPE.search(authorization)
    if found is None:
        return None
    return sigv4.account_id(found[1], default_account), found[2]


def _account_of(caller: Caller | None, claimed: str) -> str:
    """The account a caller acts in: its own, where it is known."""
    return caller.principal.account_id or claimed if caller is not None else claimed


def endpoint_of(request: HttpRequest) -> str:
    """The base URL under which the caller reached this node."""
    scheme = "https" if request.secure else "http"
    return f"{scheme}://{request.headers.get('host') or '127.0.0.1'}"
