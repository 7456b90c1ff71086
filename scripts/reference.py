"""Writes the parts of docs/ that follow from the code, between `<!-- generated: NAME -->` and `<!-- end -->`.

python scripts/reference.py          rewrites them
python scripts/reference.py --check  exits 1 when a page is not what the code says
"""

from __future__ import annotations

import contextlib
import inspect
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from pydantic import BaseModel

from gankit.cli.main import COMMANDS, app
from gankit.contracts import CONTRACTS, Contract, LossContract
from gankit.contracts.declared import spelled_type
from gankit.core import explain, library, listing
from gankit.core.catalogue import catalogue
from gankit.core.errors import RecipeError
from gankit.core.recipe import Recipe
from gankit.core.registry import BUILTIN, KINDS, Entry
from gankit.core.sections import About, Evaluate, LossTerm, Train
from gankit.fields import Picture
from gankit.methods.base import Method

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"(<!-- generated: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
GENERATORS: dict[str, Callable[[], str]] = {}


def generates(name: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
    def add(function: Callable[[], str]) -> Callable[[], str]:
        GENERATORS[name] = function
        return function

    return add


def rewritten(page: str) -> str:
    """A page with its generated blocks as the code has them now. KeyError for a block that no function generates."""
    return BLOCK.sub(lambda m: f"{m[1]}\n{GENERATORS[m[2]]().strip()}\n\n{m[3]}", page)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    escaped = [[cell.replace("|", r"\|").replace("\n", " ") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *escaped))


def shipped(kind: str) -> list[Entry]:
    """What gankit itself brings: the plugins that happen to be installed here do not count."""
    return [entry for entry in catalogue().entries(kind) if entry.source == BUILTIN]


# -- components.md ---------------------------------------------------------------------------------------------------
@generates("components")
def all_components() -> str:
    return "\n\n".join(part for kind in KINDS for part in _kind(kind))


def _kind(kind: str) -> Iterator[str]:
    entries = shipped(kind)
    if entries:
        yield f"## {kind}"
        yield table(("name", "what"), ((f"[`{e.name}`](#{kind}-{e.name})", e.summary) for e in entries))
    for entry in entries:
        yield _component(listing.details(entry))


def _component(part: listing.Details) -> str:
    papers = "".join(f", [arXiv {paper}](https://arxiv.org/abs/{paper})" for paper in part.arxiv)
    head = f"### {part.kind} {part.name}\n\n`{part.target.replace(':', '.')}`{papers}"
    rows = [(f"`{p.name}`", "(required)" if p.required else _shown(p.default), p.type) for p in part.parameters]
    parameters = table(("parameter", "default", "takes"), rows) if rows else "No parameters."
    return f"{head}\n\n```text\n{part.doc}\n```\n\n{parameters}"


def _shown(value: Any) -> str:
    """A default as a recipe would have it; a part by its name alone when nothing about it is special."""
    if isinstance(value, dict) and "type" in value:
        value = _short(value)
    return f"`{value}`" if isinstance(value, str) and value else f"`{json.dumps(value)}`"


def _short(filled: dict[str, Any]) -> Any:
    """A part with every default filled in -> its name, and what differs from its defaults."""
    given = {k: v for k, v in filled.items() if k != "type"}
    named = [e for kind in KINDS for e in shipped(kind) if e.qualified == filled["type"]]
    for entry in named:  # a name may stand in several kinds
        defaults = {p.name: p.default for p in listing.details(entry).parameters}
        if given.keys() == defaults.keys():
            special = {k: _short(v) if isinstance(v, dict) else v for k, v in given.items() if v != defaults[k]}
            return {"type": entry.name, **special} if special else entry.name
    raise LookupError(filled["type"])


# -- contracts.md ----------------------------------------------------------------------------------------------------
@generates("contracts")
def contracts() -> str:
    return "\n\n".join(_contract(contract) for contract in CONTRACTS.values())


def _contract(contract: type[Contract]) -> str:
    """A kind: what it is, how it is used, what it may declare, an example."""
    used, types = contract.interface, contract.value_types()
    lines = [("made with", used.made_with), ("forward", used.forward), ("result", used.result)]
    rows = [
        (f"`{name}`", f"`{spelled_type(types[name])}`".replace(" | ", " or "), field.shown, field.meaning)
        for name, field in contract.declared().items()
    ]
    attributes = table(("attribute", "type", "default", "meaning"), rows) if rows else "It declares nothing."
    return "\n\n".join(
        (
            f"## {contract.kind}",
            inspect.getdoc(contract) or "",
            "\n".join(f"- {name}: {text}" for name, text in lines),
            attributes,
            *([f"```python\n{used.example.strip()}\n```"] if used.example else []),
        )
    )


# -- recipes.md ------------------------------------------------------------------------------------------------------
@generates("recipe keys")
def recipe_keys() -> str:
    models = [Recipe, About, LossTerm, Train, Evaluate]
    titles = ["recipe", "about", "loss term", "train", "evaluate"]
    return "\n\n".join(f"### {title}\n\n{_keys(model)}" for title, model in zip(titles, models, strict=True))


def _keys(model: type[BaseModel]) -> str:
    rows = []
    for name, field in model.model_fields.items():
        takes = "the name of the part" if name == "type" else _takes(field)
        default = "(required)" if field.is_required() else _default(field.default)
        rows.append((f"`{name}`", default, takes, field.description or ""))
    return table(("key", "default", "takes", ""), rows)


def _takes(field: Any) -> str:
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
        title = field.annotation.model_config.get("title", "")
        return f"a mapping: [{title}](#{title})" if title else "a part"
    hint = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return explain.describe(hint).replace("text of 1 or more items", "text")


def _default(value: Any) -> str:
    if isinstance(value, BaseModel):
        plain = value.model_dump(mode="json", exclude_unset=True)
        return f"`{plain['type']}`" if "type" in plain else "all of its defaults"
    return f"`{json.dumps(value)}`"


WRONG = """\
gankit: 1
method:
  type: cyclegan
  generator: {type: resnet, channels: 0, norm: adalinn}
losses:
  adversarial: lsgan
  area: {type: attention_area, wieght: 2}
data: unpaired
train: {epochs: 100}
"""


@generates("a wrong recipe")
def a_wrong_recipe() -> str:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("my.yaml").write_text(WRONG)
        try:
            Recipe.load("my.yaml")
        except RecipeError as error:
            return f"```text\n{error}\n```"
    raise AssertionError("the wrong recipe is right")


@generates("recipes")
def recipes() -> str:
    rows = []
    for one in library.shipped().values():
        if one.source == BUILTIN:
            about = Recipe.load(one.name).about
            paper = f"[arXiv {about.arxiv}](https://arxiv.org/abs/{about.arxiv})" if about.arxiv else ""
            rows.append((f"[`{one.name}`](../recipes/{one.path.name})", about.title or "", paper))
    return table(("recipe", "what", "paper"), rows)


# -- methods.md ------------------------------------------------------------------------------------------------------
@cache
def built(entry: Entry) -> Method:
    with torch.device("meta"):
        return entry.make()


@generates("methods")
def methods() -> str:
    return "\n\n".join(_method(entry) for entry in shipped("method"))


def _method(entry: Entry) -> str:
    method = built(entry)
    turns = [f"{i}. `{t.name}` trains {_names(t.roles)}" for i, t in enumerate(method.turns(), 1)]
    fields = method.fields[method.directions[0]]
    pictures = {name: isinstance(method.takes.get(field, Picture(3)), Picture) for name, field in fields.items()}
    rows = [(f"`{name}`", f"a {'picture' if one else 'mask'} of the batch", "") for name, one in pictures.items()]
    for name in sorted(method.tensor_names()):
        function = getattr(method, name)
        what = (inspect.getdoc(function) or "").split("\n\n")[0]
        if why := method.unavailable(name):
            what += f" Not with the default parts: {why}."
        rows.append((f"`{name}`", what, _names(_arguments(function))))
    parts = [
        f"### {entry.name}",
        f"Directions {_names(method.directions)}; networks {_names(method.roles)}. One step:",
        "\n".join(turns),
    ]
    if "discriminator" in inspect.signature(entry.make).parameters:
        who = "Critics take" if "discriminator" in method.roles else "Critics, if there are any, take"
        parts.append(f"{who} {_names(method.carried)} from the generators' forward, detached and through the pool.")
    return "\n\n".join((*parts, table(("tensor", "what", "made from"), rows)))


@generates("losses")
def losses() -> str:
    """Which tensors each loss takes, in which turn."""
    rows = []
    for entry in shipped("loss"):
        own, critic = LossContract(entry.make).turn, LossContract(entry.make).discriminator
        forward = _names(_arguments(entry.make.forward, skip=1))
        sides = {"generator": forward if own is None else "", "discriminator": forward if own else ""}
        if critic is not None:
            sides["discriminator"] = _names(_arguments(critic, skip=1))
        rows.append((f"[`{entry.name}`](components.md#loss-{entry.name})", *sides.values()))
    return table(("loss", "takes in the generators' turn", "takes in the critics' turn"), rows)


def _arguments(function: Callable[..., Any], skip: int = 0) -> list[str]:
    """Names of what a function needs; optional ones are not needed."""
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    return [p.name for p in parameters if p.default is p.empty]


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# -- index.md --------------------------------------------------------------------------------------------------------
@generates("commands")
def commands() -> str:
    group: Any = typer.main.get_command(app)
    context = typer.Context(group)
    helps = {name: group.get_command(context, name).get_short_help_str(200) for name in COMMANDS}
    return table(("command", "what it does"), ((f"`gankit {name}`", text) for name, text in helps.items()))


def main() -> int:
    stale = []
    for path in sorted(DOCS.glob("*.md")):
        page = path.read_text(encoding="utf-8")
        if (new := rewritten(page)) != page:
            stale.append(path)
            if "--check" not in sys.argv:
                path.write_text(new, encoding="utf-8")
    for path in stale:
        print(f"{path}: {'is not what the code says' if '--check' in sys.argv else 'rewritten'}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
