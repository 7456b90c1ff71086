"""Tutorials, done word for word: files are written, commands and scripts run, and what they print is compared.

A block with a title is a file: ```python title="norm.py"```. A block `sh` has commands, `python` without a title is a
script, and `text` is what the block before it prints, where `...` stands for anything. `bash` is shown only.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from gankit.cli.main import app

FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    language: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def perform(block: Block, before: str) -> str:
    """Do what a block says in the working directory. What it printed; for one that prints nothing, `before`."""
    if block.title:
        Path(block.title).parent.mkdir(parents=True, exist_ok=True)
        Path(block.title).write_text(block.text, encoding="utf-8")
        return before
    if block.language == "bash":
        return before
    if block.language == "text":
        assert doctest.OutputChecker().check_output(block.text, before, OPTIONS), f"expected:\n{block.text}\n{before}"
        return before
    if block.language == "python":
        Path("block.py").write_text(block.text, encoding="utf-8")
        return run(["python", "block.py"])
    assert block.language == "sh", f"what is a block {block.language}?"
    lines = block.text.replace("\\\n", " ").splitlines()
    return "".join(run(words) for line in lines if (words := shlex.split(line, comments=True)))


def run(words: list[str]) -> str:
    """A command; gankit and scripts in this process, where torch has been imported."""
    if words[0] == "gankit":
        done = CliRunner().invoke(app, words[1:], env={"COLUMNS": "100"})
        assert done.exit_code == 0, f"{shlex.join(words)}: {done.output}{done.exception!r}"
        return done.stdout
    if words[0] == "python":
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            runpy.run_path(words[1], run_name="__main__")
        return printed.getvalue()
    if words[0] == "pytest":
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            code = pytest.main([*words[1:], "-p", "no:cacheprovider"])
        assert code == 0, printed.getvalue()
        return printed.getvalue()
    assert words[0] == "pip", f"what is the command {words[0]}?"
    ended = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{shlex.join(words)}: {ended.stdout}{ended.stderr}"
    importlib.invalidate_caches()
    return ended.stdout
