"""What a network must know of a norm before it builds the layers around it."""

from __future__ import annotations

from torch import nn


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
