"""What the documentation shows, taken out of it to be run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from gankit.cli.main import app
from gankit.core.document import Text
from gankit.core.document import parse as parse_yaml
from gankit.core.recipe import Recipe

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LAUNCHED = re.compile(r"^(?:torchrun|accelerate launch) .*-m gankit\.cli\.main ")
PARSED = ("train", "ablate", "import")
"""Commands that are not run: their arguments and the recipe are checked."""


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in FENCE.findall(page.read_text(encoding="utf-8")) if found == language]


def recipes(page: Path) -> list[dict[str, Any]]:
    """The YAML of a page, as gankit reads it."""
    return [parse_yaml(Text(page.name, text)).data() for text in blocks(page, "yaml")]


def commands(page: Path) -> list[list[str]]:
    """The commands of a page, one a line, without comments, as lists of words."""
    lines = "".join(blocks(page, "sh")).splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def gankit_commands(page: Path) -> Iterator[list[str]]:
    """The arguments of each call of gankit, those of launchers too."""
    for words in commands(page):
        line = LAUNCHED.sub("gankit ", shlex.join(words))
        if line.startswith("gankit "):
            yield shlex.split(line)[1:]


def play(arguments: list[str]) -> None:
    """Run a command of gankit, or, where that would take long, check that it would begin."""
    if arguments[0] in PARSED or arguments[:2] == ["weights", "add"]:
        return parse(arguments)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, f"gankit {shlex.join(arguments)}: {result.output}"


def parse(arguments: list[str]) -> None:
    group: Any = typer.main.get_command(app)
    command = group.get_command(typer.Context(group), arguments[0])
    if hasattr(command, "commands") and arguments[1:]:
        command, arguments = command.get_command(typer.Context(command), arguments[1]), arguments[1:]
    parameters = command.make_context(arguments[0], arguments[1:]).params
    if arguments[0] in ("train", "ablate"):
        Recipe.load(parameters["recipe"], parameters["sets"] or ())
