"""SimulateCustomPolicy, SimulatePrincipalPolicy: what would be decided, and by which statements.

The decision is `functory.core.authorization.evaluation`'s, the one that guards the node. Here is what surrounds it: whose
policies, which facts, and how an answer tells it.

AWS: a result for each action. With resources, each has its own result below, and the action's is the most restrictive of
them. Differs: ``EvalResourceName`` of an action is ``*``, never the template of its resources' ARNs; a decision across
accounts has no details by type of policy. Policies of organizations and EC2's resource scenarios are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from functory.aws.arn import Arn
from functory.core.authorization.evaluation import Policies, Policy, Question, evaluate
from functory.core.authorization.principals import Reach
from functory.core.calls import CallContext
from functory.core.identity.policy_arns import check_resource
from functory.core.identity.policy_grammar import GrammarError, PolicyKind, condition_keys, parse_policy
from functory.core.identity.port import Principal, PrincipalKind
from functory.services.iam import paging
from functory.services.iam.context_keys import find_source
from functory.services.iam.errors import invalid
from functory.services.iam.exclusions import Attached, Exclusions
from functory.services.iam.grants import boundary_document, find_by_arn, owners_of, policies_of
from functory.services.iam.naming import parse_arn
from functory.services.iam.policy_positions import statement_positions
from functory.services.iam.room import Room

_REFUSED = ("OrderedOrganizationPolicyInputList", "ResourceHandlingOption")
_RESTRICTIVE = ("allowed", "implicitDeny", "explicitDeny")
_EVERYTHING = "*"
_SOURCE_TYPE = "IAM Policy"  # AWS: what answers have, whatever the model's enum says


@dataclass(frozen=True, slots=True)
class _Source:
    """One document that takes part: its ``SourcePolicyId``, its text, the condition keys in it, and it compiled."""

    name: str
    document: str
    keys: Sequence[str]
    policy: Policy


@dataclass(frozen=True, slots=True)
class _Simulation:
    """Everything but action and resource."""

    caller: Principal
    identity: Sequence[_Source]
    boundary: _Source | None
    resource: _Source | None
    resource_owner: str
    facts: Mapping[str, tuple[str, ...]]
    missing: Sequence[str] = field(default=())

    def lookup(self, key: str) -> tuple[str, ...] | None:
        return self.facts.get(key)


async def simulate_custom_policy(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Of the documents given, for a caller that is named or nobody in particular."""
    _refuse_absent(params)
    caller = await room.read(lambda connection: _caller(connection, context.account_id, params.get("CallerArn")))
    if "ResourcePolicy" in params and "CallerArn" not in params:
        raise invalid("CallerArn is required when a ResourcePolicy is given.")
    return _answer(_simulation(params, caller, [], None), params)


