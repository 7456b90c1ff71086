"""The run directory: all of one training.

recipe.yaml, recipe.json   the recipe with every default filled in
history.json               when, by which command and on what each training was started
data.json                  the files of the training data, with sizes and checksums; where there are any
metrics.jsonl              one JSON object a line: step, epoch, time, lr, losses, images_per_second, watched
samples/step_000100.png    grids of test pictures
result.png                 the picture that the training itself made, where it did (gatys)
checkpoints/step_00000100  see gankit.training.checkpoint
tensorboard/               the same curves and samples, by the callback of that name
evaluation.json            figures, each with its protocol
report.html                all of it to look at
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gankit.core.document import dump
from gankit.core.errors import CheckpointError, Problem, RecipeError
from gankit.core.files import make_folder, read_json, read_whole, reason, remove, sweep, write_whole
from gankit.core.recipe import Recipe
from gankit.training import checkpoint
from gankit.training.lock import LOCK, hold

ROOT = Path("runs")
MAY_CHANGE = {
    ("about",),
    ("evaluate",),
    ("name",),
    ("versions",),
    *(("train", key) for key in ("epochs", "steps", "log_every", "sample_every", "save_every", "keep", "samples")),
    *(("train", key) for key in ("keep_every", "measure", "watch")),
    *(("train", key) for key in ("workers", "place", "device", "checkpoint_activations", "callbacks")),
    *(("data", key) for key in ("cache", "cache_folder")),
}
"""What a resumed run may have changed in its recipe: nothing on which the bits of a step depend, but for the length.
Callbacks that change a training are compared when their states are read."""


REPLACE = "put recipe.json of the run back, or train anew in another --out"


class _Place:
    """A file or folder of a run, by its name there."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, run: Run, owner: type[Run]) -> Path:
        return run.path / self.name


@dataclass(frozen=True)
class Run:
    """One run directory."""

    path: Path

    recipe = _Place("recipe.json")
    recipe_text = _Place("recipe.yaml")
    data = _Place("data.json")
    history = _Place("history.json")
    metrics = _Place("metrics.jsonl")
    checkpoints = _Place("checkpoints")
    samples = _Place("samples")
    result = _Place("result.png")
    evaluation = _Place("evaluation.json")
    evaluation_picture = _Place("evaluation.png")
    report = _Place("report.html")
    tensorboard = _Place("tensorboard")

    @property
    def begun(self) -> bool:
        """Whether the directory is a run's, by what a training leaves first."""
        return any(place.exists() for place in (self.recipe, self.metrics, self.checkpoints))

    def sample(self, step: int) -> Path:
        return self.samples / f"step_{step:06d}.png"

    def grids(self) -> list[Path]:
        """The sample grids, in order of their steps."""
        return sorted(self.samples.glob("*.png"))

    def latest(self) -> Path | None:
        """The newest checkpoint."""
        return next(reversed(checkpoint.found(self.checkpoints)), None)

    def checkpoint(self, which: str) -> Path:
        """That checkpoint: `last`, `best` or another name under which one is kept, or the number of a step.

        Raises CheckpointError that says which there are.
        """
        newest = self.latest()
        if which == "last" and newest is not None:
            return newest
        place = self.checkpoints / (f"step_{int(which):08d}" if checkpoint.is_step(which) else which)
        if which != "last" and place.parent == self.checkpoints and (place / checkpoint.INDEX).is_file():
            return place
        steps = [str(int(path.name.removeprefix("step_"))) for path in checkpoint.found(self.checkpoints)]
        named = [path.parent.name for path in sorted(self.checkpoints.glob(f"[!.]*/{checkpoint.INDEX}"))]
        known = [*(["last"] if steps else []), *(name for name in named if not name.startswith("step_")), *steps]
        hint = "; the callback `best` keeps one" if which == "best" else ""
        raise CheckpointError(f"{self.path} has no checkpoint '{which}'; there are: {', '.join(known) or 'none'}{hint}")

    def measured(self, step: int) -> bool:
        """Whether the log holds what was measured at a step."""
        return any(_step_of(line) == step and '"measured"' in line for line in self._logged())

    def _logged(self) -> list[str]:
        """The lines of the log. Raises CheckpointError when it cannot be read."""
        try:
            return read_whole(self.metrics, None).decode(errors="replace").splitlines() if self.metrics.exists() else []
        except OSError as e:
            raise CheckpointError(f"{self.metrics} cannot be read: {reason(e)}") from e

    def write_recipe(self, recipe: Recipe) -> None:
        filled = recipe.filled()
        text = dump(filled)
        write_whole(self.recipe, json.dumps(filled, indent=1))  # first: by it a resume knows a run
        write_whole(self.recipe_text, f"# {recipe.name}, with every default filled in; written by gankit.\n{text}")

    def forget_after(self, step: int) -> None:
        """Drop what was logged and drawn after a step: the run goes on from there and will write it again. And what a
        killed training has left."""
        checkpoint.clean(self.checkpoints)
        for folder in (self.path, self.samples):
            sweep(folder)
        for picture in self.samples.glob("step_*.png"):
            number = picture.stem.removeprefix("step_")
            if checkpoint.is_step(number) and int(number) > step:
                remove(picture)
        if lines := self._logged():
            kept = [line for line in lines if _step_of(line) in range(step + 1)]
            write_whole(self.metrics, "".join(f"{line}\n" for line in kept))


