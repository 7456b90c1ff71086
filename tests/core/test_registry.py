"""Names: bare, qualified, taken, ambiguous, unknown."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import gankit
from gankit.core.builtins import BUILTINS
from gankit.core.errors import ComponentError, GankitError
from gankit.core.listing import details, named
from gankit.core.register import register
from gankit.core.registry import Entry, Registry, UnknownName


@pytest.fixture
def small() -> Registry:
    small = Registry([("norm", "plain", "a:Plain", "one"), ("loss", "plain", "a:Loss", "two")])
    small.add(Entry("norm", "plain", "b:Plain", "", "gankit-b"))
    small.add(Entry("norm", "two", "b:Two", "", "gankit-b"))
    small.add(Entry("norm", "two", "c:Two", "", "gankit-c"))
    return small


def test_a_builtin_keeps_its_bare_name(small: Registry) -> None:
    assert small.find("norm", "plain").target == "a:Plain"
    assert small.find("norm", "gankit/plain").target == "a:Plain"
    assert small.find("norm", "gankit-b/plain").target == "b:Plain"


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("two", "'two' is the name of 'gankit-b/two' and 'gankit-c/two': write the one that you mean in full"),
        ("plian", "no norm is called 'plian'; did you mean 'plain'?"),
        ("zzz", "no norm is called 'zzz'; there are: plain, two"),
        ("gankit-d/plain", "no plugin gankit-d is installed; try `pip install gankit-d`"),
        ("gankit-b/plian", "did you mean 'plain'?"),
    ],
)
def test_unknown_names(small: Registry, ref: str, message: str) -> None:
    with pytest.raises(UnknownName) as caught:
        small.find("norm", ref)
    assert message in str(caught.value)


def test_an_unknown_name_may_be_of_an_absent_plugin(small: Registry) -> None:
    small.absent["gankit-x"] = "did not load (ImportError: y)"
    with pytest.raises(
        UnknownName, match=r"no norm is called 'gankit-x/n': the plugin gankit-x did not load \(ImportError"
    ):
        small.find("norm", "gankit-x/n")
    with pytest.raises(UnknownName, match=r"perhaps of a plugin that is not here: gankit-x did not load"):
        small.find("norm", "zzz")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (Entry("nrom", "a", "a:A"), "there is no kind 'nrom'"),
        (Entry("norm", "Big", "a:A"), "lower case"),
        (Entry("norm", "a/b", "a:A"), "lower case"),
        (Entry("norm", "a", "a.A"), "should look like 'module:Class'"),
        (Entry("norm", "a", "a:A; import os"), "should look like 'module:Class'"),
        (Entry("norm", "plain", "z:Z"), "gankit gives norm plain twice: a:Plain, z:Z"),
    ],
)
def test_what_cannot_be_added(small: Registry, entry: Entry, message: str) -> None:
    with pytest.raises(ComponentError, match=message):
        small.add(entry)


def test_register_leaves_the_class_as_it_is_and_can_be_repeated() -> None:
    class Mine:
        """One line.

        More.
        """

    assert register("loss", "mine")(Mine) is Mine
    register("loss", "mine")(Mine)
    [entry] = named("mine")
    assert (entry.source, entry.summary, entry.make) == ("local", "One line.", Mine)
    with pytest.raises(ComponentError, match="local gives loss mine twice"):
        register("loss", "mine")(type("Other", (), {}))


def test_register_refuses_what_a_recipe_cannot_describe() -> None:
    def wild(**options: int) -> None: ...

    with pytest.raises(ComponentError, match="variadic"):
        register("loss", "wild")(wild)
    assert not [c for c in gankit.components("loss") if c.name == "wild"]


def test_listing_and_details() -> None:
    assert {c.kind for c in gankit.components()} >= {"generator", "norm", "loss"}
    with pytest.raises(GankitError, match="there is no kind 'norms'; did you mean 'norm'"):
        gankit.components("norms")
    shown = details(named("generator:net")[0])
    by_name = {p.name: p for p in shown.parameters}
    assert shown.arxiv == ("1703.10593",)
    assert (by_name["channels"].type, by_name["channels"].default) == ("a whole number >= 1", 64)
    assert by_name["padding"].type == "'reflect' or 'zero'"
    assert by_name["norm"].type == "a norm"
    assert by_name["norm"].default == {"type": "local/plain", "eps": 1e-5}
    assert by_name["attention"].type == "an attention or null"
    with pytest.raises(GankitError, match="there is no part called 'nett'; did you mean 'net'"):
        named("nett")


@pytest.mark.parametrize("row", BUILTINS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_the_table_of_builtins_is_true(row: tuple[str, str, str, str]) -> None:
    _, _, target, summary = row
    module, _, name = target.partition(":")
    path = Path(gankit.__file__).parents[1] / (module.replace(".", "/") + ".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    assert summary
    assert len(summary) <= 70
