"""Files of NVlabs/MUNIT -> the parts of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gankit.interop import munit as networks
from gankit.interop.files import UnfitFile, read
from gankit.interop.keys import State
from gankit.interop.parts import Found, Parts, alike, files_of, missing, take


def munit(paths: Sequence[Path]) -> Parts:
    """gen_XXXXXXXX.pt, with both generators, and dis_XXXXXXXX.pt where it is there. Raises UnfitFile.

    Of several steps in a folder the last is taken.
    """
    generators, critics = _pair(paths, "gen"), _pair(paths, "dis")
    if generators is None:
        raise UnfitFile(f"{', '.join(map(str, paths))}: no file is called as gen_01000000.pt")
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
    parts = Parts("munit", method, weights)
    if critics is None:
        parts.notes.append(missing(["dis_XXXXXXXX.pt"]))
        return parts
    judges = {}
    for key, direction in networks.DIRECTIONS.items():
        judges[key], weights[f"discriminator_{direction}"] = take(critics[key], networks.discriminator)
    alike(judges, critics, *networks.DIRECTIONS)
    method["discriminator"] = judges["a"]
    return parts


def _pair(paths: Sequence[Path], kind: str) -> dict[str, Found] | None:
    """The networks of both domains from the last file of a kind, by `a` and `b`."""
    named = [file for file in files_of(paths) if file.stem.startswith(kind)]
    if not named and kind == "gen" and len(files := files_of(paths)) == 1:
        named = files
    if not named:
        return None
    file = max(named, key=lambda file: file.name)
    states = read(file)
    if list(states) == [""]:  # safetensors are flat: a.enc_content.model.0.conv.weight
        flat = states[""]
        states = {net: {k[2:]: v for k, v in flat.items() if k.startswith(f"{net}.")} for net in networks.DIRECTIONS}
    if not all(states.get(net) for net in networks.DIRECTIONS):
        raise UnfitFile(f"{file}: networks under 'a' and 'b' were expected, as in gen_01000000.pt of MUNIT")
    return {net: (file, states[net]) for net in networks.DIRECTIONS}
