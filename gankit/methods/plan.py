"""From the losses of a recipe to the ordered list of tensors that a turn computes.

`plan_turns` resolves, per turn, what each loss asks for: nothing else is computed. A term belongs to a turn only if
the networks which that turn trains stand somewhere behind its tensors. The result is one `TurnModule` per turn, whose
forward is a straight loop.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from gankit.core.errors import BuildError
from gankit.core.registry import components
from gankit.features import Extraction, FeatureLoss, FeatureNet, share_backbones
from gankit.methods.base import Method, Turn
from gankit.methods.turns import Node, PlannedTerm, TurnModule, carried_keys


@dataclass
class Term:
    """One term of the objective: a loss and its envelope.

    weight: a factor, or one per direction. on: argument of the loss -> tensor, where it is not the tensor of that
    name. from_step: the term counts from this step on. turn: the side to which it belongs, when the loss does not say.
    """

    loss: nn.Module
    weight: float | Mapping[str, float] = 1.0
    on: Mapping[str, str] = field(default_factory=dict)
    from_step: int = 0
    turn: str | None = None

    def weight_in(self, direction: str) -> float:
        return self.weight.get(direction, 0.0) if isinstance(self.weight, Mapping) else self.weight

    def function(self, side: str) -> Callable[..., Tensor] | None:
        """What this term computes in a turn of that side, if anything."""
        own = self.turn or getattr(self.loss, "turn", None)
        if own is not None:
            return self.loss.forward if own == side else None
        if side == "generator":
            return self.loss.forward
        return getattr(self.loss, side, None)


class Resolver:
    """Resolves names to keys for one turn, collecting the nodes in the order in which they must be computed."""

    def __init__(self, method: Method, trained: Iterable[str], given: Iterable[str] = ()) -> None:
        self.method = method
        self.trained = {f"net:{key}" for key in trained}
        self.given = frozenset(given)  # names that come from another turn instead of being computed
        self.nodes: dict[str, Node] = {}
        self.behind: dict[str, frozenset[str]] = {}  # key -> the leaves behind it
        self.backbones: list[FeatureNet] = []

    def resolve(self, name: str, direction: str, trail: tuple[str, ...] = ()) -> str:
        """The key of a name; raises LookupError in words when the method does not offer it."""
        method = self.method
        if name in self.given and name not in method.tensor_names():
            return self.leaf(f"{name}@{direction}")
        if name in method.fields[direction]:
            return self.leaf(f"batch:{method.fields[direction][name]}")
        if f"{name}_{direction}" in method.networks:
            return self.leaf(f"net:{name}_{direction}")
        if name in method.tensor_names():
            return self.tensor(name, direction, trail)
        other = method.back(direction)
        if name.startswith("back_") and other:
            return self.resolve(name.removeprefix("back_"), other, trail)
        raise LookupError(name)

    def leaf(self, key: str) -> str:
        self.behind[key] = frozenset([key])
        return key

    def tensor(self, name: str, direction: str, trail: tuple[str, ...]) -> str:
        key = f"{name}@{direction}"
        if key in self.nodes:
            return key
        if name in self.given:
            return self.leaf(key)
        if key in trail:
            raise BuildError((), f"the tensors {' -> '.join((*trail, key))} need one another")
        if why := self.method.unavailable(name):
            raise Unavailable(name, why)
        function = getattr(self.method, name)
        keys = tuple(self.resolve(p, direction, (*trail, key)) for p in inspect.signature(function).parameters)
        self.behind[key] = frozenset().union(*(self.behind[k] for k in keys))
        leaves = self.behind[key]
        self.nodes[key] = Node(key, function, keys, frozen=not leaves & self.trained, constant=not leaves)
        return key

    def features(self, key: str, direction: str, loss: FeatureLoss) -> str:
        """The key of the features of a picture: one node for all losses that share a backbone."""
        if loss.backbone not in self.backbones:
            self.backbones.append(loss.backbone)
        number = self.backbones.index(loss.backbone)
        name, _, of = key.removeprefix("batch:").partition("@")
        made = f"{name}.features{number or ''}@{of or direction}"
        made = next((n.key for n in self.nodes.values() if n.arguments == (key,) and n.reads(loss.backbone)), made)
        if made not in self.nodes:
            self.behind[made] = self.behind[key]
            leaves = self.behind[key]
            self.nodes[made] = Node(made, Extraction(loss.backbone), (key,), not leaves & self.trained, not leaves)
        self.nodes[made].function.add(loss.layers)  # type: ignore[attr-defined]
        return made

    def touches(self, keys: Iterable[str]) -> bool:
        """Whether anything that the turn trains stands behind these keys."""
        return any(self.behind[key] & self.trained for key in keys)


class Unavailable(LookupError):
    def __init__(self, name: str, why: str) -> None:
        super().__init__(name)
        self.why = why


def plan_turns(method: Method, terms: Mapping[str, Term]) -> list[TurnModule]:
    """Resolve the plan of every turn. Raises BuildError, with the recipe path of the term at fault."""
    share_backbones(term.loss for term in terms.values())
    used: set[str] = set()
    resolvers: list[tuple[Turn, Resolver, list[PlannedTerm]]] = []
    for turn in method.turns():
        resolver = Resolver(method, method.trained_by(turn), () if turn.side == "generator" else method.carried)
        planned = [p for name, term in terms.items() for p in _plan_term(resolver, turn, name, term)]
        used |= {p.name for p in planned}
        if planned:
            resolvers.append((turn, _pruned(resolver, planned), planned))
    for name, term in terms.items():
        if name not in used:
            _explain_unused(method, name, term)
    _add_carried(method, resolvers)
    return [TurnModule(method, turn, r.nodes, r.behind, planned) for turn, r, planned in resolvers]


def _plan_term(resolver: Resolver, turn: Turn, name: str, term: Term) -> list[PlannedTerm]:
    function = term.function(turn.side)
    if function is None:
        return []
    planned = []
    for direction in resolver.method.directions:
        weight = term.weight_in(direction)
        if weight == 0:
            continue
        arguments = _arguments(resolver, function, direction, name, term)
        if resolver.touches(key for _, key in arguments):
            if isinstance(term.loss, FeatureLoss):
                arguments = tuple(
                    (n, resolver.features(key, direction, term.loss) if n in term.loss.compares else key)
                    for n, key in arguments
                )
            kind = getattr(function, "__name__", "forward")
            key = f"{turn.name}/{name}/{direction}"
            planned.append(PlannedTerm(key, name, term.loss, kind, arguments, weight, term.from_step))
    return planned


def _arguments(
    resolver: Resolver, function: Callable, direction: str, name: str, term: Term
) -> tuple[tuple[str, str], ...]:
    parameters = inspect.signature(function).parameters
    for argument in term.on:
        if argument not in _all_arguments(term):
            known = ", ".join(_all_arguments(term))
            raise BuildError(("losses", name, "on", argument), f"the loss has no argument '{argument}'; it has {known}")
    found = []
    for argument, parameter in parameters.items():
        wanted = term.on.get(argument, argument)
        try:
            found.append((argument, resolver.resolve(wanted, direction)))
        except LookupError as error:
            if parameter.default is not parameter.empty and argument not in term.on:
                continue
            path = ("losses", name, "on", argument) if argument in term.on else ("losses", name)
            raise BuildError(path, _not_offered(resolver.method, name, wanted, error)) from None
    return tuple(found)


def _all_arguments(term: Term) -> list[str]:
    functions = [f for side in ("generator", "discriminator") if (f := term.function(side))]
    return list(dict.fromkeys(p for f in functions for p in inspect.signature(f).parameters))


def _pruned(resolver: Resolver, planned: list[PlannedTerm]) -> Resolver:
    """Without the nodes of terms that were dropped because the turn trains nothing behind them."""
    wanted = {key for term in planned for _, key in term.arguments}
    for key in reversed(list(resolver.nodes)):
        if key in wanted:
            wanted |= set(resolver.nodes[key].arguments)
    resolver.nodes = {key: node for key, node in resolver.nodes.items() if key in wanted}
    resolver.behind = {key: leaves for key, leaves in resolver.behind.items() if key in wanted}
    return resolver


def _add_carried(method: Method, resolvers: list[tuple[Turn, Resolver, list[PlannedTerm]]]) -> None:
    """The generators' turns also compute what the critics will take from them."""
    needed = {key for turn, resolver, _ in resolvers if turn.side != "generator" for key in resolver.behind}
    for key, (name, direction) in carried_keys(method).items():
        for turn, resolver, _ in resolvers:
            if key in needed and turn.side == "generator" and direction in (turn.directions or method.directions):
                resolver.resolve(name, direction)


