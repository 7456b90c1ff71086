"""Small runs, not trained, of each kind that is served."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from gankit.api import Model
from gankit.core.recipe import Recipe
from gankit.training.assemble import build_method
from tests.test_conditioned_run import PAINTED
from tests.test_conditioned_run import recipe as conditions
from tests.training import tiny

PCONV = {"type": "inpainting", "generator": {"type": "pconv", "channels": 4, "downs": 3}}


def model(method: dict = tiny.CYCLEGAN, name: str = "run", data: dict | None = None, **losses: Any) -> Model:
    """A run of a method with drawn weights, as `gankit.load` gives it."""
    return of(tiny.recipe(method, losses or tiny.CYCLE, data), name)


def inpainting() -> Model:
    data = {"type": "inpainting", "root": "none", "load_size": 16, "crop_size": 16}
    return of({**tiny.recipe(PCONV, {"l1": "l1"}), "data": data}, "holes")


def conditioned(generator: dict[str, Any] = PAINTED, name: str = "painter") -> Model:
    """Its painter wants a label and two numbers, its other generator a map; the parts must be registered."""
    return of(conditions(generator), name)


def of(data: dict[str, Any], name: str) -> Model:
    recipe = Recipe.load(data)
    torch.manual_seed(0)
    return Model(build_method(recipe).eval().requires_grad_(False), recipe, Path(name), 1, False)


def png(width: int = 20, height: int = 12, mode: str = "RGB", kind: str = "PNG") -> bytes:
    """A picture with a gradient."""
    image = Image.linear_gradient("L").resize((width, height)).convert(mode)
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
