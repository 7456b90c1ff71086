"""The loss of R3GAN (Huang et al. 2024, arXiv 2501.05441): relativistic pairing with two zero-centred penalties."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gankit.losses import Critic, Logits, input_gradient


def margin(ahead: Logits, behind: Logits) -> Tensor:
    """Sum over the heads of mean softplus(behind - ahead): small when `ahead` is above `behind`, pair by pair."""
    pairs = ((ahead, behind),) if isinstance(ahead, Tensor) else zip(ahead, behind, strict=True)
    return torch.stack([F.softplus(b.float() - a.float()).mean() for a, b in pairs]).sum()


class Relativistic(nn.Module):
    """Relativistic pairing GAN (arXiv 2501.05441, eq. 2; first in arXiv 1807.00734): a critic tells only differences.

    forward(fake_logits, real_logits): the generator pays mean softplus(-(fake - real)).
    discriminator(real_logits, fake_logits): the critic pays mean softplus(-(real - fake)); the caller detaches fakes.
    Logits (N, ...) of one shape, or tuples of them (their losses are added); each fake has the real one of its index.
    Both return a scalar.
    Without gradient penalties it does not converge either: use it with `r1_r2`.
    """

    def forward(self, fake_logits: Logits, real_logits: Logits) -> Tensor:
        return margin(fake_logits, real_logits)

    def discriminator(self, real_logits: Logits, fake_logits: Logits) -> Tensor:
        return margin(real_logits, fake_logits)


class R1R2(nn.Module):
    """Zero-centred gradient penalties on real (R1) and on fake pictures (R2) (arXiv 2501.05441, eq. 3).

    forward(critic, target, output) -> (mean |dD/d target|^2 + mean |dD/d output|^2) / 2, a scalar. target,
    output: real and fake pictures (N, C, H, W) in [-1, 1]; no gradient flows to them. D is the sum of a picture's
    logits, so a critic of many patches wants a smaller weight. The term's weight is the paper's gamma.
    """

    turn: ClassVar[str] = "discriminator"
    differentiates_twice: ClassVar[bool] = True

    def forward(self, critic: Critic, target: Tensor, output: Tensor) -> Tensor:
        gradients = (input_gradient(critic, images) for images in (target, output))
        return 0.5 * torch.stack([gradient.square().sum(1).mean() for gradient in gradients]).sum()
