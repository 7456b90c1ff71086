"""Initial weights, as the reference code of CycleGAN draws them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from gankit.contracts import ModuleContract

__all__ = ["Init", "initialize"]

Init = Literal["normal", "xavier", "kaiming", "orthogonal", "default"]
Module = TypeVar("Module", bound=nn.Module)

_WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def initialize(module: Module, kind: Init = "normal", gain: float = 0.02) -> Module:
    """Draw new weights for a network, in place, from torch's random generator; return it.

    Weights of convolutions and linear layers are drawn by `kind`, their biases set to 0; scales of batch norms are
    drawn from N(1, gain), their offsets set to 0. Everything else (rho, the gate of self-attention) stays, and so do
    parameters that do not learn (`requires_grad` is False) and all of a module that declares `keeps_weights = True`.

    Args:
        kind: `normal`: N(0, gain), CycleGAN's and pix2pix's with gain 0.02; `xavier`: normal with `gain` (CUT: 0.02);
            `kaiming`: normal, fan-in; `orthogonal` with `gain`; `default`: leave what torch drew (U-GAT-IT).
        gain: of `xavier` and `orthogonal`; the standard deviation for `normal` and for batch norms.

    Raises:
        ValueError: there is no such kind.
    """
    if kind == "default":
        return module
    draws: dict[str, Callable[[Tensor], Tensor]] = {
        "normal": partial(nn.init.normal_, std=gain),
        "xavier": partial(nn.init.xavier_normal_, gain=gain),
        "kaiming": nn.init.kaiming_normal_,
        "orthogonal": partial(nn.init.orthogonal_, gain=gain),
    }
    if kind not in draws:
        raise ValueError(f"there is no initialization {kind!r}; there are {', '.join(draws)}, default")
    with torch.no_grad():
        for layer in _drawn(module):
            if isinstance(layer, _WEIGHTED):
                _fill(layer, draws[kind])
            elif isinstance(layer, nn.BatchNorm2d) and layer.affine:
                _fill(layer, partial(nn.init.normal_, mean=1.0, std=gain))
    return module


def _drawn(module: nn.Module) -> Iterator[nn.Module]:
    """All modules in it but those of parts that keep their weights."""
    kept = {inner for part in module.modules() if ModuleContract(part).keeps_weights for inner in part.modules()}
    for layer in module.modules():
        if layer not in kept and not any(p.is_meta for p in layer.parameters(recurse=False)):
            yield layer  # on the meta device is nothing to draw; torch would load its compiler, for seconds


def _fill(layer: Any, draw: Callable[[Tensor], Tensor]) -> None:
    """New weights, and a bias of 0, where they learn; a bias that is never added is 0 too."""
    if layer.weight.requires_grad:
        draw(layer.weight)
    if layer.bias is not None and (layer.bias.requires_grad or not ModuleContract(layer).adds_bias):
        layer.bias.zero_()
