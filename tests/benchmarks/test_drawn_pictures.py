"""The drawn pictures for the experiments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.drawn_pictures import draw_pictures


def test_pictures_differ_and_what_is_there_stays(tmp_path: Path) -> None:
    draw_pictures(tmp_path, size=32, train=2, test=1)
    places = [tmp_path / "train" / "0000.png", tmp_path / "train" / "0001.png", tmp_path / "test" / "0000.png"]
    assert sorted(path for path in tmp_path.rglob("*.png")) == sorted(places)
    values = [np.asarray(Image.open(path)) for path in places]
    assert values[0].shape == (32, 32, 3)
    assert not np.array_equal(values[0], values[1]) and not np.array_equal(values[0], values[2])
    places[0].write_bytes(b"mine")
    draw_pictures(tmp_path, size=32, train=2, test=1)
    assert places[0].read_bytes() == b"mine"
