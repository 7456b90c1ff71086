"""Light commands stay light: they import no torch, whatever they list."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import gankit

PROBE = """
import sys
HEAVY = {"torch", "torchvision", "timm", "lpips", "accelerate", "numpy", "PIL"}
sys.argv = ["gankit", *sys.argv[1:]]
from gankit.cli.main import main
try:
    main()
except SystemExit as e:
    assert not e.code, e.code
found = HEAVY & set(sys.modules)
assert not found, f"imported {found}"
"""


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"NO_COLOR": "1"} | environment,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["list"],
        ["list", "--json"],
        ["recipes", "--json"],
        ["plugins"],
        ["train", "--help"],
        ["show", "--help"],
    ],
    ids=" ".join,
)
def test_a_light_command_imports_no_torch(arguments: list[str]) -> None:
    done = python(PROBE, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert not done.stderr


def test_completion_of_names_imports_no_torch() -> None:
    done = python(PROBE, _GANKIT_COMPLETE="complete_bash", COMP_WORDS="gankit show ada", COMP_CWORD="2")
    assert {"adain", "adalin"} <= set(done.stdout.split()), done.stderr


@pytest.mark.parametrize("command", ["build", "train"])
def test_garbage_is_refused_without_torch(tmp_path: Path, command: str) -> None:
    path = tmp_path / "garbage.yaml"
    path.write_bytes(b"[" * 10_000_000)
    done = python(PROBE.replace("not e.code, e.code", "e.code == 2"), command, str(path))
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"{path}: is larger than 256 kB: this is not a recipe\n"


def test_build_loads_no_compiler() -> None:
    """torch takes more than a second for each of them; meta tensors, an optimizer and torchvision load them."""
    code = """
import sys
from gankit.cli.main import main
heavy = {"torch._dynamo", "sympy", "torchvision", "timm", "lpips", "accelerate", "tensorboard"}
for recipe in sys.argv[1:]:  # in one process: what one has loaded, the next ones would have too
    sys.argv = ["gankit", "build", recipe]
    try:
        main()
    except SystemExit as e:
        assert not e.code, e.code
    assert not (found := heavy & set(sys.modules)), f"{recipe} imported {found}"
"""
    recipes = ["cyclegan", "agit", "ugatit", "munit", "pix2pix", "dcgan"]
    done = python(code, *recipes)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("memory in training") == len(recipes)


def test_the_package_imports_nothing_but_itself() -> None:
    code = """
import sys, gankit
gankit.__version__, dir(gankit)
assert not {"torch", "pydantic", "typer", "yaml", "pluggy"} & set(sys.modules)
gankit.Recipe, gankit.register, gankit.hookimpl, gankit.components, gankit.RecipeError
assert "torch" not in sys.modules
"""
    assert python(code).stderr == ""


def test_import_gives_no_warning() -> None:
    done = subprocess.run(
        [sys.executable, "-Werror", "-c", "import gankit; gankit.Recipe"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there() -> None:
    for name in gankit.__all__:
        assert getattr(gankit, name) is not None
        assert name in dir(gankit)
    with pytest.raises(AttributeError, match="module 'gankit' has no attribute 'nothing'"):
        _ = gankit.nothing
