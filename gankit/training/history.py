"""history.json of a run: how each of its trainings was started, and on what.

    [{"date": "2026-03-01T12:00:00+01:00", "from_step": 0, "command": "gankit train demo", "commit": "3f2a...",
      "device": "cpu", "processes": 1, "gankit": "0.1.0", "torch": "2.9.0", "python": "3.12.3", "system": "Linux-6.1"}]

A resumed training adds its own. No name of a user or of a machine is in it, but the command as it was written.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import torch

from gankit import __version__
from gankit.core.errors import printable, short
from gankit.core.files import read_whole, write_whole
from gankit.training.devices import Devices
from gankit.training.run import Run

KEPT = 100
LONGEST = 4000
"""Letters of a command."""
Started = dict[str, str | int]
PATIENCE = 5
"""Seconds in which git has to answer."""


def add(run: Run, step: int, devices: Devices) -> None:
    """Write down a training that begins now, at this step. Raises GankitError when the disk refuses."""
    main = sys.modules["__main__"].__spec__  # of `python -m`
    program = main.name if main is not None and "." in main.name else Path(sys.argv[0]).name
    program = "gankit" if program == "gankit.cli.main" else program
    now: Started = {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "from_step": step,
        "command": short(shlex.join([program, *sys.argv[1:]]), LONGEST),
        **({"commit": commit} if (commit := commit_of(Path())) else {}),
        "device": _name(devices.device),
        "processes": devices.world,
        "gankit": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    write_whole(run.history, json.dumps([*read(run), now][-KEPT:], indent=1) + "\n")


def read(run: Run) -> list[Started]:
    """The trainings of a run, oldest first; none where the file is missing or damaged, for nothing depends on it."""
    try:
        value = json.loads(read_whole(run.history))
    except (OSError, ValueError, RecursionError):
        return []
    entries = value if isinstance(value, list) else []
    whole = [one for one in entries if isinstance(one, dict) and isinstance(one.get("date"), str)]
    return [{k: v for k, v in one.items() if isinstance(v, str | int)} for one in whole]


def commit_of(folder: Path) -> str:
    """The git commit that is checked out there, with `-dirty` where tracked files differ; "" where there is none."""
    call = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    quiet = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}  # it must not write into a repository that others use
    try:
        done = subprocess.run(call, capture_output=True, timeout=PATIENCE, env=quiet, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return printable(done.stdout.decode(errors="replace").strip()) if done.returncode == 0 else ""


def _name(device: torch.device) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
