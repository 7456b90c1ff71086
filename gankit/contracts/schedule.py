"""What a schedule is."""

from __future__ import annotations

from collections.abc import Mapping

from gankit.contracts.declared import Contract, Declared, Function, Interface

EXAMPLE = '''
import gankit
from gankit.slots import Position


@gankit.register("schedule", "root")
class Root:
    """Falls as the root of the epochs that have passed. gankit's own example."""

    def __call__(self, position: Position) -> float:
        return (1 + position.epoch) ** -0.5
'''


def _nothing(values: Mapping[str, object]) -> None:
    pass


class ScheduleContract(Contract):
    """Says by what the learning rates are multiplied, in the slot `schedule` of `train`.

    It is a function of the position, or of that and of what it has heard; what it remembers is its state, which
    is saved and resumed.
    """

    kind = "schedule"
    interface = Interface(
        made_with="nothing but its own arguments",
        forward="`schedule(position)`, a `gankit.slots.Position`: step, epoch, steps, epochs",
        result="the factor on the learning rates, 0 or more",
        example=EXAMPLE,
    )

    watches: Declared[tuple[str, ...]] = Declared(
        (), "names of the values that `hear` is told, such as the loss `generator/cycle/a2b`"
    )
    hear: Declared[Function] = Declared(
        _nothing,
        "called at an epoch's end, if it watches anything, with the means over the epoch of what it watches, by name",
        shown="does nothing",
    )
    state_dict: Declared[Function] = Declared(
        dict, "what it remembers: numbers, text, tensors and containers of them", shown="gives `{}`"
    )
    load_state_dict: Declared[Function] = Declared(_nothing, "takes what `state_dict` gave", shown="does nothing")
