"""Files called as pytorch-CycleGAN-and-pix2pix calls them (CUT and gan-compression do too) -> the parts of a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gankit.interop import gan_compression as compressed
from gankit.interop import junyanz as networks
from gankit.interop.files import Found, Given, UnfitFile
from gankit.interop.keys import Imported, State
from gankit.interop.parts import Parts, alike, missing, take
from gankit.weights.unwrap import last

NETS = "G_A|G_B|D_A|D_B|G|D|F"
NAME = re.compile(rf"(?:(?P<epoch>.+)_)?net_(?P<net>{NETS})")
IN_FILE = re.compile(rf"(?:net_?)?(?P<net>{NETS})")
GENERATOR = re.compile("G.*")
Importer = Callable[[State], Imported]
FIRST = ("stem.conv.weight", "down.0.weight", "convs.0.weight", "first.weight")


def junyanz(given: Given) -> Parts:
    """Networks of pytorch-CycleGAN-and-pix2pix and of CUT. Raises UnfitFile."""
    return _parts(_states(given), networks.generator)


def gan_compression(given: Given) -> Parts:
    """Networks of gan-compression. Raises UnfitFile."""
    return _parts(_states(given), compressed.generator)


def channels_of(weights: State) -> tuple[int, int]:
    """Channels of the pictures that a generator takes and makes."""
    out = weights["head.weight"].shape[0] if "head.weight" in weights else weights["up.0.weight"].shape[1]
    return _inputs(weights), out


def _inputs(weights: State) -> int:
    return next(weights[key].shape[1] for key in FIRST if key in weights)


# -- the files ---------------------------------------------------------------------------------------------------------
def _states(given: Given) -> dict[str, Found]:
    """Weights by their name of the network: G_A, D_A, G, ..."""
    files = given.files(NAME, GENERATOR)
    if not files:
        raise UnfitFile(f"{given.where}: no file in it is called as in latest_net_G_A.pth")
    by_network: dict[str, Found] = {}
    for net, file in files:
        if not net and len(files) > 1:
            raise UnfitFile(
                f"{file}: its name does not tell which network it is; a name such as latest_net_G_A.pth is expected"
            )
        for name, found in _of_file(given, net, file).items():
            if name in by_network:
                raise UnfitFile(f"{file} and {by_network[name][0]} are both the network {name}: give one of them")
            by_network[name] = found
    return by_network


def _of_file(given: Given, net: str, file: Path) -> dict[str, Found]:
    """The network of a file; or those of one that holds several and does not say by its own name which one it is."""
    networks = given.networks(file)
    if "genA2B" in networks:
        raise UnfitFile(f"{file}: these are networks of U-GAT-IT: `gankit import ugatit` takes them")
    nets = {match["net"]: wrapped for name, wrapped in networks.items() if (match := IN_FILE.fullmatch(last(name)))}
    if not net and len(networks) > 1 and len(nets) == len(networks):
        return {name: (file, wrapped.state) for name, wrapped in nets.items()}
    return {net or "G": given.only(file, networks, critic=net.startswith("D"))}


# -- the method --------------------------------------------------------------------------------------------------------
def _parts(states: Mapping[str, Found], generator: Importer) -> Parts:
    heads = states.keys() & {"F"}  # CUT's patch sampler, of use in training alone
    if {"G", "D", "F"} & states.keys() and {"G_A", "G_B", "D_A", "D_B"} & states.keys():
        raise UnfitFile(f"these are networks of two methods: {', '.join(states)}; give those of one")
    states = {net: stored for net, stored in states.items() if net not in heads}
    if {"G_A", "G_B"} <= states.keys():
        return _two_way(states, generator)
    alone = next((net for net in ("G", "G_A", "G_B") if net in states), None)
    if alone is None:
        names = ", ".join([*states, *heads])
        raise UnfitFile(f"a generator is needed (G, or G_A and G_B), but only {names} was given")
    parts = _one_way(states, alone, generator, cut=bool(heads))
    if heads:
        parts.notes.append("F, CUT's patch sampler, not used: only the generator is needed to translate.")
    return parts


def _two_way(states: Mapping[str, Found], generator: Importer) -> Parts:
    fragments: dict[str, dict[str, Any]] = {}
    weights: dict[str, State] = {}
    for net, stored in states.items():
        direction = "a2b" if net.endswith("_A") else "b2a"
        is_generator = net.startswith("G")
        role, importer = ("generator", generator) if is_generator else ("discriminator", networks.discriminator)
        fragments[net], weights[f"{role}_{direction}"] = take(stored, importer)
    alike(fragments, states, "G_A", "G_B")
    alike(fragments, states, "D_A", "D_B")
    channels_a, channels_b = channels_of(weights["generator_a2b"])
    method = {"type": "cyclegan", "generator": fragments["G_A"], "channels_a": channels_a, "channels_b": channels_b}
    if critic := fragments.get("D_A", fragments.get("D_B")):
        method["discriminator"] = critic
    absent = sorted({"D_A", "D_B"} - states.keys())
    notes = [missing(absent)] if absent else []
    notes += _noise(method, *CYCLEGAN)
    return Parts("cyclegan", method, weights, notes)


def _one_way(states: Mapping[str, Found], net: str, generator: Importer, cut: bool) -> Parts:
    """A lone generator, with its critic where it is there: a method with the one direction a2b. cut: it is CUT's."""
    fragment, weights = take(states[net], generator)
    channels_a, channels_b = channels_of(weights)
    method = {"type": "paired", "generator": fragment, "channels_a": channels_a, "channels_b": channels_b}
    parts = Parts("pix2pix", method, {"generator_a2b": weights})
    critic = net.replace("G", "D")
    if critic in states:
        method["discriminator"], judge = take(states[critic], networks.discriminator)
        parts.weights["discriminator_a2b"] = judge
        method["conditional"] = _inputs(judge) == channels_a + channels_b
    else:
        method["conditional"] = net == "G"
        parts.notes.append(missing([critic]))
    of_pix2pix, why = CUT if cut else _origin(net, states, method)
    parts.notes += _noise(method, of_pix2pix, why)
    # a lone ResNet is of CycleGAN, CUT or another unpaired method
    parts.of_base = of_pix2pix and (fragment["type"] == "unet" or critic in states)
    if unused := sorted(states.keys() - {net, critic}):
        parts.notes.append(f"{', '.join(unused)} not used: the generator beside it is missing.")
    if net == "G_B":
        parts.notes.append("The one direction, a2b, translates what was domain B into A.")
    elif net == "G_A":
        parts.notes.append("There is one direction only, a2b: G_B was not given.")
    return parts


