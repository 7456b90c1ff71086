"""Critics that judge a picture and the same picture moved alike (arXiv 1910.12027, 2002.04724)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.augment import ADA, per_picture
from gankit.augment import Augment as AugmentBase
from gankit.losses import Critic, Logits
from gankit.precision import full, without_autocast
from gankit.slots import Augment, Ge


class FlipShift(AugmentBase):
    """Half of the pictures mirrored, each moved by a few whole pixels (arXiv 1910.12027, section 3).

    forward: pictures (N, C, H, W) -> the same shape. What comes in at the edges is the picture, mirrored there.

    shift: the largest move along each side in pixels, 4 in the paper, but never beyond the side. flip: mirror too.
    """

    def __init__(self, shift: Annotated[int, Ge(0)] = 4, flip: bool = True) -> None:
        super().__init__()
        self.shift, self.flip = shift, flip

    def draw(self, count: int, device: torch.device) -> dict[str, Tensor]:
        names = ("down", "right", "flip")
        return dict(zip(names, torch.rand(len(names), count, device=device).unbind(), strict=True))

    def picture(self, x: Tensor, drawn: dict[str, Tensor]) -> Tensor:  # type: ignore[override]
        if self.flip:
            x = torch.where(per_picture(drawn["flip"] < 0.5), x.flip(3), x)
        for axis, name in ((2, "down"), (3, "right")):
            x = x.gather(axis, self._places(x, axis, drawn[name]).expand_as(x))
        return x

    def mask(self, x: Tensor, drawn: dict[str, Tensor]) -> Tensor:  # type: ignore[override]
        return self.picture(x, drawn)

    def _places(self, x: Tensor, axis: int, draw: Tensor) -> Tensor:
        """Where each row or column comes from, (N, 1, H, 1) or (N, 1, 1, W)."""
        last = x.shape[axis] - 1
        most = min(self.shift, last)
        moved = (draw * (2 * most + 1)).floor().long().clamp(max=2 * most) - most
        places = torch.arange(last + 1, device=x.device)[None] - moved[:, None]
        places = last - (last - places.abs()).abs()  # beyond an edge the picture goes back
        return places[:, None, :, None] if axis == 2 else places[:, None, None, :]

    def extra_repr(self) -> str:
        return f"shift={self.shift}, flip={self.flip}"


class Consistency(nn.Module):
    """Consistency regularisation of a critic (CR, arXiv 1910.12027; balanced, bCR, arXiv 2002.04724).

    forward(critic, target, output) -> scalar: real * mean (D(target) - D(moved target))^2 + fake * the same of the
    output; means over logits, summed over heads. target, output: real and fake pictures (N, C, H, W) in [-1, 1]; no
    gradient flows to them.

    real, fake: weights; bCR has 10 and 10, CR 10 and 0. augment: what moves pictures; `flip_shift` if not given. An
    augment does not adapt here: `ada` keeps its probability, which must be above 0 (ValueError).
    """

    turn: ClassVar[str] = "discriminator"
    draws: ClassVar[bool] = True

    def __init__(
        self,
        real: Annotated[float, Ge(0)] = 1.0,
        fake: Annotated[float, Ge(0)] = 1.0,
        augment: Augment | None = None,
    ) -> None:
        super().__init__()
        if not real and not fake:
            raise ValueError("consistency of neither real nor fake pictures is nothing: `real` or `fake` is above 0")
        self.real, self.fake = real, fake
        if isinstance(augment, ADA) and not augment.p:
            raise ValueError("ada changes nothing here, where its probability stays as it is: give it one above 0")
        self.augment = FlipShift() if augment is None else augment

    def forward(self, critic: Critic, target: Tensor, output: Tensor) -> Tensor:
        pictures = [(self.real, target), (self.fake, output)]
        terms = [weight * self.apart(critic, x.detach()) for weight, x in pictures if weight]
        return torch.stack(terms).sum()

    def apart(self, critic: Critic, picture: Tensor) -> Tensor:
        with without_autocast(picture):
            moved = self.augment.picture(picture, self.augment.draw(len(picture), picture.device))  # type: ignore[operator]
        before, after = heads(critic(picture)), heads(critic(moved))
        return torch.stack([F.mse_loss(full(b), full(a)) for b, a in zip(before, after, strict=True)]).sum()

    def extra_repr(self) -> str:
        return f"real={self.real}, fake={self.fake}"


def heads(logits: Logits) -> tuple[Tensor, ...]:
    return (logits,) if isinstance(logits, Tensor) else tuple(logits)
