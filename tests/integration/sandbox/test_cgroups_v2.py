"""Control groups of version 2, real ones: in a virtual machine, because a machine has one version or the other."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from functory.sandbox import cgroups
from tests.support.node import ROOT
from tests.support.virtual_machine import missing, run_in_guest

pytestmark = [pytest.mark.root, pytest.mark.timeout(700)]
HERE = "tests/integration/sandbox"
TESTS = (
    f"{HERE}/test_group_limits.py",
    f"{HERE}/test_oci.py::test_the_memory_limit_kills_and_is_told",
    f"{HERE}/test_oci.py::test_a_child_killed_by_the_memory_limit_leaves_the_exit_as_it_is",
    f"{HERE}/test_oci.py::test_freezing_stops_all_progress_until_thawed",
    f"{HERE}/test_standby.py::test_limits_and_storage_are_the_functions",
)


def test_the_driver_keeps_its_promises_with_version_2(tmp_path: Path) -> None:
    hierarchy = cgroups.detect(Path("/proc/self/mountinfo").read_text())
    if hierarchy is not None and hierarchy.version == 2:
        pytest.skip("this machine has version 2: the tests of this folder use it")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if why := missing():
        pytest.skip(f"no virtual machine here: {why}")
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    pytest_ = f"{sys.executable} -m pytest -q -p no:cacheprovider --color=no {' '.join(TESTS)}"
    script = f"cd {ROOT}; export HOME=/root PATH={path} PYTHONDONTWRITEBYTECODE=1; {pytest_} 2>&1"
    text = run_in_guest(script, tmp_path, timeout_s=600)
    assert re.search(r"^5 passed", text, re.MULTILINE), text
