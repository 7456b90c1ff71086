"""Sample grids: the same few test pictures, translated as training goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from gankit.core.errors import DataError
from gankit.methods.base import Method
from gankit.training.pictures import sample_grid, tiled
from gankit.training.seeds import reseed


class Sampler:
    """Draws fixed pictures of the test split (of the training one where there is no other) and what becomes of them;
    for methods without a source, pictures of the same noise each time."""

    def __init__(self, dataset: Any, count: int, seed: int) -> None:
        self._pictures = _first(dataset, count, seed)
        self._count, self._seed = count, seed

    def grid(self, method: Method) -> Image.Image:
        """A row for each picture and direction. The method is left as it was: its modes, its buffers."""
        device = next(method.parameters()).device
        with at_rest(method):
            reseed(self._seed)  # methods that draw noise at test (pix2pix) draw the same each time
            if (drawn := method.draw(self._count)) is not None:
                return tiled(method.translate(drawn))
            rows = [_row(method, fields, way, device) for way in method.directions for fields in self._pictures]
        return sample_grid([row for row in rows if row])


@contextmanager
def at_rest(method: Method) -> Iterator[None]:
    """Evaluation mode, without gradients; modes and buffers are put back at the end."""
    modes = {module: module.training for module in method.modules()}
    buffers = {buffer: buffer.clone() for buffer in method.buffers()}
    method.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        method.train(modes[method])  # a method may switch more than modes: pix2pix's running statistics
        for module, mode in modes.items():
            module.training = mode
        with torch.no_grad():
            for buffer, value in buffers.items():
                buffer.copy_(value)


def _first(dataset: Any, count: int, seed: int) -> list[dict[str, Tensor]]:
    try:
        split = dataset.split("test")
    except DataError:
        split = dataset.split("train")
    generators = (torch.Generator().manual_seed(seed + i) for i in range(count))
    return [split.item(i, generator) for i, generator in zip(range(min(count, len(split))), generators, strict=False)]


def _row(method: Method, fields: dict[str, Tensor], direction: str, device: torch.device) -> dict[str, Tensor | str]:
    batch = {name: x[None].to(device) for name, x in fields.items()}
    inputs = method.inputs_of(batch, direction)
    if inputs is None:
        return {}
    names = ("attention", method.result, "reconstruction")
    values = [inputs.get("source"), *method.infer(inputs, names, direction), method.truth_of(batch, direction)]
    row: dict[str, Tensor | str] = {"label": direction}
    named = zip(("source", *names, "truth"), values, strict=True)
    return row | {name: value[0] for name, value in named if value is not None}
