"""What ships passes the conformance kit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gankit.core.builtins import BUILTINS
from gankit.core.registry import Registry
from gankit.testing import check_component

TRACKERS = ("wandb", "mlflow", "trackio")
"""Of libraries that may be missing: tests/callbacks/test_trackers.py checks them."""
LATER = [("callback", name) for name in TRACKERS]
ROWS = [
    (kind, name)
    for kind, name, *_ in BUILTINS
    if (kind != "dataset" or name in ("shapes", "none")) and (kind, name) not in LATER
]
NEEDED = {("callback", "best"): {"metric": "psnr"}, ("callback", "early_stop"): {"metric": "psnr"}}
"""Arguments without a default."""
FILES = [("dataset", "idx")]  # of one file: tests/data/test_idx.py checks it
FOLDERS = {
    "unpaired": ("trainA", "trainB", "testA", "testB"),
    "paired": ("train", "test"),
    "single": ("train", "test"),
    "inpainting": ("train", "test"),
}


@pytest.mark.parametrize(("kind", "name"), ROWS, ids=lambda part: part)
def test_shipped(kind: str, name: str):
    check_component(kind, name, overrides=NEEDED.get((kind, name)))


@pytest.mark.parametrize(
    ("kind", "name", "overrides"),
    [
        ("generator", "ugatit", {"channels": 4, "blocks": 1, "light": False, "image_size": 32}),
        ("generator", "resnet", {"channels": 4, "blocks": 1, "norm": "batch", "attention": "cam", "dropout": True}),
        ("discriminator", "patch", {"channels": 4, "layers": 2, "norm": "none", "spectral_norm": True}),
        ("generator", "lbam", {"channels": 4, "downs": 3, "norm": "batch", "image": "abs"}),
        ("generator", "lbam", {"channels": 4, "downs": 3, "activation": "prelu", "masks": "fixed", "reverse": False}),
        ("generator", "lbam", {"channels": 4, "downs": 3, "attention": "sigmoid"}),
        (
            "generator",
            "pconv",
            {"channels": 4, "downs": 3, "norm": "instance", "image": "tanh", "window_factor": False},
        ),
    ],
)
def test_shipped_in_another_form(kind: str, name: str, overrides: dict[str, Any]):
    check_component(kind, name, overrides=overrides)


@pytest.mark.parametrize("name", [name for kind, name, *_ in BUILTINS if (kind, name) not in [*ROWS, *FILES, *LATER]])
def test_shipped_folders(tmp_path: Path, name: str):
    assert name in FOLDERS, (
        f"add the data set {name} to a table of {Path(__file__).name}: to FOLDERS with the folders that it reads, or "
        "to FILES where a test of its own checks it; one that reads nothing stands in the condition of ROWS"
    )
    for folder in FOLDERS[name]:
        (tmp_path / folder).mkdir()
        Image.new("RGB", (80, 40), "teal").save(tmp_path / folder / "plain.png")
    check_component("dataset", name, overrides={"root": str(tmp_path), "load_size": 36, "crop_size": 32})


@pytest.mark.parametrize("row", [("relativistic", "Relativistic"), ("r1_r2", "R1R2")], ids=lambda row: row[0])
def test_the_first_plugin(monkeypatch: pytest.MonkeyPatch, row: tuple[str, str]):
    name, made = row
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "plugins" / "gankit-r3gan")
    registry = Registry([("loss", name, f"gankit_r3gan.losses:{made}", "")])
    monkeypatch.setattr("gankit.testing.subject.catalogue", lambda: registry)
    check_component("loss", name)
