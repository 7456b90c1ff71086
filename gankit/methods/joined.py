"""One call of a network on several pictures, where that equals several calls.

`applies` marks a tensor's function that is a plain call of a network on a picture. `join` finds those of one plan that
call the same network on pictures which are there before the first of them is needed (CycleGAN: translation and identity
of one generator; a critic on real and on fake pictures), and puts one call on the joined batch in their place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gankit.discriminators.spectral import SpectralWeight
from gankit.methods.marks import APPLIES, is_marked, marked
from gankit.methods.resolve import TensorNode

F = TypeVar("F", bound=Callable[..., Any])

KNOWN = ("torch", "gankit")
MIXING = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, SpectralWeight)
"""What depends on the other pictures of a batch, or counts the calls, in training."""
RANDOM = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


def applies(function: F) -> F:
    """Mark a tensor's function `f(network, picture)` that returns `network(picture)`, nothing more."""
    return marked(function, APPLIES)


def repeatable(network: nn.Module) -> bool:
    """Whether a call of it in training leaves nothing behind and sees each picture by itself. Known of the layers of
    torch and gankit alone: what others write may do anything in their forward."""
    return all(
        type(module).__module__.split(".")[0] in KNOWN and not isinstance(module, MIXING)
        for module in network.modules()
    )


def separate(network: nn.Module) -> bool:
    """Whether it makes of a joined batch what it makes of the pictures one by one: `repeatable`, and without chance."""
    return repeatable(network) and not any(isinstance(module, RANDOM) for module in network.modules())


class Joined:
    """The function of a plan's node: a network on several pictures, as one batch where their sizes allow it."""

    def __call__(self, network: nn.Module, *pictures: Tensor) -> tuple[Any, ...]:
        first = pictures[0]
        if any(p.shape[1:] != first.shape[1:] or p.dtype != first.dtype for p in pictures):
            return tuple(network(picture) for picture in pictures)
        return split(network(torch.cat(pictures)), [len(picture) for picture in pictures])


@dataclass(frozen=True)
class Part:
    """The function of a plan's node: what a joined call made of one of its pictures."""

    index: int

    def __call__(self, results: tuple[Any, ...]) -> Any:
        return results[self.index]


def split(result: Any, counts: Sequence[int]) -> tuple[Any, ...]:
    """What a network made of a joined batch -> of each part: tensors, None, and tuples of such, named ones too."""
    if isinstance(result, Tensor):
        return result.split(list(counts))
    if isinstance(result, tuple):
        parts = zip(*(split(field, counts) for field in result), strict=True)
        return tuple(part if type(result) is tuple else type(result)(*part) for part in parts)
    return (result,) * len(counts)


def join(plan: Sequence[TensorNode], networks: Mapping[str, nn.Module]) -> list[TensorNode]:
    """A plan of `TensorNode`s with joined calls in the place of separate ones. networks: those that may be joined, by
    `role_direction`."""
    position = {node.key: i for i, node in enumerate(plan)}
    groups: dict[tuple[int, bool], list[TensorNode]] = defaultdict(list)
    joinable: dict[int, nn.Module] = {}
    for node in plan:
        if not is_marked(node.function, APPLIES):
            continue
        caller, picture = node.arguments
        network = _network(caller, plan, networks)
        if network is None:
            continue
        joinable[id(network)] = network
        group = groups[id(network), node.frozen]
        if not group or position.get(picture, -1) < position[group[0].key]:
            group.append(node)
    replaced: dict[str, list[TensorNode]] = {}
    for (which, _), group in groups.items():
        if len(group) > 1 and separate(joinable[which]):
            replaced |= _in_place_of(group)
    return [new for node in plan for new in replaced.get(node.key, [node])]


def _network(key: str, plan: Sequence[TensorNode], networks: Mapping[str, nn.Module]) -> nn.Module | None:
    """The network behind the first argument of a call: itself, or a critic that is its discriminator, nothing more."""
    if key.startswith("net:"):
        return networks.get(key.removeprefix("net:"))
    node = next((node for node in plan if node.key == key), None)
    if node is None or not node.arguments or not all(name.startswith("net:") for name in node.arguments):
        return None
    behind = [networks.get(name.removeprefix("net:")) for name in node.arguments]
    value = node.function(*behind) if None not in behind else None
    return value if isinstance(value, nn.Module) else None


def _in_place_of(group: Sequence[TensorNode]) -> dict[str, list[TensorNode]]:
    """For each node of a group what stands there instead: the joined call before the first, then its parts."""
    key = "+".join(node.key for node in group)
    pictures = tuple(node.arguments[1] for node in group)
    call = replace(group[0], key=key, function=Joined(), arguments=(group[0].arguments[0], *pictures))
    parts = {node.key: [replace(node, function=Part(i), arguments=(key,))] for i, node in enumerate(group)}
    parts[group[0].key].insert(0, call)
    return parts
