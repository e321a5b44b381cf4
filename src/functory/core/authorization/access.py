"""What a call needs to be allowed: the IAM action of an operation, its resources, its condition keys. As data.

Each service describes its operations in ``services/<name>/access.py`` with what is here. An `Access` is pure: typed
parameters in, ARNs and keys out.

AWS: the Service Authorization Reference, https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from functory.aws.arn import partition_of
from functory.core.authorization.context import Values
from functory.core.functions.names import BadFunctionName, parse

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a caller is.

    Attributes:
        account_id: the caller's.
        region: that of the call.
        caller_arn: the user an operation is about that names none.
    """

    account_id: str
    region: str
    caller_arn: str = ""


Resources = Callable[[Place, Params], Iterable[str]]
"""The ARNs a call is about; ``*`` for an operation on no resource in particular."""
KeysOf = Callable[[Place, Params], Values]
"""Condition keys that follow from the parameters, names in lower case."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def anything(_place: Place, _params: Params) -> Iterable[str]:
    """The resource of actions that have none."""
    return ("*",)


def nothing(_place: Place, _params: Params) -> Iterable[str]:
    """No resource at all: the service decides by itself, or everybody may."""
    return ()


def no_keys(_place: Place, _params: Params) -> Values:
    """No condition keys."""
    return {}


@dataclass(frozen=True, slots=True)
class Access:
    """One action that must be allowed.

    Attributes:
        action: ``lambda:GetFunction``.
        resources: every one of them must be allowed; where there is none the action must be allowed on ``*``.
        keys: condition keys.
        moves: the call acts in the account that owns the resource, when that is another one and allows it.
        also: what must be allowed besides, on the resources that there are.
    """

    action: str
    resources: Resources = anything
    keys: KeysOf = no_keys
    moves: bool = False
    also: tuple[Access, ...] = ()


def template(text: str, **defaults: str) -> Resources:
    """An ARN with ``{Parameter}``, ``{partition}``, ``{region}`` and ``{account}`` in it.

    Args:
        defaults: values of parameters that are not given; without one the resource is ``*`` then.
    """

    def make(place: Place, params: Params) -> Iterable[str]:
        known = {"partition": partition_of(place.region), "region": place.region, "account": place.account_id}
        known |= defaults
        values = {**known, **{name: value for name, value in params.items() if isinstance(value, str)}}
        if any(name not in values for name in _PLACEHOLDER.findall(text)):
            return ("*",)
        return (_PLACEHOLDER.sub(lambda match: values[match[1]], text),)

    return make


def arn(parameter: str) -> Resources:
    """The ARN that a parameter is, or the ARNs that a list is."""

    def make(_place: Place, params: Params) -> Iterable[str]:
        value = params.get(parameter)
        if isinstance(value, str):
            return (value,)
        return tuple(value) if value else ()

    return make


def first_of(*rules: Resources) -> Resources:
    """The first rule that gives something other than ``*``."""

    def make(place: Place, params: Params) -> Iterable[str]:
        for rule in rules:
            found = tuple(rule(place, params))
            if found and found != ("*",):
                return found
        return ("*",)

    return make


def function(name: str = "FunctionName", qualifier: str = "Qualifier") -> Resources:
    """A Lambda function, or its version or alias where one is named.

    Args:
        name: the parameter with any of AWS's forms of a name.
        qualifier: the parameter with the qualifier; ``""`` for operations on the function as a whole.
    """

    def make(place: Place, params: Params) -> Iterable[str]:
        try:
            ref = parse(params.get(name, ""), place.account_id, place.region)
        except BadFunctionName:
            return ("*",)  # refused by the service, in its own words
        wanted = (params.get(qualifier) or ref.qualifier) if qualifier else ""
        return (f"{ref.arn}:{wanted}" if wanted else ref.arn,)

    return make


def request_tags(parameter: str = "Tags") -> KeysOf:
    """``aws:RequestTag/…`` and ``aws:TagKeys`` of a map of tags, a list of them, or a list of keys."""

    def make(_place: Place, params: Params) -> Values:
        given = params.get(parameter) or {}
        if isinstance(given, Mapping):
            tags = dict(given)
        else:
            named = [tag for tag in given if isinstance(tag, Mapping)]
            tags = {tag.get("Key", tag.get("key", "")): tag.get("Value", tag.get("value", "")) for tag in named}
            keys = tuple(tag for tag in given if isinstance(tag, str))
            if keys:
                return {"aws:tagkeys": keys}
        if not tags:
            return {}
        found = {f"aws:requesttag/{key.lower()}": (str(value),) for key, value in tags.items()}
        return {**found, "aws:tagkeys": tuple(tags)}

    return make


def parameters(**names: str) -> KeysOf:
    """Condition keys that are parameters: ``parameters(Principal="lambda:Principal")``; dots lead into structures."""
    paths = {tuple(path.replace("__", ".").split(".")): key.lower() for path, key in names.items()}

    def make(_place: Place, params: Params) -> Values:
        found: dict[str, tuple[str, ...]] = {}
        for path, key in paths.items():
            value: Any = params
            for name in path:
                value = value.get(name) if isinstance(value, Mapping) else None
            if isinstance(value, list):
                texts = tuple(str(each) for each in value)
            elif isinstance(value, bool):
                texts = ("true" if value else "false",)
            else:
                texts = () if value is None else (str(value),)
            if texts:
                found[key] = texts
        return found

    return make


def arn_key(key: str, resources: Resources) -> KeysOf:
    """A condition key that is the ARN of a resource."""

    def make(place: Place, params: Params) -> Values:
        found = tuple(resource for resource in resources(place, params) if resource != "*")
        return {key.lower(): found} if found else {}

    return make


def together(*makers: KeysOf) -> KeysOf:
    """Condition keys of several makers."""

    def make(place: Place, params: Params) -> Values:
        found: dict[str, tuple[str, ...]] = {}
        for maker in makers:
            found.update(maker(place, params))
        return found

    return make
