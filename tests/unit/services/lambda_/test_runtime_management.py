from __future__ import annotations

from pathlib import Path

from functory.core.functions.model import FunctionVersion
from functory.runtimes.port import ReadyRuntime
from functory.runtimes.version import runtime_version_arn
from tests.support.lambda_service import ACCOUNT, REGION, House, arn, run
from tests.support.lambda_store import make_zip

OTHER = f"arn:aws:lambda:{REGION}::runtime:{'0' * 64}"
INVALID = "InvalidParameterValueException"


async def installed(house: House) -> str:
    return runtime_version_arn(REGION, await house.runtimes.resolve("python3.12"))


async def facts(house: House, qualifier: str = "$LATEST") -> FunctionVersion:
    route = await house.service.functions.resolve(ACCOUNT, REGION, "f", qualifier)
    assert route is not None
    assert route.primary.facts is not None
    return route.primary.facts


async def install_another(house: House) -> None:
    """The node has been given another interpreter."""

    async def resolve(runtime: str) -> ReadyRuntime:
        return ReadyRuntime(runtime, "1.2.4", ("/bin/true",), {}, ())

    house.runtimes.resolve = resolve  # type: ignore[method-assign]


def test_a_version_follows_what_is_installed_until_it_is_told_not_to(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        auto = {"UpdateRuntimeOn": "Auto", "FunctionArn": arn("f", "$LATEST")}
        assert await house.call("GetRuntimeManagementConfig", FunctionName="f") == auto
        pinned = await installed(house)
        manual = {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": pinned}
        put = await house.call("PutRuntimeManagementConfig", FunctionName="f", Qualifier="1", **manual)
        assert put == await house.call("GetRuntimeManagementConfig", FunctionName="f:1")
        assert put == {**manual, "FunctionArn": arn("f", "1")}
        assert ((await facts(house, "1")).runtime_pin, (await facts(house)).runtime_pin) == (pinned, "")
        await install_another(house)
        for qualifier, version in (("1", pinned), ("$LATEST", await installed(house))):
            shown = await house.call("GetFunctionConfiguration", FunctionName="f", Qualifier=qualifier)
            assert shown["RuntimeVersionConfig"] == {"RuntimeVersionArn": version}
        assert await house.call("PutRuntimeManagementConfig", FunctionName="f", Qualifier="1", UpdateRuntimeOn="Auto")
        assert (await facts(house, "1")).runtime_pin == ""

    run(tmp_path, scenario)


def test_with_function_update_an_update_takes_what_is_installed_then(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        before = await installed(house)
        put = await house.call("PutRuntimeManagementConfig", FunctionName="f", UpdateRuntimeOn="FunctionUpdate")
        assert put == {"UpdateRuntimeOn": "FunctionUpdate", "FunctionArn": arn("f", "$LATEST")}
        await install_another(house)
        assert (await facts(house)).runtime_pin == before
        await house.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip({"index.py": "handler = print\n"}))
        await house.settle()
        assert (await facts(house)).runtime_pin == await installed(house) != before

    run(tmp_path, scenario)


def test_what_cannot_be_managed(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        put, pinned = "PutRuntimeManagementConfig", {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": OTHER}
        gone = ("ResourceNotFoundException", f"Function not found: {arn()}")
        assert await house.refused(put, FunctionName="f", UpdateRuntimeOn="Auto") == gone
        await house.created()
        code, text = await house.refused(put, FunctionName="f", **pinned)
        assert (code, await installed(house) in text) == (INVALID, True)
        for wrong in ({"UpdateRuntimeOn": "Manual"}, {"UpdateRuntimeOn": "Auto", "RuntimeVersionArn": OTHER}):
            assert "is required when" in (await house.refused(put, FunctionName="f", **wrong))[1]
        assert (await house.refused(put, FunctionName="f:live", UpdateRuntimeOn="Auto"))[0] == INVALID
        absent = ("ResourceNotFoundException", f"Function not found: {arn('f', '7')}")
        assert await house.refused(put, FunctionName="f:7", UpdateRuntimeOn="Auto") == absent
        pinned["RuntimeVersionArn"] = await installed(house)
        await house.call(put, FunctionName="f", **pinned)
        change = await house.refused("UpdateFunctionConfiguration", FunctionName="f", Runtime="provided.al2023")
        assert (change[0], "stays with a version of python3.12" in change[1]) == (INVALID, True)

    run(tmp_path, scenario)


def test_a_runtime_that_is_not_here_is_shown_as_an_error(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        house.runtimes.missing.add("python3.12")
        created = await house.created()
        assert created["RuntimeVersionConfig"]["Error"]["Message"] == "python3.12 is not installed"
        given = {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": OTHER}
        assert "is not installed" in (await house.refused("PutRuntimeManagementConfig", FunctionName="f", **given))[1]
        await house.call("PutRuntimeManagementConfig", FunctionName="f", UpdateRuntimeOn="FunctionUpdate")
        assert (await facts(house)).runtime_pin == ""

    run(tmp_path, scenario)


def test_settings_go_with_their_version(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        manual = {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": await installed(house)}
        for qualifier in ("$LATEST", "1"):
            await house.call("PutRuntimeManagementConfig", FunctionName="f", Qualifier=qualifier, **manual)
        await house.call("DeleteFunction", FunctionName="f")
        await house.created()
        assert (await house.call("GetRuntimeManagementConfig", FunctionName="f"))["UpdateRuntimeOn"] == "Auto"

    run(tmp_path, scenario)
