"""`gankit push`: a run onto the Hugging Face Hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gankit.cli.common import Checkpoint
from gankit.core.errors import DataError

if TYPE_CHECKING:
    from gankit.interop.hub import Parcel


def push(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.", show_default=False)],
    repo: Annotated[str, typer.Argument(metavar="USER/NAME", help="The repository.", show_default=False)],
    licence: Annotated[str, typer.Option(help="The licence of the weights, for the model card.")] = "unknown",
    data_licence: Annotated[str, typer.Option(help="The licence of the pictures that it was trained on.")] = "unknown",
    public: Annotated[bool, typer.Option("--public", help="Let everybody see a repository that is new.")] = False,
    message: Annotated[str, typer.Option(help="The message of the commit.")] = "Add a run of gankit",
    yes: Annotated[bool, typer.Option("--yes", help="Push without asking.")] = False,
    checkpoint: Checkpoint = "last",
) -> None:
    """Put a run on the Hugging Face Hub: weights, recipe, figures, pictures and a model card.

    `gankit.load("hf:USER/NAME")` loads it, as do all commands that take a run. What would be pushed is listed first,
    and nothing leaves this machine before you agree. A new repository is private unless --public says otherwise.
    `hf auth login` logs in.
    """
    import gankit
    from gankit.interop.hub import push as send

    def agree(parcel: Parcel) -> bool:
        for name, size in parcel.files.items():
            print(f"{size:>12,}  {name}", file=sys.stderr)
        kind = "private" if parcel.private else "public"
        print(f"to huggingface.co/{parcel.repo}, {kind} where it is new", file=sys.stderr)
        if yes:
            return True
        if not sys.stdin.isatty():
            raise DataError("nothing was pushed: say --yes where nobody can be asked")
        return typer.confirm("Push this?", err=True)

    loaded = gankit.load(run, "cpu", checkpoint)
    address = send(
        loaded, repo, licence=licence, data_licence=data_licence, private=not public, message=message, agree=agree
    )
    print("nothing was pushed" if address is None else address, file=sys.stderr if address is None else sys.stdout)
