"""`gankit evaluate`: measure a run on its test split, or a folder of pictures against another."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gankit.cli.common import Checkpoint, Json, print_json, print_table

if TYPE_CHECKING:
    from gankit.api import Model


class Reference(StrEnum):
    target = "target"
    source = "source"
    mean = "mean"


class SplitName(StrEnum):
    train = "train"
    val = "val"
    test = "test"


class Protocol(StrEnum):
    clean = "clean"
    legacy_pytorch = "legacy-pytorch"
    legacy_tf = "legacy-tf"


def complete_metric(incomplete: str) -> list[tuple[str, str]]:
    """Names for the shell, of the last in a list."""
    from gankit.core.catalogue import catalogue

    before, comma, last = incomplete.rpartition(",")
    entries = catalogue().entries("metric")
    return [(f"{before}{comma}{e.name}", e.summary) for e in entries if e.name.startswith(last)]


def evaluate(
    what: Annotated[
        Path, typer.Argument(metavar="RUN|DIR", help="A run directory, or a folder of pictures.", show_default=False)
    ],
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Real pictures to compare with, instead of the run's own test pictures.",
            show_default=False,
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Metrics, separated by commas: kid,fid,psnr. kid-squeezenet and kid-timm:resnet18 use other features. "
            "`gankit list metric` shows all.",
            autocompletion=complete_metric,
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        Protocol | None,
        typer.Option(help="How pictures are resized before their features are computed.", show_default="clean"),
    ] = None,
    reference: Annotated[
        Reference | None,
        typer.Option(
            help="What the outputs are compared with; `mean` is the mean of both figures.", show_default="target"
        ),
    ] = None,
    direction: Annotated[
        str | None, typer.Option(help="Measure this direction only; with --against the first one.", show_default=False)
    ] = None,
    split: Annotated[
        SplitName, typer.Option(help="The split to measure on; only figures of `test` are kept.")
    ] = SplitName.test,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change the data of the run, as data.test_a=more/A. Repeatable."
        ),
    ] = None,
    checkpoint: Checkpoint = "last",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the figures to this JSON file.", show_default=False)
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take no more than the first N pictures.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="How many pictures are computed at a time.")] = 16,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...; auto takes a GPU if there is one.")] = "auto",
    as_json: Json = False,
) -> None:
    """Measure a run on pictures that it was not trained on, or compare a folder of pictures with another.

    What is measured depends on the data. With true masks and counterparts it is attention IoU, background PSNR and
    translation error; with pairs (or two folders of pictures with the same names) PSNR and SSIM; with neither, or with
    --against, KID and FID. The figures of a run and their protocols are kept in its evaluation.json, except those of
    other splits and of data that --set changes. If a metric that you asked for cannot be measured, its row says why,
    and the exit code is 2.
    """
    how = protocol.value if protocol else None
    with_reference = reference.value if reference else None
    from gankit.evaluation import choose

    chosen = None if metrics is None else choose.named(metrics.split(","), how)
    if against is None or _is_run(what):
        from gankit.report.showcase import measure_run

        evaluation = measure_run(
            _with(_load(what, device, checkpoint), sets or []),
            batch_size=batch_size,
            limit=limit,
            metrics=chosen,
            reference=with_reference,
            against=against,
            direction=direction,
            protocol=how,
            split=split.value,
            keep=not sets,
        )
    else:
        from gankit.evaluation.folders import evaluate_folders
        from gankit.training.devices import Devices

        if sets:
            raise typer.BadParameter("two folders have no recipe that could be changed", param_hint="--set")
        if direction:
            raise typer.BadParameter("two folders have no direction", param_hint="--direction")
        place = Devices.choose(device)
        evaluation = evaluate_folders(what, against, chosen, batch_size, place, limit, how, with_reference or "target")
    if as_json:
        print_json(evaluation.as_dict())
    else:
        print_results(evaluation.as_dict()["results"])
    if out:
        from gankit.core.files import write_whole

        write_whole(out, json.dumps(evaluation.as_dict(), indent=2, allow_nan=False) + "\n")
    if metrics is not None and any(row.unavailable for row in evaluation):
        raise typer.Exit(2)


def _with(model: Model, sets: list[str]) -> Model:
    """The run on other data, or measured otherwise, than its recipe says."""
    from gankit.core.recipe import Recipe

    if other := next((s for s in sets if not s.startswith(("data.", "data=", "evaluate."))), None):
        raise typer.BadParameter(
            f"{other}: a run is trained already: only data.* and evaluate.* can be changed", param_hint="--set"
        )
    if sets:
        model.recipe = Recipe.load(model.recipe.filled(), sets, for_use=True)
    return model


def _load(path: Path, device: str, checkpoint: str) -> Model:
    import gankit
    from gankit.core.errors import CheckpointError

    try:
        return gankit.load(path, device, checkpoint)
    except CheckpointError as e:
        if path.is_dir() and not _is_run(path):
            e.args = (f"{e}; to measure a folder of pictures, name another with --against",)
        raise


def _is_run(path: Path) -> bool:
    """Whether a directory is a run's, or a checkpoint's, rather than a folder of pictures."""
    from gankit.training.checkpoint import INDEX
    from gankit.training.run import Run

    return Run(path).begun or (path / INDEX).exists()


def print_results(results: list[dict[str, Any]]) -> None:
    """The figures as a table; below it what all protocols share, what to beware of, and what cannot be had."""
    if not results:
        return print("there is nothing to measure: the data has neither true masks nor counterparts", file=sys.stderr)
    from gankit.core.figures import called
    from gankit.report.page import describe, figure, interval, shared_protocol, trivial

    shared = shared_protocol(results)
    head = ("metric", "direction", "value", "95 % interval", "trivial answers", "protocol")
    rows = [
        (called(r), r["direction"], figure(r), interval(r), trivial(r), describe(r["protocol"], shared))
        for r in results
    ]
    if not any(row["direction"] for row in results):
        head, rows = head[:1] + head[2:], [row[:1] + row[2:] for row in rows]
    print_table([head, *rows])
    if shared:
        print(f"\n{describe(shared)}")
    for kind in ("warning", "unavailable"):
        for note in dict.fromkeys(row[kind] for row in results if kind in row):
            names = ", ".join(dict.fromkeys(called(row) for row in results if row.get(kind) == note))
            print(f"\n{names}{' unavailable' if kind == 'unavailable' else ''}: {note}")
