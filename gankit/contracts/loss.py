"""What a loss is."""

from __future__ import annotations

from gankit.contracts.declared import Declared, Function, Interface, Size
from gankit.contracts.module import ModuleContract

EXAMPLE = '''
import gankit
from torch import Tensor, nn


@gankit.register("loss", "colour")
class Colour(nn.Module):
    """Keeps the mean colour. (N, C, H, W), (N, C, H, W) -> scalar. gankit's own example."""

    def forward(self, output: Tensor, source: Tensor) -> Tensor:
        return (output.mean((2, 3)) - source.mean((2, 3))).square().mean()
'''


class LossContract(ModuleContract):
    """One term of an objective. It asks for tensors by the names of its arguments: see docs/methods.md for the names.

    An adversarial one has a side for each turn: `forward(fake_logits)` for the generators', and
    `discriminator(real_logits, fake_logits)` for the critics'. Logits are a tensor, or a tuple of them, which it sums.
    """

    kind = "loss"
    interface = Interface(
        made_with="nothing but its own arguments",
        forward="`forward(output, source, ...)`: tensors by name, and networks by their roles (`discriminator`)",
        result="a scalar tensor",
        example=EXAMPLE,
    )

    turn: Declared[str | None] = Declared(
        None,
        "the side, `generator` or `discriminator`, to which its forward belongs; without it the generators'",
    )
    learns_in: Declared[str | None] = Declared(
        None,
        "the side, `generator` or `discriminator`, that trains its parameters where it takes part on both; there it "
        "takes part also where none of its tensors comes from a network",
    )
    discriminator: Declared[Function | None] = Declared(None, "its side for the critics' turn, asked as the forward is")
    differentiates_twice = Declared(
        False, "it differentiates a network, as penalties on gradients do, so that its turn is not compiled"
    )
    draws = Declared(
        False,
        "it is random by its nature, in evaluation too, and draws from torch's generator: mixtures of pictures, "
        "places in them",
    )
    mixes_batch = Declared(
        False, "it compares the pictures of a batch with each other, so that it is not a mean over them"
    )
    min_size: Declared[Size] = Declared(1, "the smallest side of the pictures that it takes, in pixels")
    compares: Declared[tuple[str, ...]] = Declared(
        (), "of those that derive from `gankit.features.FeatureLoss`: the arguments that may be features of pictures"
    )
