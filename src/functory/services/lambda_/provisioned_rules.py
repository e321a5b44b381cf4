"""Provisioned concurrency: which version gets how much, what may be asked for, and what AWS calls how it stands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from functory.aws.errors import AwsError
from functory.core.environments.provisioned import Provisioning
from functory.kernel.limits import UNRESERVED_CONCURRENCY_FLOOR
from functory.services.lambda_ import errors
from functory.services.lambda_.records import AliasRecord


class ProvisionedRecord(msgspec.Struct, frozen=True):
    """What was asked for; see ``tables`` for the columns."""

    account_id: str
    region: str
    name: str
    qualifier: str
    requested: int
    modified_at: float
    generation: str


class Standing(msgspec.Struct, frozen=True):
    """How a configuration stands: AWS's ``Status``, ``StatusReason`` and how many environments are ready."""

    status: str
    reason: str = ""
    ready: int = 0


def share_out(requested: int, alias: AliasRecord | None, version: str) -> dict[str, int]:
    """How many environments each version gets.

    AWS: an alias with two versions shares out by their weights. Ours: each gets one at least where there are two.

    Args:
        requested: by the configuration.
        alias: the configured alias, None when a version is.
        version: the configured version, or the alias's own.
    """
    if alias is None or not alias.extra_version or not alias.extra_weight:
        return {version: requested}
    extra = round(requested * alias.extra_weight)
    if requested > 1:
        extra = min(max(extra, 1), requested - 1 if alias.extra_weight < 1 else requested)
    return {key: count for key, count in ((version, requested - extra), (alias.extra_version, extra)) if count}


def standing(shares: Mapping[str, int], states: Mapping[str, Provisioning], generation: str) -> Standing:
    """How a configuration stands.

    Args:
        shares: version -> environments it shall have.
        states: the same versions -> what they have.
        generation: of the configuration; what failed before it is forgiven.
    """
    ready = sum(min(states[version].ready, count) for version, count in shares.items())
    if all(states[version].ready >= count for version, count in shares.items()):
        return Standing("READY", ready=ready)
    reasons = [state.failure for state in states.values() if state.failure and state.generation == generation]
    return Standing("FAILED", reasons[0], ready) if reasons else Standing("IN_PROGRESS", ready=ready)


def check_room(*, requested: int, before: int, total_before: int, reserved: int | None, unreserved: int) -> None:
    """Refuse what neither the function's reservation nor the account has room for.

    Args:
        requested: by this configuration.
        before: by the same configuration until now.
        total_before: by all configurations of the function until now.
        reserved: the function's reservation, None without one.
        unreserved: what the account has left that nobody set aside.

    Raises:
        AwsError: there is no room.
    """
    more = requested - before
    if reserved is not None:
        if total_before + more > reserved:
            raise errors.invalid(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
            )
        return
    if more > unreserved:
        raise errors.invalid(
            f"Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{unreserved}]."
        )
    if more > 0 and unreserved - more < UNRESERVED_CONCURRENCY_FLOOR:
        raise errors.invalid(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            f"minimum value of [{UNRESERVED_CONCURRENCY_FLOOR}]."
        )


def check_apart(
    qualifier: str, versions: Iterable[str], others: Iterable[ProvisionedRecord], aliases: Mapping[str, AliasRecord]
) -> None:
    """Refuse that one version is provisioned twice: by itself and an alias, or by two aliases.

    Args:
        qualifier: of the configuration.
        versions: it leads to.
        others: configurations of the same function.
        aliases: of the function, by name.

    Raises:
        AwsError: a version is provisioned already.
    """
    wanted = set(versions)
    for other in others:
        if other.qualifier == qualifier:
            continue
        alias = aliases.get(other.qualifier)
        taken = {alias.version, alias.extra_version} if alias is not None else {other.qualifier}
        if wanted & taken:
            raise _conflict(is_version=qualifier in wanted)


def _conflict(*, is_version: bool) -> AwsError:
    if is_version:
        return errors.conflict("Version is pointed by a Provisioned Concurrency alias")
    return errors.conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")


def check_reservation(asked: int, provisioned: int) -> None:
    """Refuse a reservation that what is provisioned does not fit in.

    Raises:
        AwsError: it does not; the spaces are AWS's.
    """
    if asked < provisioned:
        raise errors.invalid(
            f" ReservedConcurrentExecutions  {asked} should not be lower than function's total provisioned concurrency "
            f"[{provisioned}]."
        )
