"""Choosing a driver, with runtimes that are scripts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from functory.kernel.settings import SandboxSettings
from functory.sandbox import probe as probing
from functory.sandbox.drivers.oci import OciDriver
from functory.sandbox.drivers.process import ProcessDriver
from functory.sandbox.port import SandboxError
from functory.sandbox.probe import pick_driver


def remember(run_dir: Path, runtime: Path, reason: str) -> None:
    run_dir.mkdir(exist_ok=True)
    text = msgspec.json.encode({"fingerprint": probing._fingerprint(runtime), "reason": reason})
    (run_dir / f"probe-{runtime.name}.json").write_bytes(text)


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    program = tmp_path / "boxer"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    return program


def test_process_is_taken_when_asked_for_without_any_probe(tmp_path: Path) -> None:
    driver = asyncio.run(pick_driver(SandboxSettings(driver="process"), tmp_path))
    assert isinstance(driver, ProcessDriver)
    assert not driver.capabilities.isolation


@pytest.mark.parametrize("settings", [{"network": "nat"}, {"network": "none"}, {"host_ports": (80,)}])
def test_process_is_refused_with_a_network_that_it_cannot_give(settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="impossible with the driver process"):
        asyncio.run(pick_driver(SandboxSettings(driver="process", **settings), tmp_path))


def test_oci_that_cannot_work_is_an_error_that_says_what_helps(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"nosuchruntime is not installed.*install runc or crun"):
        asyncio.run(pick_driver(SandboxSettings(driver="oci", oci_runtime="nosuchruntime"), tmp_path))


def test_auto_falls_back_to_process_and_says_why(tmp_path: Path) -> None:
    driver = asyncio.run(pick_driver(SandboxSettings(oci_runtime="nosuchruntime"), tmp_path))
    assert isinstance(driver, ProcessDriver)
    assert "nosuchruntime is not installed" in driver.capabilities.notes[0]


def test_what_was_found_is_remembered(tmp_path: Path, runtime: Path) -> None:
    run_dir = tmp_path / "run"
    remember(run_dir, runtime, "")
    driver = asyncio.run(pick_driver(SandboxSettings(driver="oci", oci_runtime=str(runtime)), run_dir))
    assert isinstance(driver, OciDriver)
    remember(run_dir, runtime, "it has a cold")
    with pytest.raises(SandboxError, match="it has a cold"):
        asyncio.run(pick_driver(SandboxSettings(driver="oci", oci_runtime=str(runtime)), run_dir))
