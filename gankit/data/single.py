"""One folder of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from gankit.codecs.base import as_codec
from gankit.data.dataset import Split
from gankit.data.files import PictureFiles
from gankit.data.placed import Placed
from gankit.fields import Field, Picture


@dataclass(kw_only=True, eq=False, repr=False)
class Single(PictureFiles):
    """Pictures of one domain. An item has `a`, (C, h, w) in [-1, 1].

    train, test: the folders of the splits; `train: .` takes the pictures of `root` itself. channels: those of the files
    if None; of the codec `image` 3 for RGB (None), 1 for grey.
    """

    train: str = "train"
    test: str = "test"
    channels: Annotated[int, Ge(1)] | None = None

    def __post_init__(self) -> None:
        self.codecs = {"a": as_codec(self.codec)}
        super().__post_init__()

    def _enter(self, split: Split) -> None:
        super()._enter(split)
        self._folder = self._folder_of(split, self.train, "val", self.test)
        self._pictures = self._read(self._folder, self.channels, self.codecs["a"])
        self.channels = self._pictures.channels
        self.fields: dict[str, Field] = {"a": Picture(self.channels)}

    @property
    def sources(self) -> dict[str, list[Path]]:
        """The files of the pictures."""
        return {"a": self._pictures.paths}

    def __len__(self) -> int:
        return len(self._pictures)

    def __repr__(self) -> str:
        return f"Single({self._split}: {len(self)} in {self._folder}, {self._transform})"

    def placed(self, index: int, generator: torch.Generator) -> dict[str, Tensor | Placed]:
        """Item `index`; crop and flip are drawn from `generator`."""
        return {"a": self._pictures.placed(index, None if self._still else generator)}
