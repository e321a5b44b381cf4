"""The node itself: ``up``, ``down``, ``status``, ``env``."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from functory.edges.cli.client import DUMMY_CREDENTIAL, default_data_dir, is_loopback, node_options, resolve
from functory.edges.cli.detach import end_node, start_detached
from functory.edges.cli.failure import EXIT_INTERRUPTED, EXIT_USAGE, CommandError, no_node
from functory.edges.cli.mounts import check_mounts
from functory.edges.cli.output import duration, json_option, to_json
from functory.edges.cli.outside import Outside, ReadyInfo, pass_outside
from functory.edges.cli.record import LOG, NodeRecord, identity_of, read_record, remove_record, write_record

if TYPE_CHECKING:
    from functory.kernel.settings import Settings

HEALTH_PATH = "/_functory/health"
HEALTH_TIMEOUT_S = 5.0


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on; default 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; default 4566, 0 takes a free one.")
@click.option("--data-dir", metavar="DIR", help="Folder of everything durable; default ~/.functory.")
@click.option("--driver", type=click.Choice(["auto", "oci", "process"]), help="Isolation; auto takes oci where it works.")
@click.option("--oci-runtime", metavar="NAME", help="crun, runc, runsc or a path; default: the first that works.")
@click.option(
    "--mount", "mounts", multiple=True, metavar="HOST:/mnt/NAME[:ro]", help="Folder every function sees; repeatable."
)
@click.option(
    "--network", type=click.Choice(["auto", "nat", "none", "host"]), help="What functions reach; auto takes nat, else none."
)
@click.option(
    "--auth", type=click.Choice(["off", "iam"]), help="Who may call: everybody here, or whom IAM allows; default off."
)
@click.option("--insecure", is_flag=True, default=None, help="Allow a listening address that others can reach.")
@click.option("--config", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Settings file (TOML).")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Default info.")
@click.option("-d", "--detach", is_flag=True, help="Run in the background; `functory down` stops it.")
@click.option("--ready-fd", type=int, hidden=True)
@json_option
@pass_outside
def up(
    outside: Outside,
    *,
    host: str | None,
    port: int | None,
    data_dir: str | None,
    driver: str | None,
    oci_runtime: str | None,
    mounts: tuple[str, ...],
    network: str | None,
    auth: str | None,
    insecure: bool | None,
    config: Path | None,
    log_level: str | None,
    detach: bool,
    ready_fd: int | None,
    as_json: bool,
) -> None:
    """Start a node.

    It prints one line when it takes requests and runs until Ctrl-C or SIGTERM; then running invocations may finish.
    Every setting also has an environment variable and a line in the file of --config; flags win.

    \b
    Examples:
      functory up
      functory up -d --port 0 --data-dir ./state
      functory up --mount ~/models:/mnt/models:ro
      functory up --auth iam --host 0.0.0.0   # after: functory iam bootstrap
      functory up --driver process            # without isolation, where no OCI runtime works

    Without --auth iam nothing is authenticated: an address that other machines can reach is refused unless --insecure is
    said.
    """  # noqa: D301  \b is click's mark for "do not wrap"
    from functory.kernel.settings import load

    flags: dict[str, dict[str, Any]] = {
        "listen": {"host": host, "port": port, "insecure": insecure},
        "auth": {"mode": auth},
        "node": {"data_dir": data_dir},
        "sandbox": {"driver": driver, "oci_runtime": oci_runtime, "mounts": list(mounts) or None, "network": network},
        "log": {"level": log_level},
    }
    settings = _checked(load(flags, file=config, environ=outside.environ))
    folder = _own_data_dir(settings)
    if detach:
        line = start_detached(_arguments(settings, config), folder, outside.environ)
        record = NodeRecord(**json.loads(line))
        click.echo(to_json(json.loads(line)) if as_json else _ready_line(record))
        return
    code = _serve(outside, settings, folder, ready_fd, as_json=as_json)
    if code:
        raise click.exceptions.Exit(code)


def _checked(settings: Settings) -> Settings:
    """The settings with absolute paths.

    Raises:
        CommandError: others could reach an endpoint that authenticates nobody.
        SettingsError: a mount is wrong.
    """
    from msgspec import structs

    is_open = settings.auth.mode == "off" and not settings.listen.insecure
    if is_open and not is_loopback(settings.listen.host):
        raise CommandError(
            f"refusing to listen on {settings.listen.host}: other machines could reach it and nothing is authenticated; "
            "--auth iam authenticates, --insecure allows it without",
            EXIT_USAGE,
        )
    folder = str(Path(settings.node.data_dir).expanduser().resolve())
    mounts = check_mounts(settings.sandbox.mounts)
    return structs.replace(
        settings,
        node=structs.replace(settings.node, data_dir=folder),
        sandbox=structs.replace(settings.sandbox, mounts=mounts),
    )


def _own_data_dir(settings: Settings) -> Path:
    """The data folder, made if it was not there.

    Raises:
        CommandError: it cannot be made, or a node uses it.
    """
    folder = Path(settings.node.data_dir)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"data folder {folder}: {error.strerror}") from error
    running = read_record(folder)
    if running is not None:
        raise CommandError(f"a node already runs for {folder}: {running.url} (pid {running.pid})")
    return folder


def _arguments(settings: Settings, config: Path | None) -> list[str]:
    """The command line that gives a detached node the same settings; the environment and the file say the rest."""
    arguments = [f"--host={settings.listen.host}", f"--port={settings.listen.port}", f"--data-dir={settings.node.data_dir}"]
    arguments += [f"--driver={settings.sandbox.driver}", f"--oci-runtime={settings.sandbox.oci_runtime}"]
    arguments += [f"--mount={mount}" for mount in settings.sandbox.mounts]
    arguments.append(f"--network={settings.sandbox.network}")
    arguments.append(f"--auth={settings.auth.mode}")
    arguments += ["--insecure"] if settings.listen.insecure else []
    arguments += [f"--config={config.resolve()}"] if config else []
    return [*arguments, f"--log-level={settings.log.level}"]


def _serve(outside: Outside, settings: Settings, folder: Path, ready_fd: int | None, *, as_json: bool) -> int:
    """Run the node in this process."""
    from functory.kernel import log

    def announce(info: ReadyInfo) -> None:
        record = NodeRecord(
            pid=os.getpid(),
            identity=identity_of(os.getpid()),
            url=info.url,
            version=info.version,
            driver=info.driver,
            data_dir=str(folder),
            log=str(folder / LOG) if ready_fd is not None else "",
        )
        write_record(record)
        if ready_fd is None:
            click.echo(_json_record(record) if as_json else _ready_line(record))
            return
        with os.fdopen(ready_fd, "w", encoding="utf-8") as pipe:
            pipe.write(f"{_json_record(record, indent=None)}\n")

    log.configure(settings.log)
    try:
        return outside.run_node(settings, announce)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    finally:
        remove_record(folder, os.getpid())


def _json_record(record: NodeRecord, indent: int | None = 2) -> str:
    from dataclasses import asdict

    return to_json(asdict(record), indent=indent)


def _ready_line(record: NodeRecord) -> str:
    return f"Functory {record.version} ready at {record.url} (driver {record.driver}, data {record.data_dir})"


@click.command()
@click.option("--data-dir", metavar="DIR", type=click.Path(path_type=Path), help="Whose node; default ~/.functory.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(0), default=30.0, show_default=True, help="Seconds to wait.")
@click.option("--force", is_flag=True, help="Kill it when it still runs after the time.")
@json_option
@pass_outside
def down(outside: Outside, *, data_dir: Path | None, timeout_s: float, force: bool, as_json: bool) -> None:
    """Stop the node of a data folder.

    Waits until it has ended. That no node runs is not an error.

    \b
    Examples:
      functory down
      functory down --data-dir ./state --timeout 5 --force
    """  # noqa: D301
    folder = (data_dir or default_data_dir(outside.environ)).expanduser().resolve()
    record = read_record(folder)
    if record is None:
        click.echo(to_json({"stopped": False, "data_dir": str(folder)}) if as_json else f"no node runs for {folder}")
        return
    by_itself = end_node(record, timeout_s, force=force, wait=outside.wait)
    remove_record(folder, record.pid)
    if as_json:
        click.echo(to_json({"stopped": True, "pid": record.pid, "killed": not by_itself, "data_dir": str(folder)}))
    else:
        click.echo(f"node {record.pid} at {record.url} {'stopped' if by_itself else 'was killed'}")


@click.command()
@node_options
@json_option
@pass_outside
def status(outside: Outside, *, endpoint: str | None, region: str | None, as_json: bool) -> None:
    """Show whether the node is well.

    The exit code is 0 when it is, 1 when it answers and is not, 3 when nothing answers.

    \b
    Examples:
      functory status
      functory status --endpoint http://127.0.0.1:4577 --json
    """  # noqa: D301
    url = resolve(outside.environ, endpoint, region).url
    try:
        health = outside.get_json(url + HEALTH_PATH, HEALTH_TIMEOUT_S)
    except OSError as error:
        raise no_node(url, str(getattr(error, "reason", error))) from error
    except ValueError as error:
        raise CommandError(f"what answers at {url} is not a Functory node") from error
    click.echo(to_json(health) if as_json else _health_text(url, health))
    if health.get("status") != "ok":
        raise click.exceptions.Exit(1)


def _health_text(url: str, health: dict[str, Any]) -> str:
    rest = {name: value for name, value in health.items() if name not in {"status", "version", "uptime_s"}}
    lines = [f"{'node':14}{url}", f"{'status':14}{health.get('status', 'unknown')}"]
    lines.append(f"{'version':14}{health.get('version', 'unknown')}")
    if isinstance(health.get("uptime_s"), int | float):
        lines.append(f"{'up for':14}{duration(health['uptime_s'])}")
    lines += [
        f"{name:14}{value if isinstance(value, str | int | float) else to_json(value, indent=None)}"
        for name, value in rest.items()
    ]
    return "\n".join(lines)


@click.command()
@node_options
@click.option("--shell", type=click.Choice(["sh", "fish"]), default="sh", show_default=True, help="Whose syntax.")
@json_option
@pass_outside
def env(outside: Outside, *, endpoint: str | None, region: str | None, shell: str, as_json: bool) -> None:
    """Print the variables that point AWS tools to the node.

    The credentials are dummies on purpose: real ones have no business at a node. A node with --auth iam wants an access
    key of its own instead (functory iam bootstrap).

    \b
    Examples:
      eval "$(functory env)"
      functory env --shell fish | source
      functory env --json
    """  # noqa: D301
    found = resolve(outside.environ, endpoint, region)
    variables = {
        "AWS_ENDPOINT_URL": found.url,
        "AWS_ACCESS_KEY_ID": DUMMY_CREDENTIAL,
        "AWS_SECRET_ACCESS_KEY": DUMMY_CREDENTIAL,
        "AWS_DEFAULT_REGION": found.region,
    }
    if as_json:
        click.echo(to_json(variables))
        return
    for name, value in variables.items():
        quoted = shlex.quote(value)
        click.echo(f"set -gx {name} {quoted};" if shell == "fish" else f"export {name}={quoted}")
