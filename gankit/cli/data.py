"""`gankit data`: fetch pictures, look at them before anything is trained on them, and divide them."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gankit.cli.common import MARKUP, Json, Sets, complete_recipe, print_json, print_table
from gankit.cli.fetch import fetch
from gankit.core.errors import DataError, printable

if TYPE_CHECKING:
    from gankit.core.recipe import Recipe
    from gankit.inspect.data import Inspection

app = typer.Typer(
    no_args_is_help=True,
    help="Fetch public data sets, inspect pictures before training on them, and divide them into splits.",
    add_completion=False,
    rich_markup_mode=MARKUP,
)
app.command()(fetch)


@app.command()
def inspect(
    what: Annotated[
        str,
        typer.Argument(
            metavar="DIR|RECIPE",
            help="A folder of pictures, a run, a YAML file, or the name of a recipe that ships.",
            autocompletion=complete_recipe,
        ),
    ],
    sets: Sets = None,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png|.html", help="Write a contact sheet; an HTML page has all findings too."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Look at no more than the first N files of each folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Describe the pictures of a folder or recipe, and warn of what would spoil a training.

    Every file is read. The output lists sizes, kinds, transparent areas, EXIF rotations, colour profiles, the area of
    masks, broken files, and pictures that are both in training and test. For a recipe, items are shown as a training
    gets them. No file is changed.
    """
    if sheet is not None and sheet.suffix.lower() not in (".png", ".html"):
        raise typer.BadParameter(f"{sheet}: a contact sheet ends in .png or .html", param_hint="--sheet")
    recipe = _recipe(what, sets or [])
    from gankit.inspect import data

    with _Counter() as count:
        found = data.of_folder(Path(what), limit, count) if recipe is None else data.of_recipe(recipe, limit, count)
    if as_json:
        print_json(found.as_dict() | ({"sheet": sheet} if sheet else {}))
    else:
        _print(found)
    if sheet is not None:
        from gankit.inspect.data_page import write

        write(found, sheet)
        if not as_json:
            print(f"\n{sheet}")


@app.command()
def split(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder of pictures, or of two folders A and B.", show_default=False)
    ],
    other: Annotated[
        Path | None,
        typer.Argument(metavar="DIR-B", help="The folder of domain B; DIR is then that of A.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|FILE.csv|FILE.jsonl",
            help="A new folder, or a file that lists the pictures where they are.",
            show_default="DIR-split, or DIR-DIR-B-split, beside DIR",
        ),
    ] = None,
    val: Annotated[float, typer.Option(min=0, max=1, help="The share of the pictures for validation.")] = 0.1,
    test: Annotated[float, typer.Option(min=0, max=1, help="The share of the pictures for the test.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Another seed chooses other pictures.")] = 0,
    group: Annotated[
        str,
        typer.Option(
            metavar="REGEX",
            help="Keep pictures together whose paths below DIR have the same match, such as '^patient[0-9]+', or the "
            "same first group of it.",
            show_default=False,
        ),
    ] = "",
    pairs: Annotated[
        bool, typer.Option("--pairs", help="The folders A and B hold pairs, which have the same name.")
    ] = False,
    links: Annotated[bool, typer.Option("--links", help="Link to the pictures instead of copying them.")] = False,
    as_json: Json = False,
) -> None:
    """Divide pictures at random into train, val and test.

    Pictures whose names differ only in the extension, and copies of one file, stay together. DIR itself is not changed.
    Two domains are divided separately, into trainA, trainB and so on; with --pairs their pairs stay whole. The new
    folder or list is written completely or not at all, and must not exist yet.
    """
    from gankit.data import splitting

    bases = [one.expanduser().absolute() for one in (folder, other) if one is not None]
    joined = "-".join(base.name for base in bases)
    target = bases[0].with_name(f"{joined}-split") if out is None else out.expanduser()
    listed = target.suffix.lower() in splitting.LISTS
    if listed and links:
        raise typer.BadParameter(
            "a list refers to the pictures where they are, and copies none; give a folder with --out to link them",
            param_hint="--links",
        )
    if not listed and (around := next((base for base in bases if target.absolute().is_relative_to(base)), None)):
        raise typer.BadParameter(
            f"{target} lies in {around}, so its pictures would be counted with those of the folder: choose a place "
            "outside of it",
            param_hint="--out",
        )
    divided = splitting.divide(folder, val, test, seed, group, pairs, other)
    if listed:
        splitting.write_list(divided, target, pairs)
    else:
        splitting.write_folders(divided, target, links, pairs)
    counts = {name: Counter(source.side for source in sources) for name, sources in divided.items()}
    if as_json:
        plain = {name: sides[""] if "" in sides else dict(sides) for name, sides in counts.items()}
        return print_json({"out": target, "pictures": plain})
    print_table((name, *(f"{n} {side}".strip() for side, n in sorted(sides.items()))) for name, sides in counts.items())
    print(printable(str(target)))


def _recipe(what: str, sets: list[str]) -> Recipe | None:
    """What is named, as a recipe; None for a folder of pictures."""
    from gankit.core import library
    from gankit.core.recipe import Recipe

    path = Path(what).expanduser()
    if path.is_dir() and (path / "recipe.yaml").is_file():
        return Recipe.load(str(path / "recipe.yaml"), sets)
    if not path.is_dir():
        if not path.exists() and what not in library.shipped():
            raise DataError(f"{what}: there is no such folder or file, and no recipe of that name")
        return Recipe.load(what, sets)
    if sets:
        raise typer.BadParameter("a folder of pictures has no recipe", param_hint="--set")
    return None


def _print(found: Inspection) -> None:
    """Names of files are others' text."""
    from gankit.inspect.data_page import lines, shares

    for part in found.parts:
        print(printable(f"{part.name}: {part.count} picture{'s' * (part.count != 1)}"))
        print_table(((name, printable(text)) for name, text in lines(part)), indent=2)
    if found.splits:
        print("the recipe gets")
        print_table(((name, printable(text)) for name, text in found.splits.items()), indent=2)
    if found.holes:
        print(f"  drawn holes take {shares(found.holes)}")
    if found.reads:
        print(printable(f"a recipe reads it with\n  data: {found.reads}", lines=True))
    print("\nwarnings" if found.warnings else "\nno warnings")
    print_table((("-", printable(warning)) for warning in found.warnings), indent=2)


class _Counter:
    """Says on a terminal how many files were looked at."""

    def __enter__(self) -> _Counter:
        self._shown = sys.stderr.isatty()
        return self

    def __call__(self, part: str, done: int, of: int) -> None:
        if self._shown and done % 20 == 0:
            print(f"\r\033[K{part}: {done} of {of}", end="", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
