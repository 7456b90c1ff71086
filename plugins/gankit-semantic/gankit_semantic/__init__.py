"""Semantic consistency for gankit. It is imported whenever gankit lists its parts, without torch."""

from gankit import hookimpl

gankit_api = 1

PARTS = (
    ("loss", "semantic", "loss:Semantic", "a network of the target's labels sees the source's in the translation"),
    ("loss", "semantic_source", "loss:SemanticSource", "the same, where only the source has labels (CyCADA)"),
    ("dataset", "legends", "legends:Legends", "drawn maps by two legends, which only labels tell apart"),
)


@hookimpl
def gankit_components(add) -> None:
    for kind, name, place, summary in PARTS:
        add(kind, name, f"gankit_semantic.{place}", summary)


@hookimpl
def gankit_recipes(add) -> None:
    add("cyclegan-semantic", "gankit_semantic:recipes/cyclegan-semantic.yaml")
    add("demo-semantic", "gankit_semantic:recipes/demo-semantic.yaml")
