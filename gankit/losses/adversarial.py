"""Adversarial losses: `forward(fake_logits)` for generators, `discriminator(real_logits, fake_logits)` for critics.

Logits are one tensor, or a tuple of them (scales, CAM heads): the losses are the sum over the heads of the mean over
each head. With `halve` the critic's sum is multiplied by 0.5, which slows the critic down against the generator:
CycleGAN and pix2pix do so, U-GAT-IT, hinge and WGAN do not.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gankit.precision import full

Logits = Tensor | tuple[Tensor, ...]


def over_heads(function: Callable[[Tensor], Tensor], logits: Logits) -> Tensor:
    """The sum of `function` over the heads, each in full precision."""
    heads = (logits,) if isinstance(logits, Tensor) else logits
    return torch.stack([function(full(head)) for head in heads]).sum()


class Adversarial(nn.Module):
    """Base: subclasses say what a critic pays for one head of real (`on_real`) and of fake (`on_fake`) logits, and
    what the generator pays (`on_generated`; by default, what the critic pays for real ones)."""

    def __init__(self, halve: bool) -> None:
        super().__init__()
        self.halve = halve

    def on_real(self, logits: Tensor) -> Tensor:
        raise NotImplementedError

    def on_fake(self, logits: Tensor) -> Tensor:
        raise NotImplementedError

    def on_generated(self, logits: Tensor) -> Tensor:
        return self.on_real(logits)

    def forward(self, fake_logits: Logits) -> Tensor:
        """The generator's loss, a scalar. fake_logits: of any shape, or a tuple of such tensors; no sigmoid."""
        return over_heads(self.on_generated, fake_logits)

    def discriminator(self, real_logits: Logits, fake_logits: Logits) -> Tensor:
        """The critic's loss, a scalar. The caller detaches the fakes."""
        loss = over_heads(self.on_real, real_logits) + over_heads(self.on_fake, fake_logits)
        return 0.5 * loss if self.halve else loss

    def extra_repr(self) -> str:
        return f"halve={self.halve}"


class Labelled(Adversarial):
    """Base of the losses that pull logits to a label; a real_label below 1 is one-sided label smoothing."""

    def __init__(self, real_label: float, fake_label: float, halve: bool) -> None:
        super().__init__(halve)
        self.real_label = real_label
        self.fake_label = fake_label

    def distance(self, logits: Tensor, label: float) -> Tensor:
        raise NotImplementedError

    def on_real(self, logits: Tensor) -> Tensor:
        return self.distance(logits, self.real_label)

    def on_fake(self, logits: Tensor) -> Tensor:
        return self.distance(logits, self.fake_label)

    def extra_repr(self) -> str:
        return f"real_label={self.real_label}, fake_label={self.fake_label}, halve={self.halve}"


class LSGAN(Labelled):
    """Least squares (arXiv 1611.04076): mean (logits - label)^2; the generator pulls its fakes to the real label.

    forward(fake_logits), discriminator(real_logits, fake_logits): tensors of any shape or tuples of them -> scalar.
    U-GAT-IT takes the logits of the critics' CAM heads too.

    Args:
        real_label, fake_label: the labels of real and fake pictures. A real_label below 1 is one-sided label smoothing.
        halve: whether the critic's loss is halved. CycleGAN's code does so, U-GAT-IT's does not. The paper has the
            factor 1/2 in both players' losses.
    """

    def __init__(self, real_label: float = 1.0, fake_label: float = 0.0, halve: bool = True) -> None:
        super().__init__(real_label, fake_label, halve)

    def distance(self, logits: Tensor, label: float) -> Tensor:
        return (logits - label).square().mean()


class Vanilla(Labelled):
    """The first GAN loss (arXiv 1406.2661): binary cross-entropy of sigmoid(logits) with the label.

    forward(fake_logits), discriminator(real_logits, fake_logits): tensors of any shape or tuples of them -> scalar. The
    generator pulls its fakes to the real label.

    Args:
        real_label, fake_label: the labels of real and fake pictures. A real_label below 1 is one-sided label smoothing.
        halve: whether the critic's loss is halved, as in pix2pix's paper and code.
        saturating: whether the generator pushes its fakes away from the fake label instead, as in the paper's minimax
            game. It then minimizes mean log(1 - sigmoid(logits)). That is negative, and its gradient vanishes where the
            critic is sure.
    """

    def __init__(
        self, real_label: float = 1.0, fake_label: float = 0.0, halve: bool = True, saturating: bool = False
    ) -> None:
        super().__init__(real_label, fake_label, halve)
        self.saturating = saturating

    def distance(self, logits: Tensor, label: float) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))

    def on_generated(self, logits: Tensor) -> Tensor:
        return -self.on_fake(logits) if self.saturating else self.on_real(logits)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, saturating={self.saturating}"


class Hinge(Adversarial):
    """Hinge (arXiv 1705.02894; SAGAN): the critic minimizes relu(1 - real) + relu(1 + fake), the generator -fake.

    forward(fake_logits), discriminator(real_logits, fake_logits): tensors of any shape or tuples of them -> scalar.

    Args:
        halve: whether the critic's loss is halved.
    """

    def __init__(self, halve: bool = False) -> None:
        super().__init__(halve)

    def on_real(self, logits: Tensor) -> Tensor:
        return F.relu(1 - logits).mean()

    def on_fake(self, logits: Tensor) -> Tensor:
        return F.relu(1 + logits).mean()

    def on_generated(self, logits: Tensor) -> Tensor:
        return -logits.mean()


class WGAN(Adversarial):
    """Wasserstein critic (arXiv 1701.07875): the critic minimizes fake - real, the generator -fake.

    forward(fake_logits), discriminator(real_logits, fake_logits): tensors of any shape or tuples of them -> scalar.
    Without a Lipschitz constraint the critic's loss has no lower bound, so add `gradient_penalty`, or spectral norm.
    The reference code of CycleGAN offers `wgangp` without ever adding the penalty.

    Args:
        halve: whether the critic's loss is halved.
    """

    def __init__(self, halve: bool = False) -> None:
        super().__init__(halve)

    def on_real(self, logits: Tensor) -> Tensor:
        return -logits.mean()

    def on_fake(self, logits: Tensor) -> Tensor:
        return logits.mean()