async def simulate_principal_policy(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Of what a user, group or role has been given, and of further documents."""
    _refuse_absent(params)
    arn, exclusions = params["PolicySourceArn"], Exclusions(params.get("PolicyExclusionList", []))

    def work(connection: Connection) -> tuple[Principal, list[Attached], str | None]:
        row = find_source(connection, context.account_id, arn)
        given = [
            Attached(owner.kind, owner.name, name, document)
            for owner in owners_of(connection, row)
            for name, document in policies_of(connection, owner.id)
        ]
        caller = _caller(connection, context.account_id, params.get("CallerArn", arn))
        return caller, given, None if exclusions.without_boundary else boundary_document(connection, row)

    caller, given, boundary = await room.read(work)
    kept = [(_source_id(policy), policy.document) for policy in given if not exclusions.match(policy)]
    return _answer(_simulation(params, caller, kept, boundary), params)


def _source_id(policy: Attached) -> str:
    """AWS: a managed policy's name; of an inline one its owner's kind and name before it."""
    parts = parse_arn(policy.name)
    return f"{policy.owner_kind}_{policy.owner_name}_{policy.name}" if parts is None else parts[3]


def _refuse_absent(params: Mapping[str, Any]) -> None:
    for member in _REFUSED:
        if params.get(member):
            raise invalid(f"{member} is not supported.")
    for action in params["ActionNames"]:
        if action.count(":") != 1 or action.startswith(":") or action.endswith(":") or "*" in action or "?" in action:
            raise invalid(
                f"Invalid action name {action}: it must be a service prefix, a colon and the name of an operation."
            )
    for arn in params.get("ResourceArns", []):
        if check_resource(arn):
            raise invalid(f"Invalid Resource Arn: {arn}")


def _caller(connection: Connection, account_id: str, arn: str | None) -> Principal:
    """The simulated caller.

    Raises:
        AwsError: InvalidInput for what is no user's, group's or role's ARN.
    """
    if arn is None:
        return Principal(PrincipalKind.USER, account_id, "")
    parts = parse_arn(arn)
    if parts is None or parts[1] not in {"user", "group", "role"}:
        raise invalid(f"Invalid Caller Arn: {arn}")
    row = find_by_arn(connection, arn, parts[1])
    entity_id, tags = (row.id, dict(row.tags)) if row is not None else ("", {})
    if parts[1] == "role":
        return Principal(PrincipalKind.ASSUMED_ROLE, parts[0], arn, entity_id, parts[3], arn, tags)
    name = parts[3] if parts[1] == "user" else ""
    return Principal(PrincipalKind.USER, parts[0], arn, entity_id, name, tags=tags)


def _simulation(
    params: Mapping[str, Any], caller: Principal, given: Sequence[tuple[str, str]], boundary: str | None
) -> _Simulation:
    inputs = [(f"PolicyInputList.{number}", text) for number, text in enumerate(params.get("PolicyInputList", []), 1)]
    limits = params.get("PermissionsBoundaryPolicyInputList", [])
    if len(limits) > 1:
        raise invalid("Only one permissions boundary can be given.")
    if limits:
        boundary = limits[0]
    identity = [_source(name, text) for name, text in (*inputs, *given)]
    limit = None if boundary is None else _source("PermissionsBoundaryPolicyInputList.1", boundary)
    resource = None
    if "ResourcePolicy" in params:
        resource = _source("ResourcePolicy", params["ResourcePolicy"], PolicyKind.RESOURCE)
    facts = _facts(caller) | _entries(params.get("ContextEntries", []))
    sources = [*identity, *([resource] if resource else [])]
    missing: dict[str, str] = {}
    for source in sources:
        for key in source.keys:
            if key.lower() not in facts:
                missing.setdefault(key.lower(), key)
    owner = _owner(params.get("ResourceOwner"), caller.account_id)
    return _Simulation(caller, identity, limit, resource, owner, facts, list(missing.values()))


def _source(name: str, document: str, kind: PolicyKind = PolicyKind.IDENTITY) -> _Source:
    try:
        keys = list(condition_keys(parse_policy(document, kind)))
    except GrammarError as error:
        raise invalid(str(error)) from None
    return _Source(name, document, keys, Policy.of(name, document))


def _facts(caller: Principal) -> dict[str, tuple[str, ...]]:
    """Condition keys that follow from the caller."""
    if not caller.arn:
        return {}
    found = {"aws:principalarn": caller.arn, "aws:principalaccount": caller.account_id}
    found |= {f"aws:principaltag/{key.lower()}": value for key, value in caller.tags.items()}
    if caller.user_id:
        found["aws:userid"] = caller.user_id
    if caller.kind is PrincipalKind.USER and caller.name:
        found["aws:username"] = caller.name
    return {key: (value,) for key, value in found.items()}


def _entries(entries: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """The facts a call gives. Values are texts whatever their type; an operator reads them as what it compares."""
    found = {}
    for entry in entries:
        values, kind = entry.get("ContextKeyValues", []), entry.get("ContextKeyType", "string")
        if "ContextKeyName" not in entry or not values:
            raise invalid("A context entry must have a name and at least one value.")
        if len(values) > 1 and not kind.endswith("List"):
            raise invalid(f"Context key {entry['ContextKeyName']} of type {kind} must have one value.")
        found[entry["ContextKeyName"].lower()] = tuple(values)
    return found


def _owner(given: str | None, default: str) -> str:
    arn = Arn.parse(given) if given else None
    return (arn.account_id if arn else given) or default


def _answer(simulation: _Simulation, params: Mapping[str, Any]) -> dict[str, Any]:
    resources = params.get("ResourceArns") or [_EVERYTHING]
    results = [(f"{number:06d}", action) for number, action in enumerate(params["ActionNames"])]
    shown, more = paging.page(results, params, lambda each: each[0])
    return {"EvaluationResults": [_of_action(simulation, action, resources) for _, action in shown]} | more


def _of_action(simulation: _Simulation, action: str, resources: Sequence[str]) -> dict[str, Any]:
    results = [_of_resource(simulation, action, resource) for resource in resources]
    decision = max((each["EvalResourceDecision"] for each in results), key=_RESTRICTIVE.index)
    matched: list[dict[str, Any]] = []
    for each in results:
        if each["EvalResourceDecision"] == decision:
            matched += [statement for statement in each["MatchedStatements"] if statement not in matched]
    whole: dict[str, Any] = {
        "EvalActionName": action,
        "EvalResourceName": _EVERYTHING,
        "EvalDecision": decision,
        "MatchedStatements": matched,
        "MissingContextValues": list(simulation.missing),
    }
    if simulation.boundary is not None:
        within = all(each["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"] for each in results)
        whole["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": within}
    if list(resources) != [_EVERYTHING]:
        whole |= {"EvalDecisionDetails": {}, "ResourceSpecificResults": results}
    return whole


def _of_resource(simulation: _Simulation, action: str, resource: str) -> dict[str, Any]:
    owner = ""
    if simulation.resource is not None:  # AWS: a resource without its policy is treated as the caller's own
        arn = Arn.parse(resource)
        owner = (arn.account_id if arn else "") or simulation.resource_owner
    question = Question(simulation.caller, action, resource, owner, simulation.lookup)
    policies = Policies(
        identity=[source.policy for source in simulation.identity],
        boundary=None if simulation.boundary is None else simulation.boundary.policy,
        resource=None if simulation.resource is None else simulation.resource.policy,
    )
    decision = evaluate(question, policies)
    denies = decision.explicit and not decision.allowed
    result: dict[str, Any] = {
        "EvalResourceName": resource,
        "EvalResourceDecision": "allowed" if decision.allowed else "explicitDeny" if denies else "implicitDeny",
        "MatchedStatements": _matched(simulation, question, denies=denies) if decision.allowed or denies else [],
        "MissingContextValues": list(simulation.missing),
    }
    if simulation.boundary is not None:
        effects = [statement.is_deny for statement in simulation.boundary.policy.statements if _fits(statement, question)]
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": bool(effects) and not any(effects)}
    return result


def _fits(statement: Any, question: Question) -> bool:
    return bool(statement.applies(question.action.lower(), question.resource, question.lookup))


def _matched(simulation: _Simulation, question: Question, *, denies: bool) -> list[dict[str, Any]]:
    """The statements that decided: every one that allows, or the first that denies."""
    found = []
    for source in (*simulation.identity, *([simulation.resource] if simulation.resource else [])):
        positions = statement_positions(source.document)
        for statement, (start, end) in zip(source.policy.statements, positions, strict=True):
            is_about = statement.principal is None or statement.principal.reach(question.caller) is not Reach.NOBODY
            if statement.is_deny is denies and is_about and _fits(statement, question):
                found.append(
                    {
                        "SourcePolicyId": source.name,
                        "SourcePolicyType": _SOURCE_TYPE,
                        "StartPosition": start,
                        "EndPosition": end,
                    }
                )
    return found[:1] if denies else found
