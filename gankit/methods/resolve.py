"""From names to the functions that make them: the nodes of a plan.

An argument's name is what a function needs: a network by its role, a picture of the batch, or another tensor. The
`Resolver` follows these names to their ends; `compute` runs them outside of a turn.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from gankit.conditions import takes_of
from gankit.core.errors import BuildError
from gankit.features import Extraction, FeatureLoss, FeatureNet


class Offers(Protocol):
    """What a method says of itself: where names lead."""

    fields: ClassVar[Mapping[str, Mapping[str, str]]]
    networks: nn.ModuleDict

    def tensor_names(self) -> tuple[str, ...]: ...
    def unavailable(self, name: str) -> str | None: ...
    def back(self, direction: str) -> str | None: ...


@dataclass(frozen=True)
class TensorNode:
    """One tensor: `name@direction`, its function, and the keys of what it takes."""

    key: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    frozen: bool  # nothing that the turn trains stands behind it
    constant: bool = False  # nothing at all stands behind it: a style's picture, and its features

    def reads(self, backbone: FeatureNet) -> bool:
        """Whether these are features of that network."""
        return isinstance(self.function, Extraction) and self.function.backbone is backbone


class Conditioned:
    """A network that is given conditions with each call; those of the call itself come first."""

    def __init__(self, network: Any, conditions: Mapping[str, Tensor]) -> None:
        self.network, self.conditions = network, conditions

    def __call__(self, *inputs: Any, **more: Any) -> Any:
        return self.network(*inputs, **{**self.conditions, **more})

    def features(self, *inputs: Any, **more: Any) -> Any:
        return self.network.features(*inputs, **{**self.conditions, **more})

    def heatmaps(self, *inputs: Any, **more: Any) -> Any:
        return self.network.heatmaps(*inputs, **{**self.conditions, **more})

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)


@dataclass(frozen=True)
class Bind:
    """The function of a plan's node: a network with conditions of these names."""

    names: tuple[str, ...]

    def __call__(self, network: Any, *conditions: Tensor) -> Conditioned:
        return Conditioned(network, dict(zip(self.names, conditions, strict=True)))


