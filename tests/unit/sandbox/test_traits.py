"""What is asked of runtimes."""

from __future__ import annotations

from pathlib import Path

import pytest

from functory.sandbox.port import SandboxError
from functory.sandbox.traits import Traits, gvisor, traits_of


def program(folder: Path, name: str, text: str) -> Path:
    made = folder / name
    made.write_text(f"#!/bin/sh\n{text}\n")
    made.chmod(0o755)
    return made


def test_runtimes_of_host_processes_are_not_asked(tmp_path: Path) -> None:
    assert traits_of(tmp_path / "runc") == Traits()


def test_gvisors_options_are_read_from_its_help_and_only_known_ones_are_used(tmp_path: Path) -> None:
    old = traits_of(program(tmp_path, "runsc", 'echo "  -network value" >&2'))
    assert old.global_options == ("--network=host",)
    assert (old.passes_fds, old.run_options([3])) == (False, ())
    assert any("passes no descriptors" in note for note in old.notes)


def test_a_version_that_passes_descriptors_is_asked_to() -> None:
    new = gvisor(frozenset({"network", "overlay2"}), frozenset({"bundle", "pass-fd"}))
    assert new.global_options == ("--network=host", "--overlay2=none")
    assert new.run_options([3, 4]) == ("--pass-fd=3:3", "--pass-fd=4:4")
    assert new.passes_fds
    assert not any("passes no descriptors" in note for note in new.notes)


def test_a_program_that_cannot_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="cannot be run"):
        traits_of(tmp_path / "runsc")
