"""``runtimes``: which interpreters functions can use on this machine, and getting more of them."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from functory.edges.cli.failure import CommandError
from functory.edges.cli.output import json_option, table, to_json
from functory.edges.cli.outside import Outside, pass_outside

if TYPE_CHECKING:
    from functory.runtimes.port import RuntimeStatus


def open_catalog(outside: Outside) -> Any:
    """The catalogue of the runtimes folder that the settings name."""
    from functory.kernel.settings import load

    return outside.catalog(load(environ=outside.environ).runtimes)


def statuses(outside: Outside) -> list[RuntimeStatus]:
    """Every known runtime."""
    found: list[RuntimeStatus] = asyncio.run(open_catalog(outside).list())
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
            status.location or status.advice,
        )
        for status in found
    ]
    click.echo(table(("RUNTIME", "STATE", "VERSION", "DEPRECATED", "WHERE, OR HOW TO GET IT"), rows))


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
    catalog = open_catalog(outside)
    installed: list[RuntimeStatus] = asyncio.run(catalog.install_found() if found else catalog.install(list(ids)))
    if as_json:
        click.echo(to_json([asdict(status) for status in installed]))
    else:
        for status in installed:
            click.echo(f"{status.id}: {'ready, ' + status.version if status.ready else status.advice}".rstrip(", "))
    missing = [status.id for status in installed if not status.ready]
    if missing or not installed:
        raise CommandError(f"not ready: {', '.join(missing)}" if missing else "no interpreter was found on this machine")
