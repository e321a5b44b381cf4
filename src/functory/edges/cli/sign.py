"""``sign``: put a signature into a deployment package, for functions with a code signing configuration."""

from __future__ import annotations

import time
from pathlib import Path

import click

from functory.edges.cli.failure import CommandError

_DAY_S = 86_400.0


@click.command()
@click.argument("package", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--key", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Private Ed25519 key (PEM)."
)
@click.option("--profile", required=True, metavar="ARN", help="The signing profile version that the key is of.")
@click.option("--days", default=365.0, show_default=True, type=click.FloatRange(min=0.0), help="How long it holds.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to; default: the package itself."
)
def sign(package: Path, key: Path, profile: str, days: float, output: Path | None) -> None:
    """Sign a deployment package.

    The node checks it with the public key that lambda.signing_profiles names for the profile.

    \b
    Examples:
      openssl genpkey -algorithm ed25519 -out key.pem
      openssl pkey -in key.pem -pubout -out public.pem
      functory sign app.zip --key key.pem --profile arn:aws:signer:us-east-1:000000000000:/signing-profiles/mine/1
    """  # noqa: D301
    from functory.core.artifacts import signature

    if not profile.startswith("arn:"):
        raise click.UsageError(f"{profile} is not an ARN")
    now = time.time()
    try:
        content = signature.sign(
            package.read_bytes(), key.read_bytes(), profile, signed_at=now, expires_at=now + days * _DAY_S
        )
    except (ValueError, TypeError) as error:
        raise CommandError(f"{package} could not be signed: {error}") from error
    target = output or package
    target.write_bytes(content)
    click.echo(f"{target}: signed as {profile}")
