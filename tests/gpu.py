"""What tests of a GPU share: `pytest -m gpu` runs them; where there is none they are skipped.

GANKIT_TEST_DEVICE=cpu runs them on the processor, where a stand-in records: to try the tests themselves.
"""

from __future__ import annotations

import os

import pytest
import torch

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for the same bits in every run; read at the first product
DEVICE = torch.device(os.environ.get("GANKIT_TEST_DEVICE", "cuda"))
HERE = DEVICE.type != "cuda" or torch.cuda.is_available()
MARKS = [pytest.mark.gpu, pytest.mark.skipif(not HERE, reason="no CUDA device is here")]
