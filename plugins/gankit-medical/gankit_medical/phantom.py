"""The drawn data set: abdomens with and without contrast medium, and the truth beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from gankit.codecs import CodecSlot, as_codec
from gankit.data import Cache, Drawn, Split
from gankit.fields import Field, Label, Mask, Picture
from gankit.slots import Ge, Le
from gankit_medical.drawing import AIR, BONE, draw_body
from gankit_medical.slices import Sliced, neighbours_of

PLAIN, CONTRAST, VESSELS, INSIDE = range(4)


class Phantom(Drawn):
    """Slices of drawn abdomens: a without contrast medium, b with it, of other patients; the truth of each is known.

    An item is a slice of a patient of each domain, and a pure function of (`seed`, split, its number):

    - `a`, `b`: (C, size, size) in [-1, 1], by the window of the codec; C is the number of slices of a picture;
    - `truth_a2b`, `truth_b2a`: the same slices with and without contrast medium, equal outside the vessels' edges;
    - `mask_a`, `mask_b`: (1, size, size): the vessels, at least half of a pixel, of the slice in the middle;
    - `body_a`, `body_b`: (1, size, size): all that is inside the skin;
    - `volume_a`, `volume_b`: int64 (): the number of the patient.

    codec: how files of such pictures are read and written, and with that the window in HU and the number of slices of a
    picture; runs of this data set translate such files. size: side in pixels. depth: slices of a patient. train, val,
    test: patients of each domain. seed: of the drawing; the splits are disjoint streams of it. noise: its deviation in
    HU. paired: b is a slice of the same patient, for methods that learn from pairs. gankit's own drawing, in the manner
    of the phantom of Shepp and Logan (doi 10.1109/TNS.1974.6499235).
    """

    def __init__(
        self,
        *,
        codec: CodecSlot,
        size: Annotated[int, Ge(16), Le(1024)] = 64,
        depth: Annotated[int, Ge(1), Le(1024)] = 8,
        train: Annotated[int, Ge(1)] = 100,
        val: Annotated[int, Ge(1)] = 10,
        test: Annotated[int, Ge(1)] = 25,
        seed: Annotated[int, Ge(0)] = 0,
        noise: Annotated[float, Ge(0), Le(200)] = 6,
        paired: bool = False,
    ) -> None:
        codec = as_codec(codec)
        if codec.low is None or codec.high is None:
            raise ValueError("the codec needs a window, in HU: give it low and high, such as -200 and 400")
        if codec.outside == "error" and (codec.low > AIR or codec.high < BONE):
            raise ValueError(
                f"the window leaves out air and bones, {AIR} and {BONE} HU: set the codec's `outside` to clip"
            )
        self.codecs = {"a": codec, "b": codec}
        self.size, self.depth, self.seed, self.noise, self.paired = size, depth, seed, noise, paired
        self._slices = codec.slices if isinstance(codec, Sliced) else 1
        self._counts = {"train": train * depth, "val": val * depth, "test": test * depth}
        self._enter("train")

    def _enter(self, split: Split) -> None:
        super()._enter(split)
        count = len(self) // self.depth
        picture, patient = Picture(self._slices), Label(max(count, 2))
        self.fields: Mapping[str, Field] = {
            **{"a": picture, "b": picture, "truth_a2b": picture, "truth_b2a": picture},
            **{f"{name}_{side}": Mask(of=side) for name in ("mask", "body") for side in "ab"},
            **{"volume_a": patient, "volume_b": patient},
        }
        row = (4, self.depth, self.size, 2 * self.size)  # int16 as bytes
        self._cache = Cache([row] * (2 * count))

    def __repr__(self) -> str:
        count = len(self) // self.depth
        return f"Phantom({self._split}: {count} patients of {self.depth} slices, {self.size} px, seed {self.seed})"

    def item(self, index: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The fields of item `index`; nothing is random, so `generator` is not used."""
        self.check(index)
        patient, level = divmod(index, self.depth)
        item = self._side("a", patient, level)
        if not self.paired:
            return item | self._side("b", patient, level)
        twins = {"b": item["truth_a2b"], "truth_b2a": item["a"]}
        return item | twins | {f"{name}_b": item[f"{name}_a"] for name in ("mask", "body", "volume")}

    def _side(self, side: Literal["a", "b"], patient: int, level: int) -> dict[str, Tensor]:
        """All fields of one domain."""
        key = 2 * patient + "ab".index(side)
        body = self._cache.get(key, lambda: self._draw(side, patient)).view(torch.int16)
        shown, other = (PLAIN, CONTRAST) if side == "a" else (CONTRAST, PLAIN)
        here = torch.tensor([level])
        return {
            side: self._picture(body[shown], here),
            f"truth_{'a2b' if side == 'a' else 'b2a'}": self._picture(body[other], here),
            f"mask_{side}": body[VESSELS, level][None].float(),
            f"body_{side}": body[INSIDE, level][None].float(),
            f"volume_{side}": torch.tensor(patient),
        }

    def _picture(self, volume: Tensor, here: Tensor) -> Tensor:
        picture = neighbours_of(volume[:, None], here, self._slices)[0]
        return torch.from_numpy(self.codecs["a"].normalize(picture.numpy()))

    def _draw(self, side: Literal["a", "b"], patient: int) -> Tensor:
        """(4, D, S, 2 S) uint8: int16 of both states, vessels and body."""
        stream = (self.seed, ("train", "test", "val").index(self._split), "ab".index(side), patient)
        body = draw_body(np.random.default_rng(stream), self.size, self.depth, self.noise)
        return torch.from_numpy(np.stack([x.astype(np.int16) for x in body])).view(torch.uint8)
