"""`gankit ablate`: a grid of trainings, compared."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gankit.cli.common import RecipeArgument, Sets
from gankit.cli.compare import Html, show
from gankit.cli.processes import Processes
from gankit.core.errors import GankitError
from gankit.core.files import make_folder

if TYPE_CHECKING:
    from gankit.report.ablate import Training


def ablate(
    recipe: RecipeArgument,
    over: Annotated[
        list[str],
        typer.Option(
            "--over",
            metavar="KEY=V1,V2",
            help="The values of a key, as a recipe has them; several keys give every combination.",
        ),
    ],
    seeds: Annotated[int, typer.Option(min=1, help="Train each recipe N times, with train.seed 0 to N - 1.")] = 3,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder for the runs; runs/NAME-ablation if not given.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at once.")] = 1,
    sets: Sets = None,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the commands that have not run yet, one on each line; train nothing.")
    ] = False,
    html: Html = None,
) -> None:
    """Train a recipe with every value of some keys and several seeds, and compare the runs.

    All recipes are checked first. The same command, repeated, continues what was stopped and trains nothing twice. A
    run that fails does not stop the others; the exit code is then 1. Each run has a log file beside it.
    """
    from gankit.inspect.recipe import summarize_recipe
    from gankit.report.ablate import plan

    trainings = plan(recipe, over, seeds, out, sets or (), lambda checked: summarize_recipe(checked, costs=False))
    left = [training for training in trainings if not training.finished]
    folder, count = trainings[0].path.parent, len(trainings)
    finished = f"{count - len(left)} finished"
    _refuse_misplaced(folder, html)
    _say(f"{count} run{'s' * (count != 1)} in {folder}, each with a log file beside it; {finished}")
    if print_only:
        for training in left:
            print(shlex.join(["gankit", *training.arguments]))
        return
    if html is not None:
        make_folder(html.parent)  # told now, not after the trainings
    failed = _train(left, count, jobs)
    try:
        _compare([training.path for training in trainings if training.path not in failed], html)
    finally:
        for path, why in failed.items():
            _say(f"{path} failed: {why}")
    if failed:
        _say(f"{len(failed)} of {count} runs failed; repeat the command to try them again")
        raise typer.Exit(1)


def _refuse_misplaced(folder: Path, html: Path | None) -> None:
    """Raise GankitError, before anything is trained, where the runs or the page cannot be written."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise GankitError(f"{there} is a file, and the runs need a folder: give another --out")
    if html is not None and html.is_dir():
        raise GankitError(f"{html} is a folder: give --html a file, as {html / 'index.html'}")


def _train(left: Sequence[Training], total: int, jobs: int) -> dict[Path, str]:
    """Train what is left; the runs that failed, and why."""
    paths = {_log(training.path): training.path for training in left}
    failed: dict[Path, str] = {}
    ended = total - len(left)

    def done(log: Path, why: str) -> None:
        nonlocal ended
        ended += 1
        if why:
            failed[paths[log]] = f"{why} (all of it: {log})"
        _say(f"{ended}/{total} {paths[log].name}: {why or 'done'}")

    for folder in {path.parent for path in paths.values()}:
        make_folder(folder)
    try:
        Processes(jobs).run({_log(training.path): training.arguments for training in left}, done)
    except KeyboardInterrupt:
        finished = total - sum(not training.finished for training in left)
        raise KeyboardInterrupt(f"{finished} of {total} runs are finished; the same command continues") from None
    return failed


def _compare(paths: list[Path], html: Path | None) -> None:
    import gankit
    from gankit.report.compare import compare

    if len(paths) < 2:
        return _say("there is nothing to compare yet: fewer than two runs are finished")
    show(compare(paths, gankit.load), html)


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}.log")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
