"""Runs of other projects -> run directories of gankit, which `gankit.load` and `gankit translate` take."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from gankit import __version__
from gankit.core.errors import CheckpointError
from gankit.core.recipe import Recipe
from gankit.interop import junyanz, junyanz_discriminators, ugatit, ugatit_discriminators
from gankit.interop.files import SUFFIXES, UnfitFile, read
from gankit.interop.keys import Imported, State, plain
from gankit.training import checkpoint, run
from gankit.training.assemble import assemble, make_stepper
from gankit.training.checkpoint import Checkpoint
from gankit.training.devices import Devices

Kind = Literal["junyanz", "ugatit"]
NAME = re.compile(r"(?:(?P<epoch>\w+)_)?net_(?P<net>G_A|G_B|D_A|D_B|G|D)")
UGATIT_NETS = ("genA2B", "genB2A", "disGA", "disGB", "disLA", "disLB")
DIRECTIONS = {"a2b": ("A", "B"), "b2a": ("B", "A")}


@dataclass
class Parts:
    """What was found: a recipe's method, and weights by `role_direction`; `notes` says what was not there."""

    base: str  # the shipped recipe that has the losses and the training of these networks
    method: dict[str, Any]
    weights: dict[str, State] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def import_run(kind: Kind, paths: Sequence[Path], out: Path, sets: Sequence[str] = ()) -> tuple[run.Run, list[str]]:
    """Write the run directory `out` from another project's files; returns it and notes in words.

    kind: `junyanz` (pytorch-CycleGAN-and-pix2pix, and CUT's ResNets) or `ugatit` (UGATIT-pytorch). paths: files of
    weights, or the folder that holds them. sets: changes of the recipe for what weights do not tell, as
    `method.generator.padding=replicate`.

    A lone generator becomes a method of one direction, `paired`. Critics that are missing start from fresh weights.
    Optimizers are never stored in these files, so the run cannot be continued exactly, only used.

    Raises CheckpointError when a file is not what was expected, RecipeError for `sets`.
    """
    states = {"junyanz": _junyanz_states, "ugatit": _ugatit_states}[kind](paths)
    parts = {"junyanz": _junyanz, "ugatit": _ugatit}[kind](states)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", out.name).strip("-._") or "imported"
    data = Recipe.load(parts.base).filled() | {"name": name, "method": parts.method, "plugins": {}}
    data["about"] = data["about"] | {"notes": " ".join([_origin(kind, paths), *parts.notes])}
    recipe = Recipe.load(data, sets)
    torch.manual_seed(recipe.train.seed)  # for networks that were not given
    assembled = assemble(recipe)
    for key, state in parts.weights.items():
        try:
            assembled.method.networks[key].load_state_dict(dict(state))
        except RuntimeError as e:
            raise UnfitFile(f"the weights of {key} do not fit what they were taken for: {e}") from e
    made = run.start(recipe, out)
    stepper = make_stepper(assembled, Devices(torch.device("cpu")))
    info = {"step": 0, "epoch": 0, "items": None, "steps_per_epoch": None, "recipe": recipe.filled()}
    info["versions"] = {"gankit": __version__, "torch": torch.__version__}
    state = {"stepper": stepper.state_dict()}
    checkpoint.save(made.checkpoints, Checkpoint(assembled.method.networks.state_dict(), None, state, info))
    return made, parts.notes


def _origin(kind: Kind, paths: Sequence[Path]) -> str:
    project = {"junyanz": "pytorch-CycleGAN-and-pix2pix", "ugatit": "UGATIT-pytorch"}[kind]
    return f"Imported from {project}: {', '.join(path.name for path in paths)}."


