from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.core.functions.names import BadFunctionName, FunctionRef, is_version_number, parse

ACCOUNT = "123456789012"
REGION = "eu-central-1"

plain_names = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True).filter(lambda name: name != "function")
accounts = st.from_regex(r"[0-9]{12}", fullmatch=True)
regions = st.sampled_from(["us-east-1", "eu-central-1", "my-cellar", "us-gov-west-1"])
qualifiers = st.sampled_from(["", "$LATEST", "1", "42", "live", "a-b_c"])


def suffixed(text: str, qualifier: str) -> str:
    return f"{text}:{qualifier}" if qualifier else text


@given(accounts, regions, plain_names, qualifiers)
def test_every_form_names_the_same_function(account: str, region: str, name: str, qualifier: str) -> None:
    ref = FunctionRef(account, region, name, qualifier)
    full = suffixed(f"arn:aws:lambda:{region}:{account}:function:{name}", qualifier)
    assert parse(full, ACCOUNT, REGION) == ref
    assert ref.qualified_arn == full
    assert parse(suffixed(f"{account}:function:{name}", qualifier), ACCOUNT, region) == ref
    assert parse(suffixed(f"function:{name}", qualifier), account, region) == ref
    is_account = len(name) == 12 and name.isdigit()
    if not (qualifier and is_account):
        assert parse(suffixed(name, qualifier), account, region) == ref


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        ref = parse(text, ACCOUNT, REGION)
    except BadFunctionName:
        return
    assert ref.name
    assert parse(ref.qualified_arn, ACCOUNT, REGION) == ref


@pytest.mark.parametrize(
    "text",
    [
        "",
        " f",
        "f ",
        "f\n",
        "f/g",
        "a:b:c",
        "arn:aws:s3:::bucket",
        "arn:aws:lambda:r:12:function:f",
        "f:",
        ":f",
        "f:$OLD",
        "ф",
    ],
)
def test_what_is_no_form_of_a_name_is_refused(text: str) -> None:
    with pytest.raises(BadFunctionName):
        parse(text, ACCOUNT, REGION)


def test_only_digits_are_a_version_number() -> None:
    assert is_version_number("12")
    assert not any(map(is_version_number, ["$LATEST", "live", "", "1a", "\u0661"]))
