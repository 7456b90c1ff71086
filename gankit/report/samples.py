"""Sample grids: the same few test pictures, translated as training goes on."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PIL import Image
from torch import Tensor

from gankit.core.errors import DataError
from gankit.data.dataset import Dataset
from gankit.methods.at_rest import at_rest
from gankit.methods.base import Method
from gankit.report.grids import overlay, plain_grid, sample_grid
from gankit.training.seeds import reseed


class Samples:
    """Draws fixed pictures of the test split (of the training one where there is no other) and what becomes of them;
    for methods without a source, pictures of the same noise each time."""

    def __init__(self, dataset: Dataset, count: int, seed: int) -> None:
        self._pictures = _first(dataset, count, seed)
        self._count, self._seed = count, seed

    def grid(self, method: Method) -> Image.Image:
        """A row for each picture and direction. The method is left as it was: its modes, its buffers."""
        device = method.device
        with at_rest(method):
            reseed(self._seed)  # methods that draw noise at test (pix2pix) draw the same each time
            if (drawn := method.draw(self._count)) is not None:
                return plain_grid(method.translate(drawn))
            rows = [_row(method, fields, way, device) for way in method.directions for fields in self._pictures]
        return sample_grid([row for row in rows if row])


def _first(dataset: Dataset, count: int, seed: int) -> list[dict[str, Tensor]]:
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
    values = [*method.infer(inputs, names, direction), method.truth_of(batch, direction)]
    named = zip((*names, "truth"), values, strict=True)
    pictures = {name: value[0] for name, value in named if value is not None}
    looks = _looks(method, batch, direction, pictures[method.result]) if method.result in pictures else {}
    return {"direction": direction} | shown(method, direction, inputs) | pictures | looks


def _looks(method: Method, batch: dict[str, Tensor], direction: str, result: Tensor) -> dict[str, Tensor]:
    """Where the critics of a direction look, drawn over a real picture of their domain and over the result. Nothing
    where they give no heatmaps, and for pictures that the networks do not take as they are."""
    names = ("real_heatmaps", "fake_heatmaps")
    if any(name not in method.tensor_names() or method.unavailable(name) for name in names):
        return {}
    if any(method.fit(x)[0].shape != x.shape for x in batch.values() if x.ndim == 4):
        return {}
    values = method.tensors_of(batch, direction, ("target", *names), {method.result: result[None]})
    if values is None:
        return {}
    looks = {}
    for which, picture in (("real", values["target"][0]), ("fake", result)):
        maps = values[f"{which}_heatmaps"][0]
        for i, heatmap in enumerate(maps):
            critic = f"critic_{i + 1}" if len(maps) > 1 else "critic"
            looks[f"{critic}_on_{which}"] = overlay(picture, heatmap[None]) * 2 - 1  # as pictures of a grid are
    return looks


def shown(method: Method, direction: str, inputs: Mapping[str, Tensor]) -> dict[str, Tensor | str]:
    """The inputs of the first picture of a batch, as they are drawn in a row of `sample_grid`."""
    kinds = method.needs(direction)
    return {name: kind.shown(inputs[name][0]) for name, kind in kinds.items() if name in inputs}
