"""`gankit medical`: drawn patients and cells as files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

medical = typer.Typer(help="Draw medical pictures as files, to try everything without patients.", no_args_is_help=True)


class Kind(StrEnum):
    nifti = "nifti"
    dicom = "dicom"


def _new(out: Path) -> Path:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        typer.echo(f"{out} exists already and is not empty; name another folder", err=True)
        raise typer.Exit(2)
    return out


Out = Annotated[Path, typer.Argument(help="A new folder.", show_default=False)]
Seed = Annotated[int, typer.Option(min=0, help="Of the drawing.")]


@medical.command()
def draw_ct(
    out: Out,
    kind: Annotated[Kind, typer.Option(help="Of the files.")] = Kind.nifti,
    patients: Annotated[int, typer.Option(min=1, help="Of each side.")] = 10,
    size: Annotated[int, typer.Option(min=16, max=1024, help="Side of a slice in pixels.")] = 64,
    depth: Annotated[int, typer.Option(min=1, max=1024, help="Slices of a patient.")] = 8,
    noise: Annotated[float, typer.Option(min=0, max=200, help="Its deviation in HU.")] = 6,
    seed: Seed = 0,
) -> None:
    """Draw CT volumes: OUT/A without contrast medium, OUT/B with it, of other patients."""
    from gankit_medical.drawn_files import write_patients

    files = write_patients(_new(out), kind.value, patients, size, depth, seed, noise)
    typer.echo(f"{files} files in {out}: A without contrast medium, B with it")


@medical.command()
def draw_cells(
    out: Out,
    train: Annotated[int, typer.Option(min=1, help="Pairs for training.")] = 200,
    test: Annotated[int, typer.Option(min=1, help="Pairs for the test.")] = 40,
    size: Annotated[int, typer.Option(min=16, max=4096, help="Side in pixels.")] = 64,
    seed: Seed = 0,
) -> None:
    """Draw cells as 16-bit TIFF: OUT/A two channels of transmitted light, OUT/B the three stains of the same cells."""
    from gankit_medical.drawn_files import write_cells

    files = write_cells(_new(out), train, test, size, seed)
    typer.echo(f"{files} files in {out}: A light, B stains")
