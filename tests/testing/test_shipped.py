"""What ships passes the conformance kit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.io import write_png

from gankit.core.builtins import BUILTINS
from gankit.testing import check_component

ROWS = [(kind, name) for kind, name, *_ in BUILTINS if (kind, name) == ("dataset", "shapes") or kind != "dataset"]
FOLDERS = {
    "unpaired": ("trainA", "trainB", "testA", "testB"),
    "paired": ("train", "test"),
    "single": ("train", "test"),
}


@pytest.mark.parametrize(("kind", "name"), ROWS, ids=lambda part: part)
def test_shipped(kind: str, name: str):
    check_component(kind, name)


@pytest.mark.parametrize(
    ("kind", "name", "overrides"),
    [
        ("generator", "ugatit", {"channels": 4, "blocks": 1, "light": False, "image_size": 32}),
        ("generator", "resnet", {"channels": 4, "blocks": 1, "norm": "batch", "attention": "cam", "dropout": True}),
        ("discriminator", "patch", {"channels": 4, "layers": 2, "norm": "none", "spectral_norm": True}),
    ],
)
def test_shipped_in_another_form(kind: str, name: str, overrides: dict[str, Any]):
    check_component(kind, name, overrides=overrides)


@pytest.mark.parametrize("name", [name for kind, name, *_ in BUILTINS if kind == "dataset" and name != "shapes"])
def test_shipped_folders(tmp_path: Path, name: str):
    for folder in FOLDERS[name]:
        (tmp_path / folder).mkdir()
        write_png(torch.full((3, 40, 80), 128, dtype=torch.uint8), str(tmp_path / folder / "grey.png"))
    check_component("dataset", name, overrides={"root": str(tmp_path), "load_size": 36, "crop_size": 32})
