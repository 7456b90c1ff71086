"""`gankit evaluate`: measure a run on its test split."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gankit.cli.common import Json, print_json, print_table


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run directory.", show_default=False)],
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first N pictures alone.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures at a time.")] = 16,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...; auto: the GPU where there is one.")] = "auto",
    as_json: Json = False,
) -> None:
    """Measure a run on pictures that it was not trained on.

    Attention IoU, background PSNR and translation error where the data has true masks and counterparts; PSNR and SSIM
    where it has pairs. The results, each with its protocol, are kept in evaluation.json of the run.
    """
    import gankit
    from gankit.evaluation.evaluate import evaluate_run

    found = evaluate_run(gankit.load(run, device=device), batch_size, limit=limit)
    if as_json:
        return print_json(found)
    print_results(found["results"])


def print_results(results: list[dict[str, Any]]) -> None:
    """The figures as a table; what all protocols share stands once, below it."""
    if not results:
        return print("nothing to measure: the data has neither true masks nor counterparts", file=sys.stderr)
    from gankit.evaluation.report import describe, figure, interval, shared_protocol

    shared = shared_protocol(results)
    head = ("metric", "direction", "value", "95 % interval", "protocol")
    rows = ((r["metric"], r["direction"], figure(r), interval(r), describe(r["protocol"], shared)) for r in results)
    print_table([head, *rows])
    print(f"\n{describe(shared)}")
