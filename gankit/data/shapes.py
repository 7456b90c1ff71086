"""The built-in data set: two domains of drawn scenes, with the truth beside them. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Ge, Le
from torch import Tensor

from gankit.data.cache import Cache
from gankit.data.dataset import Split
from gankit.data.drawn import Drawn
from gankit.data.scenes import Domain, Rendering, Task, draw_light, draw_scene
from gankit.data.stamps import Colour
from gankit.fields import Field, Mask, Picture


class Shapes(Drawn):
    """Scenes of one to three objects on a blotched background, drawn from a seed, unpaired but with known truth.

    The counterpart of a picture follows from it, in both directions but for `light` and `noise`. What differs between a
    and b is the task:

    - `texture`: objects with faint stripes, and with strong ones of the same phase;
    - `geometry`: grey discs on darker, even grounds, and upright stars of the same place, size and tone;
    - `colour`: objects about red, and the same with their hue turned by a sixth of the circle, as light as before;
    - `season`: leaves all over the picture that turn from green to red, in another light; violet objects stay violet;
    - `light`: grey scenes, bright on dark, and scenes in a light whose colour is drawn for each picture: one of a has
      many of b;
    - `noise`: objects with strong stripes under a noise of each pixel, and the same without it: one of b has many of a;
    - `mixed`: `texture`, `geometry` and `colour` at once.

    But for `season` and `light` the backgrounds of both domains come from one distribution. Where outlines change they
    are even, so that what a disc hides follows from what is around it.

    Item i holds scene i of domain a and an independent scene of domain b, or with `paired` the same one, so that b is
    the counterpart of a; every field is a pure function of (`seed`, split, i):

    - `a`, `b`: (3, size, size) in [-1, 1];
    - `mask_a`, `mask_b`: (1, size, size) in {0, 1}: the pixels of the picture that belong to an object. A pixel
      covered less than half is background and holds no trace of the object;
    - `truth_a2b`, `truth_b2a`: (3, size, size) in [-1, 1]: the same scene drawn the other way. But for `season` and
      `light` it equals the picture exactly outside both masks;
    - `mask_a2b`, `mask_b2a`: (1, size, size) in {0, 1}: the objects of that counterpart;
    - `example_a2b`, `example_b2a`, of `light` only: (3, size, size) in [-1, 1]: another scene in the target's domain,
      in the light of that counterpart, for methods that take a style from an example.

    Args:
        task: what differs between the domains.
        size: the side of the pictures in pixels.
        train, val, test: how many scenes each split has.
        seed: the seed of the drawing. The splits are disjoint streams of it.
        grain: the noise of the background, pixel by pixel, as a share of the range of colours.
        distractors: how many squares each scene has that only the light of a season changes.
        paired: whether b is the counterpart of a, for methods that learn from pairs.
        cache: whether drawn scenes are kept in RAM, which takes 16 * size**2 bytes an item.
    """

    fields: Mapping[str, Field] = {
        "a": Picture(3),
        "b": Picture(3),
        "mask_a": Mask(of="a"),
        "mask_b": Mask(of="b"),
        "truth_a2b": Picture(3),
        "truth_b2a": Picture(3),
        "mask_a2b": Mask(of="a"),
        "mask_b2a": Mask(of="b"),
    }
    examples: ClassVar[Mapping[str, Field]] = {"example_a2b": Picture(3), "example_b2a": Picture(3)}

    def __init__(
        self,
        *,
        task: Task = "texture",
        size: Annotated[int, Ge(16), Le(4096)] = 64,
        train: Annotated[int, Ge(1), Le(10_000_000)] = 2000,
        val: Annotated[int, Ge(1), Le(10_000_000)] = 100,
        test: Annotated[int, Ge(1), Le(10_000_000)] = 200,
        seed: Annotated[int, Ge(0)] = 0,
        grain: Annotated[float, Ge(0), Le(1)] = 0.03,
        distractors: Annotated[int, Ge(0), Le(5)] = 0,
        paired: bool = False,
        cache: bool = True,
    ):
        self.task: Task = task
        self.size = size
        self.seed = seed
        self.grain, self.distractors, self.paired = grain, distractors, paired
        self._counts = {"train": train, "val": val, "test": test}
        self._cached = cache
        if task == "light":
            self.fields = {**self.fields, **self.examples}
        self._enter("train")

    def _enter(self, split: Split) -> None:
        super()._enter(split)
        shape = (14 if self.task == "light" else 8, self.size, self.size)
        self._cache = Cache([shape] * (2 * len(self))) if self._cached else None

    def __repr__(self) -> str:
        return f"Shapes({self.task}, {self._split}, {len(self)} scenes a domain, {self.size} px, seed {self.seed})"

    def item(self, index: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The fields of item `index`; nothing is random, so `generator` is not used."""
        self.check(index)
        a = self._scene("a", index)
        b = torch.cat([a[3:6], a[:3], a[7:8], a[6:7], a[8:]]) if self.paired else self._scene("b", index)
        item = {
            "a": a[:3] / 127.5 - 1,
            "b": b[:3] / 127.5 - 1,
            "mask_a": a[6:7].float(),
            "mask_b": b[6:7].float(),
            "truth_a2b": a[3:6] / 127.5 - 1,
            "truth_b2a": b[3:6] / 127.5 - 1,
            "mask_a2b": a[7:8].float(),
            "mask_b2a": b[7:8].float(),
        }
        if self.task == "light":
            item |= {"example_a2b": a[11:] / 127.5 - 1, "example_b2a": b[8:11] / 127.5 - 1}
        return item

    def _scene(self, domain: Domain, index: int) -> Tensor:
        """(8 or 14, S, S) uint8: the picture, its counterpart, the mask of each; an example as a and as b."""
        if self._cache is None:
            return self._draw(domain, index)
        key = index + (len(self) if domain == "b" else 0)
        return self._cache.get(key, lambda: self._draw(domain, index))

    def _draw(self, domain: Domain, index: int) -> Tensor:
        stream = (self.seed, ("train", "test", "val").index(self._split), ("a", "b").index(domain), index)
        light = draw_light(np.random.default_rng((*stream, 1))) if self.task == "light" else None
        scene = self._render(stream, light)
        shown, other = scene[domain], scene["b" if domain == "a" else "a"]
        drawn = [shown.picture, other.picture, shown.mask, other.mask]
        if light:
            example = self._render((*stream, 2), light)
            drawn += [example["a"].picture, example["b"].picture]
        return torch.cat(drawn)

    def _render(self, stream: tuple[int, ...], light: Colour | None) -> dict[Domain, Rendering]:
        return draw_scene(np.random.default_rng(stream), self.task, self.size, self.grain, self.distractors, light)