# -- what weights do not tell ------------------------------------------------------------------------------------------
STATISTICS, DROPOUT = "batch norms take the statistics of the picture at hand", "dropout stays on"
CYCLEGAN = False, "CycleGAN's have none unless it is asked for"
CUT = False, "CUT's have none unless it is asked for"


def _origin(net: str, states: Mapping[str, Found], method: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether a lone generator is pix2pix's, and a U-Net so trained with dropout, and why, as far as it can be told."""
    if net != "G":
        return CYCLEGAN
    if "D" in states and method["conditional"]:
        return True, "pix2pix's have it, and the critic sees the source too, as pix2pix's"
    if "D" in states:
        return False, f"{CUT[1]}, and the critic sees one picture only, as CUT's"
    if method["generator"].get("norm", {}).get("type") == "batch":
        return True, "pix2pix's have it, and batch norms, as these"
    return False, "CycleGAN's and CUT's have none unless it is asked for, and no batch norms, as these"


def _noise(method: dict[str, Any], dropout: bool, why: str) -> list[str]:
    """Set what weights do not tell of noise, in training and in use; the notes."""
    generator, notes = method["generator"], []
    if generator["type"] == "unet":
        generator["dropout"] = dropout
        other = f"method.generator.dropout={str(not dropout).lower()}"
        how = "with" if dropout else "without"
        notes.append(f"Weights do not tell dropout: taken as {how} ({why}); else --set {other}.")
    batch = generator.get("norm", {}).get("type") == "batch"
    method["noise_at_test"] = batch or bool(generator.get("dropout"))
    if method["noise_at_test"]:
        kept = [words for words, is_there in ((STATISTICS, batch), (DROPOUT, generator.get("dropout"))) if is_there]
        notes.append(f"In use {' and '.join(kept)}, as theirs without --eval; else --set method.noise_at_test=false.")
    return notes
