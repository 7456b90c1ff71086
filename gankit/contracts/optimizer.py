"""What an optimizer is."""

from __future__ import annotations

from typing import Any

from gankit.contracts.declared import Contract, Declared, Function, Interface

EXAMPLE = '''
import gankit
import torch
from collections.abc import Iterable


@gankit.register("optimizer", "signs")
class Signs(torch.optim.Optimizer):
    """Each weight goes against the sign of its gradient by `lr`. gankit's own example."""

    def __init__(self, params: Iterable[torch.Tensor], *, lr: float = 1e-4) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(p.grad.sign(), alpha=group["lr"])
'''


def _two_values(params: Any, **settings: Any) -> int:
    return sum(2 * p.nbytes for p in params)


def _nothing(number: int, count: int) -> None:
    pass


class OptimizerContract(Contract):
    """Updates the parameters of a turn: a torch optimizer, in the slots `optimizer` and `optimizers` of `train`.

    The schedule multiplies the `lr` of its parameter groups. Its state dict goes into checkpoints: numbers, text,
    tensors and containers of them.
    """

    kind = "optimizer"
    interface = Interface(
        made_with="`params`, the parameters of a turn, those included that are frozen for now",
        forward="`step()`, as of any `torch.optim.Optimizer`; `step(closure)` where it `searches`",
        result="nothing; its state is saved and resumed bit for bit",
        example=EXAMPLE,
    )

    state_bytes: Declared[Function] = Declared(
        _two_values,
        "a static function of the parameters that learn and of the settings, by name: the bytes that it keeps besides "
        "the parameters and their gradients",
        shown="two values for each parameter",
    )
    take_turn: Declared[Function] = Declared(
        _nothing,
        "called once with (number, count): which update of a step it serves, from 0, and how many there are",
        shown="does nothing",
    )
    averaged: Declared[Function | None] = Declared(
        None,
        "gives a context within which the parameters hold an average, to sample and to save by; after it they hold the "
        "very bits that they held before",
    )
    searches = Declared(False, "its `step` needs the objective as a closure, as that of L-BFGS: there is no fp16 then")
    plain_layout = Declared(False, "it takes parameters only in the usual memory layout, not in channels_last")
