"""Norms over a whole picture that is seen in tiles: statistics gathered, then used."""

from __future__ import annotations

from functools import partial
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from gankit.contracts import NormContract
from gankit.generators.style import StyleHead
from gankit.kernels.normalize_torch import finish

ROWS = 64
"""Of a map that are converted to double precision at a time."""


class Statistics:
    """Mean and biased variance (N, C) of each channel, merged from pieces (Chan et al. 1979), in double precision."""

    def __init__(self) -> None:
        self.n = 0
        self.mean = torch.zeros(())
        self._squares = torch.zeros(())

    def add(self, piece: Tensor) -> None:
        """piece: (N, C, h, w)."""
        for rows in piece.split(ROWS, dim=2):
            n = rows.shape[2] * rows.shape[3]
            if not n:
                continue
            variance, mean = torch.var_mean(rows.double(), (2, 3), correction=0)
            self._merge(n, mean, variance * n)

    def _merge(self, n: int, mean: Tensor, squares: Tensor) -> None:
        if not self.n:
            self.n, self.mean, self._squares = n, mean, squares
            return
        total, shift = self.n + n, mean - self.mean
        self._squares = self._squares + squares + shift.square() * (self.n * n / total)
        self.mean = self.mean + shift * (n / total)
        self.n = total

    @property
    def variance(self) -> Tensor:
        return self._squares / self.n


class Wanted(Exception):
    """No error: it ends a tile's pass at the first norm whose statistics are missing."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = x


def sees_whole(module: nn.Module) -> bool:
    """Whether a module's result depends on each channel's mean and variance over the picture, and on nothing else
    beyond the pixel."""
    return NormContract(module).coefficients is not None or (isinstance(module, StyleHead) and module.side is None)


class WholeNorms:
    """Within this, the norms of a network use the statistics in `known`, in the order of the calls; the first call
    beyond them raises `Wanted`. With `known` None they leave what they get as it is, and `calls` has its shapes."""

    def __init__(self, network: nn.Module, known: list[Statistics] | None) -> None:
        self.known = known
        self.calls: list[torch.Size] = []
        self.modules = [module for module in network.modules() if sees_whole(module)]

    def begin(self) -> None:
        """Another tile."""
        self.calls = []

    def __enter__(self) -> WholeNorms:
        for module in self.modules:
            module.forward = partial(self._forward, module)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for module in self.modules:
            del module.forward

    def _forward(
        self, module: nn.Module, x: Tensor, *, slope: float = 1.0, residual: Tensor | None = None, **given: Tensor
    ) -> Any:
        number = len(self.calls)
        self.calls.append(x.shape)
        if self.known is None:
            return (
                type(module).forward(module, x.detach())
                if isinstance(module, StyleHead)
                else finish(x, slope, residual)
            )
        if number == len(self.known):
            raise Wanted(x)
        statistics = self.known[number]
        if isinstance(module, StyleHead):
            return type(module).forward(module, statistics.mean.to(x)[:, :, None, None])
        scale, offset = module.coefficients(statistics.mean, statistics.variance, statistics.n, **given)  # type: ignore[operator]
        # Around the mean: the offset alone would lose digits where the mean is large beside the deviation.
        mean = statistics.mean.to(x.dtype)
        shift = (offset + scale * mean.double()).to(x.dtype)
        y = torch.addcmul(shift[:, :, None, None], x - mean[:, :, None, None], scale.to(x.dtype)[:, :, None, None])
        return finish(y, slope, residual)