def _not_offered(method: Method, name: str, wanted: str, error: LookupError) -> str:
    entry = components().entry_of("method", type(method))
    own = entry.name if entry else type(method).__name__
    missing = error.args[0] if error.args else wanted
    text = f"loss '{name}' needs '{wanted}', which method '{own}' "
    if isinstance(error, Unavailable):
        return text + f"cannot give here: {error.why}"
    if missing != wanted:
        text += f"makes from '{missing}', which it does not offer"
    else:
        text += f"does not offer; it offers {', '.join(sorted(offered(method)))}"
    others = [e.name for e in components().entries("method") if wanted in _offers_of(e)]
    return text + (f". {' and '.join(others)} {'does' if len(others) == 1 else 'do'}" if others else "")


def _offers_of(entry: Any) -> tuple[str, ...]:
    try:
        return (*entry.make.tensor_names(), *next(iter(entry.make.fields.values())))
    except Exception:
        return ()  # a broken plugin must not hide the real error


def offered(method: Method) -> list[str]:
    """Names that a loss may ask of this method, `back_` forms apart."""
    names = [n for n in method.tensor_names() if not method.unavailable(n)]
    return [*method.fields[method.directions[0]], *names, *method.roles]


def _explain_unused(method: Method, name: str, term: Term) -> None:
    if all(term.weight_in(d) == 0 for d in method.directions):
        return  # switched off on purpose
    sides = sorted({t.side for t in method.turns()})
    if term.turn is not None and term.turn not in sides:
        raise BuildError(("losses", name, "turn"), f"no turn is called '{term.turn}'; there are {', '.join(sides)}")
    raise BuildError(("losses", name), f"loss '{name}' trains nothing: no network of a turn stands behind its tensors")


def evaluate(
    method: Method,
    direction: str,
    batch: Mapping[str, Tensor],
    names: Iterable[str],
    known: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Compute offered tensors of one direction from a batch, outside of any turn.

    known: tensors of that direction by name, which are not computed. KeyError, of `batch:FIELD`, when one needs a
    picture that the batch lacks.
    """
    resolver = Resolver(method, (), known)
    keys = {name: resolver.resolve(name, direction) for name in names}
    values: dict[str, Any] = {f"batch:{k}": v for k, v in batch.items()}
    values |= {f"net:{k}": n for k, n in method.networks.items()}
    values |= {f"{name}@{direction}": value for name, value in known.items()}
    for node in resolver.nodes.values():
        values[node.key] = node.function(*(values[key] for key in node.arguments))
    return {name: values[key] for name, key in keys.items()}
