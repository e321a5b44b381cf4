from __future__ import annotations

from pathlib import Path

from tests.support.lambda_service import ROLE, House, arn, run
from tests.support.lambda_store import make_zip

NEW = {"FunctionName": "f", "Runtime": "python3.12", "Handler": "a.b", "Role": ROLE, "Code": {"ZipFile": make_zip()}}


def test_tags_are_added_replaced_and_removed(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Tags={"a": "1", "b": "2"})
        await house.call("TagResource", Resource=arn(), Tags={"b": "3", "c": "4"})
        assert await house.call("ListTags", Resource=arn()) == {"Tags": {"a": "1", "b": "3", "c": "4"}}
        await house.call("UntagResource", Resource=arn(), TagKeys=["a", "none"])
        assert await house.call("ListTags", Resource=arn()) == {"Tags": {"b": "3", "c": "4"}}

    run(tmp_path, scenario)


def test_a_function_has_at_most_50_tags(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Tags={f"k{index}": "" for index in range(50)})
        await house.call("TagResource", Resource=arn(), Tags={"k1": "x"})
        assert await house.refused("TagResource", Resource=arn(), Tags={"k50": ""}) == (
            "InvalidParameterValueException",
            "Number of tags exceeds resource tag limit.",
        )

    run(tmp_path, scenario)


def test_only_functions_have_tags(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        mapping = "arn:aws:lambda:eu-central-1:123456789012:event-source-mapping:11111111-2222-4333-8444-555555555555"
        signing = "arn:aws:lambda:eu-central-1:123456789012:code-signing-config:csc-0123456789abcdefg"
        expected = {
            arn("f", "1"): (
                "InvalidParameterValueException",
                "Tags on function aliases and versions are not supported. Please specify a function ARN.",
            ),
            arn("g"): ("ResourceNotFoundException", f"Function not found: {arn('g')}"),
            mapping: ("ResourceNotFoundException", f"Event source mapping not found: {mapping}"),
            signing: ("ResourceNotFoundException", "The Lambda code signing configuration ARN can not be found."),
        }
        for resource, error in expected.items():
            assert await house.refused("ListTags", Resource=resource) == error
            assert await house.refused("TagResource", Resource=resource, Tags={"a": "b"}) == error
            assert await house.refused("UntagResource", Resource=resource, TagKeys=["a"]) == error

    run(tmp_path, scenario)


def test_a_tag_that_asks_for_an_isolation_ends_environments_of_another(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        key = ("123456789012", "eu-central-1", "f")
        await house.call("Invoke", FunctionName="f")
        await house.call("TagResource", Resource=arn(), Tags={"a": "1"})
        assert house.invoker.isolated == []
        await house.call("TagResource", Resource=arn(), Tags={"functory:isolation": "container"})
        await house.call("TagResource", Resource=arn(), Tags={"functory:isolation": "container"})
        assert house.invoker.isolated == [(*key, "container")]
        await house.call("Invoke", FunctionName="f")
        await house.call("UntagResource", Resource=arn(), TagKeys=["functory:isolation"])
        assert house.invoker.isolated == [(*key, "container"), (*key, "")]
        await house.call("Invoke", FunctionName="f")
        before, tagged, after = [version for version, _ in house.invoker.calls]
        assert [before.isolation, tagged.isolation, after.isolation] == ["", "container", ""]
        assert before == after
        assert before.epoch != tagged.epoch

    run(tmp_path, scenario)


def test_an_isolation_that_cannot_be_is_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        error = (
            "InvalidParameterValueException",
            "The value 'gvisor' of the tag functory:isolation is not possible. No gvisor here.",
        )
        tags = {"functory:isolation": "gvisor", "a": "1"}
        assert await house.refused("CreateFunction", **NEW, Tags=tags) == error
        assert (await house.refused("GetFunction", FunctionName="f"))[0] == "ResourceNotFoundException"
        await house.created()
        assert await house.refused("TagResource", Resource=arn(), Tags=tags) == error
        assert await house.call("ListTags", Resource=arn()) == {"Tags": {}}

    run(tmp_path, scenario)
