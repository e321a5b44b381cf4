"""Roles that are linked to an AWS service: made by name of the service, changed by nobody else.

Deleting one is a task on AWS, which looks whether the service still needs the role. No service here does, so the task has
succeeded when DeleteServiceLinkedRole answers; its status can be asked for a day.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from functory.core.calls import CallContext
from functory.services.iam import entities, roles
from functory.services.iam.creation import new_entity
from functory.services.iam.errors import invalid, missing, no_such_entity
from functory.services.iam.room import Room
from functory.services.iam.tables import ROLE_DELETIONS

_NAMES: Mapping[str, str] = {
    "apidestinations.events.amazonaws.com": "AmazonEventBridgeApiDestinations",
    "autoscaling.amazonaws.com": "AutoScaling",
    "dynamodb.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_DynamoDBTable",
    "lambda.amazonaws.com": "Lambda",
    "lambda.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_LambdaConcurrency",
    "ops.apigateway.amazonaws.com": "APIGateway",
    "replicator.lambda.amazonaws.com": "LambdaReplicator",
    "schemas.amazonaws.com": "Schemas",
}
_WITH_SUFFIX = frozenset({"autoscaling.amazonaws.com"})
_KEPT_S = 24 * 3600
_PREFIX = "AWSServiceRoleFor"


async def create_service_linked_role(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Differs: services are those of the list above; any other is refused as AWS refuses a name it does not know."""
    service, suffix = params["AWSServiceName"], params.get("CustomSuffix")
    if service not in _NAMES:
        raise invalid(f"Service role name {_PREFIX} cannot be created for {service}: the service is not supported.")
    if suffix is not None and service not in _WITH_SUFFIX:
        raise invalid(f"Custom suffix is not allowed for {service}")
    name = _PREFIX + _NAMES[service] + (f"_{suffix}" if suffix else "")
    new = new_entity(room, roles.KIND, name, {"Path": f"{roles.LINKED_PATH}{service}/"})
    values = {
        "trust_policy": _trust(service),
        "description": params.get("Description"),
        "max_session_s": roles.SESSION_S_DEFAULT,
        "linked_service": service,
    }

    def work(connection: Connection) -> Row[Any]:
        if entities.look_up(connection, context.account_id, roles.KIND, name) is not None:
            raise invalid(f"Service role name {name} has been taken in this account, please try a different suffix.")
        return roles.insert_role(connection, new, context.account_id, values)

    return {"Role": roles.view(await room.change(work))}


def _trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


async def delete_service_linked_role(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """AWS: the task's id has the service and the role in it."""
    now_s, token = room.now_s(), room.ids.uuid()

    def work(connection: Connection) -> str:
        row = entities.find(connection, context.account_id, roles.KIND, params["RoleName"])
        if row.linked_service is None:
            raise missing(roles.KIND, params["RoleName"])
        task = f"task{roles.LINKED_PATH}{row.linked_service}/{row.name}/{token}"
        connection.execute(delete(ROLE_DELETIONS).where(ROLE_DELETIONS.c.deleted_s < now_s - _KEPT_S))
        connection.execute(insert(ROLE_DELETIONS).values(id=task, account_id=context.account_id, deleted_s=now_s))
        roles.remove_role(connection, row)
        return task

    return {"DeletionTaskId": await room.change(work)}


async def get_service_linked_role_deletion_status(
    room: Room, context: CallContext, params: dict[str, Any]
) -> dict[str, Any]:
    """See the module."""
    task = params["DeletionTaskId"]
    own = (ROLE_DELETIONS.c.id == task, ROLE_DELETIONS.c.account_id == context.account_id)
    found = await room.read(lambda connection: connection.execute(select(ROLE_DELETIONS.c.id).where(*own)).first())
    if found is None:
        raise no_such_entity(f"The deletion task with id {task} cannot be found.")
    return {"Status": "SUCCEEDED"}