# -- CycleGAN and pix2pix ----------------------------------------------------------------------------------------------
def _junyanz_states(paths: Sequence[Path]) -> dict[str, tuple[Path, State]]:
    """Weights by their name of the network: G_A, D_A, G, ..."""
    files = [file for path in paths for file in (_newest(path) if path.is_dir() else [path])]
    found: dict[str, tuple[Path, State]] = {}
    for file in files:
        match = NAME.fullmatch(file.stem)
        net = match["net"] if match else "G"
        if match is None and len(files) > 1:
            raise UnfitFile(f"{file}: its name does not tell which network it is; expected is latest_net_G_A.pth, say")
        if net in found:
            raise UnfitFile(f"{file} and {found[net][0]} are both the network {net}: give one of them")
        states = read(file)
        if list(states) != [""]:
            raise UnfitFile(f"{file}: one network was expected, not {', '.join(states)}; U-GAT-IT's are of kind ugatit")
        found[net] = file, states[""]
    return found


def _newest(folder: Path) -> list[Path]:
    """The networks of the latest epoch in a folder."""
    named = [(m, p) for p in sorted(folder.iterdir()) if p.suffix in SUFFIXES and (m := NAME.fullmatch(p.stem))]
    if not named:
        raise UnfitFile(f"{folder}: no file in it is called as in latest_net_G_A.pth")

    def age(epoch: str | None) -> float:
        return float(epoch) if epoch and epoch.isdigit() else float("inf")

    latest = max((m["epoch"] for m, _ in named), key=age)
    return [p for m, p in named if m["epoch"] == latest]


def _junyanz(states: Mapping[str, tuple[Path, State]]) -> Parts:
    if {"G", "D"} & states.keys() and {"G_A", "G_B", "D_A", "D_B"} & states.keys():
        raise UnfitFile(f"these are networks of two methods: {', '.join(states)}; give those of one")
    if {"G_A", "G_B"} <= states.keys():
        return _two_way(states)
    alone = next((net for net in ("G", "G_A", "G_B") if net in states), None)
    if alone is None:
        raise UnfitFile(f"a generator is needed (G, or G_A and G_B), but only {', '.join(states)} was given")
    return _one_way(states, alone)


def _two_way(states: Mapping[str, tuple[Path, State]]) -> Parts:
    fragments, weights, notes = {}, {}, []
    for net in states:
        role, importer = _role(net)
        direction = "a2b" if net.endswith("_A") else "b2a"
        fragments[net], weights[f"{role}_{direction}"] = _import(states[net], importer)
    _same(fragments, states, "G_A", "G_B")
    _same(fragments, states, "D_A", "D_B")
    channels_a, channels_b = _channels(weights["generator_a2b"])
    method = {"type": "cyclegan", "generator": fragments["G_A"], "channels_a": channels_a, "channels_b": channels_b}
    critic = fragments.get("D_A", fragments.get("D_B"))
    if critic:
        method["discriminator"] = critic
    missing = sorted({"D_A", "D_B"} - states.keys())
    if missing:
        notes.append(f"{' and '.join(missing)} not given: fresh weights, of no use but to train on.")
    return Parts("cyclegan", method, weights, notes)


def _one_way(states: Mapping[str, tuple[Path, State]], net: str) -> Parts:
    """A lone generator, with its critic where it is there: a method with the one direction a2b."""
    fragment, generator = _import(states[net], junyanz.generator)
    channels_a, channels_b = _channels(generator)
    paired = net == "G"
    method = {"type": "paired", "generator": fragment, "channels_a": channels_a, "channels_b": channels_b}
    # pix2pix keeps dropout, and the picture's own statistics in batch norm, when testing; CycleGAN has no noise
    method["noise_at_test"] = fragment["type"] == "unet"
    weights: dict[str, State] = {"generator_a2b": generator}
    notes: list[str] = []
    critic = "D" if paired else net.replace("G", "D")
    if critic in states:
        method["discriminator"], weights["discriminator_a2b"] = _import(
            states[critic], junyanz_discriminators.discriminator
        )
        method["conditional"] = _first(weights["discriminator_a2b"]).shape[1] == channels_a + channels_b
    else:
        method["conditional"] = paired
        notes.append(f"{critic} not given: fresh weights, of no use but to train on.")
    unused = sorted(states.keys() - {net, critic})
    if unused:
        notes.append(f"{', '.join(unused)} not used: the generator beside it is missing.")
    if net == "G_B":
        notes.append("The one direction, a2b, translates what was domain B into A.")
    elif net == "G_A":
        notes.append("One direction only, a2b: G_B was not given.")
    return Parts("pix2pix", method, weights, notes)


