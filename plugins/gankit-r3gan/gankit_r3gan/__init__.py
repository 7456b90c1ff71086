"""R3GAN's losses for gankit. This module is imported whenever gankit lists its parts: it imports no torch."""

from gankit import hookimpl

gankit_api = 1


@hookimpl
def gankit_components(add) -> None:
    add("loss", "relativistic", "gankit_r3gan.losses:Relativistic", "R3GAN: each fake against a real picture")
    add("loss", "r1_r2", "gankit_r3gan.losses:R1R2", "zero-centred gradient penalties on real and fake pictures")


@hookimpl
def gankit_recipes(add) -> None:
    add("cyclegan-r3gan", "gankit_r3gan:recipes/cyclegan-r3gan.yaml")
