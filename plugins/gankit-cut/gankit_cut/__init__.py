"""CUT and FastCUT for gankit. This module is imported whenever gankit lists its parts: it imports no torch."""

from gankit import hookimpl

gankit_api = 1


@hookimpl
def gankit_components(add) -> None:
    add("method", "cut", "gankit_cut.method:CUT", "unpaired, one way: patches keep what they were (CUT, FastCUT)")
    add("loss", "patchnce", "gankit_cut.loss:PatchNCE", "each patch of the output against those of the source")


@hookimpl
def gankit_recipes(add) -> None:
    add("cut", "gankit_cut:recipes/cut.yaml")
    add("demo-cut", "gankit_cut:recipes/demo-cut.yaml")
    add("fastcut", "gankit_cut:recipes/fastcut.yaml")
