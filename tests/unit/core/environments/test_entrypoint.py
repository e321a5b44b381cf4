"""What can be executed, told from its first bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from functory.core.environments.entrypoint import refusal

ELF = b"\x7fELF\x02\x01\x01" + bytes(11)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"#!/bin/sh\n", ""),
        (b"#! /usr/bin/env bash\n", ""),
        (b"#!/usr/bin/surely-not-there\n", "no such file or directory"),
        (b"#!/opt/bin/of-a-layer\n", ""),
        (b"#!\n", "exec format error"),
        (b"echo no first line\n", "exec format error"),
        (b"", "exec format error"),
        (b"\x7fELF", "exec format error"),
        (ELF + bytes([62, 0]) + bytes(44), ""),
        (ELF + bytes([183, 0]) + bytes(44), "exec format error"),
    ],
)
def test_a_program(tmp_path: Path, content: bytes, expected: str) -> None:
    file = tmp_path / "bootstrap"
    file.write_bytes(content)
    file.chmod(0o755)
    assert refusal(file, "x86_64") == expected


def test_a_file_that_may_not_be_executed(tmp_path: Path) -> None:
    file = tmp_path / "bootstrap"
    file.write_text("#!/bin/sh\n")
    file.chmod(0o644)
    assert refusal(file) == "permission denied"
