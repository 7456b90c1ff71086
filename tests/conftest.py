"""One thread for each process: the networks of the tests are too small for more, and pytest-xdist uses the cores."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, and for the processes that tests start
os.environ["GANKIT_OFFLINE"] = "1"  # no test fetches weights

import torch

if (
    not torch.cuda.is_available()
):  # the kernels run in Triton's interpreter, which must be known before Triton is imported
    os.environ.setdefault("TRITON_INTERPRET", "1")

from tests.installed import install as install
