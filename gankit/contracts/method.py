"""What a method is."""

from __future__ import annotations

from collections.abc import Mapping

from gankit.contracts.declared import Contract, Declared, Interface, Size
from gankit.fields import Field

TWO_WAYS = {"a2b": {"source": "a", "target": "b"}, "b2a": {"source": "b", "target": "a"}}

EXAMPLE = '''
import gankit
from gankit.fields import Picture
from gankit.generators import ResnetGenerator
from gankit.methods import Translation, Turn
from gankit.slots import Generator


@gankit.register("method", "regression")
class Regression(Translation):
    """One generator and no critic: it learns only from pairs. gankit's own example."""

    directions = ("a2b",)
    fields = {"a2b": {"source": "a", "target": "b"}}

    def __init__(self, generator: Generator = ResnetGenerator) -> None:
        super().__init__()
        self.takes = {"a": Picture(3), "b": Picture(3)}
        self.add("generator", "a2b", generator(3, 3))

    def turns(self) -> list[Turn]:
        return [Turn("generator", "generator", ("generator",))]
'''


class MethodContract(Contract):
    """What a paper trains: its networks, the tensors that it offers, and whose turn it is; see docs/methods.md.

    It derives from `gankit.methods.base.Method`, or `Translation`, which has the attributes below, and more that it may
    override.
    """

    kind = "method"
    interface = Interface(
        made_with="nothing but its own arguments; its networks come by slots",
        forward="`turns()`, and a function marked `@tensor` for each tensor; an argument's name is what it needs",
        result="`translate(source, direction)`: pictures (N, C, H, W) in [-1, 1]",
        example=EXAMPLE,
    )

    directions: Declared[tuple[str, ...]] = Declared(("a2b", "b2a"), "the translations")
    fields: Declared[Mapping[str, Mapping[str, str]]] = Declared(
        TWO_WAYS, "for each direction, which field of the batch is called `source`, `target`, ..."
    )
    takes: Declared[Mapping[str, Field]] = Declared(
        {}, "what these fields are, by their names in the batch, and inputs that training makes; set by the constructor"
    )
    carried: Declared[tuple[str, ...]] = Declared(
        ("output",),
        "the tensors that a critic takes from the generators' forward: detached, through the image pool",
    )
    inputs: Declared[tuple[str, ...]] = Declared(("source",), "the tensors that `translate` must be given")
    optional: Declared[tuple[str, ...]] = Declared((), "the tensors that it may be given")
    result = Declared("output", "the tensor that `translate` returns")
    truth: Declared[str | None] = Declared(None, "the tensor that the result should equal, where there is one")
    scale: Declared[Size] = Declared(1, "how many times larger than the source the result is")
    shares_forward = Declared(
        True, "whether a critic that plays first looks at the very fakes of the generators' turn, made once for both"
    )
    untranslatable = Declared("", "why it translates no picture, and what to do instead; empty where it does")
