"""What an augment is."""

from __future__ import annotations

from gankit.contracts.declared import Declared, Function, Interface
from gankit.contracts.module import ModuleContract

EXAMPLE = '''
import gankit
import torch
from gankit.augment import Augment, per_picture


@gankit.register("augment", "dimmed")
class Dimmed(Augment):
    """Half of the pictures darker. (N, C, H, W) -> the same shape. gankit's own example."""

    def __init__(self, by: float = 0.1) -> None:
        super().__init__()
        self.by = by

    def draw(self, count, device):
        return {"dark": torch.rand(count, device=device) < 0.5}

    def picture(self, x, drawn):
        return x - self.by * per_picture(drawn["dark"]).to(x.dtype)

    def extra_repr(self) -> str:
        return f"by={self.by}"
'''


class AugmentContract(ModuleContract):
    """Stands between pictures and critics, for real and fake alike, of any method, from the recipe; it derives from
    `gankit.augment.base.Augment`, whose page is docs/augment.md.

    Gradients go through it, twice where a penalty differentiates the critic. What it learns on its way, as ADA its
    probability, is in its buffers: saved and resumed bit for bit.
    """

    kind = "augment"
    interface = Interface(
        made_with="nothing but its own arguments",
        forward="`draw(count, device)` once for a batch, then `picture(x, drawn)`, and `mask(x, drawn)` for masks",
        result="random numbers (N, ...) by name; tensors of x's shape and type",
        example=EXAMPLE,
    )

    observe: Declared[Function | None] = Declared(
        None, "is told tensors of the critics' turns, by the names of its arguments, such as `real_logits`"
    )
