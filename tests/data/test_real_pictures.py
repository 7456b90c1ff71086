"""Real photographs, where `GANKIT_REAL_PICTURES` names a folder with `cat2dog` and `facades`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gankit.data.loader import make_loader
from gankit.data.paired import PairedFolder
from gankit.data.unpaired import Unpaired

DATA = Path(os.environ.get("GANKIT_REAL_PICTURES", ""))
needs_data = pytest.mark.skipif(
    not (DATA / "cat2dog").is_dir(), reason="GANKIT_REAL_PICTURES names no folder with real photographs"
)


@needs_data
def test_cats_and_dogs():
    data = Unpaired(root=str(DATA / "cat2dog"), load_size=72, crop_size=64)
    assert len(data) == 200 and len(data.split("test")) == 60
    batch = next(iter(make_loader(data, 4, workers=1)))
    for picture in batch.values():
        assert picture.shape == (4, 3, 64, 64)
        assert -1 <= picture.min() < -0.5 and 0.5 < picture.max() <= 1 and picture.std() > 0.2


@needs_data
def test_facades_from_labels_to_photos():
    data = PairedFolder(root=str(DATA / "facades"), direction="b2a", load_size=286, crop_size=256)
    assert len(data) == 150 and len(data.split("test")) == 50  # from its folder `val`
    item = next(iter(make_loader(data.split("test"), 1, shuffle=False)))
    labels, photo = ((item[name].amax(1) - item[name].amin(1)).mean() for name in ("a", "b"))
    assert labels > 1 > photo  # label maps have saturated colours, house fronts do not
