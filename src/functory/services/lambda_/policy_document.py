"""The documents of function policies: what AddPermission writes, and what PutResourcePolicy accepts. Pure.

**Theory.** A function, each of its versions and each of its aliases may have a policy: one JSON document with a revision.
The statement API adds and removes single statements of it, the whole-document API replaces it; both see the same document,
kept as the text that was given or built. Evaluating it is not done here.

A statement is *public* when it allows everybody and no condition narrows who that is.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from functory.aws.errors import AwsError
from functory.services.lambda_ import errors

POLICY_BYTES = 20_480
_VERSION = "2012-10-17"
_VERSIONS = (_VERSION, "2008-10-17")
_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)
_PRINCIPAL_ARN = re.compile(
    r"arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:(root|(user|role|assumed-role|federated-user)/\S+)", re.ASCII
)
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.(amazonaws\.com(\.cn)?|amazon\.com|aws\.internal)", re.ASCII)
_ACTION = re.compile(r"\*|lambda:[a-zA-Z*?]+", re.ASCII)
_INVOKE_URL, _INVOKE = "lambda:InvokeFunctionUrl", "lambda:InvokeFunction"
_NARROWING = frozenset(
    {
        "aws:sourcearn",
        "aws:sourceaccount",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceip",
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:userid",
        "lambda:eventsourcetoken",
        "lambda:sourcefunctionarn",
    }
)
"""Condition keys (lower case) that make a statement for everybody one for somebody. AWS: "The meaning of public"."""

_STATEMENT_MEMBERS = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)


def statement(params: Mapping[str, Any], resource_arn: str) -> dict[str, Any]:
    """The statement that the parameters of AddPermission ask for.

    Raises:
        AwsError: the principal is none, or two parameters do not go together.
    """
    action = params["Action"]
    if "FunctionUrlAuthType" in params and action != _INVOKE_URL:
        raise errors.invalid(f"FunctionUrlAuthType is only supported for {_INVOKE_URL} action")
    if "InvokedViaFunctionUrl" in params and action != _INVOKE:
        raise errors.invalid(f"InvokedViaFunctionUrl is only supported for {_INVOKE} action")
    result: dict[str, Any] = {
        "Sid": params["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(params["Principal"]),
        "Action": action,
        "Resource": resource_arn,
    }
    if condition := _condition(params):
        result["Condition"] = condition
    return result


def _principal(given: str) -> str | dict[str, str]:
    if given == "*":
        return given
    if _ACCOUNT.fullmatch(given):
        return {"AWS": f"arn:aws:iam::{given}:root"}
    if _PRINCIPAL_ARN.fullmatch(given):
        return {"AWS": given}
    if _SERVICE.fullmatch(given):
        return {"Service": given}
    raise errors.invalid("The provided principal was invalid. Please check the principal and try again.")


def _condition(params: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    texts = {
        "AWS:SourceAccount": params.get("SourceAccount"),
        "lambda:EventSourceToken": params.get("EventSourceToken"),
        "lambda:FunctionUrlAuthType": params.get("FunctionUrlAuthType"),
        "aws:PrincipalOrgID": params.get("PrincipalOrgID"),
    }
    result: dict[str, dict[str, str]] = {}
    if equal := {key: value for key, value in texts.items() if value}:
        result["StringEquals"] = equal
    if "InvokedViaFunctionUrl" in params:
        result["Bool"] = {"lambda:InvokedViaFunctionUrl": "true" if params["InvokedViaFunctionUrl"] else "false"}
    if source := params.get("SourceArn"):
        result["ArnLike"] = {"AWS:SourceArn": source}
    return result


def with_statement(document: str | None, added: Mapping[str, Any]) -> str:
    """A policy with one more statement; None is a resource without a policy.

    Raises:
        AwsError: there is a statement of that id, or the policy gets too long.
    """
    empty: dict[str, Any] = {"Version": _VERSION, "Id": "default", "Statement": []}
    policy = _loaded(document) if document is not None else empty
    if any(each.get("Sid") == added["Sid"] for each in policy["Statement"]):
        raise errors.statement_exists(added["Sid"])
    policy["Statement"].append(dict(added))
    result = text(policy)
    check_length(result)
    return result


def without_statement(document: str, sid: str) -> str | None:
    """A policy without one of its statements; None when nothing is left of it.

    Raises:
        AwsError: there is no statement of that id.
    """
    policy = _loaded(document)
    kept = [each for each in policy["Statement"] if each.get("Sid") != sid]
    if len(kept) == len(policy["Statement"]):
        raise errors.absent(f"Statement {sid} is not found in resource policy.")
    return text({**policy, "Statement": kept}) if kept else None


def _loaded(document: str) -> dict[str, Any]:
    """A kept document, its statements in a list."""
    policy: dict[str, Any] = json.loads(document)
    return {**policy, "Statement": _listed(policy["Statement"])}


def check_length(document: str) -> None:
    """Refuse a policy over AWS's limit.

    Raises:
        AwsError: it is.
    """
    size = len(document.encode())
    if size > POLICY_BYTES:
        limit = f"The final policy size ({size}) is bigger than the limit ({POLICY_BYTES})."
        raise AwsError("PolicyLengthExceededException", limit)


def check_document(document: str, resource_arn: str) -> None:
    """Refuse a document that cannot be the policy of a resource.

    Raises:
        AwsError: it is no policy, or is about something else.
    """
    check_length(document)
    try:
        policy = json.loads(document)
    except (ValueError, RecursionError):
        raise _malformed("it is not JSON") from None
    if not isinstance(policy, dict) or set(policy) - {"Version", "Id", "Statement"}:
        raise _malformed("it must be an object of Version, Id and Statement")
    if policy.get("Version", _VERSION) not in _VERSIONS:
        raise _malformed(f"Version must be one of {', '.join(_VERSIONS)}")
    statements = _listed(policy.get("Statement"))
    if not statements:
        raise _malformed("it has no Statement")
    for each in statements:
        _check_statement(each, resource_arn)
    sids = [each["Sid"] for each in statements if "Sid" in each]
    if len(set(sids)) != len(sids):
        raise _malformed("each Sid must be unique")


def _check_statement(given: Any, resource_arn: str) -> None:
    if not isinstance(given, dict) or set(given) - _STATEMENT_MEMBERS:
        raise _malformed(f"a statement may have {', '.join(sorted(_STATEMENT_MEMBERS))}")
    if given.get("Effect") not in ("Allow", "Deny"):
        raise _malformed("Effect must be Allow or Deny")
    for member in ("Principal", "Action", "Resource"):
        if (member in given) == (f"Not{member}" in given):
            raise _malformed(f"a statement needs either {member} or Not{member}")
    _check_principal(given.get("Principal", given.get("NotPrincipal")))
    actions = _texts(given.get("Action", given.get("NotAction")), "Action")
    if not all(_ACTION.fullmatch(action) for action in actions):
        raise _malformed("Action must name actions of lambda")
    resources = _texts(given.get("Resource", given.get("NotResource")), "Resource")
    if "Resource" in given and not all(fnmatchcase(resource_arn, each) for each in resources):
        raise _malformed(f"Resource must be {resource_arn}")
    condition = given.get("Condition", {})
    if not isinstance(condition, dict) or not all(isinstance(keys, dict) for keys in condition.values()):
        raise _malformed("Condition must be an object of operators, each an object of keys")


def _check_principal(given: Any) -> None:
    if given == "*":
        return
    if not isinstance(given, dict) or not given or set(given) - {"AWS", "Service", "Federated", "CanonicalUser"}:
        raise _malformed("Principal must be * or an object of AWS, Service and Federated")
    for kind, names in given.items():
        for each in _texts(names, "Principal"):
            is_one = each == "*" or _ACCOUNT.fullmatch(each) or _PRINCIPAL_ARN.fullmatch(each)
            if (kind == "AWS" and not is_one) or (kind == "Service" and not _SERVICE.fullmatch(each)):
                raise errors.invalid("The provided principal was invalid. Please check the principal and try again.")


def check_not_public(document: str) -> None:
    """Refuse a policy that would let everybody in.

    Raises:
        AwsError: it would.
    """
    if any(_is_public(each) for each in _loaded(document)["Statement"]):
        raise AwsError(
            "PublicPolicyException",
            "The resource-based policy you tried to add to the Lambda resource would grant public access to it, which "
            "isn't allowed.",
        )


def _is_public(given: Mapping[str, Any]) -> bool:
    if given["Effect"] != "Allow":
        return False
    principal = given.get("Principal", "*")  # NotPrincipal: everybody else
    names = [name for value in principal.values() for name in _listed(value)] if isinstance(principal, dict) else ["*"]
    keys = {key.lower() for operator in given.get("Condition", {}).values() for key in operator}
    return "*" in names and not keys & _NARROWING


def _texts(value: Any, member: str) -> list[str]:
    found = _listed(value)
    if not found or not all(isinstance(each, str) and each for each in found):
        raise _malformed(f"{member} must be a text or a list of texts")
    return found


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _malformed(why: str) -> AwsError:
    return errors.invalid(f"The resource policy is invalid: {why}.")


def text(value: Mapping[str, Any]) -> str:
    """JSON as AWS writes policies: without spaces."""
    return json.dumps(value, separators=(",", ":"))
