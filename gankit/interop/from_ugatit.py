"""Files of znxlwm/UGATIT-pytorch -> the parts of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gankit.interop import ugatit as networks
from gankit.interop.files import Found, Given, UnfitFile
from gankit.interop.from_cyclegan import channels_of
from gankit.interop.keys import State, plain
from gankit.interop.parts import Parts, alike, missing, take

NETS = ("genA2B", "genB2A", "disGA", "disGB", "disLA", "disLB")
NAME = re.compile(r"(?P<net>.+?)(?:_params)?(?:[_\-](?P<epoch>latest|\d+))?")
ANY = re.compile(".*")
DIRECTIONS = {"a2b": ("A", "B"), "b2a": ("B", "A")}


def ugatit(given: Given) -> Parts:
    """One file of all networks. Raises UnfitFile."""
    states = _states(given)
    fragments: dict[str, dict[str, Any]] = {}
    weights: dict[str, State] = {}
    for direction, (source, target) in DIRECTIONS.items():
        net = f"gen{source}2{target}"
        fragments[net], weights[f"generator_{direction}"] = take(states[net], networks.generator)
    alike(fragments, states, "genA2B", "genB2A")
    channels_a, channels_b = channels_of(weights["generator_a2b"])
    fragment = fragments["genA2B"]
    method = {"type": "ugatit", "generator": fragment, "channels_a": channels_a, "channels_b": channels_b}
    parts = Parts("ugatit-light" if fragment["light"] else "ugatit", method, weights)
    if absent := sorted(set(NETS) - states.keys()):
        parts.notes.append(missing(absent))
        return parts
    for direction, (_, target) in DIRECTIONS.items():
        file, state = states[f"disG{target}"]
        local = plain(states[f"disL{target}"][1])
        method["discriminator"], weights[f"discriminator_{direction}"] = take(
            (file, state), lambda state, local=local: networks.discriminator(state, local)
        )
    return parts


def _states(given: Given) -> Mapping[str, Found]:
    files = given.files(NAME, ANY)
    if len(files) != 1:
        names = ", ".join(str(path) for _, path in files) or f"{given.where}, where no such file is"
        raise UnfitFile(f"U-GAT-IT keeps all its networks in one file, as name_params_0100000.pt; given: {names}")
    file = files[0][1]
    found = given.named(file, NETS)
    if not {"genA2B", "genB2A"} <= found.keys():
        raise UnfitFile(f"{file}: genA2B and genB2A are needed, but it holds only {', '.join(found)}")
    return found
