"""OpenID Connect providers: whose tokens AssumeRoleWithWebIdentity accepts, and for which clients.

Nothing is fetched from a provider here; who checks a token does that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.iam import quotas
from functory.services.iam.entities import tag_list
from functory.services.iam.errors import invalid, no_such_entity, over
from functory.services.iam.naming import provider_arn
from functory.services.iam.room import Room
from functory.services.iam.tables import OIDC_PROVIDERS
from functory.services.iam.tag_rules import merge_tags

_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{40}")
_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):oidc-provider/(\S+)")


def url_of(text: str) -> str:
    """The URL without its scheme.

    Raises:
        AwsError: ValidationError: AWS takes https without query, credentials and port.
    """
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or parts.netloc != parts.hostname:
        raise AwsError("ValidationError", "Invalid Open ID Connect Provider URL", status=400)
    return f"{parts.netloc}{parts.path}".rstrip("/")


def check_thumbprints(thumbprints: list[str]) -> None:
    """Refuse what are no SHA-1 digests.

    Raises:
        AwsError: InvalidInput.
    """
    if len(thumbprints) > quotas.THUMBPRINTS:
        raise invalid("Thumbprint list must contain fewer than 5 entries.")
    if not all(_THUMBPRINT.fullmatch(each) for each in thumbprints):
        raise invalid("Thumbprint must be 40 hexadecimal characters.")


def find(connection: Connection, account_id: str, arn: str) -> Row[Any]:
    """The provider of an ARN.

    Raises:
        AwsError: NoSuchEntity.
    """
    match = _ARN.fullmatch(arn)
    row = None
    if match is not None and match[1] == account_id:
        own = (OIDC_PROVIDERS.c.account_id == account_id, OIDC_PROVIDERS.c.url == match[2])
        row = connection.execute(select(OIDC_PROVIDERS).where(*own)).one_or_none()
    if row is None:
        raise no_such_entity(f"OpenIDConnect Provider not found for arn {arn}")
    return row


async def create_open_id_connect_provider(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Differs: AWS fetches a thumbprint when none is given; here it stays empty: the host's certificates are trusted."""
    url, thumbprints = url_of(params["Url"]), params.get("ThumbprintList", [])
    check_thumbprints(thumbprints)
    client_ids, tags = _client_ids(params.get("ClientIDList", [])), merge_tags({}, params.get("Tags", []))
    account_id, now_s = context.account_id, room.now_s()

    def work(connection: Connection) -> None:
        own = select(func.count()).select_from(OIDC_PROVIDERS).where(OIDC_PROVIDERS.c.account_id == account_id)
        if connection.execute(own.where(OIDC_PROVIDERS.c.url == url)).scalar_one():
            raise AwsError("EntityAlreadyExists", f"Provider with url https://{url} already exists.")
        if connection.execute(own).scalar_one() >= quotas.OIDC_PROVIDERS:
            raise over("OpenIDConnectProvidersPerAccount", quotas.OIDC_PROVIDERS)
        values = {"client_ids": client_ids, "thumbprints": thumbprints, "created_s": now_s, "tags": tags}
        connection.execute(insert(OIDC_PROVIDERS).values(account_id=account_id, url=url, **values))

    await room.change(work)
    return {"OpenIDConnectProviderArn": provider_arn(account_id, url)} | ({"Tags": tag_list(tags)} if tags else {})


def _client_ids(client_ids: list[str]) -> list[str]:
    """Each once, in the caller's order.

    Raises:
        AwsError: LimitExceeded.
    """
    unique = list(dict.fromkeys(client_ids))
    if len(unique) > quotas.CLIENT_IDS:
        raise over("ClientIdsPerOpenIdConnectProvider", quotas.CLIENT_IDS)
    return unique


async def get_open_id_connect_provider(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: the URL comes without its scheme."""
    arn = params["OpenIDConnectProviderArn"]
    row = await room.read(lambda connection: find(connection, context.account_id, arn))
    return {
        "Url": row.url,
        "ClientIDList": row.client_ids,
        "ThumbprintList": row.thumbprints,
        "CreateDate": row.created_s,
    } | ({"Tags": tag_list(row.tags)} if row.tags else {})


async def list_open_id_connect_providers(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001  an operation's signature
    """All of the account."""
    own = select(OIDC_PROVIDERS.c.url).where(OIDC_PROVIDERS.c.account_id == context.account_id)
    urls = await room.read(lambda connection: list(connection.execute(own.order_by(OIDC_PROVIDERS.c.url)).scalars().all()))
    return {"OpenIDConnectProviderList": [{"Arn": provider_arn(context.account_id, url)} for url in urls]}


async def delete_open_id_connect_provider(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: one that does not exist is no error."""
    match = _ARN.fullmatch(params["OpenIDConnectProviderArn"])
    if match is None:
        raise invalid(f"Invalid ARN {params['OpenIDConnectProviderArn']}")
    if match[1] == context.account_id:
        own = (OIDC_PROVIDERS.c.account_id == context.account_id, OIDC_PROVIDERS.c.url == match[2])
        await room.change(lambda connection: connection.execute(delete(OIDC_PROVIDERS).where(*own)).rowcount)
    return {}


async def update_thumbprint(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: replaces the whole list."""
    check_thumbprints(params["ThumbprintList"])
    return await _update(room, context, params, lambda _: {"thumbprints": params["ThumbprintList"]})


async def add_client_id(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: one that is registered already is no error."""
    return await _update(
        room, context, params, lambda row: {"client_ids": _client_ids([*row.client_ids, params["ClientID"]])}
    )


async def remove_client_id(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: one that is not registered is no error."""
    client_id = params["ClientID"]
    return await _update(
        room, context, params, lambda row: {"client_ids": [each for each in row.client_ids if each != client_id]}
    )


async def _update(
    room: Room, context: CallContext, params: dict[str, Any], change: Callable[[Row[Any]], Mapping[str, Any]]
) -> dict[str, Any]:
    def work(connection: Connection) -> None:
        row = find(connection, context.account_id, params["OpenIDConnectProviderArn"])
        own = (OIDC_PROVIDERS.c.account_id == row.account_id, OIDC_PROVIDERS.c.url == row.url)
        connection.execute(update(OIDC_PROVIDERS).where(*own).values(change(row)))

    await room.change(work)
    return {}
