"""One thread for each process: the networks of the tests are too small for more, and pytest-xdist uses the cores."""

from __future__ import annotations

import gc
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, and for the processes that tests start
os.environ["GANKIT_OFFLINE"] = "1"  # no test fetches weights

import torch

if (
    not torch.cuda.is_available()
):  # the kernels run in Triton's interpreter, which must be known before Triton is imported
    os.environ.setdefault("TRITON_INTERPRET", "1")

from tests.installed import install as install

gc.set_threshold(10_000, 10, 10)
_imported = 0


def pytest_runtest_logfinish() -> None:
    """Spare the garbage collector what was imported: to go through torch and its compiler again and again took a sixth
    of the time of the kit's tests."""
    global _imported
    if len(sys.modules) > _imported + 200:
        _imported = len(sys.modules)
        gc.collect()
        gc.freeze()
