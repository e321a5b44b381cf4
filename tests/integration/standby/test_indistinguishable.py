"""A function that got a standby sees exactly what it sees in a process of its own."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from tests.integration.standby import facts
from tests.integration.standby.conftest import Pair

pytestmark = pytest.mark.root

ENVIRONMENT = {"MINE": "ü = $HOME\n", "TZ": "America/New_York", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "A1": "x" * 3000}


def _seen(pair: Pair, code: str, runtime: str, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    first, second = (function.invoke().json for function in pair.deploy(code, runtime, **more))
    assert first["waited"], "the first function met no standby"
    assert not second["waited"]
    return _comparable(first["facts"]), _comparable(second["facts"])


def _comparable(seen: dict[str, Any]) -> dict[str, Any]:
    """Without what differs between any two: names, loop device, user ids of the host; mounts in no order."""
    for name in ("AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_FUNCTION_NAME"):
        assert seen["env"].pop(name)
        seen["child"] = sorted(line for line in seen["child"] if not line.startswith(f"{name}="))
    seen["mounts"] = Counter(re.sub(r"/dev/loop[0-9]+|[ug]id=[0-9]{6,}", "<n>", line) for line in seen["mounts"] if line)
    return seen


def _check_mounts(first: dict[str, Any], second: dict[str, Any]) -> None:
    """The same, but for the empty folders that later mounts come in at."""
    mounts, others = first.pop("mounts"), second.pop("mounts")
    assert list((others - mounts).elements()) == []
    more = list((mounts - others).elements())
    assert {line.split(" ")[1] for line in more} == {"/var/task", "/opt"}
    assert all(" ro,nosuid,nodev," in line for line in more)


@pytest.mark.parametrize("runtime", [f"python3.{minor}" for minor in range(9, 15)], indirect=True)
def test_python(pair: Pair, runtime: str) -> None:
    settings = {"MemorySize": 256, "EphemeralStorage": {"Size": 512}, "Environment": {"Variables": ENVIRONMENT}}
    first, second = _seen(pair, facts.PYTHON, runtime, **settings)
    _check_mounts(first, second)
    for name, value in second.items():
        seen = first[name]
        if name == "imports" or name.startswith("after "):
            seen["finders"] = [each for each in seen["finders"] if each != "Stash"]  # gives modules back, then goes
            assert set(seen.pop("loggers")) >= set(value.pop("loggers"))  # those of the SDK are known already
            assert set(seen["modules"]) ^ set(value["modules"]) == set(), name
        assert seen == value, name
    assert first.keys() == second.keys()


@pytest.mark.parametrize("runtime", [f"nodejs{major}.x" for major in (18, 20, 22, 24)], indirect=True)
def test_node(pair: Pair, runtime: str) -> None:
    first, second = _seen(pair, facts.NODE, runtime, MemorySize=256, Environment={"Variables": ENVIRONMENT})
    _check_mounts(first, second)
    if runtime == "nodejs18.x":  # its SDK copies all properties of `process`, and with them makes the streams ahead
        first["resources"], second["resources"] = set(first["resources"]), set(second["resources"])
    for name, value in second.items():
        assert first[name] == value, name
    assert first.keys() == second.keys()
