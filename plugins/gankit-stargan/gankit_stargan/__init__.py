"""StarGAN for gankit. This module is imported whenever gankit lists its parts: it imports no torch."""

from gankit import hookimpl

gankit_api = 1

PARTS = (
    ("method", "stargan", "method:StarGAN", "several domains, one generator: the target is a label"),
    ("generator", "stargan", "generator:StarGANGenerator", "picture and label to picture: StarGAN's"),
    ("discriminator", "stargan", "discriminator:StarGANDiscriminator", "a patch critic with a head that names domains"),
    ("loss", "domain", "loss:DomainClassification", "cross-entropy of the domain that the critic names"),
    ("dataset", "hues", "hues:Hues", "drawn scenes whose objects have one of several hues, with all truths"),
    ("dataset", "labelled", "labelled:Labelled", "a folder of pictures for each domain"),
    ("metric", "domain_error", "metrics:DomainError", "error in objects for each target domain, beside flat answers"),
    ("metric", "domain_share", "metrics:DomainShare", "translations in which the critic sees the target domain"),
    ("metric", "domain_nearest", "metrics:DomainNearest", "translations that are nearest to the target's truth"),
)


@hookimpl
def gankit_components(add) -> None:
    for kind, name, place, summary in PARTS:
        add(kind, name, f"gankit_stargan.{place}", summary)


@hookimpl
def gankit_recipes(add) -> None:
    add("stargan", "gankit_stargan:recipes/stargan.yaml")
    add("stargan-shapes", "gankit_stargan:recipes/stargan-shapes.yaml")
