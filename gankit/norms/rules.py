"""What a network must know of a norm before it builds the layers around it, and how it calls one."""

from __future__ import annotations

from torch import Tensor, nn

from gankit.conditions import STYLE, Conditions, wants
from gankit.contracts import NormContract
from gankit.kernels.normalize_torch import finish

NOTHING: Conditions = {}  # a plain one: torch 2.7 compiles no other


def conv_bias(norm: nn.Module) -> bool:
    """Whether the convolution in front of `norm` carries a bias.

    A norm may say so by a class attribute `conv_bias`; ours follow the reference code of CycleGAN, so that its
    checkpoints load: with an instance norm yes (though the norm cancels it), with none no. For any other module:
    unless it adds a bias itself.
    """
    return NormContract(norm).conv_bias


def is_adaptive(norm: nn.Module) -> bool:
    """Whether the norm's forward takes gamma and beta besides x."""
    return set(STYLE) <= set(wants(norm))


def cancels_bias(norm: nn.Module) -> bool:
    """Whether the norm takes each channel's mean off, and with it any bias of the convolution in front of it."""
    return NormContract(norm).cancels_bias


def normed(
    norm: nn.Module,
    x: Tensor,
    given: Conditions = NOTHING,
    *,
    slope: float = 1.0,
    residual: Tensor | None = None,
) -> Tensor:
    """act(norm(x) + residual); slope: of the activation below 0: 1 is none, 0 is ReLU.

    A norm with the class attribute `fuses` takes slope and residual itself, as one kernel where there is one. given:
    what the norm asks for beside x, by name: gamma and beta, each (N, C), of an adaptive one.
    """
    if NormContract(norm).fuses:
        return norm(x, **given, slope=slope, residual=residual)
    return finish(norm(x, **given), slope, residual)
