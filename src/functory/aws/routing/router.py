"""From a raw request to an operation of a registered service, the account and the region it is for.

How the service is found, first rule that applies:

1. A host of a data plane (function URL, API Gateway stage, S3 website …) is no API request: None. This comes before the
   signature because a signed function URL carries the signing name ``lambda`` too.
2. The signing name of the credential scope. Where several services share one (``lambda`` and its younger sisters,
   ``apigateway`` v1 and v2, ``dynamodb`` and its streams, ``s3`` and ``s3control``), the one whose target prefix, host or
   literal first path segment fits is asked first, then the others; the first that knows the operation has it. If none of
   them is registered: None.
3. Unsigned: ``X-Amz-Target`` or the RPC v2 CBOR path; the host; ``Action`` and ``Version``; a path that exactly one of the
   registered REST services has; finally S3, which answers anonymous requests for any path.

Nothing is loaded when a `Router` is built; a service's model is read at the first request that needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from functory.aws import hosts, sigv4
from functory.aws import routing_catalog as catalog
from functory.aws.http import HttpRequest
from functory.aws.routing import s3_addressing
from functory.aws.routing.tables import (
    QUERY_PROTOCOLS,
    REST_PROTOCOLS,
    Match,
    OperationTable,
    cbor_names,
    form_fields,
    target_names,
)
from functory.aws.routing_catalog import CatalogRow


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes, and for whom.

    Attributes:
        service: botocore's name (``stepfunctions``).
        operation: the API's name (``StartExecution``).
        protocol: the protocol the request used, botocore's name; for services with several not always the first.
        account_id: 12 digits.
        region: from the credential scope, else the host, else the default.
        scope: the claim of the signature, None for an unsigned request.
        path_params: values of the path's labels by label name (a REST member's location name), percent-decoded, otherwise
            as they came. Empty for other protocols.
        host: what the host name says.
    """

    service: str
    operation: str
    protocol: str
    account_id: str
    region: str
    scope: sigv4.CredentialScope | None
    path_params: dict[str, str]
    host: hosts.Host

    @property
    def access_key(self) -> str | None:
        """The caller's access key id, None for an unsigned request."""
        return self.scope.access_key if self.scope is not None else None