def start(recipe: Recipe, out: Path | None = None, held: ExitStack | None = None) -> Run:
    """Make the directory of a new run: `out`, or `runs/NAME`, with -2, -3, ... when that exists; write its recipe.

    held: what keeps other trainings out of the directory, until it is closed. Raises RecipeError when `out` is in use
    already.
    """
    if out is not None:
        if _in_use(out):
            more = ", or go on with that run by --resume" if Run(out).recipe.is_file() else ""
            what = "exists and is not empty" if out.is_dir() else "is not a folder"
            raise RecipeError(Problem(f"--out {out} {what}: choose another folder{more}"))
        make_folder(out)
        path = out
    else:
        path = _new_directory(recipe.name)
    run = Run(path)
    if held is not None:
        held.enter_context(hold(path))
    run.write_recipe(recipe)
    return run


def resume(recipe: Recipe, out: Path | None = None, held: ExitStack | None = None) -> Run:
    """The run in `out`, or the newest one of this recipe's name; a new one when there is none yet. held: as in `start`.

    A run with a checkpoint keeps its old recipe for now: whether it can go on shows later. Raises RecipeError,
    naming the differences, when it was trained with another recipe; CheckpointError when another process trains it now.
    """
    path = out or next(_runs_of(recipe.name), None)
    if path is None:
        return start(recipe, held=held)
    run = Run(path)
    if not Run(path).recipe.is_file():
        if run.latest() is not None:
            raise CheckpointError(f"{Run(path).recipe} is missing, so that run cannot be continued")
        return start(recipe, out, held)  # killed before it began
    if held is not None:
        held.enter_context(hold(path))
    _refuse_differences(recipe, path)
    if run.latest() is None:
        run.write_recipe(recipe)
    return run


def begun(recipe: Recipe, out: Path | None = None) -> bool:
    """Whether `resume` would go on from a checkpoint."""
    path = out or next(_runs_of(recipe.name), None)
    return path is not None and Run(path).latest() is not None


def _refuse_differences(recipe: Recipe, path: Path) -> None:
    try:
        old = Recipe.load(read_json(Run(path).recipe, REPLACE), for_use=True).filled()
    except RecipeError as e:
        raise CheckpointError(f"{Run(path).recipe} does not fit the parts that are installed: {e}") from e
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
    yield from (path for _, path in sorted(numbered, reverse=True) if Run(path).recipe.is_file())


def _new_directory(name: str) -> Path:
    for number in itertools.count(1):
        path = ROOT / (name if number == 1 else f"{name}-{number}")
        if not path.exists():
            make_folder(path)
            return path
    raise AssertionError


def _in_use(out: Path) -> bool:
    """Whether it is there and holds more than what a run leaves that was killed while it wrote its first file."""
    return out.exists() and (not out.is_dir() or any(p.suffix != ".part" and p.name != LOCK for p in out.iterdir()))


def _step_of(line: str) -> int | None:
    try:
        step = json.loads(line)["step"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None  # the last line of a killed run
    return step if isinstance(step, int) else None
