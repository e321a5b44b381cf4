"""``runtimes``: which interpreters functions can use on this machine, and getting more of them."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from functory.edges.cli.failure import CommandError
from functory.edges.cli.output import json_option, table, to_json
from functory.edges.cli.outside import Outside, pass_outside
from functory.kernel.errors import FunctoryError

if TYPE_CHECKING:
    from functory.kernel.settings import RuntimeSettings
    from functory.runtimes.port import RuntimeStatus


def runtime_settings(outside: Outside) -> RuntimeSettings:
    """The section that says where runtimes are."""
    from functory.kernel.settings import load

    return load(environ=outside.environ).runtimes


def statuses(outside: Outside) -> list[RuntimeStatus]:
    """Every known runtime."""
    found: list[RuntimeStatus] = asyncio.run(outside.catalog(runtime_settings(outside)).list())
    return found


def ready_runtimes(outside: Outside) -> list[str]:
    """The identifiers that can run here."""
    return [status.id for status in statuses(outside) if status.ready]


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def runtimes(ctx: click.Context, *, as_json: bool) -> None:
    """List the runtimes of this machine, and install them.

    \b
    Examples:
      functory runtimes                       # which are ready, and how to get the others
      functory runtimes install --found       # for every interpreter that is on this machine
      functory runtimes install python3.12 nodejs22.x
    """  # noqa: D301
    if ctx.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError(f"say --json after {ctx.invoked_subcommand}")
        return
    found = statuses(ctx.ensure_object(Outside))
    if as_json:
        click.echo(to_json([asdict(status) for status in found]))
        return
    rows = [
        (
            status.id,
            "ready" if status.ready else "-",
            status.version or "-",
            status.deprecated or "-",
            _where(status),
        )
        for status in found
    ]
    click.echo(table(("RUNTIME", "STATE", "VERSION", "DEPRECATED", "WHERE, OR HOW TO GET IT"), rows))


def _where(status: RuntimeStatus) -> str:
    """Where a runtime's interpreter is and what to know of it; the row names the runtime already."""
    advice = status.advice.removeprefix(f"Runtime {status.id} is not installed on this node").lstrip(".: ")
    return "; ".join(text for text in (status.location, advice) if text)


@runtimes.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--found", is_flag=True, help="Every runtime whose interpreter is on this machine.")
@json_option
@pass_outside
def install(outside: Outside, *, ids: tuple[str, ...], found: bool, as_json: bool) -> None:
    """Make runtimes ready.

    \b
    Examples:
      functory runtimes install --found
      functory runtimes install python3.12 nodejs22.x
    """  # noqa: D301
    if bool(ids) == found:
        raise click.UsageError("say either which runtimes, or --found")
    wanted, failed = asyncio.run(_install(outside, ids))
    if as_json:
        click.echo(to_json([asdict(status) for status in statuses(outside) if status.id in wanted]))
    if not wanted:
        raise CommandError("no interpreter was found on this machine; `functory runtimes` says how to get one")
    if failed:
        raise CommandError("not ready: " + "; ".join(failed))


async def _install(outside: Outside, ids: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Install each by itself, so that one that cannot be had does not keep the others away.

    Returns:
        The identifiers that were wanted (all whose interpreter is here when ``ids`` is empty), and a text for each failure.
    """
    installer = outside.installer(runtime_settings(outside))
    wanted: list[str] = list(ids) or await installer.find_all()
    failed = []
    for runtime in wanted:
        try:
            await installer.install([runtime], lambda line: click.echo(line, err=True))
        except FunctoryError as error:
            failed.append(str(error))
    return wanted, failed
