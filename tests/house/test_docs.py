"""Pages say what the code does, and every page can be found."""

from __future__ import annotations

import re
import tomllib

import click
import pytest

import functory
from functory.edges.cli.main import COMMANDS, cli
from scripts.generate_docs import PAGES
from tests.house.sources import ROOT, name, tracked

LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)(?:#[^)]*)?\)")
PAGES_WRITTEN = [path for path in tracked() if path.suffix == ".md"]


@pytest.mark.parametrize("page", [page for page, _ in PAGES])
def test_a_generated_page_is_fresh(page: str) -> None:
    made = dict(PAGES)[page]()
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == made, "run `make docs`"


def test_every_relative_link_leads_somewhere() -> None:
    broken = [
        f"{name(path)}: {target}"
        for path in PAGES_WRITTEN
        for target in LINK.findall(path.read_text(encoding="utf-8"))
        if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists()
    ]
    assert not broken


@pytest.mark.parametrize("folder", ["docs", "docs/architecture", "docs/adr"])
def test_every_page_is_linked_from_the_index_of_its_folder(folder: str) -> None:
    index = ROOT / ("docs/adr/README.md" if folder == "docs/adr" else "docs/README.md")
    linked = {
        (index.parent / target).resolve()
        for target in LINK.findall(index.read_text(encoding="utf-8"))
        if "://" not in target
    }
    pages = {path for path in PAGES_WRITTEN if path.parent == ROOT / folder and path != index}
    assert not sorted(name(path) for path in pages - linked)


def test_the_readme_starts_with_the_two_commands() -> None:
    start = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:12]
    assert any(line.startswith("make demo") for line in start)
    assert any(line.startswith("make test") for line in start)


def test_the_version_is_the_same_everywhere_and_has_its_changes_listed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == functory.__version__
    assert f"## [{functory.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_teaches_by_example_and_its_summary_is_its_first_line(command: str) -> None:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    assert found.help is not None
    assert found.help.splitlines()[0] == COMMANDS[command][2]
    assert f"  functory {command}" in found.help
    assert all(parameter.help for parameter in found.params if isinstance(parameter, click.Option) and not parameter.hidden)
