"""Who may import whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "gankit"

ORDER = (
    "core",
    *("precision", "kernels", "fields", "contracts", "conditions", "init", "features", "resample", "slots", "weights"),
    *("norms", "layers", "attention", "generators", "discriminators", "backbones", "losses", "augment", "callbacks"),
    "optimizers",
    *("codecs", "data", "methods"),
    *("training", "inference", "evaluation", "report", "interop", "inspect", "testing"),
    *("api", "web", "cli"),
)
"""From below to above: a unit imports those before it. The rows below say where it may take only some of them."""
ONLY = {
    "kernels": set(),
    "contracts": {"core", "fields"},
    "slots": {"core"},
    "callbacks": {"core"},
    "weights": {"core"},
    "optimizers": {"core", "slots", "contracts"},
    "codecs": {"core"},
    "fields": set(),
    "data": {"core", "codecs", "fields"},
    "web": {"core", "codecs", "fields", "methods", "inference", "api"},
    "testing": set(ORDER[: ORDER.index("methods") + 1]),
}
TORCH = {"torch", "torchvision", "timm", "lpips", "accelerate", "numpy", "PIL", "einops", "safetensors", "tensorboard"}
PARTS = {"generators", "discriminators", "attention", "losses", "backbones", "layers"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def unit(path: Path) -> str:
    """gankit/core/errors.py -> core; gankit/slots.py -> slots."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, top_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.name == "__init__.py":  # its public names are loaded when they are used; editors read them here
        tree.body = [node for node in tree.body if not _is_for_editors(node)]
    nodes = tree.body if top_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_for_editors(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


NAMES = {module(path): path for path in MODULES}
USES = {name: {used for used in imports(path) if used in NAMES} - {name} for name, path in NAMES.items()}
"""Module -> those of gankit that it imports, inside of functions too."""


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_what_stands_below(path: Path) -> None:
    own = unit(path)
    if own == "__init__":
        return  # the public names, loaded lazily: tests/cli/test_startup.py
    assert own in ORDER, f"give the unit {own} its place in ORDER"
    allowed = ONLY.get(own, set(ORDER[: ORDER.index(own)])) | {own, "__init__"}
    used = {unit(NAMES[name]) for name in USES[module(path)]}
    assert used <= allowed, f"{own} may not import {used - allowed}"


def test_no_files_import_each_other_in_a_circle() -> None:
    left = {name: set(uses) - {"gankit"} for name, uses in USES.items() if name != "gankit"}
    while free := {name for name, uses in left.items() if not uses & left.keys()}:
        left = {name: uses for name, uses in left.items() if name not in free}
    assert not left, f"in a circle, or above one: {sorted(left)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_gankit_itself_imports_from_the_module_where_a_thing_is(path: Path) -> None:
    """A public name would import through its package, where a circle does not show."""
    lazy = {name for name, file in NAMES.items() if "public.names(" in file.read_text(encoding="utf-8")} - {"gankit"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in lazy:
            names = [alias.name for alias in node.names if f"{node.module}.{alias.name}" not in NAMES]
            assert not names, f"import {', '.join(names)} from the module of {node.module} where it is"


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
    used = {name for name in USES[module(path)] if name.startswith("gankit.methods.")}
    assert used <= {f"gankit.methods.{name}" for name in ("at_rest", "base", "plan", "resolve", "turns")}
    assert not {name.split(".")[1] for name in USES[module(path)] if "." in name} & PARTS
    listening = {name for name in USES[module(path)] if name.startswith(("gankit.callbacks.", "gankit.augment."))}
    assert listening <= {"gankit.callbacks.base", "gankit.augment.base"}


@pytest.mark.parametrize("path", [p for p in MODULES if unit(p) == "core"], ids=lambda p: p.stem)
def test_core_stands_alone(path: Path) -> None:
    assert {unit(NAMES[name]) for name in USES[module(path)]} <= {"core", "__init__"}
