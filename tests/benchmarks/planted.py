"""Stages that go wrong, for the tests of `benchmarks.device`; they import no torch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from benchmarks.device import Telling


def works(tell: Telling) -> None:
    tell("one", ms=1.5, ratios=[2.0, 3.0])


def raises(tell: Telling) -> None:
    tell("before", ms=1.0)
    raise ValueError("this stage is broken")


def dies(tell: Telling) -> None:
    """In the middle of a line."""
    tell("before", ms=float("nan"), ratios=[1.0, float("inf")])
    with (tell.options.out / "figures.jsonl").open("a") as file:
        file.write('{"stage": "dies", "fig')
    os.kill(os.getpid(), signal.SIGKILL)


def hangs(tell: Telling) -> None:
    """With a process of its own, which hangs too, and is named in a file."""
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    (tell.options.out / "grandchild").write_text(str(child.pid))
    tell("before", ms=1.0)
    signal.pause()


def interrupts(tell: Telling) -> None:
    """As Ctrl-C in the middle of it, or who ends a command that takes too long."""
    tell("before", ms=1.0)
    os.kill(os.getppid(), signal.SIGTERM)
    signal.pause()
