"""Two folders of pictures without pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge

from gankit.codecs.base import CodecSlot, as_codec
from gankit.data.dataset import Split
from gankit.data.files import PictureFiles
from gankit.data.placed import Placed
from gankit.fields import Picture


@dataclass(kw_only=True, eq=False, repr=False)
class Unpaired(PictureFiles):
    """Pictures of two domains without pairs, as CycleGAN (arXiv 1703.10593) trains on them.

    An item has `a` and `b`, (C, h, w) in [-1, 1], each cropped and flipped on its own. There are as many items as the
    larger domain has pictures; item i holds picture i of A (from the start again where A is smaller) and a random one
    of B, or the i-th where `serial`. The test split is always serial.

    a, b, test_a, test_b: the folders below `root`; with an empty `root` any others. `listed` has the columns `path`,
    `side` (a or b) and `split`. codec_b: of the files of B, where they are of another kind. channels_a, channels_b:
    those of the files if None; of the codec `image` 3 for RGB (None), 1 for grey."""

    _sides: ClassVar[bool] = True
    a: str = "trainA"
    b: str = "trainB"
    test_a: str = "testA"
    test_b: str = "testB"
    serial: bool = False
    codec_b: CodecSlot | None = None
    channels_a: Annotated[int, Ge(1)] | None = None
    channels_b: Annotated[int, Ge(1)] | None = None

    def __post_init__(self) -> None:
        self.codecs = {"a": as_codec(self.codec), "b": as_codec(self.codec_b or self.codec)}
        super().__post_init__()

    def _enter(self, split: Split) -> None:
        super()._enter(split)
        self._folders = [
            self._folder_of(split, train, val, test)
            for train, val, test in ((self.a, "valA", self.test_a), (self.b, "valB", self.test_b))
        ]
        self._a = self._read(self._folders[0], self.channels_a, self.codecs["a"], "a")
        self._b = self._read(self._folders[1], self.channels_b, self.codecs["b"], "b")
        if split == "train":
            self._a.check_single()
            self._b.check_single()
        self.channels_a, self.channels_b = self._a.channels, self._b.channels
        self.counts = {"a": len(self._a), "b": len(self._b)}
        self.fields = {"a": Picture(self.channels_a), "b": Picture(self.channels_b)}

    @property
    def sources(self) -> dict[str, list[Path]]:
        """The files of each domain."""
        return {"a": self._a.paths, "b": self._b.paths}

    def __len__(self) -> int:
        return max(len(self._a), len(self._b))

    def __repr__(self) -> str:
        a, b = self._folders
        return f"Unpaired({self._split}: {len(self._a)} in {a}, {len(self._b)} in {b}, {self._transform})"

    def placed(self, index: int, generator: torch.Generator) -> dict[str, Placed]:
        """Item `index`; B's picture, crops and flips are drawn from `generator`."""
        if self._still:
            return {"a": self._a.placed(index % len(self._a), None), "b": self._b.placed(index % len(self._b), None)}
        other = index if self.serial else int(torch.randint(len(self._b), (1,), generator=generator).item())
        a = self._a.placed(index % len(self._a), generator)
        return {"a": a, "b": self._b.placed(other % len(self._b), generator)}
