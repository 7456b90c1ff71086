"""What a data set is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gankit.contracts.declared import Contract, Declared, Interface, Size
from gankit.fields import Field

EXAMPLE = '''
import gankit
import torch
from gankit.fields import Picture


@gankit.register("dataset", "ramps")
class Ramps:
    """Grey ramps, dark on the left in a and on the right in b. a, b (3, 16, 16). gankit's own example."""

    fields, size = {"a": Picture(3), "b": Picture(3)}, 16

    def split(self, name):
        return self

    def __len__(self):
        return 8

    def item(self, index, generator):
        ramp = torch.linspace(-1, 1, 16).expand(3, 16, 16) * (index + 1) / 8
        return {"a": ramp, "b": ramp.flip(-1)}
'''


class DatasetContract(Contract):
    """The pictures of a training and of a test; it keeps the protocol `gankit.data.dataset.Dataset`.

    As a recipe makes it, it is the training data: `split("train")` is it, `split("test")` its test pictures, never
    random, and a DataError where there are none. Every random choice of an item comes from the generator that `item` is
    given, so that an item is a function of seed, epoch and index.
    """

    kind = "dataset"
    interface = Interface(
        made_with="nothing but its own arguments",
        forward="`len(data)`, `item(index, generator)`, `split(name)` with `train` or `test`",
        result=(
            "items, field -> tensor, as `fields` declares: pictures (C, H, W) in [-1, 1], masks (1, H, W) of 0 and 1, "
            "labels, segmentation maps, vectors; counterparts are called `truth_a2b`, ..."
        ),
        example=EXAMPLE,
    )

    fields: Declared[Mapping[str, Field] | None] = Declared(
        None, "what an item holds, by name, as `{'a': Picture(3), 'label': Label(5)}`; always given"
    )
    codecs: Declared[Mapping[str, Any]] = Declared(
        {}, "how the files of each field of pictures are read and written, where it has files: a codec of each"
    )
    sources: Declared[Mapping[str, Sequence[Path]]] = Declared(
        {}, "field -> the files that its items come from, in their order: a resumed training tells where they changed"
    )
    size: Declared[Size] = Declared(1, "the side of the pictures in pixels; always given")
    paired = Declared(False, "whether the fields of an item are counterparts, so that each is the other's truth")
    seed: Declared[int | None] = Declared(None, "of data that are drawn: noted in the protocol of every figure")
    counts: Declared[Mapping[str, int]] = Declared(
        {}, "field -> how many pictures it has, where items begin it again after so many: no figure counts one twice"
    )
