"""Files of NVlabs/MUNIT -> the parts of a run."""

from __future__ import annotations

import re
from pathlib import Path

from gankit.interop import munit as networks
from gankit.interop.files import Found, Given, UnfitFile
from gankit.interop.keys import State
from gankit.interop.parts import Parts, alike, missing, take

NAME = re.compile(r"(?P<net>gen|dis)(?:_(?P<epoch>\w+))?")
GENERATOR = re.compile("gen")
UNTOLD = (
    "Weights do not tell padding and activation: taken as reflect and relu, as in MUNIT's configurations; else --set "
    "method.generator.padding=zero (replicate), method.generator.activation=leaky_relu (selu, tanh), "
    "method.discriminator.discriminator.padding=zero."
)


def munit(given: Given) -> Parts:
    """gen_XXXXXXXX.pt, with both generators, and dis_XXXXXXXX.pt where it is there. Raises UnfitFile."""
    files = given.files(NAME, GENERATOR)
    kinds = {net or "gen": path for net, path in files}  # a lone file may have any name
    if "gen" not in kinds:
        raise UnfitFile(f"{given.where}: no file is called as gen_01000000.pt")
    if len(kinds) != len(files):
        raise UnfitFile(f"of generators and of critics one file each is needed; given: {given.where}")
    generators = _pair(given, kinds["gen"])
    critics = _pair(given, kinds["dis"]) if "dis" in kinds else None
    weights: dict[str, State] = {}
    fragments = {}
    for key, direction in networks.DIRECTIONS.items():
        fragments[key], weights[f"generator_{direction}"] = take(generators[key], networks.generator)
    alike(fragments, generators, *networks.DIRECTIONS)
    channels = {
        key: weights[f"generator_{d}"]["content.0.conv.weight"].shape[1] for key, d in networks.DIRECTIONS.items()
    }
    method = {
        "type": "munit",
        "generator": fragments["a"],
        "channels_a": channels["a"],
        "channels_b": channels["b"],
    }
    parts = Parts("munit", method, weights, [UNTOLD])
    if critics is None:
        parts.notes.append(missing(["dis_XXXXXXXX.pt"]))
        return parts
    judges = {}
    for key, direction in networks.DIRECTIONS.items():
        judges[key], weights[f"discriminator_{direction}"] = take(critics[key], networks.discriminator)
    alike(judges, critics, *networks.DIRECTIONS)
    method["discriminator"] = judges["a"]
    return parts


def _pair(given: Given, file: Path) -> dict[str, Found]:
    """The networks of both domains, by `a` and `b`."""
    found = given.named(file, tuple(networks.DIRECTIONS))
    if len(found) != len(networks.DIRECTIONS):
        raise UnfitFile(f"{file}: networks called a and b were expected, but it holds only {', '.join(found)}")
    return found
