"""Adaptive discriminator augmentation (Karras et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

import torch
from torch import Tensor

from gankit.augment.base import Augment, Drawn, Total, per_picture
from gankit.augment.geometry import moved
from gankit.precision import full
from gankit.slots import Ge, Gt, Le, MinLen

Group = Literal["blit", "geometry", "colour"]


class ADA(Augment):
    """ADA (arXiv 2006.06676): transforms of what critics see, as often as they are needed against overfitting.

    Each transform happens with probability p, which starts at `probability` and follows the sign of the critics' logits
    of real pictures: a mean above `target` shows that the critics are memorizing the real pictures, and p rises. p is
    state, saved and resumed bit for bit.

    forward: pictures (N, C, H, W) in [-1, 1] -> the same shape; colours may leave the range. The groups of transforms
    are the paper's:

    - `blit`: mirroring, quarter turns, and a translation by whole pixels of up to 1/8 of a side.
    - `geometry`: a zoom by 2^N(0, 0.2^2), a turn by any angle before and after a stretch by 2^N(0, 0.2^2), and a
      translation by N(0, 0.125^2) of a side.
    - `colour`: brightness by N(0, 0.2^2), contrast by 2^N(0, 0.5^2), brightness inverted, the hue turned by any angle,
      and saturation by 2^N(0, 1). Pictures without 3 channels get only brightness and contrast.

    Masks are moved to the nearest pixel and keep their values.

    Three things differ from the paper. Pictures are interpolated bilinearly and mirrored at their borders, without its
    wavelets against aliasing. Its filters and corruptions, which its main experiments leave out, are not here. The
    critics of all directions share one p, and a real and a fake picture at the same place in the batch get the same
    transform.

    Args:
        transforms: which of the groups are used. None takes all.
        probability: p at the start.
        target: the mean sign of the logits of real pictures at which p rests. With None p stays as it is.
        undecided: the logit of a picture that a critic takes neither for real nor for fake. It is 0 for `vanilla` and
            `hinge`, and 0.5 for `lsgan`.
        thousands: how many thousand real pictures p needs to go from 0 to 1. Each critic that sees a picture counts it.
        every: how many steps lie between two adjustments.
    """

    p: Tensor
    signs: Tensor
    seen: Tensor
    sign: Tensor

    def __init__(
        self,
        transforms: Annotated[list[Group], MinLen(1)] | None = None,
        probability: Annotated[float, Ge(0), Le(1)] = 0.0,
        target: Annotated[float, Ge(-1), Le(1)] | None = 0.6,
        undecided: float = 0.0,
        thousands: Annotated[float, Gt(0)] = 500.0,
        every: Annotated[int, Ge(1)] = 4,
    ) -> None:
        super().__init__()
        self.transforms: tuple[Group, ...] = tuple(transforms or ("blit", "geometry", "colour"))
        self.target, self.undecided, self.thousands, self.every = target, undecided, thousands, every
        for name, value in {"p": probability, "signs": 0.0, "seen": 0.0, "sign": 0.0}.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32))

    # -- how often -----------------------------------------------------------------------------------------------------
    @torch.no_grad()
    def observe(self, real_logits: Tensor | tuple[Tensor, ...]) -> None:
        """Count the signs of the logits of real pictures; of several heads, their mean."""
        heads = (real_logits,) if isinstance(real_logits, Tensor) else real_logits
        mean = torch.stack([(head.float() - self.undecided).sign().mean() for head in heads]).mean()
        self.signs.add_(mean * len(heads[0]))
        self.seen.add_(len(heads[0]))

    @torch.no_grad()
    def adjust(self, step: int, total: Total) -> None:
        if self.target is None or (step + 1) % self.every:
            return
        total([self.signs, self.seen])
        self.sign.copy_(torch.where(self.seen > 0, self.signs / self.seen.clamp(min=1), self.target))
        self.p.add_((self.sign - self.target).sign() * self.seen / (self.thousands * 1000)).clamp_(0, 1)
        self.signs.zero_()
        self.seen.zero_()

    def numbers(self) -> dict[str, float]:
        return {"p": float(self.p), "sign": float(self.sign)}

    # -- what ----------------------------------------------------------------------------------------------------------
    @torch.no_grad()
    def draw(self, count: int, device: torch.device) -> Drawn:
        def sometimes(values: Tensor, otherwise: float, p: Tensor = self.p) -> Tensor:
            return torch.where(torch.rand(count, device=device) < p, values, otherwise)

        def uniform(low: float, high: float) -> Tensor:
            return torch.rand(count, device=device) * (high - low) + low

        def normal(deviation: float) -> Tensor:
            return torch.randn(count, device=device) * deviation

        turns = 1 - (1 - self.p).sqrt()  # before and after the stretch: one of them at least with probability p
        draws: dict[str, Callable[[], Tensor]] = {
            "mirror": lambda: sometimes(uniform(0, 2).floor() * 2 - 1, 1.0),
            "quarters": lambda: sometimes(uniform(0, 4).floor(), 0.0),
            "down": lambda: uniform(-0.125, 0.125),
            "right": lambda: uniform(-0.125, 0.125),
            "shift": lambda: sometimes(torch.ones(count, device=device), 0.0),
            "zoom": lambda: sometimes(normal(0.2).exp2(), 1.0),
            "before": lambda: sometimes(uniform(-math.pi, math.pi), 0.0, turns),
            "stretch": lambda: sometimes(normal(0.2).exp2(), 1.0),
            "after": lambda: sometimes(uniform(-math.pi, math.pi), 0.0, turns),
            "drift_down": lambda: normal(0.125),
            "drift_right": lambda: normal(0.125),
            "drift": lambda: sometimes(torch.ones(count, device=device), 0.0),
            "brightness": lambda: sometimes(normal(0.2), 0.0),
            "contrast": lambda: sometimes(normal(0.5).exp2(), 1.0),
            "invert": lambda: sometimes(uniform(0, 2).floor(), 0.0),
            "hue": lambda: sometimes(uniform(-math.pi, math.pi), 0.0),
            "saturation": lambda: sometimes(normal(1.0).exp2(), 1.0),
        }
        return {name: draw() for name, draw in draws.items()}

    def picture(self, x: Tensor, drawn: Drawn) -> Tensor:
        y = full(x)
        if self._moves:
            y = moved(y, self._inverse(drawn, *y.shape[2:]))
        if "colour" in self.transforms:
            y = coloured(y, drawn)
        return y.to(x.dtype)

    def mask(self, x: Tensor, drawn: Drawn) -> Tensor:
        return moved(x, self._inverse(drawn, *x.shape[2:]), nearest=True) if self._moves else x

    @property
    def _moves(self) -> bool:
        return "blit" in self.transforms or "geometry" in self.transforms

    def _inverse(self, drawn: Drawn, height: int, width: int) -> Tensor:
        """From places of the result to places of the picture, (N, 2, 3): the inverses of all moves, the first first."""
        inverse = torch.eye(3, device=drawn["zoom"].device).expand(len(drawn["zoom"]), 3, 3)
        if "blit" in self.transforms:
            down = drawn["shift"] * (drawn["down"] * height).round()
            right = drawn["shift"] * (drawn["right"] * width).round()
            inverse = inverse @ _linear(drawn["mirror"], torch.ones_like(right))
            inverse = inverse @ _turn(-drawn["quarters"] * (math.pi / 2)) @ _shift(-right, -down)
        if "geometry" in self.transforms:
            zoom, stretch = drawn["zoom"], drawn["stretch"]
            inverse = inverse @ _linear(1 / zoom, 1 / zoom) @ _turn(-drawn["before"])
            inverse = inverse @ _linear(1 / stretch, stretch) @ _turn(-drawn["after"])
            down, right = drawn["drift"] * drawn["drift_down"] * height, drawn["drift"] * drawn["drift_right"] * width
            inverse = inverse @ _shift(-right, -down)
        return inverse[:, :2]

    def extra_repr(self) -> str:
        return (
            f"{', '.join(self.transforms)}, target={self.target}, undecided={self.undecided}, "
            f"thousands={self.thousands}, every={self.every}"
        )


def coloured(x: Tensor, drawn: Drawn) -> Tensor:
    """Pictures (N, C, H, W) with their brightness, contrast and, of 3 channels, colours changed."""
    y = (x + per_picture(drawn["brightness"])) * per_picture(drawn["contrast"])
    if x.shape[1] != 3:
        return y
    grey = torch.full((3, 3), 1 / 3, device=x.device)  # onto the axis of greys
    ones = torch.eye(3, device=x.device)
    axis = (ones.roll(1, 0) - ones.roll(-1, 0)) / math.sqrt(3)  # the cross product with that axis
    invert, saturation, hue = (drawn[name][:, None, None] for name in ("invert", "saturation", "hue"))
    turn = grey + hue.cos() * (ones - grey) + hue.sin() * axis
    matrix = (grey + saturation * (ones - grey)) @ turn @ (ones - 2 * invert * grey)
    return (matrix.to(y.dtype) @ y.flatten(2)).view_as(y)


def _linear(across: Tensor, down: Tensor) -> Tensor:
    zero, one = torch.zeros_like(across), torch.ones_like(across)
    return _matrix(across, zero, zero, zero, down, zero, zero, zero, one)


def _turn(angle: Tensor) -> Tensor:
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    return _matrix(angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero, zero, zero, one)


def _shift(right: Tensor, down: Tensor) -> Tensor:
    zero, one = torch.zeros_like(right), torch.ones_like(right)
    return _matrix(one, zero, right, zero, one, down, zero, zero, one)


def _matrix(*rows: Tensor) -> Tensor:
    """Nine entries (N,) -> (N, 3, 3)."""
    return torch.stack(rows, 1).view(-1, 3, 3)
