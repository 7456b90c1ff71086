"""Forward and backward of each norm on features (4, 128, 64, 64), and of AdaLIN as its paper writes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gankit.core.registry import BUILTIN, components
from gankit.norms.rules import is_adaptive

SHAPE = (4, 128, 64, 64)
NORMS = [entry.name for entry in components().entries("norm") if entry.source == BUILTIN]


class WrittenOut(nn.Module):
    """AdaLIN, operation by operation, with two normalized maps (arXiv 1907.10830, equation 1)."""

    adaptive = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.full((1, channels, 1, 1), 0.9))

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        instance, layer = (
            (x - x.mean(dims, keepdim=True)) / (x.var(dims, keepdim=True) + 1e-5).sqrt() for dims in ((2, 3), (1, 2, 3))
        )
        mixed = self.rho * instance + (1 - self.rho) * layer
        return mixed * gamma[:, :, None, None] + beta[:, :, None, None]


@pytest.mark.parametrize("name", [*NORMS, "adalin, written out"])
def test_norm(name: str, device: torch.device, measure: Callable) -> None:
    make = WrittenOut if name not in NORMS else components().find("norm", name).make
    torch.manual_seed(0)
    norm = make(SHAPE[1]).to(device)
    x = torch.randn(SHAPE, device=device, requires_grad=True)
    style = [torch.randn(SHAPE[:2], device=device, requires_grad=True) for _ in range(2)] if is_adaptive(norm) else []
    cotangent = torch.randn(SHAPE, device=device)
    measure(lambda: norm(x, *style).backward(cotangent))
