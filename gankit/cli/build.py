"""`gankit build`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gankit.cli.common import Json, RecipeArgument, Sets, print_json, print_table

if TYPE_CHECKING:
    from gankit.core.recipe import Recipe
    from gankit.inspect.check import Played
    from gankit.inspect.summary import Summary, TermSummary


def build(
    recipe: RecipeArgument,
    sets: Sets = None,
    check: Annotated[bool, typer.Option("--check", help="Run one real step of every turn on random noise.")] = False,
    costs: Annotated[
        bool,
        typer.Option(
            "--costs",
            help="Count multiply-adds and list shapes and the memory of the backward pass; takes seconds more.",
        ),
    ] = False,
    graph: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg", help="Draw the plan of every turn, with its costs, into this file."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a recipe and show what it is made of, without training and without reading pictures.

    Sizes and costs are found without computing anything, even for the largest model: --costs runs a step on shapes
    without numbers. The exit code is 2 when the recipe is wrong, and 1 when --check finds that it does not train.
    """
    from gankit.core.recipe import Recipe

    loaded = Recipe.load(recipe, sets or ())  # before torch is imported: a file that is no recipe is refused at once
    from gankit.inspect.recipe import check_recipe, summarize_recipe

    summary = summarize_recipe(loaded, costs or graph is not None)
    if graph is not None:
        from gankit.inspect.graph import draw

        try:
            graph.write_text(draw(summary), encoding="utf-8")
        except OSError as e:
            raise typer.BadParameter(f"{graph} cannot be written: {e.strerror}", param_hint="--graph") from e
    if not as_json:
        _print(loaded, summary)
    played = check_recipe(loaded) if check else []
    if as_json:
        print_json(_as_dict(loaded, summary, played))
    elif played:
        _print_check(played)


def _as_dict(recipe: Recipe, summary: Summary, played: list[Played]) -> dict[str, Any]:
    content = {"recipe": recipe.name, **summary.as_dict()}
    return content | {"check": [{"epoch": step.epoch, "losses": step.losses} for step in played]} if played else content


def _print(recipe: Recipe, summary: Summary) -> None:
    from gankit.inspect.words import shape_in_words

    pictures = ", ".join(f"{field} {shape_in_words(shape[1:])}" for field, shape in summary.pictures.items())
    batch = f"batch of {recipe.train.batch_size}, {pictures}" if pictures else "no pictures in a batch"
    print(f"{recipe.name}: {summary.method}, {batch}")
    _print_networks(summary)
    _print_losses(summary)
    _print_turns(summary)
    _print_memory(recipe, summary)


def _print_networks(summary: Summary) -> None:
    from gankit.inspect.words import count_in_words, shape_in_words

    print("\nnetworks")
    rows = [("", "", "parameters", "multiply-adds", "output")]
    for n in summary.networks:
        output = ", ".join(map(shape_in_words, n.output)) or "not used by any loss"
        rows.append((n.key, n.type, count_in_words(n.parameters), count_in_words(n.multiply_adds or 0), output))
    rows.append(("all", "", count_in_words(sum(n.parameters for n in summary.networks)), "", ""))
    print_table(rows if summary.played else [row[:3] for row in rows], indent=2)


def _print_losses(summary: Summary) -> None:
    print("\nlosses")
    rows: dict[str, list[str]] = {}
    for turn in summary.turns:
        for loss in dict.fromkeys(term.loss for term in turn.terms):
            terms = [term for term in turn.terms if term.loss == loss]
            row = rows.setdefault(loss, [loss, terms[0].type, _weight(terms), ""])
            takes = ", ".join(a if a == t else f"{a} = {t}" for a, t in terms[0].takes.items())
            row[-1] += f"{'; ' if row[-1] else ''}{turn.name}: {takes}"
    print_table(rows.values(), indent=2)


def _weight(terms: list[TermSummary]) -> str:
    weights = {term.direction: term.weight for term in terms}
    if len(set(weights.values())) == 1:
        text = f"{terms[0].weight:g}"
    else:
        text = ", ".join(f"{direction} {weight:g}" for direction, weight in weights.items())
    start, every = terms[0].from_step, terms[0].every
    return f"weight {text}" + (f" from step {start}" if start else "") + (f" every {every} steps" if every > 1 else "")


def _print_turns(summary: Summary) -> None:
    from gankit.inspect.words import bytes_in_words, count_in_words

    print("\nturns, in this order")
    for number, turn in enumerate(summary.turns, 1):
        often = f", every {turn.every} steps" if turn.every > 1 else ""
        costs = ""
        if turn.multiply_adds is not None and turn.saved_bytes is not None:
            costs = f": {count_in_words(turn.multiply_adds)} multiply-adds, {bytes_in_words(turn.saved_bytes)} saved"
        print(f"  {number}. {turn.name}{often}{costs}")
        rows = [("trains", " ".join(turn.trains))]
        if turn.given:
            rows.append(("takes", " ".join(turn.given) + "  (detached, through the pool)"))
        rows.append(("plan", " ".join(tensor.key for tensor in turn.tensors)))
        print_table(rows, indent=5)


def _print_memory(recipe: Recipe, summary: Summary) -> None:
    from gankit.inspect.words import bytes_in_words

    memory = summary.memory
    more = "the kernels' workspace" if summary.played else "what the backward needs (--costs says how much)"
    print(f"\nmemory in training, in float32: {bytes_in_words(memory.total)} and {more}")
    rows = [
        ("weights", memory.weights, ""),
        ("gradients", memory.gradients, ""),
        ("optimizer", memory.optimizer, recipe.train.optimizer.entry.name),
        ("averaged weights", memory.ema, ""),
        ("saved tensors", memory.activations, "of the turn that saves most, each storage once"),
    ]
    print_table([(name, bytes_in_words(size), note) for name, size, note in rows if size], indent=2)


def _print_check(played: list[Played]) -> None:
    for step in played:
        where = f" of the {step.epoch} epoch" if len(played) > 1 else ""
        print(
            f"\none step{where} on random noise: every loss is finite, and every parameter that learns has a gradient"
        )
        print_table([(key, f"{value:.4g}") for key, value in step.losses.items()], indent=2)
