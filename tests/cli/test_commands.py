"""What the commands that list and describe print, and how each command ends."""

from __future__ import annotations

import errno
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from gankit.cli.main import COMMANDS, app
from gankit.core import plugins
from gankit.core.builtins import BUILTINS
from gankit.core.errors import (
    CheckpointError,
    DataError,
    GankitError,
    PluginError,
    Problem,
    RecipeError,
    TrainingError,
)
from gankit.precision import processor_multiplies

runner = CliRunner()


def run(*arguments: str, code: int = 0) -> str:
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stdout if code == 0 else result.output


def test_help_shows_every_command_with_a_line() -> None:
    shown = run("--help").partition("Commands:")[2].splitlines()
    lines = {line.split()[0]: line.split()[1:] for line in shown if re.match(r"  \w", line)}
    assert list(lines) == list(COMMANDS)
    assert all(lines.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    assert f"Usage: gankit {name}" in run(name, "--help").replace("root", "gankit")


def test_list() -> None:
    found = json.loads(run("list", "--json"))
    assert {(c["kind"], c["name"]) for c in found} >= {(kind, name) for kind, name, _, _ in BUILTINS}
    assert run("list", "norm").startswith("norm\n  adain")
    assert "generator" not in run("list", "norm").split()
    assert {c["kind"] for c in json.loads(run("list", "loss", "--json"))} == {"loss"}


def test_show() -> None:
    text = run("show", "adalin")
    for part in ("norm adalin: ", "from gankit, gankit.norms.adalin:AdaLIN", "https://arxiv.org/abs/1907.10830", "eps"):
        assert part in text
    [found] = json.loads(run("show", "adalin", "--json"))
    assert {"eps", "rho"} <= {p["name"] for p in found["parameters"]}
    kinds = [c["kind"] for c in json.loads(run("show", "cam", "--json"))]
    assert kinds == ["attention", "loss"]
    assert [c["kind"] for c in json.loads(run("show", "cam", "--kind", "loss", "--json"))] == ["loss"]
    assert [c["kind"] for c in json.loads(run("show", "loss:cam", "--json"))] == ["loss"]


def test_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {r["name"]: r for r in json.loads(run("recipes", "--json"))}
    assert {"cyclegan", "agit", "ugatit", "pix2pix"} <= set(found)
    assert "Cycle-Consistent" in found["cyclegan"]["title"]
    monkeypatch.chdir(tmp_path)
    assert run("recipes", "copy", "agit").strip() == "agit.yaml"
    shipped = Path(found["agit"]["path"]).read_text()
    assert Path("agit.yaml").read_text() == shipped.partition("\n")[2]  # without the line that names the schema
    assert shipped.startswith("# yaml-language-server: $schema=recipe.schema.json\n")
    assert "agit.yaml exists; --force overwrites it" in run("recipes", "copy", "agit", code=2)
    run("recipes", "copy", "agit", "--force")
    Path("recipe.schema.json").touch()
    run("recipes", "copy", "agit", "other.yaml")
    assert Path("other.yaml").read_text() == shipped  # by which an editor now finds it
    assert "none/x.yaml: cannot be written: no such file" in run("recipes", "copy", "agit", "none/x.yaml", code=1)
    assert "did you mean 'agit'?" in run("recipes", "copy", "agti", code=2)


def test_recipes_are_told_apart() -> None:
    rows = [r for r in json.loads(run("recipes", "--json")) if r["source"] == "gankit"]
    assert len({row["what"] for row in rows}) == len(rows) > 15
    assert all(row["needs"].startswith("Needs: ") and len(row["what"]) > 20 for row in rows)
    assert not [row for row in rows if "arXiv" in row["what"] or "Run:" in row["needs"]]
    assert "Needs: nothing; the pictures are drawn from a seed" in run("recipes")


def test_lists_of_commands_are_not_cut_off() -> None:
    for words in ([], ["data"], ["recipes"], ["weights"]):
        assert "..." not in run(*words, "--help").partition("Commands:")[2]


def test_schema(tmp_path: Path) -> None:
    run("schema", "--out", str(tmp_path / "s.json"))
    assert json.loads((tmp_path / "s.json").read_text())["title"] == "gankit recipe"


def test_doctor_and_plugins() -> None:
    found = json.loads(run("doctor", "--json"))
    lacks = not all(processor_multiplies(dtype) for dtype in (torch.bfloat16, torch.float16))
    assert ("no instructions for" in found["devices"]["cpu"]) == lacks
    assert torch.backends.cpu.get_cpu_capability() in found["devices"]["cpu"]
    assert found["versions"]["torch"][0].isdigit()
    assert "cpu" in found["devices"]
    assert all(line.startswith(("on: ", "off: ")) for line in found["speed"].values())
    assert any(name.startswith("train.join_calls") for name in found["speed"])
    assert isinstance(json.loads(run("plugins", "--json")), list)
    assert "no plugin called nothing is installed" in run("plugins", "--trace", "nothing", code=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "norms"], "there is no kind 'norms'; did you mean 'norm'?"),
        (["show", "adalinn"], "there is no part called 'adalinn'; did you mean 'adalin'?"),
        (["lst"], "Did you mean 'list'?"),
        (["list", "--jsn"], "--json"),
        (["build", "nothing.yaml"], "nothing.yaml: there is no such file"),
        (["train", "cyclegn"], "did you mean 'cyclegan'?"),
        (
            ["build", "cyclegan", "--set", "train.epoch=3"],
            "--set train.epoch: train takes no `epoch`; did you mean `epochs`?",
        ),
    ],
)
def test_wrong_input_ends_with_2(arguments: list[str], message: str) -> None:
    assert message in run(*arguments, code=2)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            RecipeError(Problem("is wrong", "a.b", "x.yaml", 1, 2, "a: b")),
            2,
            "x.yaml:1:2 a.b: is wrong\n    a: b\n     ^\n",
        ),
        (RecipeError([Problem("one"), Problem("two")]), 2, "2 mistakes"),
        (DataError("no pictures"), 2, "gankit: no pictures"),
        (CheckpointError("none here"), 2, "gankit: none here"),
        (TrainingError("nan in cycle"), 1, "gankit: nan in cycle"),
        (PluginError("broken"), 1, "gankit: broken"),
        (GankitError("some"), 1, "gankit: some"),
        (OSError("disk full"), 1, "gankit: OSError: disk full (`gankit --trace ...` shows where)"),
        (OSError(errno.ENOSPC, "No space left", "x"), 1, "gankit: x: no space left\n"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x"), 2, "gankit: x: file name too long\n"),
        (ZeroDivisionError("x"), 1, "gankit: ZeroDivisionError: x"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (KeyboardInterrupt("stopped after step 3"), 130, "interrupted: stopped after step 3\n"),
        (typer.Exit(7), 7, ""),
        (typer.BadParameter("odd"), 2, "odd"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_how_a_command_ends(monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("gankit.cli.list.fail", fail, raising=False)
    monkeypatch.setitem(COMMANDS, "fail", "gankit.cli.list:fail")
    result = runner.invoke(app, ["fail"])
    assert result.exit_code == code
    assert message in result.stderr
    assert not result.stdout
    assert "Traceback" not in result.stderr
    if code not in (130, 7) and not isinstance(error, typer.BadParameter):
        assert "Traceback" in runner.invoke(app, ["--trace", "fail"]).stderr


def test_a_closed_pipe_is_no_error() -> None:
    listing = subprocess.Popen(
        [sys.executable, "-m", "gankit.cli.main", "list", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert listing.stdout
    assert listing.stderr
    listing.stdout.close()
    assert listing.stderr.read() == b""
    listing.wait()


def test_plugins_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    left_out: list[str] = []
    monkeypatch.setattr(plugins, "disable", left_out.append)
    run("--no-plugin", "gankit-a", "--no-plugin", "gankit-b", "list")
    assert left_out == ["gankit-a", "gankit-b"]
