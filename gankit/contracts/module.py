"""What every part that is a torch module may declare."""

from __future__ import annotations

from collections.abc import Mapping

from gankit.contracts.declared import Contract, Declared
from gankit.fields import Field


class ModuleContract(Contract):
    """A network, a head or norm inside of one, or a loss."""

    kind = "module"
    takes: Declared[Mapping[str, Field]] = Declared(
        {},
        "what its forward takes of a batch, or of who translates, after the first argument, by the argument's name: "
        "`{'label': Label(5)}`",
    )
    passes_on: Declared[Mapping[str, tuple[str, ...]]] = Declared(
        {},
        "for each of its slots, which conditions the part there is given: `gamma` and `beta`, or `*` for all that it "
        "is itself given",
    )
    idle: Declared[tuple[str, ...]] = Declared(
        (),
        "endings of the names of parameters that may get no gradient from a sample, as those of a rare branch",
    )
    keeps_weights = Declared(
        False,
        "its weights come from a source of its own, the same whenever it is built: they are never drawn anew, and "
        "while nothing of it learns they are neither stored in checkpoints, averaged nor given to an optimizer",
    )
    adds_bias = Declared(
        True,
        "whether it adds its bias; a bias that the next norm takes off again is stored, but neither added nor learned",
    )
    takes: Declared[Mapping[str, Field]] = Declared(
        {},
        "what its forward takes from a batch besides its first argument, by name, such as `{'hole': Mask()}`; what it "
        "passes on to parts inside of it is listed too",
    )
    passes_on: Declared[Mapping[str, tuple[str, ...]]] = Declared(
        {}, "slot -> names of the conditions that the part there is given: `gamma`, `beta`; `*` for all that come in"
    )
