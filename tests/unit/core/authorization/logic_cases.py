"""Which policies decide: AWS's evaluation logic within an account and across accounts, as its documentation has it.

Each row: what it shows, who calls, what each kind of policy says about ``lambda:InvokeFunction`` on the function of account
``OWNER``, and what comes out: ``allow``, or the kind of policy that refused (``deny …`` for an explicit deny).

AWS: reference_policies_evaluation-logic_policy-eval-denyallow, …_policy-eval-basics, …-cross-account,
access_policies_boundaries, access_policies (session policies), reference_policies_elements_principal, …_notprincipal
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from functory.core.identity.port import Principal, PrincipalKind

OWNER, OTHER = "111111111111", "222222222222"
FUNCTION = f"arn:aws:lambda:us-east-1:{OWNER}:function:f"


def user(account: str = OWNER) -> Principal:
    return Principal(PrincipalKind.USER, account, f"arn:aws:iam::{account}:user/team/ann", "AIDAANN", "ann")


def role(account: str = OWNER) -> Principal:
    return Principal(
        PrincipalKind.ASSUMED_ROLE,
        account,
        f"arn:aws:sts::{account}:assumed-role/worker/s1",
        "AROAWORKER:s1",
        "worker",
        f"arn:aws:iam::{account}:role/team/worker",
    )


def federated(account: str = OWNER) -> Principal:
    return Principal(
        PrincipalKind.FEDERATED_USER,
        account,
        f"arn:aws:sts::{account}:federated-user/bob",
        f"{account}:bob",
        "bob",
        f"arn:aws:iam::{account}:user/team/ann",
    )


def root(account: str = OWNER) -> Principal:
    return Principal(PrincipalKind.ROOT, account, f"arn:aws:iam::{account}:root", account, "root")


S3 = Principal(PrincipalKind.SERVICE, "", "s3.amazonaws.com", name="s3.amazonaws.com")
NOBODY = Principal(PrincipalKind.ANONYMOUS, "", "")

ALLOW = [{"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}]
DENY = [{"Effect": "Deny", "Action": "lambda:InvokeFunction", "Resource": "*"}]
ELSE = [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]


def grant(principal: Any, effect: str = "Allow", element: str = "Principal") -> list[dict[str, Any]]:
    return [{"Effect": effect, element: principal, "Action": "lambda:InvokeFunction", "Resource": FUNCTION}]


def aws(name: str | list[str], effect: str = "Allow") -> list[dict[str, Any]]:
    return grant({"AWS": name}, effect)


def arn_of(caller: Principal) -> str:
    return caller.arn


class Row(NamedTuple):
    shows: str
    caller: Principal
    identity: Sequence[dict[str, Any]] = ()
    boundary: list[dict[str, Any]] | None = None
    session: list[dict[str, Any]] | None = None
    resource: list[dict[str, Any]] | None = None
    needs_resource: bool = False
    outcome: str = "allow"


USER, ROLE, FED, ROOT = user(), role(), federated(), root()
X_USER, X_ROLE, X_ROOT = user(OTHER), role(OTHER), root(OTHER)

ONE_ACCOUNT = [
    Row("nothing is allowed by default", USER, outcome="identity-based policy"),
    Row("an identity policy allows", USER, ALLOW),
    Row("an identity policy about something else", USER, ELSE, outcome="identity-based policy"),
    Row("one of two policies is enough", USER, ELSE + ALLOW),
    Row("a deny wins over an allow", USER, ALLOW + DENY, outcome="deny identity-based policy"),
    Row("a deny wins in whatever order", USER, DENY + ALLOW, outcome="deny identity-based policy"),
    Row("a deny about something else", USER, [*ALLOW, {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]),
    Row("the root user needs no policy", ROOT),
    Row(
        "the root user is bound by a resource's deny", ROOT, resource=aws("*", "Deny"), outcome="deny resource-based policy"
    ),
    Row("a role needs one", ROLE, outcome="identity-based policy"),
    Row("a role's policy allows", ROLE, ALLOW),
    Row("a resource's policy alone is enough for a user", USER, resource=aws(USER.arn)),
    Row(
        "a resource's policy about another user",
        USER,
        resource=aws("arn:aws:iam::111111111111:user/bob"),
        outcome="identity-based policy",
    ),
    Row(
        "a user's path is part of its name",
        USER,
        resource=aws("arn:aws:iam::111111111111:user/ann"),
        outcome="identity-based policy",
    ),
    Row("a user by its unique id", USER, resource=aws("AIDAANN")),
    Row(
        "a resource's policy for the account leaves it to the account",
        USER,
        resource=aws(OWNER),
        outcome="identity-based policy",
    ),
    Row("the account as root ARN is the same", USER, resource=aws(ROOT.arn), outcome="identity-based policy"),
    Row("the account and an identity policy", USER, ALLOW, resource=aws(OWNER)),
    Row("everybody", USER, resource=grant("*")),
    Row("everybody as AWS", USER, resource=aws("*")),
    Row(
        "an identity policy alone is enough beside a resource's policy",
        USER,
        ALLOW,
        resource=aws("arn:aws:iam::111111111111:user/bob"),
    ),
    Row(
        "a resource's deny wins over an identity policy",
        USER,
        ALLOW,
        resource=aws(USER.arn, "Deny"),
        outcome="deny resource-based policy",
    ),
    Row(
        "a resource's deny for the account reaches its users",
        USER,
        ALLOW,
        resource=aws(OWNER, "Deny"),
        outcome="deny resource-based policy",
    ),
    Row(
        "an identity deny wins over a resource's allow",
        USER,
        DENY,
        resource=aws(USER.arn),
        outcome="deny identity-based policy",
    ),
    Row("the role by its ARN", ROLE, resource=aws(ROLE.issuer_arn)),
    Row("the role by its unique id", ROLE, resource=aws("AROAWORKER")),
    Row("the session by its ARN", ROLE, resource=aws(ROLE.arn)),
    Row("the session by its id", ROLE, resource=aws("AROAWORKER:s1")),
    Row(
        "another session",
        ROLE,
        resource=aws("arn:aws:sts::111111111111:assumed-role/worker/s2"),
        outcome="identity-based policy",
    ),
    Row(
        "a role's deny reaches its sessions",
        ROLE,
        ALLOW,
        resource=aws(ROLE.issuer_arn, "Deny"),
        outcome="deny resource-based policy",
    ),
]

BOUNDARIES = [
    Row("a boundary that allows too", USER, ALLOW, boundary=ALLOW),
    Row("a boundary that does not allow", USER, ALLOW, boundary=ELSE, outcome="permissions boundary"),
    Row("a boundary that denies", USER, ALLOW, boundary=ALLOW + DENY, outcome="deny permissions boundary"),
    Row("a boundary grants nothing", USER, ELSE, boundary=ALLOW, outcome="identity-based policy"),
    Row("a boundary does not limit a resource's grant to the user", USER, boundary=ELSE, resource=aws(USER.arn)),
    Row("a boundary's deny does", USER, boundary=DENY, resource=aws(USER.arn), outcome="deny permissions boundary"),
    Row(
        "a boundary limits a resource's grant to the role",
        ROLE,
        boundary=ELSE,
        resource=aws(ROLE.issuer_arn),
        outcome="permissions boundary",
    ),
    Row("a boundary within which a resource grants to the role", ROLE, boundary=ALLOW, resource=aws(ROLE.issuer_arn)),
    Row("a boundary does not limit a resource's grant to the session", ROLE, boundary=ELSE, resource=aws(ROLE.arn)),
    Row("a boundary does not limit a resource's grant to everybody", ROLE, boundary=ELSE, resource=grant("*")),
    Row(
        "a boundary limits what the account was given",
        ROLE,
        ALLOW,
        boundary=ELSE,
        resource=aws(OWNER),
        outcome="permissions boundary",
    ),
]

SESSIONS = [
    Row("a session policy that allows too", ROLE, ALLOW, session=ALLOW),
    Row("a session policy that does not allow", ROLE, ALLOW, session=ELSE, outcome="session policy"),
    Row("a session policy that denies", ROLE, ALLOW, session=ALLOW + DENY, outcome="deny session policy"),
    Row("a session policy grants nothing", ROLE, ELSE, session=ALLOW, outcome="identity-based policy"),
    Row("no session policies at all", ROLE, ALLOW, session=None),
    Row("one of two session policies is enough", ROLE, ALLOW, session=ELSE + ALLOW),
    Row("boundary and session policy that allow", ROLE, ALLOW, boundary=ALLOW, session=ALLOW),
    Row("boundary allows and session policy does not", ROLE, ALLOW, boundary=ALLOW, session=ELSE, outcome="session policy"),
    Row(
        "session policy allows and boundary does not",
        ROLE,
        ALLOW,
        boundary=ELSE,
        session=ALLOW,
        outcome="permissions boundary",
    ),
    Row(
        "a session policy limits a resource's grant to the role",
        ROLE,
        session=ELSE,
        resource=aws(ROLE.issuer_arn),
        outcome="session policy",
    ),
    Row("a session policy does not limit a resource's grant to the session", ROLE, session=ELSE, resource=aws(ROLE.arn)),
    Row("a session policy's deny does", ROLE, session=DENY, resource=aws(ROLE.arn), outcome="deny session policy"),
    Row("a federated user without session policy has nothing", FED, ALLOW, session=[], outcome="session policy"),
    Row("a federated user within its session policy", FED, ALLOW, session=ALLOW),
    Row("a federated user has no more than its user", FED, ELSE, session=ALLOW, outcome="identity-based policy"),
    Row("a resource's grant to the federated user", FED, session=[], resource=aws(FED.arn)),
    Row("a resource's grant to the user it is of", FED, session=[], resource=aws(FED.issuer_arn), outcome="session policy"),
    Row("a resource's grant to the user it is of, within its policy", FED, session=ALLOW, resource=aws(FED.issuer_arn)),
]

TWO_ACCOUNTS = [
    Row("another account's identity policy alone", X_USER, ALLOW, outcome="resource-based policy"),
    Row("the resource's policy alone, by ARN", X_USER, resource=aws(X_USER.arn), outcome="identity-based policy"),
    Row("the resource's policy alone, for the account", X_USER, resource=aws(OTHER), outcome="identity-based policy"),
    Row("the resource's policy alone, for everybody", X_USER, resource=grant("*"), outcome="identity-based policy"),
    Row("both sides, by ARN", X_USER, ALLOW, resource=aws(X_USER.arn)),
    Row("both sides, by account", X_USER, ALLOW, resource=aws(OTHER)),
    Row("both sides, for everybody", X_USER, ALLOW, resource=grant("*")),
    Row("both sides, by role", X_ROLE, ALLOW, resource=aws(X_ROLE.issuer_arn)),
    Row("both sides, by session", X_ROLE, ALLOW, resource=aws(X_ROLE.arn)),
    Row(
        "a session's grant does not replace its own policies",
        X_ROLE,
        resource=aws(X_ROLE.arn),
        outcome="identity-based policy",
    ),
    Row("a third account's grant", X_USER, ALLOW, resource=aws("333333333333"), outcome="resource-based policy"),
    Row("the owner's grant to itself", X_USER, ALLOW, resource=aws(OWNER), outcome="resource-based policy"),
    Row("a boundary on the other side", X_ROLE, ALLOW, boundary=ELSE, resource=aws(OTHER), outcome="permissions boundary"),
    Row(
        "a session policy on the other side", X_ROLE, ALLOW, session=ELSE, resource=aws(X_ROLE.arn), outcome="session policy"
    ),
    Row(
        "a deny on the resource's side",
        X_USER,
        ALLOW,
        resource=aws(OTHER) + aws(X_USER.arn, "Deny"),
        outcome="deny resource-based policy",
    ),
    Row("a deny on the caller's side", X_USER, DENY, resource=aws(X_USER.arn), outcome="deny identity-based policy"),
    Row("another account's root user", X_ROOT, outcome="resource-based policy"),
    Row("another account's root user with a grant", X_ROOT, resource=aws(OTHER)),
    Row("a list of accounts", X_USER, ALLOW, resource=aws(["333333333333", OTHER])),
]

OTHERS = [
    Row("a service without grant", S3, outcome="resource-based policy"),
    Row("a service with one", S3, resource=grant({"Service": "s3.amazonaws.com"})),
    Row("another service's grant", S3, resource=grant({"Service": "sns.amazonaws.com"}), outcome="resource-based policy"),
    Row("a service among several", S3, resource=grant({"Service": ["sns.amazonaws.com", "s3.amazonaws.com"]})),
    Row("a service among everybody", S3, resource=grant("*")),
    Row(
        "a service that is denied",
        S3,
        resource=grant("*") + grant({"Service": "s3.amazonaws.com"}, "Deny"),
        outcome="deny resource-based policy",
    ),
    Row("a name as AWS is no service", S3, resource=aws("s3.amazonaws.com"), outcome="resource-based policy"),
    Row("an anonymous caller", NOBODY, outcome="resource-based policy"),
    Row("an anonymous caller among everybody", NOBODY, resource=grant("*")),
    Row("an anonymous caller is of no account", NOBODY, resource=aws(OWNER), outcome="resource-based policy"),
    Row(
        "a trust policy must allow in its own account too",
        USER,
        ALLOW,
        needs_resource=True,
        resource=aws("arn:aws:iam::111111111111:user/bob"),
        outcome="resource-based policy",
    ),
    Row("a trust policy that names the user", USER, needs_resource=True, resource=aws(USER.arn)),
    Row(
        "a trust policy that names the account, and no identity policy",
        USER,
        needs_resource=True,
        resource=aws(OWNER),
        outcome="identity-based policy",
    ),
    Row(
        "a trust policy that names the account, and an identity policy",
        USER,
        ALLOW,
        needs_resource=True,
        resource=aws(OWNER),
    ),
    Row("a trust policy of another account", X_USER, ALLOW, needs_resource=True, resource=aws(OTHER)),
    Row(
        "a trust policy of another account, no identity policy",
        X_USER,
        needs_resource=True,
        resource=aws(X_USER.arn),
        outcome="identity-based policy",
    ),
    Row("no trust policy", USER, ALLOW, needs_resource=True, outcome="resource-based policy"),
    Row(
        "a trust policy binds the root user",
        ROOT,
        needs_resource=True,
        resource=aws("arn:aws:iam::111111111111:user/bob"),
        outcome="resource-based policy",
    ),
]

EXCEPT = [
    Row("all but the account and the user", USER, ALLOW, resource=grant({"AWS": [OWNER, USER.arn]}, "Deny", "NotPrincipal")),
    Row(
        "all but the user, whose account is not listed",
        USER,
        ALLOW,
        resource=grant({"AWS": [USER.arn]}, "Deny", "NotPrincipal"),
        outcome="deny resource-based policy",
    ),
    Row(
        "all but another user",
        USER,
        ALLOW,
        resource=grant({"AWS": [OWNER, "arn:aws:iam::111111111111:user/bob"]}, "Deny", "NotPrincipal"),
        outcome="deny resource-based policy",
    ),
    Row(
        "all but account, role and session",
        ROLE,
        ALLOW,
        resource=grant({"AWS": [OWNER, ROLE.issuer_arn, ROLE.arn]}, "Deny", "NotPrincipal"),
    ),
    Row(
        "all but account and role",
        ROLE,
        ALLOW,
        resource=grant({"AWS": [OWNER, ROLE.issuer_arn]}, "Deny", "NotPrincipal"),
        outcome="deny resource-based policy",
    ),
    Row("all but a service", S3, resource=grant("*") + grant({"Service": "s3.amazonaws.com"}, "Deny", "NotPrincipal")),
    Row(
        "all but another service",
        S3,
        resource=grant("*") + grant({"Service": "sns.amazonaws.com"}, "Deny", "NotPrincipal"),
        outcome="deny resource-based policy",
    ),
    Row(
        "all but somebody, asked by nobody",
        NOBODY,
        resource=grant("*") + grant({"AWS": OWNER}, "Deny", "NotPrincipal"),
        outcome="deny resource-based policy",
    ),
    Row("the root user is its account", ROOT, resource=grant({"AWS": [OWNER]}, "Deny", "NotPrincipal")),
]

ROWS = [*ONE_ACCOUNT, *BOUNDARIES, *SESSIONS, *TWO_ACCOUNTS, *OTHERS, *EXCEPT]
