"""Probing as it is done: with real attempts to make a sandbox."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from functory.kernel.settings import SandboxSettings
from functory.sandbox.probe import Check, doctor, find_runtime, pick_driver, probe
from tests.support.sandboxes import oci_driver


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    program = tmp_path / "boxer"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    return program


def test_a_new_program_is_probed_again(tmp_path: Path, runtime: Path) -> None:
    run_dir = tmp_path / "run"
    first = asyncio.run(probe(runtime, run_dir))
    remembered = (run_dir / "probe-boxer.json").read_text()
    assert asyncio.run(probe(runtime, run_dir)) == first != ""
    assert (run_dir / "probe-boxer.json").read_text() == remembered
    runtime.write_text("#!/bin/sh\nexit 3 # newer\n")
    asyncio.run(probe(runtime, run_dir))
    assert (run_dir / "probe-boxer.json").read_text() != remembered


def test_a_damaged_memory_is_forgotten(tmp_path: Path, runtime: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / "probe-boxer.json").write_text("{")
    assert asyncio.run(probe(runtime, run_dir)) != ""


def test_the_doctor_names_every_check_and_gives_advice_where_it_is_needed(tmp_path: Path) -> None:
    checks = asyncio.run(doctor(SandboxSettings(oci_runtime="nosuchruntime"), tmp_path / "run"))
    names = [check.name for check in checks]
    assert {"operating system", "privileges", "control groups", "loop devices", "OCI runtime runc", "isolation"} <= set(
        names
    )
    missing = next(check for check in checks if check.name == "OCI runtime nosuchruntime")
    assert missing == Check("OCI runtime nosuchruntime", ok=False, detail="not installed", advice=missing.advice)
    assert all(check.advice for check in checks if not check.ok)


@pytest.mark.root
def test_a_runtime_that_works_is_taken_by_auto_and_leaves_nothing_in_the_run_folder(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    assert asyncio.run(pick_driver(SandboxSettings(), run_dir)).name == oci_driver(run_dir).name
    assert {path.name for path in run_dir.iterdir()} <= {"probe-crun.json", "probe-runc.json"}


def test_runtimes_are_found_where_system_programs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_runtime("nosuchruntime") is None
    assert find_runtime("/bin/sh") == Path("/bin/sh")