def _role(net: str) -> tuple[str, Callable[[State], Imported]]:
    if net.startswith("G"):
        return "generator", junyanz.generator
    return "discriminator", junyanz_discriminators.discriminator


def _import(found: tuple[Path, State], importer: Callable[[State], Imported]) -> Imported:
    path, state = found
    try:
        return importer(plain(state))
    except (CheckpointError, ValueError) as e:
        raise UnfitFile(f"{path}: {e}") from e


def _same(fragments: Mapping[str, dict[str, Any]], states: Mapping[str, tuple[Path, State]], *nets: str) -> None:
    found = [net for net in nets if net in fragments]
    if len(found) == 2 and fragments[found[0]] != fragments[found[1]]:
        one, other = (f"{states[net][0]} is {fragments[net]}" for net in found)
        raise UnfitFile(f"the networks of both directions must be built alike, but {one} and {other}")


def _first(weights: State) -> torch.Tensor:
    return next(
        weights[key]
        for key in ("stem.conv.weight", "down.0.weight", "convs.0.weight", "first.weight")
        if key in weights
    )


def _channels(weights: State) -> tuple[int, int]:
    """Channels of the pictures that a generator takes and makes."""
    out = weights["head.weight"].shape[0] if "head.weight" in weights else weights["up.0.weight"].shape[1]
    return _first(weights).shape[1], out


# -- U-GAT-IT ----------------------------------------------------------------------------------------------------------
def _ugatit_states(paths: Sequence[Path]) -> dict[str, tuple[Path, State]]:
    files = [
        file
        for path in paths
        for file in (sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else [path])
    ]
    if len(files) != 1:
        given = ", ".join(map(str, files)) or "none"
        raise UnfitFile(f"U-GAT-IT keeps all its networks in one file, as name_params_0100000.pt; given: {given}")
    states = read(files[0])
    if list(states) == [""]:  # safetensors are flat: genA2B.DownBlock.1.weight
        flat, states = states[""], {}
        for key, value in flat.items():
            net, _, rest = key.removeprefix("state.").partition(".")
            states.setdefault(net, {})[rest] = value  # type: ignore[index]
    known = {net: state for net, state in states.items() if net in UGATIT_NETS}
    if not {"genA2B", "genB2A"} <= known.keys():
        raise UnfitFile(
            f"{files[0]}: networks called {', '.join(UGATIT_NETS)} were expected, "
            f"but it holds {', '.join(list(states)[:6])}"
        )
    return {net: (files[0], state) for net, state in known.items()}


def _ugatit(states: Mapping[str, tuple[Path, State]]) -> Parts:
    fragments, weights = {}, {}
    for direction, (source, target) in DIRECTIONS.items():
        net = f"gen{source}2{target}"
        fragments[net], weights[f"generator_{direction}"] = _import(states[net], ugatit.generator)
    _same(fragments, states, "genA2B", "genB2A")
    channels_a, channels_b = _channels(weights["generator_a2b"])
    fragment = fragments["genA2B"]
    method = {"type": "ugatit", "generator": fragment, "channels_a": channels_a, "channels_b": channels_b}
    notes = []
    missing = sorted(set(UGATIT_NETS) - states.keys())
    if missing:
        notes.append(f"{', '.join(missing)} not given: fresh weights, of no use but to train on.")
    else:
        for direction, (_, target) in DIRECTIONS.items():
            pair = plain(states[f"disG{target}"][1]), plain(states[f"disL{target}"][1])
            found = states[f"disG{target}"][0], {}
            critic, weights[f"discriminator_{direction}"] = _import(
                found, lambda _, pair=pair: ugatit_discriminators.discriminator(*pair)
            )
            method["discriminator"] = critic
    return Parts("ugatit-light" if fragment["light"] else "ugatit", method, weights, notes)
