"""What the answers from inside a sandbox mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from functory.sandbox.guarantees import NAMESPACES, judge
from functory.sandbox.port import Limits

LIMITS = Limits(tmp_mib=24)
GOOD = {
    **{f"ns.{kind}": [f"{kind}:[1]"] for kind in NAMESPACES},
    **{name: ["0000000000000000"] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")},
    "NoNewPrivs": ["1"],
    "Seccomp": ["2"],
    "ids": ["0 1073741824 65536"],
    "processes": ["1 5 9"],
    "files": ["1024"],
    "tasks": ["1025"],
    "names": ["PATH FILL HIDDEN "],
    "filled": ["25165824"],
}


def lost(own_kernel: bool = False, **changes: list[str]) -> list[str]:
    """Names of the guarantees that do not hold."""
    return [check.name for check in judge(GOOD | changes, own_kernel=own_kernel, limits=LIMITS) if not check.ok]


def test_a_good_sandbox_keeps_everything() -> None:
    assert lost() == []


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"ns.net": [str(Path("/proc/self/ns/net").readlink())]}, "namespaces"),
        ({"ns.user": []}, "namespaces"),
        ({"ids": ["0 0 4294967295"]}, "user ids"),
        ({"CapBnd": ["00000000a80425fb"]}, "capabilities"),
        ({"NoNewPrivs": ["0"]}, "no new privileges"),
        ({"Seccomp": ["0"]}, "system call filter"),
        ({"written": ["/usr"]}, "read-only root"),
        ({"seen": ["/run/secret"]}, "host's files"),
        ({"processes": ["1 2 3 4 5 6 7"]}, "host's processes"),
        ({"names": ["PATH AWS_SECRET_ACCESS_KEY"]}, "environment"),
        ({"filled": ["all"]}, "scratch"),
        ({"filled": ["50331648"]}, "scratch"),
        ({"files": ["1048576"]}, "open files"),
        ({"tasks": ["unlimited"]}, "processes"),
    ],
)
def test_what_does_not_hold_is_found(changes: dict[str, list[str]], name: str) -> None:
    changes = {key: value or [""] for key, value in changes.items()}
    assert lost(**changes) == [name]
    told = next(check for check in judge(GOOD | changes, own_kernel=False, limits=LIMITS) if check.name == name)
    assert told.advice


def test_a_kernel_of_its_own_answers_differently() -> None:
    assert lost(own_kernel=True, Seccomp=["0"], NoNewPrivs=["0"], **{"ns.net": [""]}) == ["user ids"]


def test_no_answer_is_no_guarantee() -> None:
    names = [check.name for check in judge({}, own_kernel=False, limits=LIMITS) if not check.ok]
    assert {
        "namespaces",
        "user ids",
        "no new privileges",
        "system call filter",
        "scratch",
        "open files",
        "processes",
    } <= set(names)
