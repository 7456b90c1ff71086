"""`gankit evaluate`: measure a run on its test split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run directory.", show_default=False)],
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first N pictures alone.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures at a time.")] = 16,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...; auto: the GPU where there is one.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Measure a run on pictures that it was not trained on.

    Attention IoU, background PSNR and translation error where the data has true masks and counterparts; PSNR and SSIM
    where it has pairs. The results, each with its protocol, are kept in evaluation.json of the run.
    """
    import gankit
    from gankit.evaluation.evaluate import evaluate_run

    found = evaluate_run(gankit.load(run, device=device), batch_size, limit=limit)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    elif found["results"]:
        _print(found["results"])
    else:
        typer.echo("nothing to measure: the data has neither true masks nor counterparts", err=True)


def _print(results: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from gankit.evaluation.report import describe, figure, interval, shared_protocol

    shared = shared_protocol(results)
    table = Table("metric", "direction", "value", "95 % interval", "protocol")
    for row in results:
        table.add_row(row["metric"], row["direction"], figure(row), interval(row), describe(row["protocol"], shared))
    console = Console()
    console.print(table)
    console.print(describe(shared), markup=False, highlight=False, soft_wrap=True)
