"""A plugin with a part of every kind, a recipe and a command: pictures of temperatures, some hours apart."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gankit import hookimpl

gankit_api = 1


@hookimpl
def gankit_components(add) -> None:
    for kind, name, place, line in (
        ("generator", "thermal", "networks:Convolutions", "a few convolutions that know the hours"),
        ("discriminator", "thermal", "networks:Rows", "judges rows and columns"),
        ("attention", "warmest", "networks:Warmest", "looks at what is warm"),
        ("norm", "hourly", "networks:Hourly", "an instance norm whose scale follows the hours"),
        ("backbone", "bands", "networks:Bands", "the picture in bands of detail"),
        ("loss", "thermal_bands", "losses:BandsLoss", "bands of detail, each by a weight that it learns"),
        ("method", "thermal", "method:Thermal", "one generator and a critic, for pictures some hours apart"),
        ("dataset", "thermal", "data:Temperatures", "folders of temperatures, before and after"),
        ("codec", "decikelvin", "data:Decikelvin", "16-bit tenths of a kelvin"),
        ("metric", "kelvin", "data:Kelvin", "the mean error in kelvin"),
        ("optimizer", "lion", "training:Lion", "signs of a mean of gradients (arXiv 2302.06675)"),
        ("schedule", "sawtooth", "training:Sawtooth", "falls and begins again"),
        ("augment", "mirrored", "training:Mirrored", "half of the pictures mirrored"),
        ("callback", "ledger", "training:Ledger", "the losses of each line in a file"),
    ):
        add(kind, name, f"{__name__}.{place}", line)


@hookimpl
def gankit_recipes(add) -> None:
    add("thermal", f"{__name__}:thermal.yaml")


@hookimpl
def gankit_commands(app: typer.Typer) -> None:
    @app.command()
    def thermometer(file: Annotated[Path, typer.Argument(help="A file of temperatures.")]) -> None:
        """Print the mean temperature of a file in kelvin."""
        from pp_thermal.data import Decikelvin

        print(f"{Decikelvin().decode(file).mean():.1f} K")
