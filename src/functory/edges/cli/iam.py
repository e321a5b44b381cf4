"""``iam``: what of identity is done on the machine itself, before anybody can sign: the first administrator.

A running node is asked through a route of its own, with a proof made from the data folder's secret; where none runs, the
folder is opened here. Either way only the folder's owner can.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from functory.edges.cli.failure import EXIT_USAGE, CommandError, no_node
from functory.edges.cli.output import json_option, to_json
from functory.edges.cli.outside import Outside, pass_outside
from functory.edges.cli.record import read_record

if TYPE_CHECKING:
    from functory.kernel.settings import Settings

ROUTE = "/_functory/iam/bootstrap"
TIMEOUT_S = 30.0


@click.group()
def iam() -> None:
    """Make the first administrator of an account.

    \b
    Examples:
      functory iam bootstrap
      functory iam bootstrap --account 111122223333 --user-name alice --json
    """  # noqa: D301  \b is click's mark for "do not wrap"


@iam.command()
@click.option("--account", metavar="ID", default="", help="12 digits; default: the node's default account.")
@click.option("--user-name", metavar="NAME", default="admin", show_default=True, help="The user to make.")
@click.option("--force", is_flag=True, help="Give a user that exists already the policy and another access key.")
@click.option("--data-dir", metavar="DIR", type=click.Path(path_type=Path), help="Whose node; default ~/.functory.")
@click.option("--config", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Settings file (TOML).")
@json_option
@pass_outside
def bootstrap(
    outside: Outside,
    *,
    account: str,
    user_name: str,
    force: bool,
    data_dir: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Make an administrator: a user with AdministratorAccess and an access key.

    The key's secret is printed once and cannot be had again. Works whether or not the node runs; only the owner of the data
    folder can do it. A user that exists already is left alone unless --force is said.

    \b
    Examples:
      functory iam bootstrap
      eval "$(functory iam bootstrap --user-name ci)"
      functory iam bootstrap --account 111122223333 --json
    """  # noqa: D301
    from functory.kernel.settings import load

    flags: dict[str, dict[str, Any]] = {"node": {"data_dir": str(data_dir) if data_dir else None}}
    settings = load(flags, file=config, environ=outside.environ)
    folder = Path(settings.node.data_dir).expanduser().resolve()
    wish = {"account_id": account, "user_name": user_name, "force": force}
    record = read_record(folder)
    made = _ask_folder(outside, settings, folder, wish) if record is None else _ask_node(outside, record.url, folder, wish)
    if as_json:
        click.echo(to_json(made))
        return
    click.echo(f"export AWS_ACCESS_KEY_ID={shlex.quote(made['access_key_id'])}")
    click.echo(f"export AWS_SECRET_ACCESS_KEY={shlex.quote(made['secret_access_key'])}")
    click.echo(f"{made['user_arn']} is an administrator; its secret is not shown again", err=True)


def _ask_node(outside: Outside, url: str, folder: Path, wish: dict[str, Any]) -> dict[str, Any]:
    from functory.core.identity import local_proof

    try:
        secret = (folder / "secret").read_bytes()
    except OSError as error:
        raise CommandError(
            f"{folder / 'secret'}: {error.strerror}; only the owner of the data folder can do this"
        ) from error
    body = json.dumps(wish).encode()
    proof = local_proof.make_proof(secret, "POST", ROUTE, body, int(outside.epoch_s()))
    try:
        status, answer = outside.post_json(url + ROUTE, body, {local_proof.HEADER: proof}, TIMEOUT_S)
    except OSError as error:
        raise no_node(url, str(getattr(error, "reason", error))) from error
    if status != 200:
        raise CommandError(str(answer.get("error", f"the node answered with status {status}")))
    return answer


def _ask_folder(outside: Outside, settings: Settings, folder: Path, wish: dict[str, Any]) -> dict[str, Any]:
    from msgspec import structs

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"data folder {folder}: {error.strerror}", EXIT_USAGE) from error
    node = structs.replace(settings.node, data_dir=str(folder))
    return outside.bootstrap(structs.replace(settings, node=node), wish)
