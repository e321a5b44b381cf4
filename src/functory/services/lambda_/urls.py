"""Function URLs as the API has them: Create-, Get-, Update-, Delete- and ListFunctionUrlConfig(s).

What is configured here is read at every request to a URL (`url_invoke`), through memory that hears of each change.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection

from functory.core.calls import CallContext
from functory.core.functions.model import LATEST
from functory.core.functions.names import FunctionRef
from functory.core.functions.urls import BUFFERED, Cors, FunctionUrl
from functory.kernel.clock import iso_ms
from functory.kernel.ids import Ids
from functory.services.lambda_ import errors, names, rows, url_rows
from functory.services.lambda_.configuration import key_of
from functory.services.lambda_.paging import decode_marker, page, page_size
from functory.services.lambda_.records import VersionRecord
from functory.services.lambda_.room import Room
from functory.services.lambda_.tenancy import check_without
from functory.services.lambda_.url_rows import UrlRecord

_METHODS = frozenset({"*", "GET", "PUT", "HEAD", "POST", "PATCH", "DELETE"})
_ORIGIN = re.compile(r"(?:\*|[A-Za-z][A-Za-z0-9+.-]*://[^/\s,]+)")
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


class UrlsApi:
    """The operations on function URLs."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def create_function_url_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Give a function or an alias a URL."""
        ref = _resolve(ctx, params, "lambda:CreateFunctionUrlConfig")
        now = self._room.clock.epoch_s()
        url = FunctionUrl(
            new_url_id(self._room.ids),
            *key_of(ref),
            ref.qualifier,
            params["AuthType"],
            params.get("InvokeMode", BUFFERED),
            _cors(params.get("Cors")),
        )
        record = UrlRecord(url, now, now)

        def work(conn: Connection) -> None:
            check_without(_need(conn, ref).config, "A function URL")
            if url_rows.get_url(conn, key_of(ref), ref.qualifier) is not None:
                raise errors.conflict(
                    f"Failed to create function url config for [functionArn = {ref.qualified_arn}]. Error message:  "
                    "FunctionUrlConfig exists for this Lambda function"
                )
            url_rows.add_url(conn, record)

        await self._room.commits.commit(key_of(ref), work)
        shown = self._shown(ctx, record)
        del shown["LastModifiedTime"]
        return shown

    async def get_function_url_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The URL of a function or an alias."""
        ref = _resolve(ctx, params, "lambda:GetFunctionUrlConfig")
        return self._shown(ctx, await self._room.store.read(lambda conn: _need_url(conn, ref)))

    async def update_function_url_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Change what is given; the rest stays, the address always."""
        ref = _resolve(ctx, params, "lambda:UpdateFunctionUrlConfig")
        now = self._room.clock.epoch_s()
        cors = _cors(params.get("Cors"))

        def work(conn: Connection) -> UrlRecord:
            old = _need_url(conn, ref)
            url = replace(
                old.url,
                auth_type=params.get("AuthType", old.url.auth_type),
                invoke_mode=params.get("InvokeMode", old.url.invoke_mode),
                cors=cors if "Cors" in params else old.url.cors,
            )
            record = replace(old, url=url, modified_at=now)
            url_rows.put_url(conn, record)
            return record

        return self._shown(ctx, await self._room.commits.commit(key_of(ref), work))

    async def delete_function_url_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Take the URL away; another one will have another address."""
        ref = _resolve(ctx, params, "lambda:DeleteFunctionUrlConfig")

        def work(conn: Connection) -> None:
            _need_url(conn, ref)
            url_rows.remove_url(conn, key_of(ref), ref.qualifier)

        await self._room.commits.commit(key_of(ref), work)
        return {}

    async def list_function_url_configs(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The URLs of a function and of its aliases."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:ListFunctionUrlConfigs")
        after = decode_marker(params, "") if params.get("Marker") else None
        size = page_size(params)

        def work(conn: Connection) -> list[UrlRecord]:
            _need(conn, ref)
            return url_rows.list_urls(conn, key_of(ref), after, size + 1)

        records, more = page(await self._room.store.read(work), size, lambda record: record.url.qualifier)
        return {"FunctionUrlConfigs": [self._shown(ctx, record) for record in records], **more}

    def _shown(self, ctx: CallContext, record: UrlRecord) -> dict[str, Any]:
        url = record.url
        result: dict[str, Any] = {
            "FunctionUrl": address(url, ctx.endpoint, self._room.settings.url_domain),
            "FunctionArn": url.arn,
            "AuthType": url.auth_type,
            "CreationTime": iso_ms(record.created_at),
            "LastModifiedTime": iso_ms(record.modified_at),
            "InvokeMode": url.invoke_mode,
        }
        if url.cors is not None:
            result["Cors"] = _shown_cors(url.cors)
        return result


def new_url_id(ids: Ids) -> str:
    """32 characters as AWS's ids have them."""
    number = int(ids.hex(40), 16)
    return "".join(_LETTERS[number >> 5 * place & 31] for place in range(32))


