"""Runs of other projects -> run directories of gankit, which `gankit.load` and `gankit translate` take."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Sequence
from pathlib import Path

import torch

from gankit.core.recipe import Recipe
from gankit.core.sources import SOURCES
from gankit.interop.files import UnfitFile
from gankit.interop.parts import Parts
from gankit.methods.base import Method
from gankit.training import checkpoint, run
from gankit.training.assemble import build_method
from gankit.training.checkpoint import Checkpoint


def import_run(source: str, paths: Sequence[Path], out: Path, sets: Sequence[str] = ()) -> tuple[run.Run, list[str]]:
    """Write the run directory `out` from another project's files; returns it and notes in words.

    source: a key of `gankit.core.sources.SOURCES`. paths: files of weights, or the folder that holds them. sets:
    changes of the recipe for what weights do not tell, as `method.generator.padding=replicate`.

    A lone generator becomes a method of one direction. Critics that are missing start from fresh weights. Half
    precision is stored as fp32. Optimizers are never in these files, so the run cannot be continued exactly: it can be
    used, and a new training can begin from it (`gankit train RECIPE --from RUN`).

    Raises CheckpointError when a file is not what was expected, RecipeError for `sets`.
    """
    entry = SOURCES[source]
    parts: Parts = pkgutil.resolve_name(entry.read)(paths)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", out.name).strip("-._") or "imported"
    data = Recipe.load(parts.base, parts.sets).filled() | {"name": name, "method": parts.method, "plugins": {}}
    origin = f"Imported from {entry.about}: {', '.join(path.name for path in paths)}."
    data["about"] = (data["about"] if parts.of_base else {}) | {"notes": " ".join([origin, *parts.notes])}
    recipe = Recipe.load(data, sets)
    method = _method(recipe, parts)
    written = run.start(recipe, out)
    info = {"step": 0, "epoch": 0, "items": None, "steps_per_epoch": None, "recipe": recipe.filled()}
    info["versions"] = recipe.made_with() | {"torch": torch.__version__}
    own = {k: v for k, v in method.state_dict().items() if not k.startswith("networks.")}
    state = {"stepper": {"method": own}}
    checkpoint.save(written.checkpoints, Checkpoint(method.networks.state_dict(), None, state, info))
    return written, parts.notes


def _method(recipe: Recipe, parts: Parts) -> Method:
    """The method of the recipe with the weights that were found."""
    torch.manual_seed(recipe.train.seed)  # for networks that were not given
    method = build_method(recipe)
    for key, state in parts.weights.items():
        try:
            method.networks[key].load_state_dict(dict(state))
        except RuntimeError as e:
            raise UnfitFile(f"the weights of {key} do not fit what they were taken for: {e}") from e
    return method
