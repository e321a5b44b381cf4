"""Whether a function's own program can be executed, judged before a sandbox is started for it.

An OCI runtime reports a failing ``exec`` only as an exit status of its own, so what the kernel would refuse is recognised
here from the first bytes of the file. Deliberately no full loader: a program that passes may still fail to start.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_HEAD_BYTES = 256
"""What the kernel looks at; a longer first line of a script is cut there."""
_ELF_HEAD_BYTES = 52
_ELF_MACHINES: Mapping[str, frozenset[int]] = {"x86_64": frozenset({62, 3}), "aarch64": frozenset({183})}
_OF_THE_HOST = ("/usr/", "/bin/", "/sbin/", "/lib")
"""Folders that every sandbox sees as they are on the host."""


def refusal(file: Path, machine: str = "") -> str:
    """Why ``file`` cannot be executed, in the words of the kernel's errors; ``""`` when nothing speaks against it.

    Args:
        file: exists.
        machine: ``os.uname().machine`` of the sandbox; empty for this machine's.
    """
    if not os.access(file, os.X_OK):
        return "permission denied"
    with file.open("rb") as program:
        head = program.read(_HEAD_BYTES)
    if head.startswith(b"#!"):
        return _of_script(head)
    if not head.startswith(b"\x7fELF") or len(head) < _ELF_HEAD_BYTES:
        return "exec format error"
    known = _ELF_MACHINES.get(machine or os.uname().machine)
    is_foreign = known is not None and int.from_bytes(head[18:20], "big" if head[5] == 2 else "little") not in known
    return "exec format error" if is_foreign else ""


def _of_script(head: bytes) -> str:
    words = head[2:].split(b"\n", 1)[0].split()
    if not words:
        return "exec format error"
    interpreter = os.fsdecode(words[0])
    if interpreter.startswith(_OF_THE_HOST) and not Path(interpreter).exists():
        return "no such file or directory"
    return ""
