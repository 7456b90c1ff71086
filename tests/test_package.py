"""The wheel and the sdist: what is in them, what they need, and where README's links lead on PyPI."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.markdown import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HOME = PROJECT["urls"]["Repository"]
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
TOP = {
    ".ci",
    ".dockerignore",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "CITATION.cff",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "Dockerfile",
    "LICENSE",
    "PKG-INFO",
    "README.md",
    "benchmarks",
    "docs",
    "gankit",
    "mkdocs.yml",
    "plugins",
    "pyproject.toml",
    "recipes",
    "scripts",
    "tests",
}
"""Of the sdist."""
THROUGH = {"mlflow": "mlflow-skinny", "pydantic_core": "pydantic", "triton": "torch", "yaml": "PyYAML", "PIL": "pillow"}
"""A module by the distribution that brings it, where their names differ."""


def files(folder: str) -> set[str]:
    """Of the checkout, as git would keep them."""
    paths = (ROOT / folder).rglob("*")
    kept = (p for p in paths if p.is_file() and not {"__pycache__", ".benchmarks"} & set(p.parts))
    return {p.relative_to(ROOT).as_posix() for p in kept if not any(".egg-info" in part for part in p.parts)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both; the wheel is made from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(built.glob("*.whl")))


@pytest.fixture(scope="module")
def told(wheel: zipfile.ZipFile) -> Message:
    """The wheel's metadata."""
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())


def test_the_wheel_has_the_package_and_the_recipes_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert inside == files("gankit") | {f"gankit/{name}" for name in files("recipes")}
    assert {"gankit/py.typed", "gankit/recipes/demo.yaml", "gankit/core/jsonschema.py"} <= inside
    (points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "gankit = gankit.cli.main:main" in wheel.read(points).decode()


def test_the_sdist_has_all_that_its_own_tests_need_and_nothing_else(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    assert {name.partition("/")[0] for name in inside} == TOP
    for folder in TOP:
        if (ROOT / folder).is_dir():
            kept = {name for name in inside if name.startswith(f"{folder}/")}
            assert kept == files(folder)


def test_the_links_and_pictures_of_the_readme_lead_somewhere_on_pypi(told: Message) -> None:
    assert told["Description-Content-Type"] == "text/markdown"
    text = str(told.get_payload())
    version = f"v{told['Version']}"
    pages, pictures = f"{HOME}/blob/{version}/", f"{HOME.replace('//github', '//raw.githubusercontent')}/{version}/"
    links = LINK.findall(text)
    assert not [link for link in links if not link.startswith(("https://", "#"))]
    ours = [link for link in links if HOME.partition("//")[2].partition("/")[2] in link]
    assert len(ours) > 20
    for link in ours:
        assert link.startswith((pages, pictures)), link
        path = link.removeprefix(pages).removeprefix(pictures).partition("#")[0]
        assert (ROOT / path).exists(), link
        assert link.startswith(pictures) == path.endswith(".png"), link


def test_the_addresses_are_of_one_repository(told: Message) -> None:
    addresses = [line.partition(", ")[2] for line in told.get_all("Project-URL", [])]
    assert addresses and all(address.startswith(HOME) for address in addresses)


def test_what_is_imported_is_declared() -> None:
    """Also what another dependency would bring: it may one day not bring it any more."""
    extras = PROJECT["optional-dependencies"]
    declared = {name_of(r) for group in (PROJECT["dependencies"], *extras.values()) for r in group}
    imported = {module for path in (ROOT / "gankit").rglob("*.py") for module in imports(path)}
    lost = {THROUGH.get(m, m) for m in imported - sys.stdlib_module_names - {"gankit"}}
    assert {canonicalize_name(name) for name in lost} <= declared


def test_every_dependency_is_told_on_its_page() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    extras = {name: group for name, group in PROJECT["optional-dependencies"].items() if name != "dev"}
    for requirement in (*PROJECT["dependencies"], *(r for group in extras.values() for r in group)):
        assert f"`{Requirement(requirement).name}`" in page, requirement
    assert not [extra for extra in extras if f"`{extra}`" not in page]


def test_what_is_here_is_not_older_than_what_is_asked_for() -> None:
    for text in PROJECT["dependencies"]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(metadata.version(wanted.name), prereleases=True), text


def name_of(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found