class Router:
    """Routes requests among the registered services.

    Args:
        services: botocore names.

    Raises:
        KeyError: a name no AWS service has.
    """

    def __init__(self, services: Iterable[str]) -> None:
        rows = [catalog.rows()[name] for name in services]
        rows.sort(key=lambda row: row.name != row.signing_names[0])  # a shared signing name belongs first to its namesake
        self._rows: tuple[CatalogRow, ...] = tuple(rows)
        self._tables: dict[str, OperationTable] = {}
        self._by_signing_name: dict[str, list[CatalogRow]] = {}
        self._by_target: dict[str, list[CatalogRow]] = {}
        self._by_endpoint: dict[str, list[CatalogRow]] = {}
        for row in rows:
            for name in row.signing_names:
                self._by_signing_name.setdefault(name, []).append(row)
            if row.target_prefix is not None:
                self._by_target.setdefault(row.target_prefix, []).append(row)
            self._by_endpoint.setdefault(row.endpoint, []).append(row)

    def route(self, request: HttpRequest, default_account: str, default_region: str) -> Route | None:
        """The route of a request, or None when it is for no registered service.

        Args:
            request: the request as it came.
            default_account: account of callers whose access key is not an account id, and of unsigned requests.
            default_region: region where neither signature nor host names one.

        Raises:
            AwsError: the signature's claim cannot be read (`sigv4.parse_scope`), or the service is known but has no such
                operation (`OperationTable.unknown`).
        """
        host = hosts.parse(request.headers.get("host", ""))
        if host.service in hosts.DATA_PLANES and not s3_addressing.is_object_lambda_answer(request, host):
            return None
        scope = sigv4.parse_scope(request)
        if scope is not None and scope.service is not None:
            rows = self._by_signing_name.get(scope.service)
            found = self._find_among(rows, request, host, scope) if rows else None
        else:
            found = self._find_unsigned(request, host, scope)
        if found is None:
            return None
        row, match = found
        return Route(
            service=row.name,
            operation=match.operation,
            protocol=match.protocol,
            account_id=sigv4.account_id(scope.access_key if scope is not None else None, default_account),
            region=(scope.region if scope is not None else None) or host.region or default_region,
            scope=scope,
            path_params=match.path_params,
            host=host,
        )

    def _table(self, row: CatalogRow) -> OperationTable:
        table = self._tables.get(row.name)
        if table is None:
            table = self._tables[row.name] = OperationTable(row)
        return table

    def _match(
        self, row: CatalogRow, request: HttpRequest, host: hosts.Host, scope: sigv4.CredentialScope | None
    ) -> Match | None:
        if row.name != "s3":
            return self._table(row).find(request, request.path)
        match = self._table(row).find(request, s3_addressing.path_style(request, host, scope))
        return s3_addressing.refine(match, request, scope)

    def _find_among(
        self, rows: Sequence[CatalogRow], request: HttpRequest, host: hosts.Host, scope: sigv4.CredentialScope | None
    ) -> tuple[CatalogRow, Match]:
        """The operation in the first of these services that has it.

        Raises:
            AwsError: none of them has it; the error is that of the likeliest.
        """
        if len(rows) > 1:
            rows = sorted(rows, key=lambda row: -_likelihood(row, request, host))
        for row in rows:
            match = self._match(row, request, host, scope)
            if match is not None:
                return row, match
        raise self._table(rows[0]).unknown(request)

    def _find_unsigned(
        self, request: HttpRequest, host: hosts.Host, scope: sigv4.CredentialScope | None
    ) -> tuple[CatalogRow, Match] | None:
        names = cbor_names(request) or target_names(request)
        if names is not None:
            rows = self._by_target.get(names[0])
            return self._find_among(rows, request, host, scope) if rows else None
        if host.service is not None:
            rows = self._by_endpoint.get(host.service)
            return self._find_among(rows, request, host, scope) if rows else None
        return self._find_by_action(request) or self._find_by_path(request) or self._find_anonymous_s3(request, host, scope)

    def _find_by_action(self, request: HttpRequest) -> tuple[CatalogRow, Match] | None:
        action, version = form_fields(request)
        if action is None:
            return None
        speakers = (row for row in self._rows if any(protocol in QUERY_PROTOCOLS for protocol in row.protocols))
        rows = [row for row in speakers if version in (None, row.version)]
        found = [(row, match) for row in rows if (match := self._table(row).find(request, request.path))]
        if len(found) == 1:
            return found[0]
        if not found and len(rows) == 1 and version is not None:
            raise self._table(rows[0]).unknown(request)
        return None

    def _find_by_path(self, request: HttpRequest) -> tuple[CatalogRow, Match] | None:
        first = request.path.split("/", 2)[1] if request.path.startswith("/") else ""
        if not first:
            return None
        rows = [row for row in self._rows if first in row.first_segments and row.protocols[0] in REST_PROTOCOLS]
        found = [(row, match) for row in rows if (match := self._table(row).find(request, request.path))]
        if len({row.signing_names[0] for row, _ in found}) != 1:
            return None  # nobody's path, or several services': not for us to guess
        return found[0]

    def _find_anonymous_s3(
        self, request: HttpRequest, host: hosts.Host, scope: sigv4.CredentialScope | None
    ) -> tuple[CatalogRow, Match] | None:
        rows = [row for row in self._by_signing_name.get("s3", ()) if row.name == "s3"]
        return self._find_among(rows, request, host, scope) if rows else None


def _likelihood(row: CatalogRow, request: HttpRequest, host: hosts.Host) -> int:
    """How well a service fits what can be seen without its model; for services that share a signing name."""
    names = cbor_names(request) or target_names(request)
    if names is not None and row.target_prefix == names[0]:
        return 3
    if host.service is not None and row.endpoint == host.service:
        return 2
    return 1 if request.path.split("/", 2)[1:2] and request.path.split("/", 2)[1] in row.first_segments else 0
