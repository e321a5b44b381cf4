#!/usr/bin/env python3
"""Assemble the first process of sandboxes into ``src/functory/sandbox/init_program.py``.

Needs GNU binutils for both machines (``apt install binutils-x86-64-linux-gnu binutils-aarch64-linux-gnu``). The sources
are written so that every assembler makes the same bytes; a test compares them where binutils are installed.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "src/functory/sandbox/init_program.py"
MACHINES = ("aarch64", "x86_64")

_HEAD = '''"""The first process of sandboxes as a program, for each machine. Made by ``scripts/init/assemble.py``."""

from __future__ import annotations

import base64

_TEXTS = {
'''
_TAIL = '''}

PROGRAMS = {machine: base64.b64decode(text) for machine, text in _TEXTS.items()}
"""``os.uname().machine`` -> the whole executable file."""
'''


def tool(machine: str, name: str) -> str | None:
    """A program of binutils for a machine, or None."""
    return shutil.which(f"{machine.replace('_', '-')}-linux-gnu-{name}") or shutil.which(f"{machine}-linux-gnu-{name}")


def assemble(machine: str) -> bytes:
    """The executable of a machine.

    Raises:
        FileNotFoundError: its binutils are not installed.
    """
    assembler, copier = tool(machine, "as"), tool(machine, "objcopy")
    if assembler is None or copier is None:
        raise FileNotFoundError(f"no binutils for {machine}")
    with tempfile.TemporaryDirectory() as folder:
        made, program = Path(folder) / "made.o", Path(folder) / "program"
        subprocess.run([assembler, "-o", made, HERE / f"{machine}.S"], check=True)
        subprocess.run([copier, "-O", "binary", "-j", ".text", made, program], check=True)
        return program.read_bytes()


def main() -> None:
    """Write the module."""
    parts = [_HEAD]
    for machine in MACHINES:
        lines = textwrap.wrap(base64.b64encode(assemble(machine)).decode(), 112)
        parts.append(f'    "{machine}": (\n' + "".join(f'        "{line}"\n' for line in lines) + "    ),\n")
    TARGET.write_text("".join(parts) + _TAIL)


if __name__ == "__main__":
    sys.exit(main())
