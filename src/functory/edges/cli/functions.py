"""Functions of a node: ``ls`` and ``invoke``."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import click

from functory.edges.cli.client import node_options, resolve
from functory.edges.cli.failure import EXIT_USAGE, CommandError
from functory.edges.cli.output import json_option, size, table, to_json
from functory.edges.cli.outside import Outside, pass_outside


@click.command()
@node_options
@json_option
@pass_outside
def ls(outside: Outside, *, endpoint: str | None, region: str | None, as_json: bool) -> None:
    """List functions.

    \b
    Examples:
      functory ls
      functory ls --json | jq -r '.[].FunctionName'
    """  # noqa: D301
    client = outside.client("lambda", resolve(outside.environ, endpoint, region))
    found: list[dict[str, Any]] = []
    for page in client.get_paginator("list_functions").paginate():
        found += page.get("Functions", [])
    if as_json:
        click.echo(to_json(found))
        return
    titles = ("NAME", "RUNTIME", "HANDLER", "MEMORY", "TIMEOUT", "SIZE", "MODIFIED")
    click.echo(table(titles, [_row(function) for function in found]) if found else "no functions")


def _row(function: dict[str, Any]) -> tuple[str, ...]:
    return (
        function["FunctionName"],
        function.get("Runtime", "-"),
        function.get("Handler", "-"),
        f"{function.get('MemorySize', 0)} MB",
        f"{function.get('Timeout', 0)} s",
        size(function.get("CodeSize", 0)),
        str(function.get("LastModified", "-"))[:19].replace("T", " "),
    )


def read_payload(text: str | None) -> bytes:
    """The bytes of ``--payload``: JSON itself, ``@file``, or ``-`` for standard input; nothing when absent.

    Raises:
        CommandError: the file cannot be read, or what it holds is not JSON.
    """
    if text is None:
        return b""
    try:
        if text == "-":
            content = sys.stdin.buffer.read()
        elif text.startswith("@"):
            content = Path(text[1:]).read_bytes()
        else:
            content = text.encode()
    except OSError as error:
        raise CommandError(f"--payload {text}: {error.strerror}", EXIT_USAGE) from error
    try:
        json.loads(content)
    except ValueError as error:
        raise CommandError(f"--payload is not JSON: {error}", EXIT_USAGE) from error
    return content


@click.command()
@click.argument("name")
@click.option("--payload", metavar="JSON|@FILE|-", help="The event: JSON, a file, or standard input; default {}.")
@click.option("--qualifier", metavar="VERSION|ALIAS", help="Default $LATEST.")
@click.option("--event", "asynchronous", is_flag=True, help="Asynchronously: the node keeps the event and answers at once.")
@click.option("--tail", is_flag=True, help="Print the last 4 KB of the invocation's log to standard error.")
@node_options
@json_option
@pass_outside
def invoke(
    outside: Outside,
    *,
    name: str,
    payload: str | None,
    qualifier: str | None,
    asynchronous: bool,
    tail: bool,
    endpoint: str | None,
    region: str | None,
    as_json: bool,
) -> None:
    """Call a function.

    The result goes to standard output as the function gave it. The exit code is 1 when the function failed.

    \b
    Examples:
      functory invoke hello
      functory invoke hello --payload '{"name": "world"}' --tail
      functory invoke hello --payload @event.json --qualifier live
      jq -n '{n: 3}' | functory invoke hello --payload -
      functory invoke hello --event
    """  # noqa: D301
    if asynchronous and tail:
        raise click.UsageError("--tail needs an answer to wait for; it does not go with --event")
    body = read_payload(payload) if payload is not None else b"{}"
    parameters: dict[str, Any] = {"FunctionName": name, "Payload": body}
    parameters |= {"Qualifier": qualifier} if qualifier else {}
    parameters |= {"InvocationType": "Event"} if asynchronous else {"InvocationType": "RequestResponse"}
    parameters |= {"LogType": "Tail"} if tail else {}
    client = outside.client("lambda", resolve(outside.environ, endpoint, region))
    answer = client.invoke(**parameters)
    result, log = answer["Payload"].read(), base64.b64decode(answer.get("LogResult", ""))
    if as_json:
        click.echo(to_json(_summary(answer, result, log, tail=tail)))
    else:
        _print_result(answer, result, log)
    if "FunctionError" in answer:
        click.echo(f"functory: the function failed ({answer['FunctionError']})", err=True)
        raise click.exceptions.Exit(1)


def _print_result(answer: dict[str, Any], result: bytes, log: bytes) -> None:
    if log:
        click.echo(log.decode("utf-8", "replace").rstrip("\n"), err=True)
    if answer["StatusCode"] == 202:
        request_id = answer.get("ResponseMetadata", {}).get("RequestId", "")
        click.echo(f"accepted {request_id}".rstrip(), err=True)
    elif result:
        click.echo(result, nl=not result.endswith(b"\n"))


def _summary(answer: dict[str, Any], result: bytes, log: bytes, *, tail: bool) -> dict[str, Any]:
    """The whole answer; the payload as the JSON it is, or as text when it is none."""
    text = result.decode("utf-8", "replace")
    try:
        parsed: Any = json.loads(text) if text else None
    except ValueError:
        parsed = text
    summary = {
        "StatusCode": answer["StatusCode"],
        "ExecutedVersion": answer.get("ExecutedVersion"),
        "FunctionError": answer.get("FunctionError"),
        "RequestId": answer.get("ResponseMetadata", {}).get("RequestId"),
        "Payload": parsed,
    }
    return summary | ({"LogTail": log.decode("utf-8", "replace")} if tail else {})
