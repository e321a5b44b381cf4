from __future__ import annotations

from pathlib import Path

from tests.support.lambda_service import House, run
from tests.support.lambda_store import make_zip


def test_usage_counts_functions_and_the_unzipped_code_of_every_version(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created("a", Code={"ZipFile": make_zip({"x": "1" * 100})}, Publish=True)
        await house.created("b", Code={"ZipFile": make_zip({"x": "1" * 30})})
        assert await house.call("GetAccountSettings") == {
            "AccountLimit": {
                "TotalCodeSize": 322_122_547_200,
                "CodeSizeUnzipped": 262_144_000,
                "CodeSizeZipped": 52_428_800,
                "ConcurrentExecutions": 1000,
                "UnreservedConcurrentExecutions": 1000,
            },
            "AccountUsage": {"TotalCodeSize": 230, "FunctionCount": 2},
        }

    run(tmp_path, scenario)
