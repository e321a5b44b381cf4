from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.lambda_service import ACCESS_POINT as EFS
from tests.support.lambda_service import House, run

DATA: list[dict[str, Any]] = [{"Arn": EFS, "LocalMountPath": "/mnt/data"}]
INVALID = "InvalidParameterValueException"


def test_file_systems_are_shown_and_given_to_the_engine(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        created = await house.created(FileSystemConfigs=DATA)
        assert created["FileSystemConfigs"] == DATA
        await house.call("Invoke", FunctionName="f")
        assert house.invoker.calls[-1][0].file_systems == ((EFS, "/mnt/data"),)
        await house.call("UpdateFunctionConfiguration", FunctionName="f", FileSystemConfigs=[])
        assert "FileSystemConfigs" not in await house.settle()
        other = [{"Arn": f"{EFS[:-1]}1", "LocalMountPath": "/mnt/data"}]
        code, text = await house.refused("UpdateFunctionConfiguration", FunctionName="f", FileSystemConfigs=other)
        assert (code, "is not one of this node's" in text) == (INVALID, True)
        direct = [{**DATA[0], "S3FilesConfig": {"DirectS3Read": "ENABLED"}}]
        code, text = await house.refused("UpdateFunctionConfiguration", FunctionName="f", FileSystemConfigs=direct)
        assert (code, "S3FilesConfig is not supported" in text) == (INVALID, True)

    run(tmp_path, scenario)


def test_active_tracing_samples_what_nobody_has_decided(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        created = await house.created(TracingConfig={"Mode": "Active"})
        assert created["TracingConfig"] == {"Mode": "Active"}
        invoke = house.service.invoke_api.invoke
        assert ";Sampled=1;" in (await invoke(house.ctx, "f")).trace_id
        sampled = [";Sampled=1;" in (await invoke(house.ctx, "f")).trace_id for _ in range(200)]
        assert 0 < sum(sampled) < 40
        for decision in ("0", "1"):
            answer = await invoke(house.ctx, "f", trace_id=f"Root=1-2-3;Sampled={decision}")
            assert f";Sampled={decision};" in answer.trace_id
        await house.call("UpdateFunctionConfiguration", FunctionName="f", TracingConfig={"Mode": "PassThrough"})
        assert (await house.settle())["TracingConfig"] == {"Mode": "PassThrough"}
        house.clock.now += 10
        assert ";Sampled=0;" in (await invoke(house.ctx, "f")).trace_id

    run(tmp_path, scenario)
