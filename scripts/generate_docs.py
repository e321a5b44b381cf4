"""Writes the pages of ``docs/`` that follow from the code: settings, commands, coverage.

``make docs`` writes them; a house test fails when a page is not what the code says. With ``--check`` nothing is written and
the exit code tells.
"""

from __future__ import annotations

import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from functory.aws import model
from functory.edges.cli.main import cli
from functory.kernel import settings

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ROOT / "src" / "functory" / "services"
_NOTE = "<!-- Written by `make docs` from the code; do not edit. -->"


def settings_page() -> str:
    """``docs/settings.md``."""
    lines = [
        "# Settings",
        "",
        _NOTE,
        "",
        "Strongest first: flags of `functory up`, environment variables, the TOML file of `--config`, the default.",
        "In the file a setting stands in the table of its section; a list in a variable is separated by commas.",
        "An unknown key or an impossible value is refused with its name.",
        "",
        "```toml",
        "[listen]",
        "port = 4566",
        "",
        "[sandbox]",
        'mounts = ["/srv/models:/mnt/models:ro"]',
        "```",
    ]
    for section, kind in settings.SECTIONS.items():
        lines += ["", f"## {section}", "", _reflow(inspect.cleandoc(kind.__doc__ or ""))]
        lines += ["", "| setting | variable | type | default |", "| --- | --- | --- | --- |"]
        lines += [_setting_row(section, field) for field in msgspec.structs.fields(kind)]
    return "\n".join(lines) + "\n"


def _setting_row(section: str, field: msgspec.structs.FieldInfo) -> str:
    variable = f"FUNCTORY_{section}_{field.encode_name}".upper()
    default = msgspec.json.encode(field.default).decode()
    return f"| `{section}.{field.encode_name}` | `{variable}` | {_type_name(field.type)} | `{default}` |"


def _type_name(kind: Any) -> str:
    if isinstance(kind, type):
        return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}.get(
            kind.__name__, kind.__name__
        )
    choices = getattr(kind, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return " or ".join(f"`{choice}`" for choice in choices)
    return "list of text"


def _reflow(text: str) -> str:
    """Docstring markup (``x``, `Name`) as Markdown."""
    return re.sub(r"``([^`]+)``", r"`\1`", text)


def cli_page() -> str:
    """``docs/cli.md``."""
    lines = [
        "# The command `functory`",
        "",
        _NOTE,
        "",
        "Results go to standard output, everything about them to standard error. Exit codes:",
        "",
        "| code | meaning |",
        "| --- | --- |",
        "| 0 | done |",
        "| 1 | what was asked for failed: a function error, an error of the node's API |",
        "| 2 | the command line makes no sense |",
        "| 3 | no node answered |",
        "| 70 | a defect of Functory; `FUNCTORY_DEBUG=1` shows the traceback |",
        "| 130 | interrupted |",
    ]
    for name, command in _commands(cli, click.Context(cli, info_name="functory")):
        lines += ["", f"## `functory {name}`", "", *_command_lines(name, command)]
    return "\n".join(lines) + "\n"


def _commands(group: click.Group, context: click.Context, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        yield prefix + name, command
        if isinstance(command, click.Group):
            yield from _commands(command, click.Context(command, info_name=name, parent=context), f"{prefix}{name} ")


def _command_lines(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            title, _, body = paragraph.removeprefix("\b").strip("\n").partition("\n")
            yield from (title, "", "```console", inspect.cleandoc(body), "```", "")
        else:
            yield from (paragraph, "")
    arguments = " ".join(part for part in command.collect_usage_pieces(context))
    yield from (f"Usage: `functory {name} {arguments}`", "", "| option | meaning |", "| --- | --- |")
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record and isinstance(parameter, click.Option):
            yield f"| `{_cell(record[0])}` | {_cell(record[1])} |"


def _cell(text: str) -> str:
    """Text as one table cell."""
    return " ".join(text.split()).replace("|", "\\|")


def service_names() -> list[str]:
    """The folders of services."""
    return sorted(path.parent.name for path in SERVICES.glob("*/service.py"))


def botocore_name(folder: str) -> str:
    """``lambda_`` is botocore's ``lambda``; other underscores are its hyphens."""
    return folder.rstrip("_").replace("_", "-")


def read_coverage(folder: str) -> dict[str, Any]:
    """Operation -> ``done``, ``absent`` or ``{status = "partial", missing = [...]}``, as ``coverage.toml`` has it."""
    content = tomllib.loads((SERVICES / folder / "coverage.toml").read_text(encoding="utf-8"))
    operations: dict[str, Any] = content["operations"]
    return operations


def status_of(row: Any) -> str:
    """``done``, ``partial`` or ``absent``."""
    return str(row["status"] if isinstance(row, dict) else row)


def coverage_page() -> str:
    """``docs/coverage.md``."""
    lines = [
        "# Coverage",
        "",
        _NOTE,
        "",
        "Every operation of every service that Functory has, as botocore's model names it. *Partial*: works, and refuses",
        "what the last column names. *Absent*: refused. Nothing is accepted and ignored.",
    ]
    for folder in service_names():
        lines += ["", *_service_lines(folder)]
    return "\n".join(lines) + "\n"


def _service_lines(folder: str) -> Iterator[str]:
    rows = read_coverage(folder)
    counts = {word: sum(status_of(row) == word for row in rows.values()) for word in ("done", "partial", "absent")}
    title = model.service(botocore_name(folder)).metadata.get("serviceFullName", folder)
    yield from (f"## {title} (`{botocore_name(folder)}`)", "")
    yield from (", ".join(f"{count} {word}" for word, count in counts.items()) + f" of {len(rows)}.", "")
    yield from ("| operation | state | missing |", "| --- | --- | --- |")
    for operation, row in sorted(rows.items()):
        if status_of(row) != "absent":
            missing = "; ".join(row["missing"]) if isinstance(row, dict) else ""
            yield f"| {operation} | {status_of(row)} | {_cell(missing)} |"
    absent = sorted(operation for operation, row in rows.items() if status_of(row) == "absent")
    if absent:
        yield from ("", f"Absent: {', '.join(absent)}.")


PAGES: tuple[tuple[str, Callable[[], str]], ...] = (
    ("settings.md", settings_page),
    ("cli.md", cli_page),
    ("coverage.md", coverage_page),
)


def main(arguments: list[str]) -> int:
    """Write every page that is not as it should be, or with ``--check`` only name it."""
    stale = []
    for name, make in PAGES:
        path, text = ROOT / "docs" / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"docs/{name} {'is stale' if '--check' in arguments else 'written'}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
