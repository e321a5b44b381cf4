"""Single statements against single requests: which actions, resources and conditions fit, as AWS documents it.

Each row: what it shows, the statement's parts (``s3:GetObject`` on everything where nothing is said), the request
(action, resource, condition keys), whether the statement applies. Sections name the page of the IAM User Guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Case(NamedTuple):
    shows: str
    statement: dict[str, Any]
    action: str = "s3:GetObject"
    resource: str = "arn:aws:s3:::bucket/key"
    keys: Mapping[str, Any] = MappingProxyType({})
    applies: bool = True
    version: str = "2012-10-17"


FN = "arn:aws:lambda:us-east-1:123456789012:function:"


def on(operator: str, key: str, value: Any) -> dict[str, Any]:
    return {"Condition": {operator: {key: value}}}


# reference_policies_elements_action, reference_policies_elements_notaction
ACTIONS = [
    Case("an action by its name", {"Action": "s3:GetObject"}),
    Case("another action", {"Action": "s3:PutObject"}, applies=False),
    Case("names ignore case", {"Action": "S3:getobject"}),
    Case("the request's case is ignored too", {"Action": "s3:getobject"}, action="s3:GETOBJECT"),
    Case("a list of actions", {"Action": ["s3:PutObject", "s3:GetObject"]}),
    Case("everything of a service", {"Action": "s3:*"}),
    Case("everything of another service", {"Action": "sqs:*"}, applies=False),
    Case("everything", {"Action": "*"}),
    Case("everything with a colon", {"Action": "*:*"}),
    Case("a beginning", {"Action": "s3:Get*"}),
    Case("another beginning", {"Action": "s3:Put*"}, applies=False),
    Case("an end", {"Action": "iam:*AccessKey*"}, action="iam:CreateAccessKey"),
    Case("an end that goes on", {"Action": "iam:*AccessKey*"}, action="iam:GetAccessKeyLastUsed"),
    Case("an end that does not fit", {"Action": "iam:*AccessKey"}, action="iam:GetAccessKeyLastUsed", applies=False),
    Case("one character", {"Action": "s3:GetObjec?"}),
    Case("one character is not none", {"Action": "s3:GetObject?"}, applies=False),
    Case("one character is not two", {"Action": "s3:GetObje?"}, applies=False),
    Case("two stars", {"Action": "s3:*et*ject"}),
    Case("a prefix that is a service's other name", {"Action": "s3-object-lambda:*"}, applies=False),
    Case("not this action", {"NotAction": "s3:DeleteBucket"}),
    Case("not exactly this action", {"NotAction": "s3:GetObject"}, applies=False),
    Case("not these", {"NotAction": ["iam:*", "s3:*"]}, applies=False),
    Case("everything but IAM", {"NotAction": "iam:*"}),
    Case("everything but IAM, in any case", {"NotAction": "IAM:*"}, action="iam:ListUsers", applies=False),
]

# reference_policies_elements_resource, reference_policies_elements_notresource
RESOURCES = [
    Case("an ARN", {"Resource": "arn:aws:s3:::bucket/key"}),
    Case("another ARN", {"Resource": "arn:aws:s3:::bucket/other"}, applies=False),
    Case("ARNs mind case", {"Resource": "arn:aws:s3:::Bucket/key"}, applies=False),
    Case("a list of ARNs", {"Resource": ["arn:aws:s3:::a", "arn:aws:s3:::bucket/key"]}),
    Case("everything", {"Resource": "*"}),
    Case("everything fits an action without resource", {"Resource": "*"}, resource="*"),
    Case(
        "an ARN does not fit an action without resource",
        {"Resource": "arn:aws:s3:::bucket/key"},
        resource="*",
        applies=False,
    ),
    Case("a star at the end", {"Resource": "arn:aws:s3:::bucket/*"}),
    Case(
        "a star at the end is not the bucket",
        {"Resource": "arn:aws:s3:::bucket/*"},
        resource="arn:aws:s3:::bucket",
        applies=False,
    ),
    Case("a star over slashes", {"Resource": "arn:aws:s3:::bucket/*/z"}, resource="arn:aws:s3:::bucket/a/b/z"),
    Case("a star in the middle", {"Resource": "arn:aws:s3:::buc*/key"}),
    Case("a star for nothing", {"Resource": "arn:aws:s3:::bucket*/key"}),
    Case("one character", {"Resource": "arn:aws:s3:::bucke?/key"}),
    Case("one character that is missing", {"Resource": "arn:aws:s3:::bucket?/key"}, applies=False),
    Case("several ones", {"Resource": "arn:aws:s3:::??????/???"}),
    Case("a whole part", {"Resource": "arn:aws:lambda:*:123456789012:function:f"}, resource=f"{FN}f"),
    Case("two whole parts", {"Resource": "arn:aws:lambda:*:*:function:f"}, resource=f"{FN}f"),
    Case("a part's beginning", {"Resource": "arn:aws:lambda:us-*:123456789012:function:f"}, resource=f"{FN}f"),
    Case("a star inside a part stays in it", {"Resource": "arn:aws:lambda:u*1:123456789012:function:f"}, resource=f"{FN}f"),
    Case(
        "a star inside a part does not cross colons",
        {"Resource": "arn:aws:lambda:u*2:function:f"},
        resource=f"{FN}f",
        applies=False,
    ),
    Case("a star at the end of a part crosses colons", {"Resource": "arn:aws:lambda:*:f"}, resource=f"{FN}f"),
    Case("a function's versions", {"Resource": f"{FN}f:*"}, resource=f"{FN}f:3"),
    Case("a function's versions are not the function", {"Resource": f"{FN}f:*"}, resource=f"{FN}f", applies=False),
    Case("the function is not its versions", {"Resource": f"{FN}f"}, resource=f"{FN}f:3", applies=False),
    Case("the function and its versions", {"Resource": f"{FN}f*"}, resource=f"{FN}f:3"),
    Case(
        "another account's",
        {"Resource": "arn:aws:lambda:us-east-1:210987654321:function:f"},
        resource=f"{FN}f",
        applies=False,
    ),
    Case(
        "another region's",
        {"Resource": "arn:aws:lambda:eu-west-1:123456789012:function:f"},
        resource=f"{FN}f",
        applies=False,
    ),
    Case("not this resource", {"NotResource": "arn:aws:s3:::other"}),
    Case("not exactly this resource", {"NotResource": "arn:aws:s3:::bucket/key"}, applies=False),
    Case("not these", {"NotResource": ["arn:aws:s3:::x", "arn:aws:s3:::bucket/*"]}, applies=False),
    Case("dots are dots", {"Resource": "arn:aws:s3:::bucket/k.y"}, applies=False),
    Case("brackets are brackets", {"Resource": "arn:aws:s3:::bucket/[k]ey"}, applies=False),
]

NAME = {"aws:username": "ann"}
TEAM = {"aws:PrincipalTag/Team": "red"}
HOME = "arn:aws:s3:::bucket/ann/x"

# reference_policies_variables
VARIABLES = [
    Case("a variable in a resource", {"Resource": "arn:aws:s3:::bucket/${aws:username}/*"}, resource=HOME, keys=NAME),
    Case(
        "another's folder",
        {"Resource": "arn:aws:s3:::bucket/${aws:username}/*"},
        resource="arn:aws:s3:::bucket/bob/x",
        keys=NAME,
        applies=False,
    ),
    Case("names of variables ignore case", {"Resource": "arn:aws:s3:::bucket/${AWS:UserName}/*"}, resource=HOME, keys=NAME),
    Case("a variable without value", {"Resource": "arn:aws:s3:::bucket/${aws:username}/*"}, resource=HOME, applies=False),
    Case(
        "a variable without value as written",
        {"Resource": "arn:aws:s3:::bucket/${aws:username}"},
        resource="arn:aws:s3:::bucket/${aws:username}",
        applies=False,
    ),
    Case(
        "a tag as variable",
        {"Resource": "arn:aws:s3:::bucket/${aws:PrincipalTag/Team}"},
        resource="arn:aws:s3:::bucket/red",
        keys=TEAM,
    ),
    Case(
        "a default",
        {"Resource": "arn:aws:s3:::bucket/${aws:PrincipalTag/Team, 'wide'}"},
        resource="arn:aws:s3:::bucket/wide",
    ),
    Case(
        "a default without space",
        {"Resource": "arn:aws:s3:::bucket/${aws:PrincipalTag/Team,'wide'}"},
        resource="arn:aws:s3:::bucket/wide",
    ),
    Case(
        "a default that is not needed",
        {"Resource": "arn:aws:s3:::bucket/${aws:PrincipalTag/Team, 'wide'}"},
        resource="arn:aws:s3:::bucket/red",
        keys=TEAM,
    ),
    Case(
        "a default is not also tried",
        {"Resource": "arn:aws:s3:::bucket/${aws:PrincipalTag/Team, 'wide'}"},
        resource="arn:aws:s3:::bucket/wide",
        keys=TEAM,
        applies=False,
    ),
    Case(
        "two variables",
        {"Resource": "arn:aws:s3:::${aws:PrincipalTag/Team}/${aws:username}"},
        resource="arn:aws:s3:::red/ann",
        keys=NAME | TEAM,
    ),
    Case("a star that means itself", {"Resource": "arn:aws:s3:::bucket/${*}"}, resource="arn:aws:s3:::bucket/*"),
    Case("a star that means itself is no wildcard", {"Resource": "arn:aws:s3:::bucket/${*}"}, applies=False),
    Case(
        "a question mark that means itself", {"Resource": "arn:aws:s3:::bucket/ke${?}"}, resource="arn:aws:s3:::bucket/ke?"
    ),
    Case("a question mark that means itself is no wildcard", {"Resource": "arn:aws:s3:::bucket/ke${?}"}, applies=False),
    Case("a dollar that means itself", {"Resource": "arn:aws:s3:::bucket/${$}"}, resource="arn:aws:s3:::bucket/$"),
    Case(
        "a value is no wildcard",
        {"Resource": "arn:aws:s3:::bucket/${aws:username}"},
        resource="arn:aws:s3:::bucket/bob",
        keys={"aws:username": "*"},
        applies=False,
    ),
    Case(
        "a value that looks like one is itself",
        {"Resource": "arn:aws:s3:::bucket/${aws:username}"},
        resource="arn:aws:s3:::bucket/*",
        keys={"aws:username": "*"},
    ),
    Case(
        "old documents have no variables",
        {"Resource": "arn:aws:s3:::bucket/${aws:username}/*"},
        resource=HOME,
        keys=NAME,
        applies=False,
        version="2008-10-17",
    ),
    Case(
        "in old documents they are text",
        {"Resource": "arn:aws:s3:::bucket/${aws:username}"},
        resource="arn:aws:s3:::bucket/${aws:username}",
        keys=NAME,
        version="2008-10-17",
    ),
    Case(
        "a key of several values is no variable",
        {"Resource": "arn:aws:s3:::bucket/${aws:TagKeys}"},
        resource="arn:aws:s3:::bucket/a",
        keys={"aws:TagKeys": ("a", "b")},
        applies=False,
    ),
    Case(
        "a variable in a condition",
        on("StringEquals", "aws:ResourceTag/Team", "${aws:PrincipalTag/Team}"),
        keys=TEAM | {"aws:ResourceTag/Team": "red"},
    ),
    Case(
        "a variable in a condition that differs",
        on("StringEquals", "aws:ResourceTag/Team", "${aws:PrincipalTag/Team}"),
        keys=TEAM | {"aws:ResourceTag/Team": "blue"},
        applies=False,
    ),
    Case(
        "a variable with wildcards around it",
        on("StringLike", "s3:prefix", "${aws:username}/*"),
        keys=NAME | {"s3:prefix": "ann/2026"},
    ),
    Case(
        "a variable without value in a condition",
        on("StringEquals", "s3:prefix", "${aws:username}"),
        keys={"s3:prefix": "ann"},
        applies=False,
    ),
    Case(
        "a variable in an ARN condition",
        on("ArnLike", "aws:SourceArn", "arn:aws:sns:*:*:${aws:username}"),
        keys=NAME | {"aws:SourceArn": "arn:aws:sns:us-east-1:123456789012:ann"},
    ),
]

# reference_policies_elements_condition_operators: strings
STRINGS = [
    Case("equal", on("StringEquals", "aws:username", "ann"), keys=NAME),
    Case("not equal", on("StringEquals", "aws:username", "bob"), keys=NAME, applies=False),
    Case("values mind case", on("StringEquals", "aws:username", "Ann"), keys=NAME, applies=False),
    Case("keys ignore case", on("StringEquals", "AWS:UserName", "ann"), keys=NAME),
    Case("operators ignore case", on("stringequals", "aws:username", "ann"), keys=NAME),
    Case("one of several", on("StringEquals", "aws:username", ["bob", "ann"]), keys=NAME),
    Case("none of several", on("StringEquals", "aws:username", ["bob", "eve"]), keys=NAME, applies=False),
    Case("a missing key", on("StringEquals", "aws:username", "ann"), applies=False),
    Case("stars are text", on("StringEquals", "aws:username", "a*"), keys=NAME, applies=False),
    Case("negated", on("StringNotEquals", "aws:username", "bob"), keys=NAME),
    Case("negated and equal", on("StringNotEquals", "aws:username", "ann"), keys=NAME, applies=False),
    Case("negated, one of several", on("StringNotEquals", "aws:username", ["bob", "ann"]), keys=NAME, applies=False),
    Case("negated, none of several", on("StringNotEquals", "aws:username", ["bob", "eve"]), keys=NAME),
    Case("negated with a missing key", on("StringNotEquals", "aws:username", "ann")),
    Case("ignoring case", on("StringEqualsIgnoreCase", "aws:username", "ANN"), keys=NAME),
    Case("ignoring case, different", on("StringEqualsIgnoreCase", "aws:username", "ANNA"), keys=NAME, applies=False),
    Case("ignoring case, negated", on("StringNotEqualsIgnoreCase", "aws:username", "ANN"), keys=NAME, applies=False),
    Case("ignoring case, negated, different", on("StringNotEqualsIgnoreCase", "aws:username", "bob"), keys=NAME),
    Case("like", on("StringLike", "aws:username", "a*"), keys=NAME),
    Case("like, one character", on("StringLike", "aws:username", "a?n"), keys=NAME),
    Case("like minds case", on("StringLike", "aws:username", "A*"), keys=NAME, applies=False),
    Case("like over slashes and colons", on("StringLike", "s3:prefix", "a*z"), keys={"s3:prefix": "a/b:c/z"}),
    Case("not like", on("StringNotLike", "aws:username", "b*"), keys=NAME),
    Case("not like and alike", on("StringNotLike", "aws:username", "a*"), keys=NAME, applies=False),
    Case("not like with a missing key", on("StringNotLike", "aws:username", "a*")),
    Case("like needs the key", on("StringLike", "aws:username", "*"), applies=False),
    Case("an empty value", on("StringEquals", "s3:prefix", ""), keys={"s3:prefix": ""}),
]

# … numbers, dates, truth values, bytes, addresses
N, D = "s3:max-keys", "aws:CurrentTime"
VALUES = [
    Case("number equal", on("NumericEquals", N, "10"), keys={N: "10"}),
    Case("number equal in another form", on("NumericEquals", N, "10.0"), keys={N: "10"}),
    Case("number as JSON number", on("NumericEquals", N, 10), keys={N: "10"}),
    Case("number different", on("NumericEquals", N, "10"), keys={N: "11"}, applies=False),
    Case("number not equal", on("NumericNotEquals", N, "10"), keys={N: "11"}),
    Case("number less", on("NumericLessThan", N, "10"), keys={N: "9"}),
    Case("number not less", on("NumericLessThan", N, "10"), keys={N: "10"}, applies=False),
    Case("number less or equal", on("NumericLessThanEquals", N, "10"), keys={N: "10"}),
    Case("number greater", on("NumericGreaterThan", N, "10"), keys={N: "100"}),
    Case("number greater is no text order", on("NumericGreaterThan", N, "9"), keys={N: "10"}),
    Case("number greater or equal", on("NumericGreaterThanEquals", N, "10"), keys={N: "10"}),
    Case("number greater or equal, less", on("NumericGreaterThanEquals", N, "10"), keys={N: "9"}, applies=False),
    Case("no number", on("NumericLessThan", N, "10"), keys={N: "few"}, applies=False),
    Case("number with a missing key", on("NumericLessThan", N, "10"), applies=False),
    Case("number not equal with a missing key", on("NumericNotEquals", N, "10")),
    Case("date before", on("DateLessThan", D, "2026-12-01T00:00:00Z"), keys={D: "2026-11-25T00:00:00Z"}),
    Case("date not before", on("DateLessThan", D, "2026-11-01T00:00:00Z"), keys={D: "2026-11-25T00:00:00Z"}, applies=False),
    Case("date after", on("DateGreaterThan", D, "2026-11-01T00:00:00Z"), keys={D: "2026-11-25T00:00:00Z"}),
    Case("date equal", on("DateEquals", D, "2026-11-25T00:00:00Z"), keys={D: "2026-11-25T00:00:00Z"}),
    Case("date equal in another zone", on("DateEquals", D, "2026-11-25T01:00:00+01:00"), keys={D: "2026-11-25T00:00:00Z"}),
    Case("date not equal", on("DateNotEquals", D, "2026-11-25T00:00:00Z"), keys={D: "2026-11-25T00:00:00Z"}, applies=False),
    Case(
        "date as epoch seconds", on("DateGreaterThan", "aws:EpochTime", "1764000000"), keys={"aws:EpochTime": "1764000001"}
    ),
    Case("date without time", on("DateGreaterThanEquals", D, "2026-11-25"), keys={D: "2026-11-25T00:00:00Z"}),
    Case("date at most", on("DateLessThanEquals", D, "2026-11-25T00:00:00Z"), keys={D: "2026-11-25T00:00:00Z"}),
    Case("true", on("Bool", "aws:SecureTransport", "true"), keys={"aws:SecureTransport": "true"}),
    Case("true as JSON", on("Bool", "aws:SecureTransport", True), keys={"aws:SecureTransport": "true"}),
    Case("false", on("Bool", "aws:SecureTransport", "false"), keys={"aws:SecureTransport": "false"}),
    Case("not true", on("Bool", "aws:SecureTransport", "true"), keys={"aws:SecureTransport": "false"}, applies=False),
    Case("truth ignores case", on("Bool", "aws:SecureTransport", "True"), keys={"aws:SecureTransport": "true"}),
    Case("truth of a missing key", on("Bool", "aws:MultiFactorAuthPresent", "false"), applies=False),
    Case("truth of a missing key, if it exists", on("BoolIfExists", "aws:MultiFactorAuthPresent", "false")),
    Case("bytes", on("BinaryEquals", "k:b", "QmluYXJ5"), keys={"k:b": "QmluYXJ5"}),
    Case("other bytes", on("BinaryEquals", "k:b", "QmluYXJ5"), keys={"k:b": "QmluYXJ6"}, applies=False),
    Case("an address in a range", on("IpAddress", "aws:SourceIp", "203.0.113.0/24"), keys={"aws:SourceIp": "203.0.113.7"}),
    Case(
        "an address outside",
        on("IpAddress", "aws:SourceIp", "203.0.113.0/24"),
        keys={"aws:SourceIp": "203.0.114.7"},
        applies=False,
    ),
    Case("one address", on("IpAddress", "aws:SourceIp", "203.0.113.7"), keys={"aws:SourceIp": "203.0.113.7"}),
    Case(
        "one of two ranges",
        on("IpAddress", "aws:SourceIp", ["10.0.0.0/8", "203.0.113.0/24"]),
        keys={"aws:SourceIp": "203.0.113.7"},
    ),
    Case(
        "an IPv6 range",
        on("IpAddress", "aws:SourceIp", "2001:DB8:1234:5678::/64"),
        keys={"aws:SourceIp": "2001:db8:1234:5678::1"},
    ),
    Case(
        "an IPv6 address in another form",
        on("IpAddress", "aws:SourceIp", "2001:db8::1"),
        keys={"aws:SourceIp": "2001:0db8:0:0::1"},
    ),
    Case("IPv4 is not IPv6", on("IpAddress", "aws:SourceIp", "::/0"), keys={"aws:SourceIp": "203.0.113.7"}, applies=False),
    Case("not an address", on("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"), keys={"aws:SourceIp": "203.0.114.7"}),
    Case(
        "not an address of the range",
        on("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"),
        keys={"aws:SourceIp": "203.0.113.7"},
        applies=False,
    ),
    Case("not an address, missing", on("NotIpAddress", "aws:SourceIp", "203.0.113.0/24")),
    Case(
        "no address at all", on("IpAddress", "aws:SourceIp", "0.0.0.0/0"), keys={"aws:SourceIp": "somewhere"}, applies=False
    ),
]

A = "aws:SourceArn"
TOPIC = {A: "arn:aws:sns:us-east-1:123456789012:topic"}
# … ARNs, Null, IfExists
FORMS = [
    Case("ARN equal", on("ArnEquals", A, "arn:aws:sns:us-east-1:123456789012:topic"), keys=TOPIC),
    Case("ARN equal takes wildcards", on("ArnEquals", A, "arn:aws:sns:*:123456789012:*"), keys=TOPIC),
    Case("ARN like", on("ArnLike", A, "arn:aws:sns:us-east-1:*:topic"), keys=TOPIC),
    Case("ARN like, one character", on("ArnLike", A, "arn:aws:sns:us-east-?:123456789012:topic"), keys=TOPIC),
    Case("ARN of another account", on("ArnLike", A, "arn:aws:sns:*:210987654321:*"), keys=TOPIC, applies=False),
    Case(
        "a star does not reach over the parts of an ARN", on("ArnLike", A, "arn:aws:sns:*:topic"), keys=TOPIC, applies=False
    ),
    Case(
        "the last part may hold colons",
        on("ArnLike", A, "arn:aws:logs:*:*:log-group:*"),
        keys={A: "arn:aws:logs:us-east-1:123456789012:log-group:g:*"},
    ),
    Case("ARN not like", on("ArnNotLike", A, "arn:aws:sns:*:210987654321:*"), keys=TOPIC),
    Case("ARN not like and alike", on("ArnNotLike", A, "arn:aws:sns:*:*:*"), keys=TOPIC, applies=False),
    Case("ARN not equal", on("ArnNotEquals", A, "arn:aws:sns:us-east-1:123456789012:other"), keys=TOPIC),
    Case("ARN with a missing key", on("ArnLike", A, "arn:aws:sns:*:*:*"), applies=False),
    Case("ARN not like with a missing key", on("ArnNotLike", A, "arn:aws:sns:*:*:*")),
    Case("the key is absent", on("Null", "aws:TokenIssueTime", "true")),
    Case("the key is not absent", on("Null", "aws:TokenIssueTime", "true"), keys={"aws:TokenIssueTime": "x"}, applies=False),
    Case("the key is present", on("Null", "aws:TokenIssueTime", "false"), keys={"aws:TokenIssueTime": "x"}),
    Case("the key is not present", on("Null", "aws:TokenIssueTime", "false"), applies=False),
    Case("null as JSON", on("Null", "aws:TokenIssueTime", True)),
    Case("if it exists and fits", on("StringEqualsIfExists", "aws:username", "ann"), keys=NAME),
    Case("if it exists and differs", on("StringEqualsIfExists", "aws:username", "bob"), keys=NAME, applies=False),
    Case("if it exists and does not", on("StringEqualsIfExists", "aws:username", "bob")),
    Case("if it exists, of numbers", on("NumericLessThanIfExists", N, "10"), keys={N: "11"}, applies=False),
    Case("if it exists, of addresses", on("IpAddressIfExists", "aws:SourceIp", "10.0.0.0/8")),
    Case("if it exists, negated", on("StringNotEqualsIfExists", "aws:username", "ann"), keys=NAME, applies=False),
    Case(
        "two operators must both hold",
        {"Condition": {"StringEquals": {"aws:username": "ann"}, "Bool": {"aws:SecureTransport": "true"}}},
        keys=NAME,
        applies=False,
    ),
    Case(
        "two operators that both hold",
        {"Condition": {"StringEquals": {"aws:username": "ann"}, "Bool": {"aws:SecureTransport": "true"}}},
        keys=NAME | {"aws:SecureTransport": "true"},
    ),
    Case(
        "two keys must both hold",
        {"Condition": {"StringEquals": {"aws:username": "ann", "s3:prefix": "x"}}},
        keys=NAME,
        applies=False,
    ),
    Case(
        "two keys that both hold",
        {"Condition": {"StringEquals": {"aws:username": "ann", "s3:prefix": "x"}}},
        keys=NAME | {"s3:prefix": "x"},
    ),
    Case("no condition at all", {"Condition": {}}),
]

T = "aws:TagKeys"
# reference_policies_condition-single-vs-multi-valued-context-keys
SETS = [
    Case("all values, all in", on("ForAllValues:StringEquals", T, ["a", "b", "c"]), keys={T: ("a", "b")}),
    Case("all values, one out", on("ForAllValues:StringEquals", T, ["a", "b"]), keys={T: ("a", "z")}, applies=False),
    Case("all values of none", on("ForAllValues:StringEquals", T, ["a"])),
    Case(
        "all values, guarded against none",
        {"Condition": {"ForAllValues:StringEquals": {T: ["a"]}, "Null": {T: "false"}}},
        applies=False,
    ),
    Case("all values like", on("ForAllValues:StringLike", T, "a*"), keys={T: ("a1", "a2")}),
    Case("all values negated", on("ForAllValues:StringNotEquals", T, ["x", "y"]), keys={T: ("a", "b")}),
    Case(
        "all values negated, one in", on("ForAllValues:StringNotEquals", T, ["x", "y"]), keys={T: ("a", "x")}, applies=False
    ),
    Case("any value, one in", on("ForAnyValue:StringEquals", T, ["a", "b"]), keys={T: ("z", "b")}),
    Case("any value, none in", on("ForAnyValue:StringEquals", T, ["a", "b"]), keys={T: ("z",)}, applies=False),
    Case("any value of none", on("ForAnyValue:StringEquals", T, ["a"]), applies=False),
    Case("any value like", on("ForAnyValue:StringLike", T, "b*"), keys={T: ("a", "bcd")}),
    Case("any value negated", on("ForAnyValue:StringNotEquals", T, ["a"]), keys={T: ("a", "b")}),
    Case("any value negated, all in", on("ForAnyValue:StringNotEquals", T, ["a", "b"]), keys={T: ("a", "b")}, applies=False),
    Case("any value negated of none", on("ForAnyValue:StringNotEquals", T, ["a"]), applies=False),
    Case("any value ignoring case", on("ForAnyValue:StringEqualsIgnoreCase", T, "A"), keys={T: ("a",)}),
    Case("all values, if it exists", on("ForAllValues:StringEqualsIfExists", T, ["a"]), keys={T: ("b",)}, applies=False),
    Case("any value, if it exists and does not", on("ForAnyValue:StringEqualsIfExists", T, ["a"])),
]

CASES = [*ACTIONS, *RESOURCES, *VARIABLES, *STRINGS, *VALUES, *FORMS, *SETS]
