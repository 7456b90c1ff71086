"""Pictures of temperatures some hours later."""

from __future__ import annotations

from gankit.fields import Picture, Vector
from gankit.methods import Translation, Turn
from gankit.slots import Discriminator, Generator
from pp_thermal.networks import Convolutions, Rows


class Thermal(Translation):
    """A generator of a temperature from another, and a critic. Pictures (N, 1, H, W). gankit's own."""

    directions = ("a2b",)
    fields = {"a2b": {"source": "a", "target": "b"}}
    truth = "target"

    def __init__(self, generator: Generator = Convolutions, discriminator: Discriminator = Rows) -> None:
        super().__init__()
        self.takes = {"a": Picture(1), "b": Picture(1), "hours": Vector(1)}
        self.add("generator", "a2b", generator(1, 1))
        self.add("discriminator", "a2b", discriminator(1))

    def turns(self) -> list[Turn]:
        return [
            Turn("generator", "generator", ("generator",)),
            Turn("discriminator", "discriminator", ("discriminator",)),
        ]
