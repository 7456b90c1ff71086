"""Files of temperatures: how they are read, kept in folders and measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import gankit
from gankit.codecs import Codec, CodecSlot, Header, as_codec
from gankit.evaluation import Metric
from gankit.fields import Picture, Vector


class Decikelvin(Codec):
    """Height and width, then 16-bit tenths of a kelvin <-> float32 (1, H, W) in [-1, 1]; 250 to 320 K. gankit's own."""

    extensions, default_extension = frozenset({".dk"}), ".dk"

    def __init__(self, low: float = 250, high: float = 320) -> None:
        super().__init__(low, high, units="K")

    def header(self, path: Path) -> Header:
        height, width = np.fromfile(path, "<u2", 2)
        return Header(1, int(height), int(width), np.dtype(np.float32))

    def decode(self, path: Path) -> np.ndarray:
        height, width, *values = np.fromfile(path, "<u2")
        return np.asarray(values, np.float32).reshape(1, height, width) / 10

    def encode(self, values: np.ndarray, extension: str, like: Path | None) -> bytes:
        return np.asarray([*values.shape[1:], *(values[0] * 10).round().ravel()], "<u2").tobytes()


class Temperatures:
    """`root/train` and `root/test`: files `NAME.HOURS.a.dk` and `.b.dk`. a, b (1, H, W); hours (1,). gankit's own."""

    fields, paired = {"a": Picture(1), "b": Picture(1), "hours": Vector(1)}, True

    def __init__(self, root: Path, codec: CodecSlot = Decikelvin, part: str = "train") -> None:
        self.root, self.codec = Path(root), as_codec(codec)
        self.codecs = {"a": self.codec, "b": self.codec}
        self.befores = sorted((self.root / part).glob("*.a.dk"))
        if not self.befores:
            raise gankit.DataError(f"{self.root / part} holds no files *.a.dk")
        self.size = self.codec.shape(self.befores[0])[1]

    def split(self, name: str) -> Temperatures:
        return self if name == "train" else Temperatures(self.root, self.codec, name)

    def __len__(self) -> int:
        return len(self.befores)

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        before = self.befores[index]
        after = before.with_name(before.name.replace(".a.", ".b."))
        hours = torch.tensor([float(before.name.split(".")[1])])
        return {"a": self.codec.read(before), "b": self.codec.read(after), "hours": hours}


class Kelvin(Metric):
    """How far the output is from the truth, in kelvin of a window of 70 K; the mean over pictures. gankit's own."""

    unit, better = "K", "lower"

    def statistics(self, output: Tensor, truth: Tensor) -> Tensor:
        return (output - truth).double().abs().flatten(1).mean(1)[:, None] * 35
