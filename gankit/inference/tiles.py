"""Pictures larger than memory allows: networks in tiles, with the result of the whole picture.

A convolution sees only a neighbourhood, so a tile with a halo as wide as the receptive field gives the values of the
whole picture. A norm over the picture does not: its statistics are gathered over all tiles first, norm after norm, each
in a pass of its own up to that norm, and are used from then on. Memory holds one tile's features and the pictures; maps
between the stages of a network lie in a temporary file (in the folder that TMPDIR names).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gankit.contracts import AttentionContract, GeneratorContract
from gankit.inference.reach import Beside, Box, Geometry, fields_of, measure, stages_of
from gankit.inference.whole import Statistics, Wanted, WholeNorms
from gankit.methods.base import Method

DEFAULT = 2048
"""Side of a tile in pixels, halo not counted."""


class CannotTile(Exception):
    """A network sees the whole picture in a way that tiles cannot give; the message says where."""


def large(
    method: Method, inputs: Tensor | Mapping[str, Tensor], direction: str, side: int = DEFAULT, attention: bool = False
) -> tuple[Tensor, Tensor | None]:
    """The translation, and the attention map where it is wanted and there, in tiles where the picture is larger.

    inputs: of `method.translate`. side: of a tile; 0: whole in any case. A network that cannot work in tiles works on
    the whole; where memory does not suffice for that, the RuntimeError says why there are no tiles.
    """

    def both() -> tuple[Tensor, Tensor | None]:
        if not attention:
            return method.translate(inputs, direction), None
        output, heat = method.infer(inputs, (method.result, "attention"), direction)  # one pass gives both
        assert output is not None
        return output, heat

    with torch.inference_mode():
        if not side:
            return both()
        try:
            with tiled(method, side):
                return both()
        except CannotTile as why:
            try:
                return both()
            except (MemoryError, RuntimeError) as e:
                raise type(e)(f"{e} (tiles are not possible: {why})") from e


@contextmanager
def tiled(method: Method, side: int = DEFAULT) -> Iterator[None]:
    """Within this, the networks that make the method's pictures work in tiles of `side` pixels, under `no_grad`.

    The result is that of the whole picture to rounding. Attention maps and logits that are taken over the whole
    picture (a CAM's) are None. Raises CannotTile, from a call, for a network that is not a function of neighbourhoods.
    """
    keys = dict.fromkeys(k for turn in method.turns() if turn.side == "generator" for k in method.trained_by(turn))
    with ExitStack() as stack:
        for network in dict.fromkeys(method.networks[key] for key in keys):  # one may stand in several places
            if GeneratorContract(network).fixed_size is None:
                stack.enter_context(_replaced(network, TiledForward(network, side)))
        yield


@contextmanager
def _replaced(module: nn.Module, forward: Callable) -> Iterator[None]:
    """The instance's own attribute wins over the class's method, for `module(...)` too."""
    module.forward = forward
    try:
        yield
    finally:
        del module.forward


class TiledForward:
    """The forward of a network in tiles; smaller pictures go through as they are."""

    def __init__(self, network: nn.Module, side: int) -> None:
        self.network = network
        self.side = side
        self.plain = network.forward
        self.geometries: dict[int | str, Geometry] = {}

    def __call__(self, *inputs: Tensor, **conditions: Tensor) -> Any:
        if max(inputs[0].shape[-2:]) <= self.side:
            return self.plain(*inputs, **conditions)
        if AttentionContract(self.network).map_of_whole:  # a head whose map is what the method asks of it
            raise CannotTile(f"the map of {type(self.network).__name__} is relative to the whole picture")
        size = inputs[0].shape[-2:]
        maps = {name: x for name, x in conditions.items() if x.ndim == 4 and x.shape[-2:] == size}
        fixed = {name: x for name, x in conditions.items() if name not in maps}
        inputs, beside = (*inputs, *maps.values()), Beside(tuple(maps), fixed)
        if any(x.ndim != 4 or x.shape[-2:] != inputs[0].shape[-2:] for x in inputs):
            raise CannotTile(f"{type(self.network).__name__} takes more than pictures of one size")
        result: Any = inputs
        stages = stages_of(self.network, beside)
        with tempfile.TemporaryDirectory(prefix="gankit-tiles-") as folder:
            for number, stage in enumerate(stages):
                pieces = fields_of(result)
                side = max(1, round(self.side * pieces[0].shape[-1] / inputs[0].shape[-1]))
                file = Path(folder) / str(number) if number + 1 < len(stages) else None
                same = repr(stage) if isinstance(stage, nn.Module) else number  # blocks that are built alike
                if same not in self.geometries:
                    self.geometries[same] = self._measure(number, pieces, beside)
                result = Tiling(stage, self.network, self.geometries[same], side, file).run(pieces)
        return result

    def _measure(self, number: int, maps: Sequence[Tensor], beside: Beside) -> Geometry:
        try:
            return measure(self.network, number, [x[:1, :, :1, :1] for x in maps], beside)
        except LookupError as e:
            raise CannotTile(str(e)) from e


@dataclass
class Tiling:
    """One stage over whole maps, tile by tile. file: where a map between stages is kept, outside of memory."""

    stage: Callable[..., Any]
    network: nn.Module
    geometry: Geometry
    side: int
    file: Path | None = None

    def run(self, maps: Sequence[Tensor]) -> Any:
        """The stage's result."""
        known: list[Statistics] = []
        size = tuple(maps[0].shape[-2:])
        tiles = list(self._tiles(*size))
        with WholeNorms(self.network, known) as norms:
            while True:
                gathered, result = Statistics(), None
                for core, outer in tiles:
                    norms.begin()
                    pieces = (x[..., outer.top : outer.bottom, outer.left : outer.right] for x in maps)
                    try:
                        value = self.stage(*(piece.contiguous() for piece in pieces))
                    except Wanted as wanted:
                        place = self.geometry.norms[len(known)].within(core, outer, size, wanted.x.shape)
                        gathered.add(wanted.x[..., place.top : place.bottom, place.left : place.right])
                    else:
                        result = self._room(value, size) if result is None else result
                        self._copy(result, value, core, outer, size)
                if not gathered.n:
                    return result
                known.append(gathered)

    def _tiles(self, height: int, width: int) -> Iterator[tuple[Box, Box]]:
        """(what a tile is responsible for, what it reads)."""
        align, halo = self.geometry.align, self.geometry.halo
        step = max(align, self.side // align * align)
        for top in range(0, height, step):
            for left in range(0, width, step):
                core = Box(top, min(top + step, height), left, min(left + step, width))
                yield core, core.grown(halo, height, width)

    def _room(self, value: Any, size: tuple[int, ...]) -> Any:
        """For the whole result, of the form of a tile's; None for fields that are no maps."""
        rooms = []
        for x, place in zip(fields_of(value), self.geometry.outputs, strict=True):
            shape = (*x.shape[:2], *place.whole(size)) if isinstance(x, Tensor) and place else ()
            if not shape:
                rooms.append(None)
            elif self.file is None or x.device.type != "cpu":
                rooms.append(x.new_empty(shape))
            else:
                count = math.prod(shape)
                rooms.append(torch.from_file(str(self.file), shared=True, size=count, dtype=x.dtype).view(shape))
        if not isinstance(value, tuple):
            return rooms[0]
        return tuple(rooms) if type(value) is tuple else type(value)(*rooms)  # a named one

    def _copy(self, result: Any, value: Any, core: Box, outer: Box, size: tuple[int, ...]) -> None:
        """A tile's core to its place."""
        for whole, x, place in zip(fields_of(result), fields_of(value), self.geometry.outputs, strict=True):
            if whole is not None and place is not None:
                to, of = place.of(core, size), place.within(core, outer, size, x.shape)
                whole[..., to.top : to.bottom, to.left : to.right] = x[..., of.top : of.bottom, of.left : of.right]
