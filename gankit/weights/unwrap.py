"""From what a file of weights holds to the weights of a network: what programs wrap them in is taken off."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

State = Mapping[str, Tensor]
"""A network's weights by name."""
DEPTH = 4
"""Mappings within mappings that are looked into."""
ADDED = ("module", "_orig_mod")
"""What DataParallel and averages, and torch.compile, put before the names of weights."""
COUNTER = "n_averaged"
"""What torch's AveragedModel keeps beside the weights."""
NETWORK = re.compile(
    r"(?:net_?)?[GD](?:_?(?:A|B|AB|BA|A2B|B2A))?(?:_ema)?|g_ema|d_ema|gen(?:erator)?s?(?:_\w+)?|dis(?:criminator)?s?(?:_\w+)?"
)
"""Names of networks, as they stand before the names of weights where one mapping holds those of all."""
CRITIC = re.compile(r"(?:net_?)?[Dd](?:_\w+)?|dis(?:c|criminator)?(?:_\w+)?|critic(?:_\w+)?")
OF_OPTIMIZER = re.compile(r".*(?:optim|sched|scaler).*", re.IGNORECASE)


@dataclass(frozen=True)
class Wrapped:
    """The weights of a network, and what they were found under: keys of mappings, and what stood before each name."""

    state: State
    under: str = ""
    prefix: str = ""

    @property
    def note(self) -> str:
        """What was taken off, in words; nothing where nothing was."""
        found = [f"under '{self.under}'"] if self.under else []
        return " ".join(found + ([f"with '{self.prefix}.' before each name"] if self.prefix else []))


def unwrap(content: Mapping[Any, Any], names: Collection[str] = (), key: str | None = None) -> dict[str, Wrapped]:
    """The networks in what a file holds, by their names; one that stands alone may be without.

    Taken off are mappings around the weights, whatever they are called, with what lies beside (epochs, optimizers);
    `module.` and `_orig_mod.` of DataParallel, averages and torch.compile; and a network's name before each name of a
    weight. Where one mapping holds several networks so, they are told apart.

    names: what the networks of the importer may be called, besides the usual. key: of several networks that one: its
    name, or the end of it. KeyError where none is called so; nothing where nothing is a network.
    """
    found: dict[str, Wrapped] = {}
    for under, state in _states(content):
        found |= {".".join(filter(None, (under, name))): w for name, w in _apart(under, state, {*names, key}).items()}
    if key is not None:
        found = {name: w for name, w in found.items() if f".{name}".endswith(f".{key}") or name.startswith(f"{key}.")}
        if not found:
            raise KeyError(key)
    return found


def without_critics(networks: Mapping[str, Wrapped]) -> Mapping[str, Wrapped]:
    """Those that are no critic by their names, where there are any."""
    return {k: v for k, v in networks.items() if not CRITIC.fullmatch(last(k))} or networks


def last(name: str) -> str:
    """The end of a name: `netG` of `state.netG`."""
    return name.rpartition(".")[2]


def bare(state: State) -> dict[str, Tensor]:
    """The weights without what DataParallel, averages, torch.compile and a network's name put before theirs."""
    return _bare(state)[0]


def _bare(state: State) -> tuple[dict[str, Tensor], list[str]]:
    """The same, and what was taken off every name."""
    plain, off = dict(state), []
    while True:
        if len(plain) > 1:
            plain.pop(COUNTER, None)
        firsts = {key.partition(".")[0] for key in plain}
        first = next(iter(firsts)) if len(firsts) == 1 else ""
        if (first not in ADDED and not NETWORK.fullmatch(first)) or any("." not in key for key in plain):
            break
        plain = {key.partition(".")[2]: value for key, value in plain.items()}
        off.append(first)
    within = {".".join(part for part in key.split(".") if part != "_orig_mod"): v for key, v in plain.items()}
    return within, off  # torch.compile of a part of the network


def _apart(under: str, state: State, names: Collection[str | None]) -> dict[str, Wrapped]:
    """The networks of one mapping of names to tensors: one, or several by the first part of their names."""
    plain, off = _bare(state)
    groups: dict[str, dict[str, Tensor]] = {}
    for key, value in plain.items():
        first, _, rest = key.partition(".")
        groups.setdefault(first, {})[rest] = value
    nets = {name: group for name, group in groups.items() if name in names or NETWORK.fullmatch(name)}
    if len(groups) < 2 or not nets or any("" in group for group in nets.values()):
        return {"": Wrapped(plain, under, ".".join(off))}
    apart = {name: _bare(group) for name, group in nets.items()}
    return {name: Wrapped(group, under, ".".join([*off, name, *more])) for name, (group, more) in apart.items()}


def _states(content: Mapping[Any, Any], under: tuple[str, ...] = ()) -> Iterator[tuple[str, State]]:
    """The mappings of names to tensors, wherever they lie; those of optimizers are not looked into."""
    if is_state(content):
        yield ".".join(under), content
    elif len(under) < DEPTH and "param_groups" not in content:
        for key, value in content.items():
            if isinstance(value, Mapping) and not OF_OPTIMIZER.fullmatch(str(key)):
                yield from _states(value, (*under, str(key)))


def is_state(value: Mapping[Any, Any]) -> bool:
    """Whether these are names of tensors, and nothing else."""
    return bool(value) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())
