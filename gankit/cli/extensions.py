"""The commands that plugins add."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import typer

from gankit.cli.common import MARKUP, tell_whole
from gankit.core.catalogue import catalogue
from gankit.core.plugins import AddCommands, read_commands, statuses


def commands(taken: Iterable[str] = ()) -> dict[str, Any]:
    """Name -> command. One whose name is taken, by gankit or by a plugin before it, is there as `plugin/name`."""
    catalogue()
    read_commands(_read)
    taken, by_name = set(taken), {}
    for status in statuses():
        for name, command in (status.commands or {}).items():
            by_name[f"{status.dist}/{name}" if name in taken or name in by_name else name] = command
    return by_name


def _read(add: AddCommands) -> dict[str, Any]:
    app = typer.Typer(add_completion=False, rich_markup_mode=MARKUP)
    app.callback()(lambda: None)  # so that one command alone is a group too
    add(app)
    commands = dict(typer.main.get_group(app).commands)
    for command in commands.values():
        tell_whole(command)
    return commands
