"""`gankit plugins`: what plugins bring, and where their names clash."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gankit.cli.main import app
from gankit.core import plugins
from tests.installed import Site

SOURCE = textwrap.dedent(
    """
    from gankit import hookimpl
    gankit_api = 1

    @hookimpl
    def gankit_components(add):
        add("loss", "lsgan", "{module}:Loss", "a loss")
        add("loss", "own", "{module}:Loss", "another")

    @hookimpl
    def gankit_recipes(add):
        add("demo", "{module}:r.yaml")
        add("mine", "{module}:r.yaml")

    @hookimpl
    def gankit_commands(app):
        @app.command()
        def train():
            "Of {module}."
            print("{module} trains")

        @app.command()
        def hello():
            print("hello from {module}")

    class Loss:
        def __init__(self) -> None: ...
    """
)
FILES = {"r.yaml": ""}


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result


def listed() -> dict[str, dict[str, Any]]:
    return {s["distribution"]: s for s in json.loads(run("plugins", "--json").stdout)}


@pytest.fixture
def two(install: Site) -> None:
    install("pp-a", SOURCE, files=FILES)
    install("pp-b", SOURCE.replace('"own"', '"other"'), files=FILES)


def test_it_tells_what_plugins_add_and_what_clashes(two: None) -> None:
    found = listed()
    first, second = found["pp-a"], found["pp-b"]
    assert (first["state"], first["version"], first["api"]) == ("ok", "1.2", 1)
    assert [c["name"] for c in first["components"]] == ["lsgan", "own"]
    assert (first["recipes"], first["commands"]) == (["demo", "mine"], ["train", "hello"])
    assert {c["what"]: (c["with"], c["as"]) for c in first["clashes"]} == {
        "loss lsgan": (["gankit", "pp-b"], "pp-a/lsgan"),
        "recipe demo": (["gankit", "pp-b"], "pp-a/demo"),
        "recipe mine": (["pp-b"], "mine"),
        "command train": (["gankit", "pp-b"], "pp-a/train"),
        "command hello": (["pp-b"], "hello"),
    }
    assert {c["what"]: c["as"] for c in second["clashes"]}["command hello"] == "pp-b/hello"


def test_every_name_that_it_tells_leads_there(two: None) -> None:
    for clash in [clash for s in listed().values() for clash in s["clashes"]]:
        sort, name = clash["what"].split()[0], clash["as"]
        if sort == "loss":
            [part] = json.loads(run("show", f"loss:{name}", "--json").stdout)
            assert part["source"] == name.split("/")[0]
        elif sort == "recipe":
            assert name in {r["name"] for r in json.loads(run("recipes", "--json").stdout)}
    assert run("hello").stdout == "hello from pp_a\n"
    assert run("pp-b/hello").stdout == "hello from pp_b\n"
    assert run("pp-b/train").stdout == "pp_b trains\n"
    assert "Usage: root train" in run("train", "--help").stdout.replace("gankit train", "root train")
    assert "pp_a trains" not in run("train", "--help").stdout


def test_in_words(two: None, monkeypatch: pytest.MonkeyPatch, install: Site) -> None:
    monkeypatch.setattr(plugins, "SLOW_MS", -1.0)
    install("pp-c", "import no_such_module_at_all")
    install("pp-d", "", requires=["gankit>=99"])
    text = run("plugins").stdout
    assert "command hello is also a name of pp-a: call this one pp-b/hello" in text
    assert "loss lsgan is also a name of gankit, pp-b: call this one pp-a/lsgan" in text
    assert (
        "method " not in text and "loss lsgan, loss own, recipe demo, recipe mine, command train, command hello" in text
    )
    assert text.count("loads slowly") == 4
    rows = {line.split()[0]: line for line in text.splitlines() if line.startswith("pp-")}
    assert "failed" in rows["pp-c"] and "No module named 'no_such_module_at_all'" in rows["pp-c"]
    assert "refused" in rows["pp-d"] and "it asks for gankit>=99" in rows["pp-d"]
    assert "it asks for gankit>=99" in run("plugins", "--trace", "PP_d").stdout
    assert "Traceback" in run("plugins", "--trace", "pp-c").stdout


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ValueError('no')", "ValueError: no"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("app.command('odd')(3)", "TypeError: 3 is not a callable object"),
    ],
)
def test_broken_commands_cost_a_line_and_nothing_else(
    install: Site, caplog: pytest.LogCaptureFixture, body: str, reason: str
) -> None:
    source = f"from gankit import hookimpl\n@hookimpl\ndef gankit_commands(app): {body}\n"
    install("pp-a", SOURCE, files=FILES)
    install("pp-b", source)
    install("pp-c", SOURCE.replace("hello", "bye"), files=FILES)
    assert "bye" in run("--help").stdout
    [line] = [record.getMessage() for record in caplog.records]
    assert (
        line.startswith(f"gankit: the commands of the plugin pp-b could not be loaded: {reason}") and "\n" not in line
    )
    assert run("hello").stdout == "hello from pp_a\n"
    assert listed()["pp-b"]["reason"].startswith(f"its commands could not be loaded: {reason}")


def test_commands_of_a_plugin_that_is_left_out_are_not_there(install: Site, tmp_path: Path) -> None:
    install("pp-a", SOURCE, files=FILES)
    assert "No such command 'hello'" in run("--no-plugin", "pp-a", "hello", code=2).output
