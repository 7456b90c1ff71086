"""What a codec is."""

from __future__ import annotations

import torch

from gankit.contracts.declared import Contract, Declared, Interface

EXAMPLE = '''
import io

import gankit
import numpy as np
from gankit.codecs import Codec, Header


@gankit.register("codec", "table")
class Table(Codec):
    """Numbers in text, a line a row, 0 to 100 percent <-> float32 (1, H, W) in [-1, 1]. gankit's own example."""

    extensions, default_extension = frozenset({".csv"}), ".csv"

    def __init__(self, low: float = 0, high: float = 100) -> None:
        super().__init__(low, high, units="percent")

    def header(self, path):
        return Header(*self.decode(path).shape, np.dtype(np.float32))

    def decode(self, path):
        return np.loadtxt(path, np.float32, delimiter=",", ndmin=2)[None]

    def encode(self, values, extension, like):
        text = io.StringIO()
        np.savetxt(text, values[0], "%.9g", ",")
        return text.getvalue().encode()
'''


class CodecContract(Contract):
    """Reads a kind of picture files to tensors, and writes them back in their own units.

    It derives from `gankit.codecs.Codec`, whose page is docs/depths.md. A window (`low`, `high`, units) says which
    values become -1 and 1.
    """

    kind = "codec"
    interface = Interface(
        made_with="nothing but its own arguments",
        forward=(
            "`read(path)`, `write(picture, path, like=source)` and `shape(path)`, of the base; it says `header(path)`, "
            "`decode(path)` and `encode(values, extension, like)`"
        ),
        result="reading: float32 (C, H, W) in [-1, 1]; `shape`: (C, H, W); writing: a file in the units of its window",
        example=EXAMPLE,
    )

    extensions: Declared[frozenset[str]] = Declared(
        frozenset(), "endings of its files, in small letters, with the dot, as `.tif` or `.nii.gz`; always given"
    )
    default_extension = Declared("", "of the files that it writes where the source is of another kind; always given")
    converts_to: Declared[frozenset[int]] = Declared(
        frozenset(), "numbers of channels to which it brings any file; none: pictures have the channels of their files"
    )
    stacks = Declared(
        False,
        "whether a file may hold several pictures, as a volume its slices; then it also says `decode_stack(path)` and "
        "`encode_stack(values, extension, like)`, with values (S, C, H, W)",
    )
    low: Declared[float | None] = Declared(None, "the value that becomes -1; given with `high`")
    high: Declared[float | None] = Declared(None, "the value that becomes 1; given with `low`")
    units = Declared("", "the name of the values' units, such as `HU`")
    stored: Declared[torch.dtype] = Declared(
        torch.float32, "of what data sets resize and keep: float32 in [-1, 1]; uint8 of codecs of 8-bit pictures"
    )
