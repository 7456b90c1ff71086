"""IDX files of drawn pictures."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np


def write_idx(path: Path, count: int, height: int = 8, width: int = 8) -> np.ndarray:
    """Write pictures in which every pixel of picture i is i; the pictures."""
    pictures = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, height, width))
    head = bytes([0, 0, 8, 3]) + np.array([count, height, width], ">u4").tobytes()
    content = head + pictures.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return pictures
