"""Condition keys: what is known of a caller and of one request, by the names policies use. Pure.

What follows from the caller alone is the same for all its calls; a decision that asked for nothing else can be kept
(`Keys.consulted`). What follows from the request is made only when a condition asks for it.

AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from functory.aws.http import HttpRequest
from functory.core.identity.port import Caller, PrincipalKind
from functory.kernel.clock import utc

Values = Mapping[str, tuple[str, ...]]
"""Condition key in lower case -> its values, of which there is at least one."""

RESOURCE_TAG = "aws:resourcetag/"


def caller_keys(caller: Caller) -> dict[str, tuple[str, ...]]:
    """What follows from the caller."""
    principal = caller.principal
    is_service = principal.kind is PrincipalKind.SERVICE
    found = {"aws:principaltype": principal.kind.value, "aws:principalisawsservice": "true" if is_service else "false"}
    if is_service:
        found["aws:principalservicename"] = principal.arn
    elif principal.kind is not PrincipalKind.ANONYMOUS:
        # AWS: of a role session this is the role
        is_session_of_role = principal.kind is PrincipalKind.ASSUMED_ROLE
        found["aws:principalarn"] = principal.issuer_arn if is_session_of_role else principal.arn
        found["aws:principalaccount"] = principal.account_id
        found["aws:userid"] = principal.user_id
    if principal.kind is PrincipalKind.USER:
        found["aws:username"] = principal.name
    for tag, value in principal.tags.items():
        found[f"aws:principaltag/{tag.lower()}"] = value
    for given in (principal.source, caller.keys):
        found.update({name.lower(): value for name, value in given.items()})
    return {name: (value,) for name, value in found.items()}


def time_keys(epoch_s: float) -> dict[str, tuple[str, ...]]:
    """What follows from the time."""
    return {
        "aws:currenttime": (utc(epoch_s).strftime("%Y-%m-%dT%H:%M:%SZ"),),
        "aws:epochtime": (str(int(epoch_s)),),
    }


def request_keys(request: HttpRequest) -> Values:
    """The condition keys that follow from an HTTP request."""
    found = {"aws:securetransport": ("true" if request.secure else "false",)}
    if request.peer:
        found["aws:sourceip"] = (request.peer,)
    for key, header in (("aws:useragent", "user-agent"), ("aws:referer", "referer")):
        if value := request.headers.get(header):
            found[key] = (value,)
    return found


class Keys:
    """The condition keys of one request.

    Args:
        of_caller: `caller_keys`.
        of_request: makes the others, at most once.

    Attributes:
        consulted: whether anything was asked for that is not the caller's.
        wants_resource_tags: whether a tag of the resource was asked for.
    """

    __slots__ = ("_made", "_of_caller", "_of_request", "consulted", "wants_resource_tags")

    def __init__(self, of_caller: Values, of_request: Callable[[], Values]) -> None:
        self._of_caller = of_caller
        self._of_request = of_request
        self._made: Values | None = None
        self.consulted = False
        self.wants_resource_tags = False

    def get(self, key: str) -> tuple[str, ...] | None:
        """The values of a key (in lower case), or None."""
        found = self._of_caller.get(key)
        if found is not None:
            return found
        self.consulted = True
        if key.startswith(RESOURCE_TAG):
            self.wants_resource_tags = True
        if self._made is None:
            self._made = self._of_request()
        return self._made.get(key)
