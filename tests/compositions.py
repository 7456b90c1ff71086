"""Random recipes of all that is registered: each should be built and step, or be refused with its place before anything
runs.

    python -m tests.compositions 150

plays the recipes of the seeds 0 to 149 (`150 300`: those of 150 to 299) and lists those that do neither, as JSON that a
recipe can be loaded from.
"""

from __future__ import annotations

import inspect
import json
import random
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin

import torch
from PIL import Image
from torch import Tensor

from gankit.core.catalogue import catalogue
from gankit.core.errors import BuildError, RecipeError
from gankit.core.recipe import Recipe
from gankit.core.registry import Entry
from gankit.core.schema import Slot, build_component, hints_of, parameters_of, slot_in
from gankit.fields import Field
from gankit.inspect.check import check
from gankit.inspect.recipe import batch_of
from gankit.inspect.trial import assemble_on_meta, try_out
from gankit.methods.base import Method
from gankit.methods.plan import Term, plan_turns
from gankit.report.samples import Samples
from gankit.testing.subject import small_arguments
from gankit.training.assemble import assemble
from gankit.training.pictures import prepare

SIDES = (32, 64, 96)
DEEPEST = 3
"""Slots in slots in slots: those below keep their defaults."""
MISFIT = 0.08
"""How often the first is taken, whether it fits or not."""
TRIES = 16
"""How many are drawn for one that fits."""
PICTURES = {"style", "content"}
"""Parameters of methods that are the paths of pictures."""

T = TypeVar("T")


class Sampler:
    """Draws a recipe from a seed: mostly of parts that fit together, by what the library itself says before anything
    is played, and now and then with one that does not."""

    def __init__(self, seed: int, picture: str) -> None:
        self.rng, self.seed, self.picture = random.Random(seed), seed, picture

    def recipe(self) -> dict[str, Any]:
        method = self.fitting(lambda: self.component("method"), method_fits)
        losses = self.losses(method)
        return self.fitting(lambda: self.whole(method, losses), pictures_fit)

    def fitting(self, draw: Callable[[], T], fits: Callable[[T], bool]) -> T:
        """What is drawn: another where it does not fit, but for a few."""
        tries = 1 if self.rng.random() < MISFIT else TRIES
        drawn = draw()
        while (tries := tries - 1) and not fits(drawn):
            drawn = draw()
        return drawn

    def whole(self, method: dict[str, Any], losses: dict[str, Any]) -> dict[str, Any]:
        return {
            "gankit": 1,
            "name": f"drawn-{self.seed}",
            "method": method,
            "losses": losses,
            "data": {"type": "shapes", "size": self.rng.choice(SIDES)},
            "train": {"steps": 1, "batch_size": 2, "pool_size": self.rng.choice((0, 50)), "device": "cpu"},
        }

    def losses(self, method: dict[str, Any]) -> dict[str, Any]:
        """Up to four, each of which mostly fits the method; any for a method that is refused itself."""
        drawn, refused = {}, not method_fits(method)
        for _ in range(self.rng.randint(1, 4)):
            term = self.fitting(lambda: self.term(method["type"]), lambda term: refused or term_fits(method, term))
            drawn[term["type"].rpartition("/")[2]] = term
        return drawn

    def component(self, kind: str, depth: int = 0) -> dict[str, Any]:
        return self.filled(self.rng.choice(catalogue().entries(kind)), depth)

    def filled(self, entry: Entry, depth: int) -> dict[str, Any]:
        """An entry with small arguments, other parts in its slots and, now and then, other choices."""
        arguments = small_arguments(entry)
        hints = hints_of(entry)
        for name, parameter in parameters_of(entry).items():
            slot = slot_in(hints[name])
            if slot is not None and (depth < DEEPEST or parameter.default is parameter.empty):
                self.fill(arguments, name, slot, hints[name], depth)
            elif choices := choices_of(hints[name]):
                if self.rng.random() < 0.3:
                    arguments[name] = self.rng.choice(choices)
            elif name in PICTURES and entry.kind == "method":
                arguments[name] = self.picture
            elif name in ("size", "style_size") and entry.kind == "method":
                arguments[name] = min(SIDES)
        return {"type": entry.qualified, **arguments}

    def fill(self, arguments: dict[str, Any], name: str, slot: Slot, hint: Any, depth: int) -> None:
        if type(None) in get_args(hint) and self.rng.random() < 0.3:
            arguments[name] = None
        elif name not in arguments or self.rng.random() < 0.7:
            arguments[name] = self.component(slot.kind, depth + 1)

    def term(self, method: str) -> dict[str, Any]:
        entry = self.rng.choice(catalogue().entries("loss"))
        term = self.filled(entry, 1)
        if self.rng.random() < 0.1:
            term["on"] = {self.rng.choice(arguments_of(entry)): self.rng.choice(sorted(tensors_of(method)))}
        if self.rng.random() < 0.1:
            term["turn"] = self.rng.choice(("generator", "discriminator"))
        return term


