"""The run directory: all of one training.

recipe.yaml, recipe.json   the recipe with every default filled in
metrics.jsonl              one JSON object a line: step, epoch, time, lr, losses, images_per_second
samples/step_000100.png    grids of test pictures
result.png                 the picture that the training itself made, where it did (gatys)
checkpoints/step_00000100  see gankit.training.checkpoint
tensorboard/               the same curves and samples
evaluation.json            figures, each with its protocol
report.html                all of it to look at
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gankit.core.errors import CheckpointError, GankitError, Problem, RecipeError
from gankit.core.recipe import Recipe
from gankit.evaluation.files import write_whole
from gankit.training import checkpoint

ROOT = Path("runs")
RECIPE = "recipe.json"
MAY_CHANGE = {
    ("about",),
    ("evaluate",),
    ("name",),
    *(("train", key) for key in ("epochs", "steps", "log_every", "sample_every", "save_every", "keep", "samples")),
    *(("train", key) for key in ("workers", "augment", "device", "checkpoint_activations")),
    *(("data", key) for key in ("cache", "cache_folder")),
}
"""What a resumed run may have changed in its recipe: nothing on which the bits of a step depend, but for the length."""


@dataclass(frozen=True)
class Run:
    """One run directory."""

    path: Path

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def result(self) -> Path:
        return self.path / "result.png"

    def sample(self, step: int) -> Path:
        return self.path / "samples" / f"step_{step:06d}.png"

    def latest(self) -> Path | None:
        """The newest checkpoint."""
        return next(reversed(checkpoint.found(self.checkpoints)), None)

    def write(self, name: str, content: str | bytes) -> None:
        write_whole(self.path / name, content)

    def write_recipe(self, recipe: Recipe) -> None:
        filled = recipe.filled()
        text = yaml.safe_dump(filled, sort_keys=False, allow_unicode=True, width=120)
        self.write(RECIPE, json.dumps(filled, indent=1))  # first: by it a resume knows a run
        self.write("recipe.yaml", f"# {recipe.name}, with every default filled in; written by gankit.\n{text}")

    def forget_after(self, step: int) -> None:
        """Drop what was logged and drawn after a step: the run goes on from there and will write it again."""
        for picture in (self.path / "samples").glob("step_*.png"):
            number = picture.stem.removeprefix("step_")
            if number.isdigit() and int(number) > step:
                picture.unlink()
        if self.metrics.is_file():
            kept = [line for line in self.metrics.read_text().splitlines() if _step_of(line) in range(step + 1)]
            write_whole(self.metrics, "".join(f"{line}\n" for line in kept))


def start(recipe: Recipe, out: Path | None = None) -> Run:
    """Make the directory of a new run: `out`, or `runs/NAME`, with -2, -3, ... when that exists; write its recipe.

    Raises RecipeError when `out` is in use already.
    """
    if out is not None:
        if _in_use(out):
            more = ", or go on with that run by --resume" if (out / RECIPE).is_file() else ""
            raise RecipeError(Problem(f"--out {out} exists and is not empty: choose another folder{more}"))
        _make(out)
        path = out
    else:
        path = _new_directory(recipe.name)
    run = Run(path)
    run.write_recipe(recipe)
    return run


def resume(recipe: Recipe, out: Path | None = None) -> Run:
    """The run in `out`, or the newest one of this recipe's name; a new one when there is none yet.

    Raises RecipeError, naming the differences, when it was trained with another recipe.
    """
    path = out or next(_runs_of(recipe.name), None)
    if path is None:
        return start(recipe)
    run = Run(path)
    if not (path / RECIPE).is_file():
        if run.latest() is not None:
            raise CheckpointError(f"{path / RECIPE} is missing, so that run cannot be continued")
        return start(recipe, out)  # killed before it began
    _refuse_differences(recipe, path)
    run.write_recipe(recipe)
    return run


def begun(recipe: Recipe, out: Path | None = None) -> bool:
    """Whether `resume` would go on from a checkpoint."""
    path = out or next(_runs_of(recipe.name), None)
    return path is not None and Run(path).latest() is not None


def _refuse_differences(recipe: Recipe, path: Path) -> None:
    try:
        old = json.loads((path / RECIPE).read_text())
    except (OSError, ValueError) as e:
        raise CheckpointError(f"{path / RECIPE} cannot be read: {e}") from e
    problems = []
    for place, ours, theirs in differences(recipe.filled(), old):
        text = f"is {_shown(ours)}, but the run in {path} was trained with {_shown(theirs)}"
        problems.append(recipe.locate(place, f"{text}: a resumed run may change its length and its logging only"))
    if problems:
        raise RecipeError(problems)


def differences(ours: Any, theirs: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """(path, our value, their value) wherever two filled recipes differ in what a step depends on."""
    if place in MAY_CHANGE:
        return
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in dict.fromkeys([*ours, *theirs]):
            yield from differences(ours.get(key), theirs.get(key), (*place, key))
    elif ours != theirs:
        yield place, ours, theirs


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _runs_of(name: str) -> Iterator[Path]:
    """Directories of runs of a recipe, newest first."""
    pattern = re.compile(rf"{re.escape(name)}(?:-(\d+))?")
    numbered = [(int(m[1] or 1), p) for p in ROOT.glob("*") if (m := pattern.fullmatch(p.name))]
    yield from (path for _, path in sorted(numbered, reverse=True) if (path / RECIPE).is_file())


def _new_directory(name: str) -> Path:
    for number in itertools.count(1):
        path = ROOT / (name if number == 1 else f"{name}-{number}")
        if not path.exists():
            _make(path)
            return path
    raise AssertionError


def _in_use(out: Path) -> bool:
    """Whether it is there and holds more than what a run leaves that was killed while it wrote its first file."""
    return out.exists() and (not out.is_dir() or any(p.suffix != ".part" for p in out.iterdir()))


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise GankitError(f"{path}: the folder cannot be made: {(e.strerror or str(e)).lower()}") from e


def _step_of(line: str) -> int | None:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return None  # the last line of a killed run
