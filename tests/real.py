"""Real weights and pictures, where `GANKIT_REAL_PICTURES` names the folder that has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("GANKIT_REAL_PICTURES", ""))
WEIGHTS = DATA / "weights"
SQUEEZENET = WEIGHTS / "squeezenet1_1_torchvision_fp16.safetensors"
DISTILLED = WEIGHTS / "collab_distill_vgg19_16x"
needs_weights = pytest.mark.skipif(
    not SQUEEZENET.is_file(), reason="GANKIT_REAL_PICTURES names no folder with real weights"
)
