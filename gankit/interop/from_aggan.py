"""Variables of AGIT's TensorFlow code -> the parts of a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from gankit.interop import aggan as networks
from gankit.interop.files import Found, Given, UnfitFile
from gankit.interop.from_cyclegan import channels_of
from gankit.interop.keys import Imported, State
from gankit.interop.parts import Parts, alike, missing, take

ANY = re.compile(r"(?P<net>.+?)(?:[_\-.](?P<epoch>\d+))?")
NET = re.compile(r"(?:.*/)?(?P<net>[gd]_[AB](?:_ae)?)/.+")
OF_OPTIMIZER = re.compile(r".*/Adam(?:_\d+)?(?::0)?|(?:.*/)?(?:beta[12]_power|global_step)(?:_\d+)?(?::0)?")
MAKERS = {
    "g_A": ("generator_a2b", networks.generator),
    "g_B": ("generator_b2a", networks.generator),
    "g_A_ae": ("attention_net_a2b", networks.attention),
    "g_B_ae": ("attention_net_b2a", networks.attention),
}
CRITICS = {"d_B": ("discriminator_a2b", networks.discriminator), "d_A": ("discriminator_b2a", networks.discriminator)}
"""Theirs -> ours, and what reads it. A critic of B judges what is made of A."""


def aggan(given: Given) -> Parts:
    """One file of all variables of a checkpoint, by their names in the graph. Raises UnfitFile."""
    states = _states(given)
    fragments: dict[str, dict[str, Any]] = {}
    weights: dict[str, State] = {}
    readers: dict[str, tuple[str, Callable[[State], Imported]]] = MAKERS | CRITICS
    for net, stored in states.items():
        key, reader = readers[net]
        fragments[net], weights[key] = take(stored, reader)
    for pair in (("g_A", "g_B"), ("g_A_ae", "g_B_ae"), ("d_A", "d_B")):
        alike(fragments, states, *pair)
    channels_a, channels_b = channels_of(weights["generator_a2b"])
    method = {
        "type": "attention_guided",
        "generator": fragments["g_A"],
        "attention": fragments["g_A_ae"],
        "channels_a": channels_a,
        "channels_b": channels_b,
        "masked_fake": "composed",
        "alternate": True,
    }
    if critic := fragments.get("d_A", fragments.get("d_B")):
        method["discriminator"] = critic
    absent = sorted(CRITICS.keys() - states.keys())
    return Parts("agit", method, weights, [missing(absent)] if absent else [])


def _states(given: Given) -> Mapping[str, Found]:
    files = [path for _, path in given.files(ANY, ANY)]
    if len(files) != 1:
        names = ", ".join(map(str, files)) or f"{given.where}, where none is"
        raise UnfitFile(f"AGIT's networks are expected in one file; given: {names}")
    file, variables = given.lone(files[0])
    states: dict[str, dict[str, Any]] = {}
    for name, value in variables.items():
        if not OF_OPTIMIZER.fullmatch(name) and (match := NET.fullmatch(name)):
            states.setdefault(match["net"], {})[name] = value
    if absent := sorted(MAKERS.keys() - states.keys()):
        shown = ", ".join(list(variables)[:4])
        raise UnfitFile(
            f"{file}: variables of {', '.join(absent)} are missing; AGIT's are called as Model/g_A/c1/Conv/weights, "
            f"and the file has {shown}"
        )
    return {net: (file, state) for net, state in states.items() if net in MAKERS | CRITICS}