class Resolver:
    """Resolves names to keys for one turn, collecting the nodes in the order in which they must be computed."""

    def __init__(self, method: Offers, trained: Iterable[str], given: Iterable[str] = ()) -> None:
        self.method = method
        self.trained = {f"net:{key}" for key in trained}
        self.given = frozenset(given)  # names that come from another turn instead of being computed
        self.nodes: dict[str, TensorNode] = {}
        self.behind: dict[str, frozenset[str]] = {}  # key -> the leaves behind it
        self.backbones: list[FeatureNet] = []
        wanted = {f"net:{key}": tuple(takes_of(network)) for key, network in method.networks.items()}
        self.wanted = {key: names for key, names in wanted.items() if names}
        self.conditions: dict[str, str] = {}  # those that come from the batch: name -> field

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
            raise BuildError((), f"the tensors {' -> '.join((*trail, key))} depend on each other")
        if why := self.method.unavailable(name):
            raise Unavailable(name, why)
        function = getattr(self.method, name)
        asked = tuple(inspect.signature(function).parameters)
        keys = self.bound(asked, tuple(self.resolve(p, direction, (*trail, key)) for p in asked), direction)
        self.behind[key] = frozenset().union(*(self.behind[k] for k in keys))
        leaves = self.behind[key]
        self.nodes[key] = TensorNode(key, function, keys, frozen=not leaves & self.trained, constant=not leaves)
        return key

    def bound(self, asked: tuple[str, ...], keys: tuple[str, ...], direction: str) -> tuple[str, ...]:
        """What a function takes, its networks bound to the conditions that they want.

        The conditions are those of the picture that the function is about. A function that asks for a condition itself,
        or for another of its kind (`label`, `target_label`), gives it itself.
        """
        if not self.wanted:
            return keys
        domain = self._domain(keys, direction)
        if domain is None and self.method.back(direction):
            return keys  # no picture is here that would tell whose conditions are meant
        return tuple(self._bind(key, asked, direction, domain) for key in keys)

    def _bind(self, key: str, asked: tuple[str, ...], direction: str, domain: str | None) -> str:
        leaves = self.behind[key]
        if not leaves or not all(leaf.startswith("net:") for leaf in leaves):
            return key  # no network, nor a function made of networks alone, such as a critic
        names = dict.fromkeys(name for leaf in sorted(leaves) for name in self.wanted.get(leaf, ()))
        names = [name for name in names if not any(a == name or a.endswith(f"_{name}") for a in asked)]
        if not names:
            return key
        conditions = [self._condition(name, direction, domain) for name in names]
        name, of = key.removeprefix("net:").rsplit("_" if key.startswith("net:") else "@", 1)
        bound = f"{name}({','.join(c.removeprefix('batch:').partition('@')[0] for c in conditions)})@{of}"
        self.behind[bound] = frozenset().union(leaves, *(self.behind[c] for c in conditions))
        frozen = not self.behind[bound] & self.trained
        self.nodes.setdefault(bound, TensorNode(bound, Bind(tuple(names)), (key, *conditions), frozen))
        return bound

    def _condition(self, name: str, direction: str, domain: str | None) -> str:
        """A tensor of the method, or a field of the batch: in methods of two directions each domain has its own."""
        try:
            return self.resolve(name, direction)
        except Unavailable:
            raise
        except LookupError:
            self.conditions[name] = f"{name}_{domain}" if self.method.back(direction) else name
            return self.leaf(f"batch:{self.conditions[name]}")

    def field(self, name: str, direction: str, keys: Iterable[str]) -> str | None:
        """The field of the batch that holds a condition of the picture behind these keys, or, `back_`, of that which
        the other direction begins with; None where there is none of which it could be."""
        plain, other = name.removeprefix("back_"), self.method.back(direction)
        if plain != name:
            return f"{plain}_{self.method.fields[other]['source']}" if other else None
        domain = self._domain(keys, direction) if other else None
        return name if not other else None if domain is None else f"{name}_{domain}"

    def _domain(self, keys: Iterable[str], direction: str) -> str | None:
        """The field of the pictures that stand behind: the source's, where there are several."""
        fields = set()
        for leaf in frozenset().union(*(self.behind[key] for key in keys)):
            if leaf.startswith("batch:"):
                fields.add(leaf.removeprefix("batch:"))
            elif not leaf.startswith("net:"):
                name, _, of = leaf.partition("@")
                fields.add(self.method.fields[of].get("target" if name == "target" else "source", ""))
        named = [self.method.fields[direction].get(role) for role in ("source", "target")]
        return next((field for field in named if field in fields), None)

    def features(self, key: str, direction: str, loss: FeatureLoss) -> str:
        """The key of the features of a picture: one node for all losses that share a backbone."""
        if loss.backbone not in self.backbones:
            self.backbones.append(loss.backbone)
        number = self.backbones.index(loss.backbone)
        name, _, of = key.removeprefix("batch:").partition("@")
        node_key = f"{name}.features{number or ''}@{of or direction}"
        node_key = next(
            (n.key for n in self.nodes.values() if n.arguments == (key,) and n.reads(loss.backbone)), node_key
        )
        if node_key not in self.nodes:
            self.behind[node_key] = self.behind[key]
            leaves = self.behind[key]
            self.nodes[node_key] = TensorNode(
                node_key, Extraction(loss.backbone), (key,), not leaves & self.trained, not leaves
            )
        self.nodes[node_key].function.add(loss.layers)  # type: ignore[attr-defined]
        return node_key

    def touches(self, keys: Iterable[str]) -> bool:
        """Whether anything that the turn trains stands behind these keys."""
        return any(self.behind[key] & self.trained for key in keys)


class Unavailable(LookupError):
    def __init__(self, name: str, why: str) -> None:
        super().__init__(name)
        self.why = why


def compute(
    method: Offers,
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
