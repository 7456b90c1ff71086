"""What plugins ask of gankit, and what parts make of the arguments of older versions."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import gankit
from gankit.core import plugins, versions
from gankit.core.catalogue import catalogue
from gankit.core.errors import BuildError, PluginError, RecipeError
from gankit.core.recipe import Recipe
from gankit.core.register import register
from gankit.core.schema import build_component
from tests.core.test_plugins import GOOD
from tests.core.toys import TOYS, recipe
from tests.installed import Site

PLAIN = textwrap.dedent(GOOD)


def status(name: str = "pp-a") -> plugins.Status:
    catalogue()
    return next(s for s in plugins.statuses() if s.dist == name)


REFUSED = {
    "newer": (["gankit>=9"], "it asks for gankit>=9, and this is gankit 0.1.0: `pip install --upgrade 'gankit>=9'`"),
    "other spelling": (["GanKit[video] (>=9)"], "it asks for gankit>=9"),
    "older": (["gankit<0.1,>=0.0.1"], "`pip install --upgrade pp-a`"),
    "compatible": (["torch", "gankit~=0.9"], "`pip install --upgrade 'gankit~=0.9'`"),
}


@pytest.fixture(autouse=True)
def version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gankit, "__version__", "0.1.0")


@pytest.mark.parametrize(("requires", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_plugin_that_asks_for_another_gankit_is_not_even_imported(
    install: Site, caplog: pytest.LogCaptureFixture, requires: list[str], reason: str
) -> None:
    install("pp-a", "raise AssertionError('it was imported')", requires=requires)
    assert status().state == "refused"
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("gankit: the plugin pp-a 1.2 is not loaded: it asks for gankit")
    assert reason in line and "\n" not in line
    with pytest.raises(RecipeError, match="the plugin pp-a is not loaded \\(it asks for gankit"):
        Recipe.load(recipe(losses={"a": "pp-a/spade"}))


@pytest.mark.parametrize(
    "requires",
    [[], ["gankit"], ["gankit>=0.1"], ["gankit>=9; extra == 'x'"], ["gankit-cut>=9"], ["gankit ?"]],
    ids=str,
)
def test_what_this_gankit_meets_is_loaded(install: Site, requires: list[str]) -> None:
    install("pp-a", PLAIN, requires=requires)
    assert (status().state, status().reason) == ("ok", "")


def test_a_version_in_the_making_counts_as_one(install: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gankit, "__version__", "0.3.0.dev1")
    install("pp-a", PLAIN, requires=["gankit>=0.2"])
    assert status().state == "ok"


@pytest.mark.parametrize("newer", [False, True])
def test_a_plugin_says_for_which_api_it_is_written(
    install: Site, caplog: pytest.LogCaptureFixture, newer: bool
) -> None:
    number = versions.API + newer
    install("pp-a", f"gankit_api = {number}\n{PLAIN}")
    assert (status().state, status().api) == ("refused" if newer else "ok", number)
    lines = [record.getMessage() for record in caplog.records]
    asks = f"it is written for plugin API {number}, and this is gankit 0.1.0, of API {versions.API}"
    cure = "`pip install --upgrade gankit`"
    assert lines == ([f"gankit: the plugin pp-a 1.2 is not loaded: {asks}: {cure}"] if newer else [])
    assert bool(status().entries) is not newer


@pytest.mark.parametrize("number", ["'2'", "True", "1.5"])
def test_an_api_is_a_number(install: Site, number: str) -> None:
    install("pp-a", f"gankit_api = {number}\n{PLAIN}")
    assert status().state == "failed" and "gankit_api is the number of an API, such as 1" in status().reason


def test_strict_mode_raises_for_a_refused_plugin(install: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANKIT_PLUGINS_STRICT", "1")
    install("pp-a", PLAIN, requires=["gankit>=9"])
    with pytest.raises(PluginError, match=r"plugin pp-a 1\.2: it asks for gankit>=9"):
        catalogue()


def test_torch_at_load_costs_a_line(
    install: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    install("pp-a", "import sys\nsys.modules['torch'] = sys\n" + PLAIN)
    install("pp-b", PLAIN.replace("spade", "other"))
    assert status("pp-a").imports_torch and not status("pp-b").imports_torch
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("gankit: the plugin pp-a 1.2 imports torch when it is loaded") and "\n" not in line


@pytest.mark.parametrize(("bound", "slow"), [(-1.0, True), (float("inf"), False)])
def test_a_slow_plugin_is_known(install: Site, monkeypatch: pytest.MonkeyPatch, bound: float, slow: bool) -> None:
    monkeypatch.setattr(plugins, "SLOW_MS", bound)
    install("pp-a", PLAIN)
    assert status().slow is slow


# -- recipes of other versions -----------------------------------------------------------------------------------------
UPGRADE = """
    @staticmethod
    def upgrade(arguments, version):
        if version.major < 2 and "power" in arguments:
            arguments["exponent"] = arguments.pop("power")
        return arguments
