"""One folder of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor

from gankit.codecs.base import as_codec
from gankit.data.dataset import Split
from gankit.data.files import PictureFiles
from gankit.data.placed import Placed
from gankit.fields import Field, Label, Picture


@dataclass(kw_only=True, eq=False, repr=False)
class Single(PictureFiles):
    """Pictures of one domain. An item has `a`, (C, h, w) in [-1, 1].

    Args:
        train, test: the folders of the splits. `train: .` takes the pictures of `root` itself. `listed` has the columns
            `path` and `split`. Where it has the column `label` too, a whole number, an item has a `label`, (), and
            there is one class more than the greatest label of all splits.
        channels: the channels of the pictures. With None they are those of the files. The codec `image` reads RGB (3)
            with None, and grey with 1.
    """

    _labels: ClassVar[bool] = True
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
        if self.listed and (classes := self._list.classes):
            self.fields["label"] = Label(classes)
            self._label_of = {row.files["path"]: row.label for row in self._rows(split)}

    @property
    def sources(self) -> dict[str, list[Path]]:
        """The files of the pictures, and the list of their labels."""
        return {"a": self._pictures.paths} | ({"label": [self._list.file]} if "label" in self.fields else {})

    def __len__(self) -> int:
        return len(self._pictures)

    def __repr__(self) -> str:
        return f"Single({self._split}: {len(self)} in {self._folder}, {self._transform})"

    def placed(self, index: int, generator: torch.Generator) -> dict[str, Tensor | Placed]:
        """Item `index`; crop and flip are drawn from `generator`."""
        path, picture = self._pictures.found(index, None if self._still else generator)
        return {"a": picture} | ({"label": torch.tensor(self._label_of[path])} if "label" in self.fields else {})
