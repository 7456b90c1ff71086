"""A turn as a module: the tensors that its losses need, in their order, and the losses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gankit.augment.base import Augment
from gankit.contracts import AugmentContract, LossContract
from gankit.features import own_parameters
from gankit.fields import Field
from gankit.methods.augmented import Augmented
from gankit.methods.base import Method, Turn
from gankit.methods.checkpointed import Checkpointed
from gankit.methods.joined import join, repeatable
from gankit.methods.resolve import TensorNode, compute


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
    every: int = 1
    fields: Mapping[str, Field] = field(default_factory=dict, compare=False)  # of the batch, which the loss `takes`

    def counts(self, step: int) -> bool:
        """Whether it is computed at this step."""
        return step >= self.from_step and step % self.every == 0


class TurnModule(nn.Module):
    """One turn as a module: `forward(batch, given, step)` computes the plan and the terms, nothing else.

    batch: the pictures by field. given: values by key which are not to be computed again (what a critic takes from
    the generator's forward, the constants). Returns the weighted terms by key, and what others take from it: the
    carried values by key, and what critics said, a number each, by the names in `said`.

    nodes: the plan, by key. known: the keys of all that stands behind the terms. learned: the losses whose parameters
    this turn trains. augments: what stands between pictures and critics; those that watch tensors of this turn are told
    them in its forward.
    """

    def __init__(
        self,
        method: Method,
        turn: Turn,
        nodes: Mapping[str, TensorNode],
        known: Collection[str],
        terms: list[PlannedTerm],
        learned: Iterable[nn.Module] = (),
        augments: Sequence[Augment] = (),
    ) -> None:
        super().__init__()
        self.method = method
        self.turn = turn
        self.terms = terms
        self._constants: dict[str, Any] | None = None
        self.plan = list(nodes.values())
        self.checkpoint_activations = False
        self.losses = nn.ModuleList(dict.fromkeys(t.loss for t in terms))
        self.learned = tuple(dict.fromkeys(learned))
        self.augments = nn.ModuleList(augments)
        self.critics = critics_of(method) if augments else frozenset()
        self.watched = [] if turn.side == "generator" else _watched(augments, method.directions, {*nodes, *known})
        composed, judged = _composed(method.directions, nodes), _said(method.directions, {*nodes, *known})
        self.said = composed if turn.side == "generator" else judged
        carried = carried_keys(method)
        self.carries = [key for key in carried if key in nodes]
        self.needs = [key for key in carried if key in known and key not in nodes]

    def parameters_trained(self) -> list[nn.Parameter]:
        """The parameters of the networks that this turn trains, those that may learn again in another phase included,
        then those of its losses that learn. Those of a network that stands in several places come once."""
        networks = [self.method.networks[key] for key in self.method.trained_by(self.turn)]
        of_networks = [p for network in dict.fromkeys(networks) for p in own_parameters(network)]
        return of_networks + [p for loss in self.learned for p in own_parameters(loss) if p.requires_grad]

    def values(
        self, batch: Mapping[str, Tensor], given: Mapping[str, Any], only: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Compute the plan (or only what stands behind the keys `only`)."""
        values: dict[str, Any] = {f"batch:{k}": v for k, v in batch.items()}
        # No |= of mappings here and in `forward`: torch 2.7 does not compile it.
        values.update({f"net:{k}": self._called(k, n) for k, n in self.method.networks.items()})
        values.update(given)
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
        return [n.key for n in self.plan if inspect.get_annotations(n.function).get("return") in plain]

    def differentiates_twice(self, step: int) -> bool:
        """Whether a term that counts now says so of itself, as penalties on gradients do: compilers cannot."""
        return any(t.counts(step) and LossContract(t.loss).differentiates_twice for t in self.terms)

    def join_calls(self) -> None:
        """From now on, call a network once on several pictures where that is exact."""
        self.plan = join(self.plan, {k: n for k, n in self.method.networks.items() if k not in self.critics})

    def _called(self, key: str, network: nn.Module) -> Any:
        called = Checkpointed(network) if self.checkpoint_activations and repeatable(network) else network
        return Augmented(called, self.augments) if key in self.critics else called  # pyright: ignore[reportArgumentType]

    def phase(self, step: int) -> int:
        """The first step, since a term began, whose terms are those of this one: what a compiled forward is given, as
        it is made anew for each value."""
        begun = max((term.from_step for term in self.terms if term.from_step <= step), default=0)
        counting = [term.counts(step) for term in self.terms]
        return next(s for s in range(begun, step + 1) if [term.counts(s) for term in self.terms] == counting)

    def forward(
        self, batch: Mapping[str, Tensor], given: Mapping[str, Any], step: int = 0
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        counting = [term for term in self.terms if term.counts(step)]
        values = self.values(batch, given, None if len(counting) == len(self.terms) else self._wanted(counting))
        losses = {}
        for term in counting:
            function, weight = getattr(term.loss, term.method), term.every * term.weight
            losses[term.key] = weight * function(**{name: values[key] for name, key in term.arguments})
        for observe, arguments in self.watched:
            observe(**{name: values[key] for name, key in arguments.items()})
        said = {name: mean_output(values[key]) for name, key in self.said.items()}
        return losses, {**{key: values[key] for key in self.carries}, **said}

    def ahead(self, batch: Mapping[str, Tensor]) -> dict[str, Any]:
        """Only the carried values and what stands behind them: the generator's forward, when the critic plays first."""
        values = self.values(batch, {}, self.carries)
        return {node.key: values[node.key] for node in self.plan if node.key in values}

    def _wanted(self, counting: Iterable[PlannedTerm]) -> set[str]:
        """Keys of what a forward needs when only these terms count."""
        told = {key for _, keys in self.watched for key in keys.values()} | set(self.said.values())
        return {key for term in counting for _, key in term.arguments} | told | set(self.carries)

    def _behind(self, keys: Iterable[str]) -> set[str]:
        wanted, nodes = set(keys), {node.key: node for node in self.plan}
        for node in reversed(self.plan):
            if node.key in wanted:
                wanted |= {key for key in nodes[node.key].arguments if key in nodes}
        return wanted


def carried_keys(method: Method) -> dict[str, tuple[str, str]]:
    """Keys of what critics take from the generators' forward -> (name, direction)."""
    return {f"{name}@{d}": (name, d) for d in method.directions for name in method.carried}


def made_alone(method: Method, keys: Iterable[str], batch: Mapping[str, Tensor]) -> dict[str, Any]:
    """Carried values of these keys, made of a batch outside of any turn; those of one direction from the same draws."""
    carried = carried_keys(method)
    wanted = {key: carried[key] for key in keys}
    names = {way: [name for name, other in wanted.values() if other == way] for _, way in wanted.values()}
    tensors = {way: compute(method, way, batch, each) for way, each in names.items()}
    return {key: tensors[way][name] for key, (name, way) in wanted.items()}


def critics_of(method: Method) -> frozenset[str]:
    """Keys of the networks that judge: those that no generators' turn trains."""
    return frozenset(key for turn in method.turns() if turn.side != "generator" for key in method.trained_by(turn))


def mean_output(logits: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Logits of a critic, or a map, as one number in float32: the mean over its outputs of the mean of each."""
    heads = (logits,) if isinstance(logits, Tensor) else logits
    return torch.stack([head.detach().float().mean() for head in heads]).mean()


def _said(directions: Iterable[str], there: Collection[str]) -> dict[str, str]:
    """The names of what critics say of real and of fake pictures, and the keys of those tensors that are there."""
    keys = {f"critics/{d}/{which}": f"{which}_logits@{d}" for d in directions for which in ("real", "fake")}
    return {name: key for name, key in keys.items() if key in there}


def _composed(directions: Iterable[str], nodes: Mapping[str, TensorNode]) -> dict[str, str]:
    """The names of how much the attention maps cover of which outputs are composed, and the keys of these maps."""
    keys = {d: f"attention@{d}" for d in directions}
    outputs = {d: nodes[f"output@{d}"] for d in keys if f"output@{d}" in nodes}
    return {f"attention/{d}": keys[d] for d, output in outputs.items() if keys[d] in output.arguments}


def _watched(
    augments: Iterable[Augment], directions: Iterable[str], there: Collection[str]
) -> list[tuple[Callable[..., None], dict[str, str]]]:
    """The functions by which augments watch tensors that are there, with argument -> key, for each direction."""
    watched = []
    for observe in filter(None, (AugmentContract(augment).observe for augment in augments)):
        for direction in directions:
            keys = {name: f"{name}@{direction}" for name in inspect.signature(observe).parameters}
            if set(keys.values()) <= set(there):
                watched.append((observe, keys))
    return watched
