"""The public names: what `__all__` of gankit, of its packages and of the modules beside them says."""

from __future__ import annotations

import ast
import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import gankit
from gankit.core.builtins import BUILTINS

RECORD = Path(__file__).with_suffix(".txt")
RECORDED = RECORD.read_text(encoding="utf-8").split()
PACKAGE = Path(gankit.__file__).parent
MODULES = ["gankit", *(f"gankit.{found.name}" for found in pkgutil.iter_modules(gankit.__path__))]
PUBLIC = [name for name in MODULES if hasattr(import_module(name), "__all__")]
LAZY = [name for name in PUBLIC if "public.names(" in Path(import_module(name).__file__ or "").read_text()]


def lines_of(path: Path) -> list[str]:
    """The imports under TYPE_CHECKING."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return [ast.unparse(line) for block in blocks for line in block.body]


def homes(package: str) -> dict[str, str]:
    """Name -> module, of all that a package gives when it is used."""
    rows = (target.split(":") for _, _, target, _ in BUILTINS)
    parts = {name: module for module, name in rows if module.rpartition(".")[0] == package}
    tree = ast.parse(_file(package).read_text(encoding="utf-8"))
    call = next(node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_names(node))
    return parts | {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}


def _is_names(call: ast.Call) -> bool:
    return ast.unparse(call.func) == "public.names"


def _file(package: str) -> Path:
    return PACKAGE.parent.joinpath(*package.split("."), "__init__.py")


def test_no_public_name_goes() -> None:
    gone = [path for path in RECORDED if not hasattr(import_module(path.rpartition(".")[0]), path.rpartition(".")[2])]
    assert not gone, (
        f"these names were public, and code outside of gankit may import them: {', '.join(gone)}. Bring them back; or, "
        f"where one goes on purpose, take its line out of tests/{RECORD.name}, tell it in CHANGELOG.md, and raise API "
        "in gankit/core/versions.py"
    )


def test_every_public_name_is_recorded() -> None:
    new = [f"{module}.{name}" for module in PUBLIC for name in import_module(module).__all__]
    new = [path for path in new if path not in RECORDED]
    assert not new, f"new public names; add these lines to tests/{RECORD.name}:\n" + "\n".join(new)


def test_the_record_is_sorted() -> None:
    assert sorted(set(RECORDED)) == RECORDED, f"tests/{RECORD.name}: sort its lines, each once"


@pytest.mark.parametrize("kind", sorted({kind for kind, *_ in BUILTINS}))
def test_every_part_is_a_public_name_of_its_package(kind: str) -> None:
    for _, name, target, _ in (row for row in BUILTINS if row[0] == kind):
        module, _, made = target.partition(":")
        package = module.rpartition(".")[0]
        assert made in getattr(import_module(package), "__all__", ()), (
            f"{kind} {name}: `from {package} import {made}` does not work; write {_file(package)} as "
            "gankit/norms/__init__.py is written"
        )
        assert getattr(import_module(package), made) is getattr(import_module(module), made)


@pytest.mark.parametrize("package", LAZY)
def test_editors_see_what_is_there(package: str) -> None:
    wanted = {f"from {module} import {name} as {name}" for name, module in homes(package).items()}
    there, file = set(lines_of(_file(package))), _file(package).relative_to(PACKAGE.parent)
    assert not wanted - there, f"add to {file}, under TYPE_CHECKING:\n" + "\n".join(sorted(wanted - there))
    assert not there - wanted, f"take out of {file}, or name it in its call of `public.names`:\n" + "\n".join(
        sorted(there - wanted)
    )


@pytest.mark.parametrize("package", LAZY)
def test_a_name_hides_no_module(package: str) -> None:
    """`gankit.interop.export` cannot be a function and a module."""
    modules = {found.name for found in pkgutil.iter_modules(import_module(package).__path__)}
    assert not modules & set(import_module(package).__all__)


def test_names_are_loaded_when_they_are_used() -> None:
    packages = "; ".join(f"import {package}" for package in LAZY)
    code = f"{packages}; import sys; assert 'torch' not in sys.modules; from gankit.norms import AdaLIN, LIN\n"
    code += "assert 'torch' in sys.modules and 'gankit.generators.resnet' not in sys.modules; print(AdaLIN.__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "gankit.norms.adalin\n", done.stderr


def test_an_unknown_name_is_an_import_error() -> None:
    with pytest.raises(ImportError, match=re.escape("cannot import name 'LSGun' from 'gankit.losses'")):
        exec("from gankit.losses import LSGun")
    assert {"LSGAN", "Adversarial"} <= set(dir(import_module("gankit.losses")))
