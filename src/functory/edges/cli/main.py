"""The command group: which commands exist, and the one place where errors become exit codes.

Commands are imported when they are called; ``--help`` prints the summaries below without importing any of them.
"""

from __future__ import annotations

import importlib
import os
import traceback
from typing import NoReturn

import click

import functory
from functory.edges.cli.failure import EXIT_DEFECT, EXIT_INTERRUPTED, CommandError, translate

_PACKAGE = "functory.edges.cli"

# name -> (module, attribute, one-line summary); the order is the order of a first day
COMMANDS = {
    "up": ("node", "up", "Start a node."),
    "down": ("node", "down", "Stop the node of a data folder."),
    "status": ("node", "status", "Show whether the node is well."),
    "doctor": ("doctor", "doctor", "Check what works on this machine and what to install."),
    "env": ("node", "env", "Print the variables that point AWS tools to the node."),
    "deploy": ("deploy", "deploy", "Create or update a function from a folder."),
    "ls": ("functions", "ls", "List functions."),
    "invoke": ("functions", "invoke", "Call a function."),
    "logs": ("logs", "logs", "Print what a function wrote to its log."),
    "sign": ("sign", "sign", "Sign a deployment package."),
    "iam": ("iam", "iam", "Make the first administrator of an account."),
    "runtimes": ("runtimes", "runtimes", "List the runtimes of this machine, and install them."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """The names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), attribute)
        assert isinstance(command, click.Command)  # noqa: S101  the table above names commands only
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        """Print the summaries of the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, _, summary) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; an expected error becomes its sentence, any other one an apology."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
        except Exception as error:
            raise _as_command_error(error) from error


def _as_command_error(error: Exception) -> CommandError:
    expected = translate(error)
    if expected is not None:
        return expected
    if os.environ.get("FUNCTORY_DEBUG"):
        traceback.print_exception(error)
    text = f"defect: {type(error).__name__}: {error}; FUNCTORY_DEBUG=1 shows where"
    return CommandError(text, EXIT_DEFECT)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(functory.__version__, "-V", "--version", prog_name="Functory", message="%(prog)s %(version)s")
def cli() -> None:
    """AWS Lambda for your own machines.

    \b
    A first day:
      functory doctor                             # what works here
      functory up -d                              # start a node in the background
      functory deploy examples/hello_python --name hello
      functory invoke hello --payload '{"name": "world"}' --tail
      eval "$(functory env)"                      # now AWS CLI, SDKs, SAM, Terraform use the node
      functory down
    """  # noqa: D301  \b is click's mark for "do not wrap"


def main() -> NoReturn:
    """Entry point of the command ``functory``."""
    cli.main(prog_name="functory")


if __name__ == "__main__":
    main()
