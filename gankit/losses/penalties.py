"""Penalties on the gradient of a critic with respect to its input. They belong to the critic's turn alone.

They differentiate twice, which half precision does not survive: both run in float32 outside of autocast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from gankit.losses.adversarial import Logits, over_heads
from gankit.losses.shapes import same_shape
from gankit.precision import full, without_autocast

Critic = Callable[[Tensor], Logits]


def input_gradient(critic: Critic, images: Tensor) -> Tensor:
    """The gradient of the critic's summed logits at each picture: (N, C, H, W) -> (N, C*H*W), differentiable.

    Logits of several heads are added. The pictures are detached. Each picture's gradient is its own only where the
    critic treats pictures apart: not with batch norm in training mode.
    """

    def total(images: Tensor) -> Tensor:
        return over_heads(torch.sum, critic(images))

    images, differentiable = full(images.detach()), torch.is_grad_enabled()
    with torch.enable_grad(), without_autocast(images):
        if torch.compiler.is_compiling():  # compilers trace this form alone; it refuses batch norm's running averages
            return torch.func.grad(total)(images).flatten(1)
        images.requires_grad_(True)
        inside = images.view_as(images)  # hooks on the gradient of a network's input (of FlopCounterMode) refuse leaves
        return torch.autograd.grad(total(inside), images, create_graph=differentiable)[0].flatten(1)


class GradientPenalty(nn.Module):
    """WGAN-GP (arXiv 1704.00028): mean (|gradient of the critic| - constant)^2, between real and fake pictures.

    forward(critic, target, output, alpha=None) -> scalar. critic: pictures -> logits or a tuple of them. target,
    output: real and fake pictures (N, C, H, W) of one shape, to which no gradient flows. alpha: (N,) or (N, 1) in [0,
    1], the share of the real picture in each mixture. It is drawn uniformly when it is not given.

    The paper's weight is 10, and belongs to the term. As in CycleGAN's code, 1e-16 is added to the gradient before its
    norm is taken.

    Args:
        constant: the norm that the gradient is pulled to. The paper takes 1.
        mode: the pictures at which the gradient is taken. `mixed` takes mixtures of both, as in the paper. `real` and
            `fake` take only these.
    """

    turn: ClassVar[str] = "discriminator"
    differentiates_twice: ClassVar[bool] = True
    draws: ClassVar[bool] = True

    def __init__(self, constant: float = 1.0, mode: Literal["mixed", "real", "fake"] = "mixed") -> None:
        super().__init__()
        self.constant = constant
        self.mode = mode

    def forward(self, critic: Critic, target: Tensor, output: Tensor, alpha: Tensor | None = None) -> Tensor:
        gradient = input_gradient(critic, self.points(target, output, alpha))
        # The shift keeps the norm differentiable where the gradient is zero.
        return ((gradient + 1e-16).norm(dim=1) - self.constant).square().mean()

    def points(self, target: Tensor, output: Tensor, alpha: Tensor | None = None) -> Tensor:
        """The pictures at which the gradient is taken."""
        if self.mode == "real":
            return target
        if self.mode == "fake":
            return output
        same_shape("gradient_penalty mixes real and fake pictures, which", target, output)
        target, output = full(target), full(output)
        if alpha is None:
            alpha = torch.rand(len(target), device=target.device, dtype=target.dtype)
        alpha = alpha.reshape(-1, 1, 1, 1)
        return alpha * target + (1 - alpha) * output

    def extra_repr(self) -> str:
        return f"constant={self.constant}, mode={self.mode!r}"


class R1(nn.Module):
    """Zero-centred penalty on real pictures (arXiv 1801.04406): mean |gradient of the critic|^2 / 2.

    forward(critic, target) -> scalar. critic: pictures -> logits or a tuple of them. target: real
    pictures (N, C, H, W); no gradient flows to them. The term's weight is the paper's gamma (10 there), for the paper's
    penalty is gamma/2 * E|gradient|^2.
    """

    turn: ClassVar[str] = "discriminator"
    differentiates_twice: ClassVar[bool] = True

    def forward(self, critic: Critic, target: Tensor) -> Tensor:
        return 0.5 * input_gradient(critic, target).square().sum(1).mean()
