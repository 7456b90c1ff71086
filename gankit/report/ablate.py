"""Grids of trainings: every value of some keys of a recipe, times seeds, each a run of its own."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gankit.core.errors import CheckpointError, GankitError, Problem, RecipeError, dotted
from gankit.core.recipe import Recipe
from gankit.report.differences import LENGTH, differing, in_words, tails
from gankit.report.measured import read_recipe, read_results
from gankit.training.checkpoint import read_index
from gankit.training.run import ROOT, Run

SEED = "train.seed"
OPENING, CLOSING = "[{", "]}"
LOSSLESS = re.compile(r"[A-Za-z0-9._+-]{1,24}")
ONLY_A_TYPE = re.compile(r"\{\s*type:\s*([^\s{}\[\],]+)\s*\}")
LONGEST = 180
"""Of a run's name; file systems allow 255 bytes."""

Check = Callable[[Recipe], object]
"""Builds what a recipe describes, and raises RecipeError where that cannot be done."""


@dataclass(frozen=True)
class Axis:
    """A key and the values that it takes in turn, as they were written."""

    key: str
    values: Sequence[str]


@dataclass(frozen=True)
class Point:
    """One value for each key. names: short ends of the keys, that tell them apart."""

    settings: Sequence[tuple[str, str]]
    names: Sequence[str]

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, (_, value) in zip(self.names, self.settings, strict=True))

    @property
    def sets(self) -> list[str]:
        return [f"{key}={value}" for key, value in self.settings]


@dataclass(frozen=True)
class Training:
    """One run that is to be: its recipe, where it goes, and the arguments of `gankit train` that make it."""

    path: Path
    recipe: Recipe
    arguments: Sequence[str]

    @property
    def finished(self) -> bool:
        """Whether its last checkpoint is of the last step, and that one was measured."""
        run, train = Run(self.path), self.recipe.train
        try:
            latest = run.latest()
            if latest is None or not run.evaluation.exists():
                return False
            info, rows = read_index(latest), read_results(self.path)
        except CheckpointError:
            return False
        total = train.steps or (train.epochs or 1) * info.get("steps_per_epoch", 1)
        return info["step"] >= total and all(row["protocol"].get("step", info["step"]) == info["step"] for row in rows)


def plan(
    source: str, over: Sequence[str], seeds: int, out: Path | None, sets: Sequence[str], check: Check
) -> list[Training]:
    """All trainings of a grid, checked. source: the recipe, as `gankit train` takes it. over: `KEY=V1,V2`, YAML values.
    out: the folder of the runs; `runs/NAME-ablation` if None. sets: `a.b=c`, of all of them.

    Raises RecipeError with every mistake, each with the points of the grid that have it; also for a run that is there
    and was trained with another recipe.
    """
    points = grid(over, sets)
    recipes = _checked(source, points, sets, check)
    folder = out or ROOT / f"{recipes[0].name}-ablation"
    trainings = [
        _training(source, point, recipe, seed, folder, sets)
        for point, recipe in zip(points, recipes, strict=True)
        for seed in range(seeds)
    ]
    if problems := [problem for training in trainings if (problem := _stranger(training))]:
        raise RecipeError(problems)
    return trainings


def grid(over: Sequence[str], sets: Sequence[str] = ()) -> list[Point]:
    """Every combination of values; the last key's change fastest. Raises RecipeError with every wrong option."""
    problems: list[Problem] = []
    axes: list[Axis] = []
    for option in over:
        try:
            axes.append(axis(option))
        except RecipeError as e:
            problems += e.problems
    keys = [one.key for one in axes]
    problems += [
        _wrong(key, "is given twice: give all values in one --over") for key in set(keys) if keys.count(key) > 1
    ]
    given = [option.partition("=")[0].strip() for option in sets]
    problems += [_wrong(key, "is set by --set, too: leave that out") for key in keys if key in given]
    if SEED in keys or SEED in given:
        problems.append(Problem(f"{SEED} is what --seeds N counts: 0 to N - 1", file="gankit ablate"))
    if problems or not axes:
        raise RecipeError(problems or Problem("give --over KEY=V1,V2", file="gankit ablate"))
    names = list(tails(keys).values())
    return [
        Point(list(zip(keys, values, strict=True)), names)
        for values in itertools.product(*(one.values for one in axes))
    ]


