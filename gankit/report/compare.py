"""Runs beside one another: figures by metric and direction, and what differs in their recipes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gankit.core.errors import CheckpointError, dotted
from gankit.evaluation.evaluate import Loaded
from gankit.report.compare_figures import Line, key_of, line_of
from gankit.report.differences import differing
from gankit.report.groups import OF_A_GROUP, Group, grouped
from gankit.report.measured import Measured, read_recipe, read_results, runs_of
from gankit.report.same_pictures import Pictures, look_at
from gankit.report.showcase import measure_run
from gankit.training.run import Run

Load = Callable[[Path], Loaded]
"""`gankit.load`, or what else gives the trained model of a run directory."""


@dataclass(frozen=True)
class Comparison:
    """Groups of runs, beside one another.

    differences: dotted key of the recipes -> the value in each group. pictures: whether the groups were measured on the
    same ones.
    """

    groups: Sequence[Group]
    differences: Mapping[str, Sequence[Any]]
    pictures: Pictures
    lines: Sequence[Line] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: every figure with the interval of each of its runs."""
        labels = [group.label for group in self.groups]
        return {
            "groups": [
                {
                    "label": g.label,
                    "runs": [{"path": str(run.path), "seed": run.seed, "data_seed": run.data_seed} for run in g.runs],
                }
                for g in self.groups
            ],
            "differences": {key: dict(zip(labels, values, strict=True)) for key, values in self.differences.items()},
            "same_pictures": not self.pictures.why,
            "why_not": self.pictures.why or None,
            "same_sources": list(self.pictures.shared),
            "results": [line.as_dict() for line in self.lines],
        }


def compare(paths: Iterable[Path], load: Load) -> Comparison:
    """Compare runs, and every run in folders of runs; measures those that have no evaluation.json.

    Runs whose filled recipes differ only in `train.seed` and `data.seed` (and in what changes no trained network) are
    one group. Groups are compared if they were measured on the same test pictures: with several `data.seed`, all of
    them if each has the pictures of every one. Where only the sources and the truths of a direction are the same, its
    figures are compared, but for those of sets of pictures.
    Raises CheckpointError for what is no run, for fewer than two runs, and for a damaged file of one.
    """
    folders = list({run.resolve(): run for path in paths for run in runs_of(Path(path))}.values())
    if len(folders) < 2:
        there = f"there is only {folders[0]}" if folders else "there is none"
        raise CheckpointError(
            f"a comparison needs at least two runs, and {there}: name another run, or a folder of runs"
        )
    recipes = [(path, read_recipe(path)) for path in folders]  # before anything is measured, which may take long
    known = {path: read_results(path) for path in folders if Run(path).evaluation.exists()}
    known |= {path: _measure(path, load) for path in folders if path not in known}
    runs = [Measured(path, recipe, known[path]) for path, recipe in recipes]
    return _compared(grouped(runs))


def _measure(path: Path, load: Load) -> list[dict[str, Any]]:
    return measure_run(load(path)).as_dict()["results"]


def _compared(groups: Sequence[Group]) -> Comparison:
    differences = _differences(groups)
    pictures = look_at(groups, differences)
    keys = dict.fromkeys(key_of(row) for group in groups for run in group.runs for row in run.results)
    return Comparison(groups, differences, pictures, [line_of(key, groups, pictures) for key in keys])


def _differences(groups: Sequence[Group]) -> dict[str, list[Any]]:
    """The keys in which the recipes of groups differ; of `data.seed` all that a group has."""
    first = [group.runs[0].recipe for group in groups]
    found = {dotted(place): values for place, values in differing(first, free=OF_A_GROUP)}
    seeds = [sorted({run.data_seed for run in group.runs}) for group in groups]
    if any(one != seeds[0] for one in seeds):
        found["data.seed"] = [one[0] if len(one) == 1 else one for one in seeds]
    return found
