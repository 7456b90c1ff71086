"""`gankit weights`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gankit.cli.common import MARKUP, Json, print_json, print_table

app = typer.Typer(
    no_args_is_help=True,
    help="List and add the weights of the frozen networks that losses and metrics use.",
    add_completion=False,
    rich_markup_mode=MARKUP,
)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the files of weights on this machine, and the networks that have none."""
    rows = rows_of()
    if as_json:
        return print_json(rows)
    print_table(
        (row["network"] or "?", row["state"], row["sha256"][:12] or "-", row["file"] if row["where"] else row["about"])
        for row in rows
    )


@app.command()
def add(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .safetensors or a .pth file; it is read without pickle.")
    ],
    name: Annotated[
        str,
        typer.Option(
            "--as", metavar="NAME", help="The network that the weights belong to: vgg16, or a network of timm."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Copy a file into the store, after checking that it holds the weights of that network."""
    from gankit import weights
    from gankit.backbones import fitting

    if not file.is_file():
        raise weights.WeightsError(f"there is no file {file}")
    fitting.check(name, file)
    digest = weights.sha256(file)
    known = weights.identify(digest)
    path = weights.add(file, name)
    if as_json:
        return print_json({"network": name, "file": path, "sha256": digest, "known": known.file if known else None})
    print(f"{path}: {f'known as {known.file}' if known else 'not among the known files'}, SHA-256 {digest}")


def rows_of() -> list[dict[str, Any]]:
    """What is here, as plain data; then, for the networks that have nothing, what to get."""
    from gankit import weights

    rows = [
        {
            "network": network,
            "state": "known" if file.known else "unknown",
            "where": file.where,
            "file": str(file.path),
            "sha256": file.sha256,
            "about": file.known.about if file.known else "",
        }
        for network, file in weights.listing()
    ]
    here = {row["network"] for row in rows}
    absent = dict.fromkeys(known.network for known in weights.KNOWN if known.network not in here)
    for network in absent:
        about = " or ".join(known.about for known in weights.known_of(network))
        rows.append({"network": network, "state": "missing", "where": "", "file": "", "sha256": "", "about": about})
    return rows
