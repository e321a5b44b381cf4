"""Assemblies for tests, compiled by Mono's ``mcs`` against the .NET that a runtime of this machine has."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

INVARIANT = {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
"""3.1 does not know the ICU of today's systems."""
REFERENCES = (
    "System.Private.CoreLib", "System.Runtime", "System.Console", "System.Text.Json", "System.IO.FileSystem",
    "System.Runtime.Extensions",
)  # fmt: skip


def shared_framework(dotnet: Path) -> Path:
    """The newest folder of assemblies in a folder of .NET."""
    return max(dotnet.glob("shared/Microsoft.NETCore.App/*"))


def moniker(dotnet: Path) -> str:
    """What packages call that .NET: ``net8.0``, ``netcoreapp3.1``."""
    major, minor, *_ = shared_framework(dotnet).name.split(".")
    return f"netcoreapp{major}.{minor}" if int(major) < 5 else f"net{major}.{minor}"


def compile_assembly(dotnet: Path, folder: Path, name: str, code: str, others: Sequence[Path] = ()) -> Path:
    """``folder/name.dll`` out of C# 7; skips where there is no compiler.

    Args:
        dotnet: folder of the .NET it is for.
        folder: where it goes.
        name: of the assembly.
        code: its source.
        others: assemblies it refers to besides .NET's.
    """
    compiler = shutil.which("mcs")
    if compiler is None:
        pytest.skip("needs mcs (Debian: mono-mcs)")
    source = folder / f"{name}.cs"
    source.write_text(code)
    options = ["-nostdlib", "-noconfig", "-target:library", "-langversion:7", "-nowarn:1702"]
    options += [f"-r:{shared_framework(dotnet) / reference}.dll" for reference in REFERENCES]
    options += [f"-r:{other}" for other in others]
    product = folder / f"{name}.dll"
    subprocess.run([compiler, *options, f"-out:{product}", str(source)], check=True, capture_output=True)
    return product


def runtime_config(dotnet: Path) -> str:
    """A ``.runtimeconfig.json`` that asks for the .NET that is there."""
    framework = {"name": "Microsoft.NETCore.App", "version": shared_framework(dotnet).name}
    return json.dumps({"runtimeOptions": {"tfm": moniker(dotnet), "framework": framework}})
