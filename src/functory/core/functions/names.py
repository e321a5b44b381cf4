"""The forms in which AWS lets a function be named, and the ARNs made from them.

Pure: text in, a `FunctionRef` out. What an unknown region or a foreign account means is for the caller to say.

AWS: ``name``, ``name:qualifier``, ``function:name``, ``account:function:name`` and the full ARN, each with an optional
qualifier, are accepted wherever a function is named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = r"(?P<name>[a-zA-Z0-9-_.]+)"
_QUALIFIER = r"(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
_ARN = re.compile(
    rf"arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{{12}}):function:{_NAME}{_QUALIFIER}", re.ASCII
)
_SHORT = re.compile(rf"(?:(?P<account>[0-9]{{12}}):)?(?:function:)?{_NAME}{_QUALIFIER}", re.ASCII)
_VERSION = re.compile(r"[0-9]+", re.ASCII)


class BadFunctionName(ValueError):  # noqa: N818  the caller's mistake, turned into AWS's error by the service
    """The text is none of AWS's forms of a function name."""


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """What a name stands for.

    Attributes:
        account_id: from the name, or the caller's.
        region: from the name, or the caller's.
        name: the function name alone.
        qualifier: version or alias as written; ``""`` when there was none.
    """

    account_id: str
    region: str
    name: str
    qualifier: str = ""

    @property
    def arn(self) -> str:
        """The unqualified ARN."""
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{self.name}"

    @property
    def qualified_arn(self) -> str:
        """The ARN with the qualifier, as far as there is one."""
        return f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn


def parse(text: str, account_id: str, region: str) -> FunctionRef:
    """What ``text`` names, seen by a caller of this account and region.

    Raises:
        BadFunctionName: it is none of AWS's forms.
    """
    match = _ARN.fullmatch(text)
    if match is not None:
        return FunctionRef(match["account"], match["region"], match["name"], match["qualifier"] or "")
    match = _SHORT.fullmatch(text)
    if match is None:
        raise BadFunctionName(text)
    return FunctionRef(match["account"] or account_id, region, match["name"], match["qualifier"] or "")


def is_version_number(qualifier: str) -> bool:
    """Whether a qualifier is the number of a published version."""
    return _VERSION.fullmatch(qualifier) is not None
