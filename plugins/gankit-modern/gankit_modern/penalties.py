"""Penalties on the gradient of critics, beside gankit's `r1` and `gradient_penalty`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from gankit.losses import Critic, input_gradient
from gankit.precision import full
from gankit.slots import Ge


class R2(nn.Module):
    """Zero-centred penalty on fakes (arXiv 1801.04406; beside `r1` in R3GAN, arXiv 2501.05441): mean |gradient|^2 / 2.

    forward(critic, output) -> scalar. critic: pictures -> logits or a tuple of them, summed. output: fakes
    (N, C, H, W) in [-1, 1]; no gradient flows to them. The term's weight is the paper's gamma. `every: 16` computes it
    seldom, and with 16 times the weight, as StyleGAN2 does (arXiv 1912.04958).
    """

    turn: ClassVar[str] = "discriminator"
    differentiates_twice: ClassVar[bool] = True

    def forward(self, critic: Critic, output: Tensor) -> Tensor:
        return 0.5 * input_gradient(critic, output).square().sum(1).mean()


@runtime_checkable
class Remembers(Protocol):
    """A critic that compares pictures with earlier real and fake ones, as the method `uvcgan2` has it."""

    def between(self, share: Tensor) -> Critic:
        """The critic beside mixtures of those, of which the real ones have this share."""
        ...


class MixedPenalty(nn.Module):
    """Mean (|gradient of the critic| - center)^2 between real and fake pictures (UVCGAN v2, arXiv 2303.16280).

    forward(critic, target, output, alpha=None) -> scalar. critic: pictures -> logits or a tuple of them; one that
    remembers earlier pictures (`uvcgan2`) mixes these alike, by the mean of alpha. target, output: real and fake
    pictures (N, C, H, W) in [-1, 1] of one shape; no gradient flows to them. alpha: a number, or (N,), in [0, 1], the
    share of the real pictures; drawn uniformly when not given.

    Unlike gankit's `gradient_penalty` it is zero-centred, a picture's logits are averaged, so that the weight does not
    depend on their number, and all pictures of a batch are mixed alike, as in the code of UVCGAN v2. Its weight is 0.01
    there, of pictures in [0, 1]; for [-1, 1], whose gradients are half as long, that is 0.04.

    center: the length that gradients should have. logits: `mean` or `sum` of those of a picture, heads added. mixed:
    one alpha for the `batch`, or for each `picture`.
    """

    turn: ClassVar[str] = "discriminator"
    differentiates_twice: ClassVar[bool] = True
    draws: ClassVar[bool] = True

    def __init__(
        self,
        center: Annotated[float, Ge(0)] = 0.0,
        logits: Literal["mean", "sum"] = "mean",
        mixed: Literal["batch", "picture"] = "batch",
    ) -> None:
        super().__init__()
        self.center, self.logits, self.mixed = center, logits, mixed

    def forward(self, critic: Critic, target: Tensor, output: Tensor, alpha: Tensor | None = None) -> Tensor:
        if target.shape != output.shape:
            raise ValueError(
                f"mixed_penalty mixes pictures of one shape, not of {tuple(target.shape)} and {tuple(output.shape)}"
            )
        target, output = full(target), full(output)
        if alpha is None:
            count = 1 if self.mixed == "batch" else len(target)
            alpha = torch.rand(count, device=target.device, dtype=target.dtype)
        alpha = alpha.reshape(-1, 1, 1, 1)
        seen = critic.between(alpha.mean()) if isinstance(critic, Remembers) else critic

        def judged(pictures: Tensor) -> Tensor | tuple[Tensor, ...]:
            logits = seen(pictures)
            heads = (logits,) if isinstance(logits, Tensor) else logits
            rows = (full(head).flatten(1) for head in heads)
            return tuple(row.mean(1) if self.logits == "mean" else row.sum(1) for row in rows)

        squared = input_gradient(judged, alpha * target + (1 - alpha) * output).square().sum(1)
        if not self.center:
            return squared.mean()
        return ((squared + 1e-16).sqrt() - self.center).square().mean()  # a root has no derivative at 0

    def extra_repr(self) -> str:
        return f"center={self.center}, logits={self.logits!r}, mixed={self.mixed!r}"
