"""What an augment must do: draw once, and treat alike all that goes through that draw."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gankit.augment.base import Augment
from gankit.testing.calls import Call, Size, picture, require, shape


class AugmentCall(Call):
    """Pictures to pictures."""

    component: Augment
    half_inputs = False

    def inputs(self, batch: int, size: Size) -> tuple[Tensor, ...]:
        return (picture(batch, size),)

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        augment, (x,) = self.component, inputs
        require(isinstance(augment, Augment), "an augment derives from gankit.augment.base.Augment")
        require(isinstance(output, Tensor) and output.shape == x.shape, f"pictures come back as {shape(output)}")
        require(output.dtype == x.dtype, f"{x.dtype} comes back as {output.dtype}")
        require(bool(output.abs().max() < 100), f"a picture leaves [-1, 1] by far: {output.abs().max():.3g}")
        learning = [name for name, p in augment.named_parameters() if p.requires_grad]
        require(not learning, f"{', '.join(learning[:1])} learns, and no turn trains an augment")
        drawn = augment.draw(len(x), x.device)
        wrong = [name for name, value in drawn.items() if not isinstance(value, Tensor) or len(value) != len(x)]
        require(not wrong, f"what it draws is one number or more for each picture; {', '.join(wrong)} is not")
        other, (height, width) = x.flip(0), x.shape[2:]
        first, again = augment.picture(x, drawn), augment.picture(x, drawn)
        require(torch.equal(first, again), "one draw gives two results: what is random belongs into `draw`")
        turned = {name: value.flip(0) for name, value in drawn.items()}
        torch.testing.assert_close(
            augment.picture(other, turned).flip(0), first, msg="a picture's transform depends on its place in the batch"
        )
        masks = (torch.rand(len(x), 1, height, width, device=x.device) > 0.5).to(x.dtype)
        moved = augment.mask(masks, drawn)
        require(moved.shape == masks.shape and moved.dtype == masks.dtype, f"masks come back as {shape(moved)}")
        require(bool(((moved == 0) | (moved == 1)).all()), "a mask of 0 and 1 comes back with other values")
        for channels in (1, 4):
            more = torch.rand(len(x), channels, height, width, device=x.device)
            require(augment.picture(more, drawn).shape == more.shape, f"it cannot do pictures of {channels} channels")