# -- what fits, as far as it can be told of a part by itself -----------------------------------------------------------
def fits(check: Callable[[], Any]) -> bool:
    """Whether nothing is refused. Where something breaks instead, the recipe is kept, for `verdict` to tell."""
    try:
        check()
    except (RecipeError, BuildError):
        return False
    except Exception:
        pass
    return True


def method_fits(method: dict[str, Any]) -> bool:
    return fits(lambda: method_of(json.dumps(method)))


def term_fits(method: dict[str, Any], term: dict[str, Any]) -> bool:
    def plan() -> None:
        loaded = Recipe.load(with_losses(method, {"drawn": term})).losses["drawn"]
        with torch.device("meta"):
            loss = build_component(loaded, ("losses", "drawn"))
        plan_turns(method_of(json.dumps(method)), {"drawn": Term(loss, on=loaded.on, turn=loaded.turn)})

    return fits(plan)


def pictures_fit(recipe: dict[str, Any]) -> bool:
    return fits(lambda: batch_of(assemble_on_meta(Recipe.load(recipe))))


@lru_cache(1)
def method_of(text: str) -> Method:
    """A method without numbers, made with a loss that fits all."""
    recipe = with_losses(json.loads(text), {"total_variation": {"type": "total_variation"}})
    return assemble_on_meta(Recipe.load(recipe)).method


def with_losses(method: dict[str, Any], losses: dict[str, Any]) -> dict[str, Any]:
    train = {"steps": 1, "pool_size": 0}
    return {"gankit": 1, "name": "d", "method": method, "losses": losses, "data": {"type": "shapes"}, "train": train}


def arguments_of(loss: Entry) -> list[str]:
    """What its forward must be given."""
    parameters = inspect.signature(loss.make.forward).parameters.values()
    return [p.name for p in parameters if p.name != "self" and p.default is p.empty]


def tensors_of(method: str) -> set[str]:
    """Names that a loss may ask of a method, as its class says."""
    make = catalogue().find("method", method).make
    fields = next(iter(make.fields.values()))
    return {*make.tensor_names(), *fields, "discriminator", "back_generator"}


def choices_of(hint: Any) -> tuple[Any, ...]:
    """The values of a Literal or a bool."""
    if hint is bool:
        return (False, True)
    return get_args(hint) if get_origin(hint) is Literal else ()


class One:
    """The data set of a batch's first item."""

    fields: ClassVar[dict[str, Field]] = {}

    def __init__(self, batch: Mapping[str, Tensor]) -> None:
        self._item = {name: x[0] for name, x in batch.items()}

    def __len__(self) -> int:
        return 1

    def split(self, name: str) -> One:
        return self

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        return dict(self._item)


def verdict(drawn: dict[str, Any]) -> tuple[str, str]:
    """`steps`, `refused` with its place before anything ran, or `neither`; and the reason."""
    playing = False
    try:
        recipe = Recipe.load(drawn)
        torch.manual_seed(recipe.train.seed)
        parts = assemble(recipe)
        prepare(parts)
        batch = batch_of(parts)
        if idle := try_out(recipe, batch):
            raise recipe.error(*idle)
        playing = True
        check(parts, batch)
        Samples(One(batch.drawn()), 1, seed=0).grid(parts.method)
    except RecipeError as error:
        placed = all(problem.path for problem in error.problems)
        return "refused" if placed and not playing else "neither", str(error)
    except Exception as error:
        return "neither", f"{type(error).__name__}: {error}"
    return "steps", ""


def main(first: int, last: int) -> None:
    """Play the recipes of these seeds."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        Image.new("RGB", (32, 32), "teal").save(picture := str(Path(folder) / "style.png"))
        found = Counter()
        for seed in range(first, last):
            drawn = Sampler(seed, picture).recipe()
            what, why = verdict(drawn)
            found[what] += 1
            if what == "neither":
                print(f"{seed}: {why}\n    {json.dumps(drawn)}", flush=True)
        print(dict(found))


if __name__ == "__main__":
    main(*([0] if len(sys.argv) == 2 else []), *map(int, sys.argv[1:]))
