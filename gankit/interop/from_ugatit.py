"""Files of znxlwm/UGATIT-pytorch -> the parts of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gankit.interop import ugatit as networks
from gankit.interop.files import UnfitFile, read
from gankit.interop.from_cyclegan import channels_of
from gankit.interop.keys import State, plain
from gankit.interop.parts import Found, Parts, alike, files_of, missing, take

NETS = ("genA2B", "genB2A", "disGA", "disGB", "disLA", "disLB")
DIRECTIONS = {"a2b": ("A", "B"), "b2a": ("B", "A")}


def ugatit(paths: Sequence[Path]) -> Parts:
    """One file of all networks. Raises UnfitFile."""
    states = _states(paths)
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


def _states(paths: Sequence[Path]) -> Mapping[str, Found]:
    files = files_of(paths)
    if len(files) != 1:
        names = ", ".join(map(str, files))
        raise UnfitFile(f"U-GAT-IT keeps all its networks in one file, as name_params_0100000.pt; given: {names}")
    states = read(files[0])
    if list(states) == [""]:  # safetensors are flat: genA2B.DownBlock.1.weight
        flat, states = states[""], {}
        for key, value in flat.items():
            net, _, rest = key.removeprefix("state.").partition(".")
            states.setdefault(net, {})[rest] = value  # type: ignore[index]
    known = {net: state for net, state in states.items() if net in NETS}
    if not {"genA2B", "genB2A"} <= known.keys():
        raise UnfitFile(
            f"{files[0]}: networks called {', '.join(NETS)} were expected, but it holds {', '.join(list(states)[:6])}"
        )
    return {net: (files[0], state) for net, state in known.items()}