def address(url: FunctionUrl, endpoint: str, domain: str) -> str:
    """The URL as callers of this endpoint reach it."""
    place = urlsplit(endpoint)
    port = f":{place.port}" if place.port else ""
    return f"{place.scheme}://{url.domain_start}.{domain}{port}/"


def _resolve(ctx: CallContext, params: dict[str, Any], action: str) -> FunctionRef:
    return names.resolve(ctx, params["FunctionName"], params.get("Qualifier", ""), action=action)


def _need(conn: Connection, ref: FunctionRef) -> VersionRecord:
    """Part of a unit of work: ``$LATEST`` of a function that exists, with its alias.

    Raises:
        AwsError: they do not.
    """
    latest = rows.get_version(conn, key_of(ref), LATEST)
    if latest is None or (ref.qualifier and rows.get_alias(conn, key_of(ref), ref.qualifier) is None):
        raise errors.absent("Function does not exist")
    return latest


def _need_url(conn: Connection, ref: FunctionRef) -> UrlRecord:
    record = url_rows.get_url(conn, key_of(ref), ref.qualifier)
    if record is None:
        raise errors.absent("The resource you requested does not exist.")
    return record


def _cors(given: dict[str, Any] | None) -> Cors | None:
    """The members as a value; None for nothing.

    Raises:
        AwsError: a method or an origin that cannot be.
    """
    if not given:
        return None
    for method in given.get("AllowMethods", ()):
        if method not in _METHODS:
            raise errors.invalid(f"The CORS method '{method}' is invalid. Use GET, PUT, HEAD, POST, PATCH, DELETE or *.")
    for origin in given.get("AllowOrigins", ()):
        if not _ORIGIN.fullmatch(origin):
            raise errors.invalid(f"The CORS origin '{origin}' is invalid. Use * or a scheme and a host: https://example.com")
    return Cors(
        allow_credentials=bool(given.get("AllowCredentials", False)),
        allow_headers=tuple(given.get("AllowHeaders", ())),
        allow_methods=tuple(given.get("AllowMethods", ())),
        allow_origins=tuple(given.get("AllowOrigins", ())),
        expose_headers=tuple(given.get("ExposeHeaders", ())),
        max_age_s=given.get("MaxAge"),
    )


def _shown_cors(cors: Cors) -> dict[str, Any]:
    members = {
        "AllowCredentials": cors.allow_credentials or None,
        "AllowHeaders": list(cors.allow_headers) or None,
        "AllowMethods": list(cors.allow_methods) or None,
        "AllowOrigins": list(cors.allow_origins) or None,
        "ExposeHeaders": list(cors.expose_headers) or None,
        "MaxAge": cors.max_age_s,
    }
    return {name: value for name, value in members.items() if value is not None}
