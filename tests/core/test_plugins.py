"""Plugins as distributions on the path: good ones work, a broken one costs one line."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from gankit.core import library, plugins
from gankit.core.catalogue import catalogue
from gankit.core.errors import PluginError, RecipeError
from gankit.core.recipe import Recipe
from gankit.core.register import register
from gankit.core.registry import Registry
from tests.core.toys import TOYS, recipe
from tests.installed import Site

GOOD = """
from gankit import hookimpl

@hookimpl
def gankit_components(add):
    add("loss", "spade", "{module}:Loss", "a loss")

class Loss:
    def __init__(self, *, power: int = 1) -> None: ...
"""


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, plugins.Status]]:
    def run() -> dict[str, plugins.Status]:
        for kind, name, make in TOYS:
            register(kind, name)(make)
        return {s.dist: s for s in plugins.statuses() if s.dist.startswith("pp-")}

    return run


Load = Callable[[], dict[str, plugins.Status]]


def test_a_plugin_adds_components_and_a_recipe(install: Site, load: Load) -> None:
    hooks = GOOD + textwrap.dedent(
        """
        @hookimpl
        def gankit_recipes(add):
            add("spade-recipe", "{module}:r.yaml")
        """
    )
    text = "gankit: 1\nmethod: toy\nlosses: {a: spade}\n"
    install("pp-a", hooks, files={"r.yaml": text})
    status = load()["pp-a"]
    assert (status.state, status.version, [c.qualified for c in status.entries]) == ("ok", "1.2", ["pp-a/spade"])
    assert library.shipped()["spade-recipe"].source == "pp-a"
    with pytest.raises(RecipeError) as caught:  # its losses are known; what is missing is said
        Recipe.load("spade-recipe")
    assert {p.path for p in caught.value.problems} == {"data", "train"}
    library.shipped.cache_clear()


BROKEN = {
    "ImportError": ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
    "exit at import": ("raise SystemExit(3)", "SystemExit: 3"),
    "error in a hook": (GOOD.replace("class Loss", "    raise ValueError('no')\nclass Loss"), "ValueError: no"),
    "misspelt hook": (GOOD.replace("gankit_components", "gankit_componets"), "unknown hook 'gankit_componets'"),
    "bad signature": (GOOD.replace("(add)", "(add, more)"), "Argument(s) {'more'} are declared in the hookimpl"),
    "no hook": ("x = 1", "implements no hook: is `@gankit.hookimpl` missing?"),
    "bad kind": (GOOD.replace('"loss"', '"lozz"'), "there is no kind 'lozz'"),
    "bad target": (GOOD.replace(":Loss", ".Loss"), "should look like 'module:Class'"),
    "an object": (GOOD.replace('"{module}:Loss"', "Loss"), "give 'module:Class' as text"),
    "twice": (
        GOOD.replace('"a loss")', '"a loss"); ' * 1 + "add('loss', 'spade', 'm:L', '')", 1),
        "gives loss spade twice",
    ),
    "no such recipe": (
        GOOD + "\n@hookimpl\ndef gankit_recipes(add): add('r', '{module}:none.yaml')",
        "recipe 'r': there is no file",
    ),
    "bad recipe": (GOOD + "\n@hookimpl\ndef gankit_recipes(add): add('r', 'none.yaml')", "should look like 'package:"),
}


@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_costs_one_line(
    install: Site, load: Load, caplog: pytest.LogCaptureFixture, source: str, reason: str
) -> None:
    install("pp-a", GOOD, module="pp_fine_a")
    install("pp-b", "\n" + source, module="pp_broken")
    install("pp-c", GOOD.replace("spade", "other"), module="pp_fine_c")
    with caplog.at_level(logging.WARNING, "gankit"):
        statuses = load()
    assert [statuses[d].state for d in ("pp-a", "pp-b", "pp-c")] == ["ok", "failed", "ok"]
    assert reason in statuses["pp-b"].reason
    assert "Traceback" in statuses["pp-b"].trace
    assert not statuses["pp-b"].entries
    [record] = caplog.records
    assert record.getMessage().startswith("gankit: the plugin pp-b 1.2 did not load: ")
    assert "\n" not in record.getMessage()
    assert not [e for e in catalogue().entries() if e.source == "pp-b"]  # nothing of it is left behind


def test_a_recipe_that_names_a_part_of_a_broken_plugin_says_so(install: Site, load: Load) -> None:
    install("pp-b", "import no_such_module_at_all")
    load()
    with pytest.raises(RecipeError) as caught:
        Recipe.load(recipe(losses={"a": "pp-b/x", "b": "spade"}))
    text = str(caught.value)
    assert "no loss is called 'pp-b/x': the plugin pp-b did not load (ModuleNotFoundError" in text
    assert "no loss is called 'spade'" in text
    assert "perhaps of a plugin that is not here: pp-b did not load" in text


def test_two_plugins_may_share_an_entry_point_but_not_a_bare_name(install: Site, load: Load) -> None:
    install("pp-a", GOOD, entry="same")
    install("pp-b", GOOD, entry="same")
    assert {s.state for s in load().values()} == {"ok"}
    with pytest.raises(RecipeError, match="'spade' is the name of 'pp-a/spade' and 'pp-b/spade': write the one"):
        Recipe.load(recipe(losses={"a": "spade"}))


def test_a_plugin_cannot_pose_as_gankit(install: Site, load: Load) -> None:
    install("pp-a", GOOD.replace("spade", "lsgan"))
    load()
    assert catalogue().find("loss", "lsgan").source == "gankit"
    assert catalogue().find("loss", "pp-a/lsgan").source == "pp-a"
    install("local", GOOD, module="pp_local")
    load()
    assert {s.dist: s.reason for s in plugins.statuses()}["local"] == "another plugin has the name local"


@pytest.mark.parametrize(
    ("value", "loaded"), [("", []), ("pp-a", ["pp-a"]), ("PP_A, pp.b", ["pp-a", "pp-b"]), (None, ["pp-a", "pp-b"])]
)
def test_plugins_are_chosen_by_the_environment(
    install: Site, load: Load, monkeypatch: pytest.MonkeyPatch, value: str | None, loaded: list[str]
) -> None:
    install("pp-a", GOOD)
    install("pp-b", GOOD)
    if value is not None:
        monkeypatch.setenv("GANKIT_PLUGINS", value)
    statuses = load()
    assert [d for d, s in statuses.items() if s.state == "ok"] == loaded
    assert all(s.state in ("ok", "disabled") for s in statuses.values())


def test_one_plugin_can_be_left_out(install: Site, load: Load) -> None:
    install("pp-a", GOOD)
    plugins.disable("pp_a")
    assert load()["pp-a"].state == "disabled"
    with pytest.raises(RecipeError, match="the plugin pp-a is switched off by --no-plugin"):
        Recipe.load(recipe(losses={"a": "pp-a/spade"}))


def test_strict_mode_raises(install: Site, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    install("pp-b", "import no_such_module_at_all")
    monkeypatch.setenv("GANKIT_PLUGINS_STRICT", "1")
    with pytest.raises(PluginError, match=r"plugin pp-b 1.2: ModuleNotFoundError"):
        load()


def test_what_a_recipe_asks_of_plugins(install: Site, load: Load) -> None:
    install("pp-a", GOOD)
    install("pp-b", "import no_such_module_at_all")
    load()
    loaded = Recipe.load(recipe(plugins={"pp-a": ">=1"}, losses={"a": "pp-a/spade"}))
    assert loaded.losses["a"].type == "pp-a/spade"
    with pytest.raises(RecipeError, match="the plugin pp-b did not load"):
        Recipe.load(recipe(plugins={"pp-b": ">=1"}))
    with pytest.raises(RecipeError, match=r"pp-a 1\.2 is installed; `pip install 'pp-a>=2'`"):
        Recipe.load(recipe(plugins={"pp-a": ">=2"}))


def test_a_failed_plugin_leaves_the_registry_as_it_was(registry: Registry, install: Site, load: Load) -> None:
    install("pp-b", "import no_such_module_at_all")
    before = [e.qualified for e in registry.entries() if e.source == "gankit"]
    load()
    assert [e.qualified for e in catalogue().entries() if e.source == "gankit"] == before


def test_every_hook_is_documented() -> None:
    hooks = [value for name, value in vars(plugins.Hooks).items() if name.startswith("gankit_")]
    assert len(hooks) == 3
    assert all(_text(hook) for hook in hooks)


def _text(hook: Any) -> str:
    return (hook.__doc__ or "").strip()
