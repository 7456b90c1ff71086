"""An environment of its own with gankit's wheel and a plugin's, and commands run in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import venv
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"


@cache
def built(project: Path) -> Path:
    """The wheel of a project, built once for all tests of this process."""
    folder = tempfile.mkdtemp(dir=kept().name)
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, str(project))
    (wheel,) = Path(folder).glob("*.whl")
    return wheel


@cache
def kept() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes with this process."""
    return tempfile.TemporaryDirectory(prefix="gankit-wheels-")


def environment(folder: Path, plugin: str) -> Path:
    """Build and install both; the heavy packages come from this environment through a .pth file."""
    home = folder / "env"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    wheels = [str(built(project)) for project in (ROOT, PLUGINS / plugin)]
    assert [Path(w).name.split("-")[0] for w in wheels] == ["gankit", plugin.replace("-", "_")]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    call(*pip, *wheels)
    site = Path(call(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "heavy.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def call(*command: str, cwd: Path | None = None, code: int = 0) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "GANKIT"))} | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=clean, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def gankit(environment: Path, *arguments: str, code: int = 0) -> str:
    return call(str(environment / "bin" / "gankit"), *arguments, cwd=environment, code=code)


def check_imports(plugin: str) -> None:
    """The module that is always imported is light, and none uses what is gankit's own."""
    module = plugin.replace("-", "_")
    code = (
        f"import sys; sys.path.insert(0, {str(PLUGINS / plugin)!r}); import {module}; assert 'torch' not in sys.modules"
    )
    call(sys.executable, "-c", code)
    for path in (PLUGINS / plugin / module).glob("*.py"):
        lines = [line for line in path.read_text().splitlines() if "import" in line and "gankit" in line]
        assert not [line for line in lines if "._" in line or " _" in line or "gankit.core" in line]
        deep = re.findall(r"^\s*from (gankit\.\w+\.\S+) import", path.read_text(), re.MULTILINE)
        assert not deep, f"{path}: import public names, from the packages of {deep}"
