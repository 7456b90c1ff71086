"""Whole processes of commands, beside one that only imports torch."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest

COMMANDS = ["--help", "list", "build cyclegan", "build agit", "build ugatit"]


def process(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_cli(command: str, smallest: bool, compare: Callable) -> None:
    """The wall's clock: what a user waits for. `ratio` is the time of `import torch` by that of the command."""
    if smallest and command.startswith("build") and command != COMMANDS[2]:
        pytest.skip("one build is enough")
    compare(
        lambda: process("-m", "gankit.cli.main", *command.split()),
        lambda: process("-c", "import torch"),
        work=0,
        now=time.perf_counter,
    )
