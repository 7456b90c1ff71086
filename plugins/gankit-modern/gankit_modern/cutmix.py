"""CutMix for critics that judge pixels (Schönfeld et al. 2020, arXiv 2002.12655; CutMix: arXiv 1905.04899)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.augment import per_picture
from gankit.losses import Critic, Logits
from gankit.precision import full
from gankit.slots import Ge, Gt, Le


@runtime_checkable
class MovesMasks(Protocol):
    """A critic behind augments."""

    def __call__(self, picture: Tensor) -> Logits: ...

    def mask(self, mask: Tensor) -> Tensor:
        """The mask moved as its pictures are."""
        ...


class CutMixConsistency(nn.Module):
    """CutMix for a critic that judges each pixel, such as `unet_critic` (arXiv 2002.12655, sections 3.2 and 3.3).

    forward(critic, target, output) -> scalar. Of each real picture and a fake one is cut together by a rectangle; what
    the critic says of the pixels of that mixture should be what it says of the two pictures, cut together alike:
    consistency * mean (D(mix) - mix of D)^2, over pixels. target, output: real and fake pictures (N, C, H, W) in
    [-1, 1] of one shape; no gradient flows to them. critic: pictures -> logits, among them maps (N, 1, H, W) of the
    pictures' size; ValueError for a critic without. Augments before the critic move the rectangles too.

    mixture: weight of the paper's augmentation, the cross-entropy by which the critic should say of each pixel of the
    mixture where it is from, and of the whole, with its other logits, that it is fake. It belongs to `vanilla`, whose
    logits are meant so; 1 in the paper. probability: in how many of the calls the term counts; it is computed in all.
    0.5 in the paper's trainings at 256 px, which leave the other losses out there, 1 at 128 px. warmup: calls over
    which the probability grows to that, in the paper linearly over 100 to 200 epochs; a step has one call for each
    direction.
    """

    turn: ClassVar[str] = "discriminator"
    draws: ClassVar[bool] = True
    calls: Tensor

    def __init__(
        self,
        consistency: Annotated[float, Ge(0)] = 1.0,
        mixture: Annotated[float, Ge(0)] = 0.0,
        probability: Annotated[float, Gt(0), Le(1)] = 1.0,
        warmup: Annotated[int, Ge(0)] = 0,
    ) -> None:
        super().__init__()
        if not consistency and not mixture:
            raise ValueError("cutmix of neither is nothing: `consistency` or `mixture` is above 0")
        self.consistency, self.mixture = consistency, mixture
        self.probability, self.warmup = probability, warmup
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, critic: Critic, target: Tensor, output: Tensor) -> Tensor:
        if target.shape != output.shape:
            raise ValueError(
                f"cutmix_consistency mixes pictures of one shape, not {tuple(target.shape)} and {tuple(output.shape)}"
            )
        target, output = target.detach(), output.detach()
        cut = rectangles(target)
        value = self.of_mixture(critic, target, output, cut)
        if self.probability == 1 and not self.warmup:
            return value
        return value * (torch.rand((), device=value.device) < self.chance()).to(value.dtype)

    def of_mixture(self, critic: Critic, target: Tensor, output: Tensor, cut: Tensor) -> Tensor:
        """The two parts for given cuts (N, 1, H, W): 1 where the mixture is real."""
        mixed = critic(cut * target + (1 - cut) * output)
        pixels, others = parted(mixed, target)
        moved, inside = cut, torch.ones_like(cut)
        if isinstance(critic, MovesMasks):
            moved, inside = critic.mask(cut), critic.mask(inside)
        terms = []
        if self.consistency:
            pairs = zip(parted(critic(target), target)[0], parted(critic(output), output)[0], strict=True)
            apart = [
                F.mse_loss(full(p), moved * full(real) + (1 - moved) * full(fake))
                for p, (real, fake) in zip(pixels, pairs, strict=True)
            ]
            terms.append(self.consistency * torch.stack(apart).sum())
        if self.mixture:
            wrong = [F.binary_cross_entropy_with_logits(full(p), moved, inside) for p in pixels]
            wrong += [F.binary_cross_entropy_with_logits(full(x), torch.zeros_like(full(x))) for x in others]
            terms.append(self.mixture * torch.stack(wrong).sum())
        return torch.stack(terms).sum()

    def chance(self) -> Tensor | float:
        """The probability at this call."""
        if not self.warmup:
            return self.probability
        calls = self.calls + 1
        if self.training:
            self.calls.copy_(calls)
        return self.probability * (calls / self.warmup).clamp(max=1)

    def extra_repr(self) -> str:
        shares = f"consistency={self.consistency}, mixture={self.mixture}"
        return f"{shares}, probability={self.probability}, warmup={self.warmup}"


def rectangles(pictures: Tensor) -> Tensor:
    """For each picture one rectangle, (N, 1, H, W): 0 in it and 1 around, or the other way round. Its share of the
    picture is uniform; its centre too, so that it may reach beyond an edge, and is cut there."""
    share, flip, *centre = torch.rand(4, len(pictures), device=pictures.device).unbind()
    rows, columns = (within(side, share, at) for side, at in zip(pictures.shape[2:], centre, strict=True))
    inside = rows[:, None, :, None] & columns[:, None, None, :]
    return (inside ^ per_picture(flip < 0.5)).to(pictures.dtype)


def within(side: int, share: Tensor, at: Tensor) -> Tensor:
    """Which places of a side a rectangle covers, (N, side). share: of the picture's area, (N,). at: its centre in
    [0, 1), (N,)."""
    half, centre = (side * share.sqrt()).floor() // 2, (side * at).floor().clamp(max=side - 1)
    places = torch.arange(side, device=share.device)
    return (places >= (centre - half)[:, None]) & (places < (centre + half)[:, None])


def parted(logits: Logits, pictures: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """The heads that judge each pixel, and the others."""
    heads = (logits,) if isinstance(logits, Tensor) else tuple(logits)
    wanted = (1, *pictures.shape[2:])
    pixels = [head for head in heads if head.shape[1:] == wanted]
    if not pixels:
        given = ", ".join(str(tuple(head.shape)) for head in heads)
        raise ValueError(
            "cutmix_consistency needs a critic that judges each pixel, such as unet_critic: of pictures "
            f"{tuple(pictures.shape)} this one makes logits {given}"
        )
    return pixels, [head for head in heads if head.shape[1:] != wanted]
