from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.lambda_service import ROLE, House
from tests.support.lambda_store import make_zip
from tests.support.oci_images import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "layouts/app")
    made.add("v1", [{"x": "1"}], Entrypoint=["/x"])
    made.add("v2", [{"x": "2"}], Entrypoint=["/x"])
    return made


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "unpacked")


def request(layout: Layout, tag: str = "v1", **more: Any) -> dict[str, Any]:
    code = {"ImageUri": f"oci:{layout.path}:{tag}"}
    return {"FunctionName": "f", "Role": ROLE, "PackageType": "Image", "Code": code, **more}


def test_an_image_function_is_prepared_and_shown_as_aws_shows_it(house: House, layout: Layout) -> None:
    async def use() -> None:
        async with house.running():
            config = {"Command": ["a"], "EntryPoint": [], "WorkingDirectory": ""}
            made = await house.call("CreateFunction", **request(layout, ImageConfig=config))
            assert made["State"] == "Pending"
            assert made["ImageConfigResponse"] == {"ImageConfig": {"Command": ["a"]}}
            shown = await house.settle()
            assert (shown["State"], shown["PackageType"], shown["CodeSize"]) == ("Active", "Image", 0)
            assert shown["CodeSha256"] == layout.find("v1")
            code = (await house.call("GetFunction", FunctionName="f"))["Code"]
            assert code["ResolvedImageUri"] == f"oci:{layout.path}@sha256:{layout.find('v1')}"

    asyncio.run(use())


def test_code_and_configuration_change_each_by_itself(house: House, layout: Layout) -> None:
    async def use() -> None:
        async with house.running():
            await house.call("CreateFunction", **request(layout, ImageConfig={"Command": ["a"]}, Publish=True))
            await house.settle()
            uri = f"oci:{layout.path}:v2"
            await house.call("UpdateFunctionCode", FunctionName="f", ImageUri=uri)
            shown = await house.settle()
            assert shown["CodeSha256"] == layout.find("v2")
            assert shown["ImageConfigResponse"] == {"ImageConfig": {"Command": ["a"]}}
            await house.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=7)
            assert (await house.settle())["ImageConfigResponse"] == {"ImageConfig": {"Command": ["a"]}}
            await house.call("UpdateFunctionConfiguration", FunctionName="f", ImageConfig={})
            assert "ImageConfigResponse" not in await house.settle()
            version = await house.call("GetFunctionConfiguration", FunctionName="f", Qualifier="1")
            assert version["CodeSha256"] == layout.find("v1")

    asyncio.run(use())


def test_members_of_the_other_kind_are_refused(house: House, layout: Layout) -> None:
    async def use() -> None:
        async with house.running():
            for more in ({"Runtime": "python3.12"}, {"Handler": "a.b"}):
                _, text = await house.refused("CreateFunction", **request(layout, **more))
                assert text.startswith("Please don't provide Handler or Runtime or Layer")
            zipped = {"ZipFile": make_zip()}
            _, text = await house.refused("CreateFunction", **request(layout, Code=zipped))
            assert text.startswith("Please don't provide ZipFile")
            _, text = await house.refused("CreateFunction", **request(layout, Code={}))
            assert text == "Please provide ImageUri when the intended function PackageType is Image."
            own = {"FunctionName": "z", "Role": ROLE, "Runtime": "python3.12", "Handler": "a.b"}
            _, text = await house.refused("CreateFunction", **own, Code=request(layout)["Code"])
            assert text == "Please don't provide ImageUri when the intended function PackageType is Zip."
            _, text = await house.refused("CreateFunction", **own, Code=zipped, ImageConfig={"Command": ["a"]})
            assert text.startswith("Please don't provide ImageConfig")

            await house.call("CreateFunction", **request(layout))
            await house.settle()
            await house.create("z")
            await house.settle("z")
            _, text = await house.refused("UpdateFunctionCode", FunctionName="f", **zipped)
            assert text == "Please provide ImageUri when updating a function with packageType Image."
            _, text = await house.refused("UpdateFunctionCode", FunctionName="z", ImageUri=f"oci:{layout.path}:v1")
            assert text == "Please don't provide ImageUri when updating a function with packageType Zip."
            _, text = await house.refused("UpdateFunctionConfiguration", FunctionName="f", Handler="a.b")
            assert text.startswith("Please don't provide Handler or Runtime or Layer")
            _, text = await house.refused("UpdateFunctionConfiguration", FunctionName="z", ImageConfig={"Command": ["a"]})
            assert text.startswith("Please don't provide ImageConfig")
            _, text = await house.refused(
                "CreateFunction", **request(layout, FunctionName="g", ImageConfig={"Command": ["a" * 17_000]})
            )
            assert text == "The image settings exceed the limit of 16 KB."

    asyncio.run(use())


def test_an_image_that_is_gone_when_it_is_fetched_fails_the_function(house: House, layout: Layout) -> None:
    async def use() -> None:
        async with house.running(jobs=False):
            await house.call("CreateFunction", **request(layout))
        (layout.blobs / str(layout.find("v1"))).unlink()
        async with house.running():
            shown = await house.settle()
            assert (shown["State"], shown["StateReasonCode"]) == ("Failed", "ImageDeleted")

    asyncio.run(use())
