"""`gankit train`: train a recipe."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from gankit.cli.common import RecipeArgument, Sets, print_table
from gankit.cli.evaluate import print_results

PLACES = ("report", "result", "samples", "checkpoints", "metrics", "tensorboard")
"""What a run tells at its end where to find, in this order: attributes of `Run`."""


def train(
    recipe: RecipeArgument,
    sets: Sets = None,
    out: Annotated[
        Path | None, typer.Option(help="The run directory; runs/NAME if not given.", show_default=False)
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="RUN", help="Start from the networks of this run (fine-tuning).", show_default=False
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out, or the newest run of this name.")
    ] = False,
    data_changed: Annotated[
        bool, typer.Option("--data-changed", help="With --resume: continue although the pictures have changed.")
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(help="cpu, cuda, cuda:1 ... or auto, instead of what the recipe says.", show_default=False),
    ] = None,
) -> None:
    """Train a recipe, measure the result and write a report.

    Ctrl-C and SIGTERM finish the step, save, and exit with 130. With --resume a run continues as if it had never
    stopped. With --from RUN a new training starts from the networks of a run, which may be an imported one, with new
    optimizers.
    For several GPUs: torchrun --nproc-per-node 4 -m gankit.cli.main train RECIPE.
    """
    from gankit.core.recipe import Recipe

    if data_changed and not resume:
        raise typer.BadParameter("belongs to --resume", param_hint="--data-changed")
    sets = [*(sets or ()), *([f"train.init_from={json.dumps(source)}"] if source else [])]
    loaded = Recipe.load(recipe, sets)  # before torch is imported: a file that is no recipe is refused at once
    import gankit
    from gankit.evaluation.kept import results
    from gankit.training.run import Run

    run = Run(gankit.train(loaded, out, resume, device=device, data_changed=data_changed).run_dir)
    if int(os.environ.get("RANK", 0)):
        return
    if run.evaluation.is_file():
        print_results(results(run.evaluation))
    places = {name: getattr(run, name) for name in PLACES}
    print_table([(name, str(place)) for name, place in places.items() if place.exists()])
