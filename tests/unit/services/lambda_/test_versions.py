from __future__ import annotations

from pathlib import Path

from tests.support.lambda_service import House, arn, run
from tests.support.lambda_store import make_zip


def test_a_published_version_is_an_immutable_copy(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        latest = await house.created(Description="latest")
        answer = await house.call("PublishVersion", FunctionName="f", Description="one")
        assert (answer["Version"], answer["FunctionArn"], answer["Description"]) == ("1", arn("f", "1"), "one")
        assert answer["State"] == "Pending"
        assert answer["RevisionId"] != latest["RevisionId"]
        before = await house.settle("f", "1")
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=30)
        await house.settle()
        await house.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip({"a": "b"}))
        await house.settle()
        assert await house.settle("f", "1") == before

    run(tmp_path, scenario)


def test_publishing_what_was_published_gives_the_same_version(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        for _ in range(2):
            assert (await house.call("PublishVersion", FunctionName="f"))["Version"] == "1"
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=30)
        await house.settle()
        assert (await house.call("PublishVersion", FunctionName="f"))["Version"] == "2"
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=30)
        await house.settle()
        assert (await house.call("PublishVersion", FunctionName="f"))["Version"] == "2"

    run(tmp_path, scenario)


def test_numbers_are_never_used_again(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        await house.call("DeleteFunction", FunctionName="f", Qualifier="1")
        assert (await house.call("PublishVersion", FunctionName="f"))["Version"] == "2"
        await house.call("DeleteFunction", FunctionName="f")
        await house.created()
        assert (await house.call("PublishVersion", FunctionName="f"))["Version"] == "3"

    run(tmp_path, scenario)


def test_publishing_with_another_hash_is_refused(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        current = (await house.created())["CodeSha256"]
        assert await house.refused("PublishVersion", FunctionName="f", CodeSha256="abc=") == (
            "InvalidParameterValueException",
            (
                f"CodeSHA256 (abc=) is different from current CodeSHA256 in $LATEST ({current}). "
                "Please try again with the CodeSHA256 in $LATEST."
            ),
        )
        assert (await house.call("PublishVersion", FunctionName="f", CodeSha256=current))["Version"] == "1"

    run(tmp_path, scenario)


def test_versions_are_listed_in_order_latest_first(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        for timeout in range(10, 20):
            await house.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=timeout)
            await house.settle()
            await house.call("PublishVersion", FunctionName="f")
        seen: list[str] = []
        marker: dict[str, str] = {}
        while True:
            answer = await house.call("ListVersionsByFunction", FunctionName="f", MaxItems=4, **marker)
            seen += [entry["FunctionArn"] for entry in answer["Versions"]]
            if "NextMarker" not in answer:
                break
            marker = {"Marker": answer["NextMarker"]}
        assert seen == [arn("f", "$LATEST"), *(arn("f", str(number)) for number in range(1, 12))]
        assert (await house.refused("ListVersionsByFunction", FunctionName="g"))[0] == "ResourceNotFoundException"

    run(tmp_path, scenario)
