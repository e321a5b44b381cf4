"""``deploy``: a folder becomes a function, new or updated, and the command ends when it is Active."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from functory.edges.cli.client import node_options, resolve
from functory.edges.cli.failure import CommandError
from functory.edges.cli.output import json_option, size, to_json
from functory.edges.cli.outside import Outside, pass_outside
from functory.edges.cli.package import build_zip, guess, newest
from functory.edges.cli.runtimes import ready_runtimes
from functory.kernel.limits import CODE_ZIPPED_BYTES

ROLE = "arn:aws:iam::000000000000:role/functory"  # Lambda wants one; a node checks its form only
POLL_S = 0.1
POLLS = 3000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; None means "as it is", or Lambda's default for a new function."""

    runtime: str | None
    handler: str | None
    environment: dict[str, str] | None
    memory_mib: int | None
    timeout_s: int | None

    def configuration(self) -> dict[str, Any]:
        """The members for CreateFunction and UpdateFunctionConfiguration that were asked for."""
        members: dict[str, Any] = {
            "Runtime": self.runtime,
            "Handler": self.handler,
            "MemorySize": self.memory_mib,
            "Timeout": self.timeout_s,
        }
        if self.environment is not None:
            members["Environment"] = {"Variables": self.environment}
        return {name: value for name, value in members.items() if value is not None}


def read_variables(texts: tuple[str, ...]) -> dict[str, str] | None:
    """The variables of ``--env K=V``; None when there are none.

    Raises:
        click.BadParameter: one has no ``=`` or no name.
    """
    variables = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--env")
        variables[name] = value
    return variables or None


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--name", help="Function name; default: the folder's.")
@click.option("--runtime", metavar="ID", help="Such as python3.12; default: from the files, the newest that is ready.")
@click.option("--handler", metavar="NAME", help="Such as app.handler; default: from the files.")
@click.option(
    "--env", "variables", multiple=True, metavar="NAME=VALUE", help="Variable; repeatable. Given ones replace all."
)
@click.option("--memory", "memory_mib", type=int, metavar="MB", help="Memory; default 128.")
@click.option("--timeout", "timeout_s", type=int, metavar="SECONDS", help="Time limit; default 3.")
@node_options
@json_option
@pass_outside
def deploy(
    outside: Outside,
    *,
    folder: Path,
    name: str | None,
    runtime: str | None,
    handler: str | None,
    variables: tuple[str, ...],
    memory_mib: int | None,
    timeout_s: int | None,
    endpoint: str | None,
    region: str | None,
    as_json: bool,
) -> None:
    """Create or update a function from a folder.

    \b
    Packs the folder (without .git, .venv, __pycache__ and the like), sends it and waits until it is Active.
    Runtime and handler follow from the files at its top:
      bootstrap (executable)   provided.al2023
      *.py                     newest ready Python; lambda_handler or handler in app.py, lambda_function.py, …
      index.mjs, index.js      newest ready Node.js; index.handler
    For a function that exists, options that are not given leave their setting as it is.

    \b
    Examples:
      functory deploy examples/hello_python --name hello
      functory deploy . --runtime python3.12 --handler service.main --memory 512 --timeout 30
      functory deploy ./worker --env STAGE=dev --env LOG_LEVEL=debug
    """  # noqa: D301
    function_name = name or folder.resolve().name
    asked = Wanted(runtime, handler, read_variables(variables), memory_mib, timeout_s)
    code = build_zip(folder)
    if len(code) > CODE_ZIPPED_BYTES:
        raise CommandError(f"the package is {size(len(code))} zipped; Lambda takes {size(CODE_ZIPPED_BYTES)} at most")
    client = outside.client("lambda", resolve(outside.environ, endpoint, region))
    began = time.monotonic()
    configuration = put_function(outside, client, function_name, folder, code, asked)
    if as_json:
        click.echo(to_json(configuration))
        return
    facts = (
        configuration.get("Runtime"),
        configuration.get("Handler"),
        f"{configuration.get('MemorySize')} MB",
        size(len(code)),
    )
    click.echo(f"{function_name} is Active ({', '.join(map(str, facts))}) after {time.monotonic() - began:.1f} s")


def put_function(outside: Outside, client: Any, name: str, folder: Path, code: bytes, asked: Wanted) -> dict[str, Any]:
    """Create the function or bring it up to date; return its configuration once it is Active.

    Raises:
        CommandError: it became Failed.
        PackageError: nothing says which runtime or handler.
    """
    try:
        present = client.get_function_configuration(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        wanted = complete(outside, folder, asked)
        client.create_function(FunctionName=name, Role=ROLE, Code={"ZipFile": code}, **wanted.configuration())
        return _settled(outside, client, name)
    _settled(outside, client, name)
    client.update_function_code(FunctionName=name, ZipFile=code)
    _settled(outside, client, name)
    changes = _changes(present, asked.configuration())
    if changes:
        client.update_function_configuration(FunctionName=name, **changes)
    return _settled(outside, client, name)


def _changes(present: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """Those settings that differ from the present ones."""
    now = {**present, "Environment": {"Variables": present.get("Environment", {}).get("Variables", {})}}
    return {name: value for name, value in asked.items() if now.get(name) != value}


def complete(outside: Outside, folder: Path, asked: Wanted) -> Wanted:
    """Runtime and handler for a new function: what was asked for, else what the files say.

    Raises:
        CommandError: no runtime of that kind is ready here.
        PackageError: the files do not say.
    """
    if asked.runtime and asked.handler:
        return asked
    found = guess(folder)
    runtime = asked.runtime
    if runtime is None:
        runtime = newest([] if found.family == "provided" else ready_runtimes(outside), found.family)
    elif not runtime.startswith(found.family):
        raise CommandError(f"the files look like {found.family}, not like {runtime}: say --handler")
    if runtime is None:
        raise CommandError(f"no {found.family} runtime is ready on this machine; `functory runtimes` shows how to get one")
    return Wanted(runtime, asked.handler or found.handler, asked.environment, asked.memory_mib, asked.timeout_s)


def _settled(outside: Outside, client: Any, name: str) -> dict[str, Any]:
    """Wait until no change is under way.

    Raises:
        CommandError: the function or its last update failed, or it takes longer than five minutes.
    """
    for _ in range(POLLS):
        configuration: dict[str, Any] = client.get_function_configuration(FunctionName=name)
        state, update = configuration.get("State", "Active"), configuration.get("LastUpdateStatus", "Successful")
        if "Failed" in (state, update):
            reason = configuration.get("StateReason") or configuration.get("LastUpdateStatusReason") or "no reason given"
            raise CommandError(f"{name} failed: {reason}")
        if state in {"Active", "Inactive"} and update == "Successful":
            configuration.pop("ResponseMetadata", None)
            return configuration
        outside.wait(POLL_S)
    raise CommandError(f"{name} is still {state} after {POLL_S * POLLS:.0f} s")
