"""Runs of other projects -> run directories of gankit, which `gankit.load` and `gankit translate` take."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from gankit.codecs.base import counted
from gankit.codecs.image import RGB, Image8
from gankit.core.recipe import Recipe
from gankit.core.sources import SOURCES
from gankit.interop.files import Given, UnfitFile
from gankit.interop.keys import State
from gankit.interop.parts import Parts
from gankit.methods.base import Method
from gankit.training import checkpoint, run
from gankit.training.assemble import build_method
from gankit.training.checkpoint import Checkpoint


def import_run(
    source: str,
    paths: Sequence[Path],
    out: Path,
    sets: Sequence[str] = (),
    *,
    epoch: str | None = None,
    keys: Sequence[str] = (),
) -> tuple[run.Run, list[str]]:
    """Write the run directory `out` from another project's files; returns it and notes in words.

    source: a key of `gankit.core.sources.SOURCES`. paths: files of weights, or the folder that holds them. sets:
    changes of the recipe for what weights do not tell, as `method.generator.padding=replicate`. epoch: of several in a
    folder this one, as `200` or `iter_5000`; else `latest`, else the highest number. keys: of several networks in a
    file the one of this name, as `g_ema`; of one file alone as `latest_net_G.pth=g_ema`.

    A lone generator becomes a method of one direction. Critics that are missing start from fresh weights. Half
    precision is stored as fp32. Optimizers are never in these files, so the run cannot be continued exactly: it can be
    used, and a new training can begin from it (`gankit train RECIPE --from RUN`).

    Raises CheckpointError when a file is not what was expected, RecipeError for `sets`.
    """
    entry = SOURCES[source]
    given = Given(paths, epoch, keys)
    parts: Parts = pkgutil.resolve_name(entry.read)(given)
    given.refuse_unused_keys()
    notes = [*given.notes, *parts.notes]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", out.name).strip("-._") or "imported"
    data = Recipe.load(parts.base, parts.sets).filled() | {"name": name, "method": parts.method, "plugins": {}}
    origin = f"Imported from {entry.about}: {', '.join(path.name for path in given.taken)}."
    notes += _suit(data["data"], parts.method)
    data["about"] = (data["about"] if parts.of_base else {}) | {"notes": " ".join([origin, *notes])}
    recipe = Recipe.load(data, sets)
    method = _method(recipe, parts)
    written = run.start(recipe, out)
    info = {"step": 0, "epoch": 0, "items": None, "steps_per_epoch": None, "recipe": recipe.filled()}
    info["versions"] = recipe.made_with() | {"torch": torch.__version__}
    own = {k: v for k, v in method.state_dict().items() if not k.startswith("networks.")}
    state = {"stepper": {"method": own}}
    checkpoint.save(written.checkpoints, Checkpoint(method.networks.state_dict(), None, state, info))
    return written, notes


def _suit(data: dict[str, Any], method: Mapping[str, Any]) -> list[str]:
    """Let the data set have the channels of the networks, and a codec that has them; the notes."""
    sides = {side: method[key] for side in "ab" if isinstance(method.get(key := f"channels_{side}"), int)}
    for side, channels in sides.items():
        key = f"channels_{side}" if f"channels_{side}" in data else "channels"
        if key in data and channels != RGB:
            data[key] = channels
    fitting = Image8.converts_to
    if "codec" not in data or all(channels in fitting for channels in sides.values()):
        return []
    data["codec"] = {"type": "tiff"}
    if "a" in data:  # two folders, so that each may have its own
        data["codec"], data["codec_b"] = ({"type": "image" if sides.get(s) in fitting else "tiff"} for s in "ab")
    words = " and ".join(counted(channels) for channels in dict.fromkeys(sides.values()) if channels not in fitting)
    return [f"Pictures of {words} are read and written as TIFF; else --set data.codec=npy."]


def _method(recipe: Recipe, parts: Parts) -> Method:
    """The method of the recipe with the weights that were found."""
    torch.manual_seed(recipe.train.seed)  # for networks that were not given
    method = build_method(recipe)
    for key, state in parts.weights.items():
        if why := _misfit(method.networks[key].state_dict(), state):
            raise UnfitFile(f"the weights of {key} do not fit what they were taken for: {why}")
        method.networks[key].load_state_dict(dict(state))
    return method


def _misfit(ours: State, theirs: State) -> str:
    """The first weight that does not fit, and how many more; nothing where all do."""
    faults = [f"{key} is missing" for key in ours.keys() - theirs.keys()]
    faults += [f"nothing is known of {key}" for key in theirs.keys() - ours.keys()]
    faults += [
        f"{key} is {tuple(theirs[key].shape)}, not {tuple(value.shape)}"
        for key, value in ours.items()
        if key in theirs and theirs[key].shape != value.shape
    ]
    more = f", and {len(faults) - 1} more" if faults[1:] else ""
    return f"{min(faults)}{more}" if faults else ""
