from __future__ import annotations

import json
from dataclasses import replace

from functory.core.invocations.outcome import OutcomeKind
from functory.runtimes.version import runtime_version_arn
from tests.support.engine import engine, version
from tests.support.virtual_time import run_virtual


def test_a_function_that_stays_with_another_runtime_version_fails_and_says_so() -> None:
    async def run() -> None:
        async with engine() as subject:
            pinned = replace(version(), runtime_pin="arn:aws:lambda:eu-west-1::runtime:gone")
            outcome = await subject.call(pinned)
            assert (outcome.kind, outcome.error_type) == (OutcomeKind.RUNTIME_EXITED, "Runtime.Unavailable")
            assert "runtime:gone" in json.loads(outcome.payload)["errorMessage"]
            ready = await subject.environments._runtimes.resolve(pinned.runtime)
            right = replace(pinned, runtime_pin=runtime_version_arn(pinned.region, ready), epoch="other")
            assert (await subject.call(right)).kind is OutcomeKind.SUCCEEDED

    run_virtual(run())
