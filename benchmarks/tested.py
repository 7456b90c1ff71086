"""The stages of `benchmarks.device` that run gankit's tests: they tell what came of each.

No torch is imported here, for the tests' conftest says to Triton how it is to run before anything imports it.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.device import Telling

ROOT = Path(__file__).resolve().parents[1]
TRAINING = "tests/training/test_gpu.py"
TESTS = {
    "kernels": ["tests/kernels", "-m", "not slow and not gpu"],
    "large": ["tests/kernels", "-m", "gpu"],
    "recorded": [TRAINING, "-k", "recorded_steps"],
    "resume": [TRAINING, "-k", "resumed"],
    "compiled": [TRAINING, "-k", "compiled_steps"],
    "parts": ["-m", "gpu", "-k", "not recorded_steps and not resumed and not compiled_steps"],
}
"""What pytest is given, by the stage's name."""


class Outcomes:
    """A plugin of pytest that tells what came of each test, with the figures that it recorded."""

    def __init__(self, tell: Telling) -> None:
        self.tell = tell

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when != "call" and report.passed:
            return
        values = dict(report.user_properties)
        if report.skipped and isinstance(report.longrepr, tuple):
            values["why"] = report.longrepr[-1]
        elif report.failed:
            said = re.findall(r"^E +(.+)", report.longreprtext, re.MULTILINE)
            values["why"] = said[0] if said else report.longreprtext.strip().rpartition("\n")[2]
        self.tell(report.nodeid.removeprefix("tests/"), test=report.outcome, **values)


def tests(tell: Telling) -> None:
    """Run some of gankit's tests; ends the process with a line where one fails."""
    import pytest

    name = tell.stage.rpartition("/")[2]
    if tell.options.device == "cpu":
        os.environ["GANKIT_TEST_DEVICE"] = "cpu"
    given = TESTS[name]
    if name == "parts":
        given = [
            *sorted(str(path) for path in ROOT.glob("tests/*/test_gpu.py") if path.parent.name != "kernels"),
            *given,
        ]
    os.chdir(ROOT)
    code = pytest.main([*given, "-p", "no:cacheprovider"], plugins=[Outcomes(tell)])
    if code != 0:
        sys.exit(f"pytest ended with {int(code)}: the figures name the tests that failed, if any ran")