"""
RENAMED = PLAIN.replace("power: int = 1", "exponent: int = 1") + UPGRADE


def load(source: Any, **options: Any) -> Recipe:
    """With the toys in the catalogue."""
    for kind, name, make in TOYS:
        register(kind, name)(make)
    return Recipe.load(source, **options)


def written(install: Site, **changes: Any) -> dict[str, Any]:
    """A recipe as version 1.2 of the plugin fills it, as JSON gives it back."""
    install("pp-a", PLAIN)
    losses = {"a": {"type": "spade", "power": 3, "weight": 2}, "b": {"type": "sum", "terms": ["spade"]}}
    return json.loads(json.dumps(load(recipe(losses=losses, **changes)).filled()))


def test_a_filled_recipe_has_the_versions_of_the_plugins_that_it_names(install: Site) -> None:
    install("pp-b", PLAIN.replace("spade", "other"))
    assert written(install)["versions"] == {"gankit": "0.1.0", "pp-a": "1.2"}
    assert load(recipe()).filled()["versions"] == {"gankit": "0.1.0"}


def test_a_part_renames_the_arguments_of_an_older_version(install: Site, caplog: pytest.LogCaptureFixture) -> None:
    old = written(install)
    install("pp-a", RENAMED, version="2.1")
    now = load(old)
    assert now.losses["a"].exponent == 3 and now.losses["a"].weight == 2  # the weight is no business of the loss
    assert now.losses["b"].terms[0].exponent == 1
    assert now.filled()["versions"]["pp-a"] == "2.1"
    assert load(now.filled()) == now
    assert not caplog.records


def test_arguments_of_today_are_left_alone(install: Site) -> None:
    install("pp-a", RENAMED.replace("        if version", "        raise AssertionError\n        if version"))
    filled = load(recipe(losses={"a": {"type": "spade", "exponent": 3}})).filled()
    assert load(filled).losses["a"].exponent == 3


def test_a_recipe_by_hand_is_of_today(install: Site) -> None:
    install("pp-a", RENAMED, version="2.1")
    with pytest.raises(RecipeError, match="spade takes no `power`"):
        load(recipe(losses={"a": {"type": "spade", "power": 3}}))


@pytest.mark.parametrize(
    ("body", "message"),
    [("return arguments['x']", "(KeyError: 'x')"), ("return None", "gave NoneType, not a mapping")],
)
def test_an_upgrade_that_fails_is_told_at_its_place(install: Site, body: str, message: str) -> None:
    old = written(install)
    install("pp-a", f"{PLAIN}\n    @staticmethod\n    def upgrade(arguments, version): {body}\n", version="1.3")
    with pytest.raises(RecipeError) as caught:
        load(old)
    assert [problem.path for problem in caught.value.problems] == ["losses.a.type", "losses.b.terms.0.type"]
    assert all("loss pp-a/spade: its `upgrade` of arguments of version 1.2" in str(p) for p in caught.value.problems)
    assert message in str(caught.value)


def test_a_recipe_of_a_newer_plugin_is_read_with_a_warning(install: Site, caplog: pytest.LogCaptureFixture) -> None:
    old = written(install)
    install("pp-a", PLAIN, version="1.0.3")
    load(old)
    [line] = [record.getMessage() for record in caplog.records]
    assert "the recipe toy was written with pp-a 1.2, and 1.0.3 is installed" in line
    assert "`pip install --upgrade pp-a`" in line


def test_a_version_is_one() -> None:
    with pytest.raises(RecipeError, match=r"'one' is not a version; write it as '0\.2\.1'") as caught:
        load(recipe(versions={"pp-a": "one"}))
    assert [problem.path for problem in caught.value.problems] == ["versions.pp-a"]


# -- parts that are not here -------------------------------------------------------------------------------------------
def test_what_a_trained_method_does_without_may_be_missing(install: Site) -> None:
    old = written(install, plugins={"pp-a": ">=1"})
    old["train"]["optimizer"] = {"type": "pp-a/sure", "lr": 1.0}
    old["evaluate"]["metrics"] = [{"type": "pp-a/beauty"}]
    install.remove("pp-a")
    used = load(old, for_use=True)
    assert used.filled() == old  # as it stands, versions too
    assert len(used.lacks()) == 4
    for again in (used, old):
        with pytest.raises(RecipeError) as caught:  # when a training is asked for
            load(again)
        places = {problem.path: str(problem) for problem in caught.value.problems}
        missing = {"losses.a.type", "losses.b.terms.0.type", "train.optimizer.type", "evaluate.metrics.0.type"}
        assert missing < places.keys()
        assert "no plugin pp-a is installed; try `pip install pp-a`" in places["losses.a.type"]


def test_a_loss_of_an_older_plugin_does_not_keep_a_method_from_its_use(install: Site) -> None:
    install("pp-a", RENAMED, version="2.1")
    new = load(recipe(losses={"a": {"type": "spade", "exponent": 3}})).filled()
    install("pp-a", PLAIN)
    assert load(new, for_use=True).losses["a"].exponent == 3
    with pytest.raises(RecipeError, match="spade takes no `exponent`"):
        load(new)


def test_what_a_method_is_made_of_may_not_be_missing(install: Site) -> None:
    install("pp-a", PLAIN.replace('"loss", "spade"', '"norm", "spade"'))
    old = load(recipe(method={"type": "toy", "generator": {"type": "net", "norm": "spade"}})).filled()
    install.remove("pp-a")
    with pytest.raises(RecipeError, match="no norm is called 'pp-a/spade'"):
        load(old, for_use=True)


def test_a_loss_inside_of_a_method_is_missed_when_the_method_is_built(install: Site) -> None:
    install("pp-a", PLAIN)
    old = load(recipe(method={"type": "toy", "sums": {"x": "spade"}})).filled()
    install.remove("pp-a")
    used = load(old, for_use=True)
    with pytest.raises(BuildError, match="no loss is called 'pp-a/spade'") as caught:
        build_component(used.method, ("method",))
    assert caught.value.path == ("method", "sums", "x", "type")


def test_the_page_tells_the_number_of_the_api() -> None:
    page = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()
    assert f"This gankit has API {versions.API}." in page and f"gankit_api = {versions.API}\n" in page
