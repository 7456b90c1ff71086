"""A turn as a module: the tensors that its losses need, in their order, and the losses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gankit.features import Extraction, FeatureNet
from gankit.methods.base import Method, Turn
from gankit.methods.checkpointed import Checkpointed
from gankit.methods.joined import join, repeatable


@dataclass(frozen=True)
class Node:
    """One tensor: `name@direction`, its function, and the keys of what it takes."""

    key: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    frozen: bool  # nothing that the turn trains stands behind it
    constant: bool = False  # nothing at all stands behind it: a style's picture, and its features

    def reads(self, backbone: FeatureNet) -> bool:
        """Whether these are features of that network."""
        return isinstance(self.function, Extraction) and self.function.backbone is backbone


@dataclass(frozen=True)
class PlannedTerm:
    """A term in one direction, ready to be computed."""

    key: str  # turn/name/direction
    name: str
    loss: nn.Module
    method: str  # `forward`, or the critic's side
    arguments: tuple[tuple[str, str], ...]  # argument -> key
    weight: float
    from_step: int


class TurnModule(nn.Module):
    """One turn as a module: `forward(batch, given, step)` computes the plan and the terms, nothing else.

    batch: the pictures by field. given: values by key which are not to be computed again (what a critic takes from
    the generator's forward, the constants). Returns the weighted terms by key, and the carried values by key.

    nodes: the plan, by key. known: the keys of all that stands behind the terms.
    """

    def __init__(
        self, method: Method, turn: Turn, nodes: Mapping[str, Node], known: Collection[str], terms: list[PlannedTerm]
    ) -> None:
        super().__init__()
        self.method = method
        self.turn = turn
        self.terms = terms
        self._constants: dict[str, Any] | None = None
        self.plan = list(nodes.values())
        self.checkpoint_activations = False
        self.losses = nn.ModuleList(dict.fromkeys(t.loss for t in terms))
        carried = carried_keys(method)
        self.carries = [key for key in carried if key in nodes]
        self.needs = [key for key in carried if key in known and key not in nodes]

    def parameters_trained(self) -> list[nn.Parameter]:
        """The parameters of the networks that this turn trains, frozen ones included."""
        return [p for key in self.method.trained_by(self.turn) for p in self.method.networks[key].parameters()]

    def values(
        self, batch: Mapping[str, Tensor], given: Mapping[str, Any], only: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Compute the plan (or only what stands behind the keys `only`)."""
        values: dict[str, Any] = {f"batch:{k}": v for k, v in batch.items()}
        values |= {f"net:{k}": self._called(n) for k, n in self.method.networks.items()}
        values |= given
        wanted = None if only is None else self._behind(only)
        for node in self.plan:
            if node.key in values or (wanted is not None and node.key not in wanted):
                continue
            with torch.no_grad() if node.frozen else nullcontext():
                values[node.key] = node.function(*(values[key] for key in node.arguments))
        return values

    def constants(self) -> dict[str, Any]:
        """The values behind which nothing stands, by key: computed once, for the `given` of every forward."""
        if self._constants is None:
            keys = [node.key for node in self.plan if node.constant]
            values = self.values({}, {}, keys)
            self._constants = {key: values[key] for key in keys}
        return self._constants

    @property
    def decisions(self) -> list[str]:
        """Keys of values that are numbers of Python: what they decide is decided outside of the device."""
        plain = {kind for one in (bool, int, float) for kind in (one, one.__name__)}
        return [n.key for n in self.plan if getattr(n.function, "__annotations__", {}).get("return") in plain]

    def differentiates_twice(self, step: int) -> bool:
        """Whether a term that counts now says so of itself, as penalties on gradients do: compilers cannot."""
        return any(step >= t.from_step and getattr(t.loss, "differentiates_twice", False) for t in self.terms)

    def join_calls(self) -> None:
        """From now on, call a network once on several pictures where that is exact."""
        self.plan = join(self.plan, dict(self.method.networks.items()))

    def _called(self, network: nn.Module) -> Any:
        return Checkpointed(network) if self.checkpoint_activations and repeatable(network) else network

    def phase(self, step: int) -> int:
        """The first step whose terms are those of this one: what a compiled forward is given, as it is made anew for
        each value."""
        return max((term.from_step for term in self.terms if term.from_step <= step), default=0)

    def forward(
        self, batch: Mapping[str, Tensor], given: Mapping[str, Any], step: int = 0
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        values = self.values(batch, given)
        losses = {}
        for term in self.terms:
            if step >= term.from_step:
                function = getattr(term.loss, term.method)
                losses[term.key] = term.weight * function(**{name: values[key] for name, key in term.arguments})
        return losses, {key: values[key] for key in self.carries}

    def ahead(self, batch: Mapping[str, Tensor]) -> dict[str, Any]:
        """Only the carried values and what stands behind them: the generator's forward, when the critic plays first."""
        values = self.values(batch, {}, self.carries)
        return {node.key: values[node.key] for node in self.plan if node.key in values}

    def _behind(self, keys: Iterable[str]) -> set[str]:
        wanted, nodes = set(keys), {node.key: node for node in self.plan}
        for node in reversed(self.plan):
            if node.key in wanted:
                wanted |= {key for key in nodes[node.key].arguments if key in nodes}
        return wanted


def carried_keys(method: Method) -> dict[str, tuple[str, str]]:
    """Keys of what critics take from the generators' forward -> (name, direction)."""
    return {f"{name}@{d}": (name, d) for d in method.directions for name in method.carried}
