"""The drawn pictures for the experiments: noise stands on objects only, and what is there stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.drawn_pictures import draw_pictures


def values(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def test_noise_is_on_objects_only_and_differs_between_pictures(tmp_path: Path) -> None:
    draw_pictures(tmp_path, size=32, train=2, test=1)
    assert sorted(path.name for path in (tmp_path / "train").iterdir()) == ["0000.png", "0001.png"]
    noises = []
    for name, split in (("0000.png", "train"), ("0001.png", "train"), ("0000.png", "test")):
        clean, noisy = (values(tmp_path / "noisy" / split / side / name) for side in "BA")
        assert np.array_equal(clean, values(tmp_path / split / name))
        changed = (clean != noisy).any(-1)
        assert 0.05 < changed.mean() < 0.95
        noises.append(noisy - clean)
    assert not np.array_equal(noises[0], noises[1]) and not np.array_equal(noises[0], noises[2])


def test_what_is_there_stays(tmp_path: Path) -> None:
    draw_pictures(tmp_path, size=32, train=1, test=1)
    kept = tmp_path / "train" / "0000.png"
    kept.write_bytes(b"mine")
    draw_pictures(tmp_path, size=32, train=1, test=1)
    assert kept.read_bytes() == b"mine"
