"""Who may import whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "gankit"

PARTS = {"generators", "discriminators", "attention", "norms", "losses", "backbones", "layers"}
PLAIN = {"kernels", "precision", "init", "features", "resample"}  # torch, and one another
BUILDING = PARTS | PLAIN | {"slots", "core", "methods", "weights"}
USING = {"data", "training", "evaluation", "interop", "web", "api", "inspect", "testing"}
ALLOWED = {
    "core": {"core"},
    "kernels": {"kernels"},
    **dict.fromkeys(PLAIN - {"kernels"}, PLAIN),
    "slots": {"core"},
    "weights": {"core", "weights"},
    **dict.fromkeys(PARTS, PARTS | PLAIN | {"slots", "weights"}),
    "methods": BUILDING | {"data"},  # of data only how a picture is read: a style's
    **dict.fromkeys(USING, BUILDING | USING),
    "cli": BUILDING | USING | {"cli"},
}
TORCH = {"torch", "torchvision", "timm", "lpips", "accelerate", "numpy", "PIL", "einops", "safetensors", "tensorboard"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def unit(path: Path) -> str:
    """gankit/core/errors.py -> core; gankit/slots.py -> slots."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, top_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""
            if node.module == "gankit":
                yield from (f"gankit.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_what_stands_below(path: Path) -> None:
    own = unit(path)
    if own == "__init__":
        return  # the public names, loaded lazily: tests/cli/test_startup.py
    assert own in ALLOWED, f"say in this test what {own} may import"
    used = {name.split(".")[1] for name in imports(path) if name.startswith("gankit.")}
    names = {u for u in used if (PACKAGE / u).exists() or (PACKAGE / f"{u}.py").exists()}
    assert names <= ALLOWED[own], f"{own} may not import {names - ALLOWED[own]}"


@pytest.mark.parametrize("path", [p for p in MODULES if unit(p) == "core"], ids=lambda p: p.stem)
def test_core_knows_no_torch(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & TORCH


@pytest.mark.parametrize("path", [p for p in MODULES if unit(p) == "cli"], ids=lambda p: p.stem)
def test_commands_import_torch_only_when_run(path: Path) -> None:
    used = set(imports(path, top_only=True))
    assert not {name.split(".")[0] for name in used} & TORCH
    heavy = {name for name in used if name.startswith("gankit.") and name.split(".")[1] not in {"core", "cli"}}
    assert not heavy - {"gankit.__version__"}, f"import {heavy} inside of the command"


@pytest.mark.parametrize("path", [p for p in MODULES if unit(p) == "training"], ids=lambda p: p.stem)
def test_training_knows_no_particular_method_or_part(path: Path) -> None:
    used = {name for name in imports(path) if name.startswith("gankit.methods.")}
    assert used <= {"gankit.methods.base", "gankit.methods.plan", "gankit.methods.turns"}
    assert not {name.split(".")[1] for name in imports(path) if name.startswith("gankit.")} & (PARTS - {"norms"})