def axis(option: str) -> Axis:
    """`a.b=1,{type: x, y: [1, 2]}` -> the key and its two values. Raises RecipeError."""
    key, equals, text = option.partition("=")
    key, values = key.strip(), [value.strip() for value in split(text)]
    if not equals or not key:
        raise RecipeError(_wrong(option, "should look like `a.b=1,2`"))
    if not all(values):
        raise RecipeError(_wrong(option, "has an empty value; write `null` for none"))
    if twice := [value for value in dict.fromkeys(values) if values.count(value) > 1]:
        raise RecipeError(_wrong(option, f"has the value {twice[0]} twice"))
    return Axis(key, values)


def split(text: str) -> list[str]:
    """The parts between commas that stand in no bracket and in no quotes."""
    parts, depth, quote = [""], 0, ""
    for i, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"" and (i == 0 or text[i - 1] in " ,[{:"):  # elsewhere it is an apostrophe
            quote = sign
        depth += 0 if quote else (sign in OPENING) - (sign in CLOSING)
        if sign == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _wrong(option: str, message: str) -> Problem:
    return Problem(message, file=f"--over {option}")


# -- checks ------------------------------------------------------------------------------------------------------------
def _checked(source: str, points: Sequence[Point], sets: Sequence[str], check: Check) -> list[Recipe]:
    """The recipe of each point. Raises RecipeError with every mistake of all of them."""
    faults: dict[Problem, list[Point]] = defaultdict(list)
    recipes: list[Recipe] = []
    for point in points:
        try:
            recipe = Recipe.load(source, [*sets, *point.sets])
            check(recipe)
            recipes.append(recipe)
        except RecipeError as e:
            for problem in e.problems:
                faults[_of_over(problem, point)].append(point)
        except GankitError as e:
            faults[Problem(str(e))].append(point)
    if faults:
        raise RecipeError([_at(problem, where, len(points)) for problem, where in faults.items()])
    for (one, ours), (other, theirs) in itertools.combinations(zip(points, recipes, strict=True), 2):
        if next(differing([ours.filled(), theirs.filled()]), None) is None:
            raise RecipeError(Problem(f"{one} and {other} train the same: leave one of them out", file="--over"))
    return recipes


def _of_over(problem: Problem, point: Point) -> Problem:
    """A mistake in a value of the grid, which is applied as --set is, is one of --over."""
    option = problem.source.removeprefix("--set ")
    if problem.file != "--set" or option not in point.sets:
        return problem
    return replace(problem, file="--over", source=f"--over {option}", col=problem.col + 1)


def _at(problem: Problem, points: Sequence[Point], total: int) -> Problem:
    """With the points of the grid that have it, unless all do."""
    if len(points) == total:
        return problem
    more = f" and {len(points) - 3} more" if len(points) > 3 else ""
    return replace(problem, message=f"{problem.message} [at {'; '.join(map(str, points[:3]))}{more}]")


def _stranger(training: Training) -> Problem | None:
    """What is wrong with the run that is there already."""
    if not Run(training.path).recipe.is_file():
        return None
    try:
        theirs = read_recipe(training.path)
    except CheckpointError as e:
        return Problem(str(e))
    differences = differing([training.recipe.filled(), theirs])
    place, (new, old) = next(
        ((place, values) for place, values in differences if place not in LENGTH), ((), (None, None))
    )
    if not place:
        return None
    told = f"was trained with {dotted(place)} {in_words(old)}, and it is {in_words(new)} now"
    return Problem(f"{told}: choose another --out, or move that run away", file=str(training.path))


# -- names -------------------------------------------------------------------------------------------------------------
def _training(source: str, point: Point, recipe: Recipe, seed: int, folder: Path, sets: Sequence[str]) -> Training:
    seeded = Recipe.load(source, [*sets, *point.sets, f"{SEED}={seed}"])
    path = folder / f"{name_of(recipe.name, point)}-seed{seed}"
    changes = [word for one in (*sets, *point.sets, f"{SEED}={seed}") for word in ("--set", one)]
    return Training(path, seeded, ["train", source, *changes, "--out", str(path), "--resume"])


def name_of(name: str, point: Point) -> str:
    """A file name for a point: `tiny-blocks=3-adversarial=lsgan`. No two points of a grid have the same."""
    parts = [f"{slug(key)}={slug(value)}" for key, (_, value) in zip(point.names, point.settings, strict=True)]
    text = "-".join([name, *parts])
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}-{_hash(text)}"


def slug(value: str) -> str:
    """A value as a part of a file name: itself, or what can be kept of it with a hash of all. `{type: x}` is `x`."""
    value = match[1] if (match := ONLY_A_TYPE.fullmatch(value)) else value
    if LOSSLESS.fullmatch(value):
        return value
    return f"{re.sub(r'[^A-Za-z0-9._+]+', '-', value).strip('-')[:24].rstrip('-')}-{_hash(value)}".lstrip("-")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]
