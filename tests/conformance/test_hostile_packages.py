from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.functions import ECHO, asked, call, zip_of
from tests.support.hostile_zips import FILE, HOSTILE, LINK, bomb, made_of
from tests.support.node import Node

UNREADABLE = "Could not unzip uploaded file. Please check your file, then try to upload again."
TOO_LARGE = "Unzipped size must be smaller than 262144000 bytes"


def refusal(aws_lambda: Any, content: bytes) -> str:
    with pytest.raises(aws_lambda.exceptions.InvalidParameterValueException) as error:
        aws_lambda.create_function(**asked("hostile", Code={"ZipFile": content}))
    return str(error.value.response["Error"]["Message"])


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_packages_are_refused_in_the_words_of_aws(aws_lambda: Any, node: Node, content: bytes) -> None:
    assert refusal(aws_lambda, content) == UNREADABLE
    assert list(node.data_dir.rglob("evil*")) == []


def test_a_small_zip_that_grows_beyond_the_limit_is_refused(aws_lambda: Any) -> None:
    content = bomb(251)
    assert len(content) < 1_000_000
    assert refusal(aws_lambda, content) == TOO_LARGE


def test_a_package_of_just_the_limit_is_taken(aws_lambda: Any, make: Callable[..., str]) -> None:
    rest = bytes(262_144_000 - 1 - len(ECHO))
    name = make("largest", Code={"ZipFile": zip_of({"app.py": ECHO, "zeroes": rest})}, Timeout=30)
    assert call(aws_lambda, name, 1) == 1


def test_a_link_inside_the_package_is_taken(aws_lambda: Any, make: Callable[..., str]) -> None:
    content = made_of([("real/app.py", ECHO.encode(), FILE), ("app.py", b"real/app.py", LINK)])
    name = make("linked", Code={"ZipFile": content})
    assert call(aws_lambda, name, 2) == 2


def test_nothing_stays_of_what_was_refused(aws_lambda: Any) -> None:
    with pytest.raises(aws_lambda.exceptions.ResourceNotFoundException):
        aws_lambda.get_function(FunctionName="hostile")
