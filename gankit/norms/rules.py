"""What a network must know of a norm before it builds the layers around it, and how it calls one."""

from __future__ import annotations

from torch import Tensor, nn

from gankit.kernels.normalize import finish


def conv_bias(norm: nn.Module) -> bool:
    """Whether the convolution in front of `norm` carries a bias.

    A norm may say so by a class attribute `conv_bias`; ours follow the reference code of CycleGAN, so that its
    checkpoints load: with an instance norm yes (though the norm cancels it), with none no. For any other module:
    unless it adds a bias itself.
    """
    return bool(getattr(norm, "conv_bias", getattr(norm, "bias", None) is None))


def is_adaptive(norm: nn.Module) -> bool:
    """Whether the norm's forward takes gamma and beta besides x."""
    return bool(getattr(norm, "adaptive", False))


def cancels_bias(norm: nn.Module) -> bool:
    """Whether the norm takes each channel's mean off, and with it any bias of the convolution in front of it."""
    return bool(getattr(norm, "cancels_bias", False))


def normed(
    norm: nn.Module,
    x: Tensor,
    style: tuple[Tensor, Tensor] | None = None,
    *,
    slope: float = 1.0,
    residual: Tensor | None = None,
) -> Tensor:
    """act(norm(x) + residual); slope: of the activation below 0: 1 is none, 0 is ReLU.

    A norm with the class attribute `fuses` takes slope and residual itself, as one kernel where there is one. style:
    gamma and beta, each (N, C), for an adaptive norm.
    """
    given = style if style is not None and is_adaptive(norm) else ()
    if getattr(norm, "fuses", False):
        return norm(x, *given, slope=slope, residual=residual)
    return finish(norm(x, *given), slope, residual)
