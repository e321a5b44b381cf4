"""Functions for tests against a running node: packages, and making one that is ready."""

from __future__ import annotations

import io
import json
import textwrap
import zipfile
from collections.abc import Mapping
from typing import Any

ROLE = "arn:aws:iam::111122223333:role/conformance"
RUNTIME = "python3.11"

ECHO = """
def handler(event, context):
    return event
"""


def zip_of(files: Mapping[str, str | bytes], mode: int = 0o644) -> bytes:
    """A zip of files, the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def code_of(source: str) -> bytes:
    """The zip of one module ``app`` with this source (indented as one likes)."""
    return zip_of({"app.py": textwrap.dedent(source).strip() + "\n"})


def asked(name: str, source: str = ECHO, **members: Any) -> dict[str, Any]:
    """Parameters of CreateFunction; ``members`` are added or replace."""
    return {
        "FunctionName": name,
        "Role": ROLE,
        "Runtime": RUNTIME,
        "Handler": "app.handler",
        "Code": {"ZipFile": code_of(source)},
        **members,
    }


def wait_active(client: Any, name: str) -> None:
    """Wait with AWS's own waiter, looking more often than it does by itself."""
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})


def wait_updated(client: Any, name: str) -> None:
    """As `wait_active` after a change."""
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})


def make_function(client: Any, name: str, source: str = ECHO, **members: Any) -> dict[str, Any]:
    """Create a function and wait until it can be called; returns what CreateFunction answered."""
    created: dict[str, Any] = client.create_function(**asked(name, source, **members))
    wait_active(client, name)
    return created


def call(client: Any, name: str, event: Any = None, **members: Any) -> Any:
    """The result of a call that must succeed."""
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event), **members)
    result = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, result
    return result
