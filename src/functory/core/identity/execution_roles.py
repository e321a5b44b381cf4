"""Execution roles: whether Lambda may assume one, and the credentials an environment gets of it.

**Theory.** An environment is given a session of its function's role, made here and now from the role as it is: the session's
name is the function's, and ``lambda:SourceFunctionArn`` is among its condition keys. What the session may do is decided at
every call from the role's policies, so the credentials themselves say nothing that could become outdated. They live
`LIFETIME_S`; an environment is given no new invocation when less than `SPARE_S` of that is left.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html and
…/permissions-source-function-arn.html
"""

from __future__ import annotations

from functory.aws.errors import AwsError
from functory.core.authorization.authorizer import AccessRequest, Authorizer
from functory.core.authorization.context import caller_keys
from functory.core.authorization.errors import PolicyError
from functory.core.authorization.evaluation import Policies, Policy, Question, Source, evaluate
from functory.core.calls import CallContext
from functory.core.environments.variables import Credentials
from functory.core.functions.model import FunctionVersion
from functory.core.identity.port import Caller, Identities, Principal, PrincipalKind, Role
from functory.core.identity.sessions import Sessions
from functory.kernel.clock import Clock, utc

LIFETIME_S = 6 * 3600
"""AWS: documents no figure; execution roles' credentials are good for hours."""
SPARE_S = 20 * 60
"""More than the longest invocation lasts."""

SERVICE = "lambda.amazonaws.com"
_CANNOT_ASSUME = "The role defined for the function cannot be assumed by Lambda."


class ExecutionRoles:
    """See the module."""

    def __init__(self, identities: Identities, sessions: Sessions, clock: Clock) -> None:
        self._authorizer: Authorizer | None = None
        self._identities = identities
        self._sessions = sessions
        self._clock = clock

    def decide_with(self, authorizer: Authorizer) -> None:
        """Ask this one in `allows`; called once, when there is one."""
        self._authorizer = authorizer

    async def allows(self, version: FunctionVersion, action: str, resource_arn: str) -> bool:
        """Whether a function could do something with its role, in whose name the platform is about to do it."""
        role = await self._assumable(version.role, version.account_id, version.arn)
        if role is None or self._authorizer is None:
            return False
        caller = Caller(session_of_role(role, version.name), keys={"lambda:SourceFunctionArn": version.arn})
        return (await self._authorizer.decide(AccessRequest(caller, action, resource_arn))).allowed

    async def check(self, ctx: CallContext, role_arn: str, function_arn: str) -> None:
        """Refuse a role for a function that Lambda cannot assume; iam:PassRole is the guard's.

        Raises:
            AwsError: it is of another account, does not exist, or its trust policy does not allow Lambda.
        """
        if role_arn.split(":")[4:5] != [ctx.account_id]:
            raise AwsError("AccessDeniedException", "Cross-account pass role is not allowed.", status=403)
        if await self._assumable(role_arn, ctx.account_id, function_arn) is None:
            raise AwsError("InvalidParameterValueException", _CANNOT_ASSUME)

    async def credentials(self, version: FunctionVersion) -> Credentials:
        """See ``core.environments.port.CredentialSource``.

        Raises:
            AwsError: the role cannot be assumed any more.
        """
        role = await self._assumable(version.role, version.account_id, version.arn)
        if role is None:
            raise AwsError("AccessDeniedException", _CANNOT_ASSUME, status=403)
        now = self._clock.epoch_s()
        principal = session_of_role(role, version.name)
        keys = {"aws:TokenIssueTime": utc(now).strftime("%Y-%m-%dT%H:%M:%SZ"), "lambda:SourceFunctionArn": version.arn}
        issued = self._sessions.issue(principal, expires_at=now + LIFETIME_S, keys=keys)
        return Credentials(issued.access_key_id, issued.secret, issued.token, issued.expires_at - SPARE_S)

    async def _assumable(self, role_arn: str, account_id: str, function_arn: str) -> Role | None:
        """The role, when Lambda may assume it for a function."""
        role = await self._identities.find_role(role_arn)
        if role is None:
            return None
        source = {"aws:SourceArn": function_arn, "aws:SourceAccount": account_id}
        service = Principal(PrincipalKind.SERVICE, "", SERVICE, name=SERVICE, source=source)
        return role if may_assume(role, Caller(service)) else None


def may_assume(role: Role, service: Caller) -> bool:
    """Whether a role's trust policy lets a service assume it."""
    try:
        trust = Policy.of(role.arn, role.trust_policy)
    except PolicyError:
        return False
    keys = caller_keys(service)
    question = Question(service.principal, "sts:AssumeRole", role.arn, role.account_id, keys.get)
    return evaluate(question, Policies(resource=trust, needs_resource=True, resource_source=Source.TRUST)).allowed


def session_of_role(role: Role, session_name: str) -> Principal:
    """The principal that a session of a role is."""
    return Principal(
        kind=PrincipalKind.ASSUMED_ROLE,
        account_id=role.account_id,
        arn=f"arn:aws:sts::{role.account_id}:assumed-role/{role.name}/{session_name}",
        user_id=f"{role.role_id}:{session_name}",
        name=role.name,
        issuer_arn=role.arn,
        tags=dict(role.tags),
    )
