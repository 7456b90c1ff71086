"""Recipes: what loads, what is filled in, and the exact words for every mistake."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gankit.core.document import MAX_BYTES
from gankit.core.errors import BuildError, Problem, RecipeError
from gankit.core.recipe import Recipe
from gankit.core.schema import build_component
from tests.core.toys import AdaNorm, Method, Net, recipe

GOOD = """\
gankit: 1
method:
  type: toy
  generator:
    type: net
    norm:
      type: plain
      eps: 1e-3
losses:
  main: {type: toyloss, weight: 10, power: 2}
data: {type: pictures, root: x}
train: {epochs: 2}
"""

Report = Callable[..., str]


def test_a_recipe_loads_and_builds(tmp_path: Path) -> None:
    path = tmp_path / "my good one.yaml"
    path.write_text(GOOD)
    loaded = Recipe.load(path, ["method.generator.blocks=4"])
    assert loaded.name == "my-good-one"
    method = build_component(loaded.method, ("method",))
    assert isinstance(method, Method)
    assert (method.generator.blocks, method.generator.norm.eps) == (4, 1e-3)
    assert isinstance(method.back.norm, AdaNorm)
    assert method.back.blocks == 3
    term = loaded.losses["main"]
    assert (term.weight, term.on, term.from_step, term.turn) == (10, {}, 0, None)
    assert build_component(term.spec, ("losses", "main")).power == 2


def test_filled_has_every_default_qualified_and_loads_back_equal() -> None:
    loaded = Recipe.load(recipe(method={"type": "toy", "sums": {"a": "toyloss"}}))
    filled = loaded.filled()
    assert filled["method"]["back"]["norm"] == {"type": "local/toynorm", "eps": 1e-5}
    assert filled["train"]["optimizer"]["betas"] == [0.5, 0.999]
    again = Recipe.load(json.loads(json.dumps(filled)))
    assert again == loaded
    assert again.filled() == filled
    assert Recipe.load(loaded) is loaded
    assert Recipe.load(loaded, ["train.epochs=3"]) != loaded


def test_an_optimizer_of_a_turn_changes_only_what_it_says() -> None:
    train = {
        "steps": 3,
        "optimizer": {"type": "adamw", "lr": 1e-3, "betas": [0, 0.9]},
        "optimizers": {"discriminator": {"lr": 4e-3}, "other": {"type": "sgd", "momentum": 0.5}, "third": "adamw"},
    }
    loaded = Recipe.load(recipe(train=train))
    filled = loaded.filled()["train"]["optimizers"]
    assert filled["discriminator"] == {
        "type": "gankit/adamw",
        "lr": 4e-3,
        "betas": [0, 0.9],
        "eps": 1e-8,
        "weight_decay": 0,
    }
    assert filled["other"] == {"type": "gankit/sgd", "lr": 2e-4, "weight_decay": 0, "momentum": 0.5}
    assert filled["third"]["lr"] == 1e-3
    assert loaded.train.optimizer_of("critic", "discriminator") is loaded.train.optimizers["discriminator"]
    assert loaded.train.optimizer_of("generator") is loaded.train.optimizer
    assert Recipe.load(loaded.filled()) == loaded


def test_a_mapping_without_type_is_about_the_default() -> None:
    loaded = Recipe.load(recipe(method={"type": "toy", "back": {"blocks": 5}, "generator": {"norm": {"eps": 1.0}}}))
    assert loaded.filled()["method"]["back"]["type"] == "local/net"
    assert loaded.filled()["method"]["generator"]["norm"] == {"type": "local/plain", "eps": 1.0}


def test_every_mistake_at_once_in_the_order_of_the_lines(report: Report) -> None:
    bad = textwrap.dedent(
        """\
        gankit: 1
        method:
          type: toy
          generator:
            type: net
            chanels: 32
            norm:
              type: toynrm
            padding: reflct
        losses:
          main: {type: toyloss, wieght: 3}
          main: {type: toyloss}
        data: {type: pictures}
        train: {epochs: 0, optimizer: {type: adma}}
        """
    )
    assert "`main` appears twice" in report(bad)
    bad = bad.replace("  main: {type: toyloss}\n", "")
    assert report(bad) == textwrap.dedent(
        """\
        x.yaml:6:5 method.generator.chanels: net takes no `chanels`; did you mean `channels`?
                chanels: 32
                ^
        x.yaml:8:13 method.generator.norm.type: no norm is called 'toynrm'; did you mean 'toynorm'?
                  type: toynrm
                        ^
        x.yaml:9:14 method.generator.padding: must be 'reflect' or 'zero', not 'reflct'; did you mean 'reflect'?
                padding: reflct
                         ^
        x.yaml:11:25 losses.main.wieght: toyloss takes no `wieght`; did you mean `weight`?
              main: {type: toyloss, wieght: 3}
                                    ^
        x.yaml:12:1 data.root: pictures needs `root`
            data: {type: pictures}
            ^
        x.yaml:13:17 train.epochs: must be at least 1, not 0
            train: {epochs: 0, optimizer: {type: adma}}
                            ^
        x.yaml:13:38 train.optimizer.type: no optimizer is called 'adma'; did you mean 'adam'?
            train: {epochs: 0, optimizer: {type: adma}}
                                                 ^"""
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": {"type": "toy", "generator": "nett"}}, "method.generator.type: no generator is called 'nett'"),
        (
            {"method": {"type": "toy", "generator": 3}},
            "method.generator: must be the name of a generator, or a mapping",
        ),
        ({"method": {"type": "toy", "generator": None}}, "method.generator: must be the name of a generator"),
        (
            {"method": {"tpye": "toy"}},
            "method: needs `type`, which is the name of a method; did you mean `type` where it says",
        ),
        ({"method": {"type": 5}}, "method: `type` must be the name of a method"),
        ({"method": {"type": "toy", "generator": {"channels": True}}}, "must be a whole number >= 1, not true"),
        ({"method": {"type": "toy", "generator": {"channels": "6"}}}, "must be a whole number >= 1, not '6'"),
        ({"method": {"type": "toy", "generator": {"channels": 2.5}}}, "must be a whole number >= 1, not 2.5"),
        ({"method": {"type": "toy", "generator": {"bias": 1}}}, "must be true or false, not 1"),
        ({"method": {"type": "toy", "generator": {"dropout": 1.5}}}, "must be at most 1, not 1.5"),
        ({"method": {"type": "toy", "generator": {"dropout": True}}}, "must be a number >= 0 and <= 1, not true"),
        (
            {"method": {"type": "toy", "generator": {"widths": [1, "a"]}}},
            "method.generator.widths.1: must be a whole number",
        ),
        ({"method": {"type": "toy", "amount": "much"}}, "method.amount: must be a number or a list of 2 items"),
        ({"method": {"type": "toy", "amount": [1, 2, 3]}}, "method.amount: must be a number or a list of 2 items"),
        (
            {"method": {"type": "toy", "sums": {"a": {"type": "toylos"}}}},
            "method.sums.a.type: no loss is called 'toylos'",
        ),
        ({"losses": {}}, "losses: must have at least 1 item, not 0"),
        ({"losses": {"a": {"type": "toyloss", "weight": math.nan}}}, "losses.a.weight: must be a number or a mapping"),
        (
            {"losses": {"a": {"type": "toyloss", "weight": {"b2c": 1}}}},
            "losses.a.weight: must be a number or a mapping",
        ),
        ({"losses": {"a": {"type": "toyloss", "power": math.inf}}}, "losses.a.power: must be finite"),
        ({"losses": {"a": {"type": "toyloss", "power": 10**400}}}, "losses.a.power: must be at most 1e+15"),
        ({"losses": {"a": {"type": "toyloss", "layers": []}}}, "losses.a.layers: must have at least 1 item, not 0"),
        ({"losses": {"a": {"type": "toyloss", "on": {"x": 1}}}}, "losses.a.on.x: must be text, not 1"),
        (
            {"losses": {"a": {"type": "sum", "terms": ["toyloss", {"type": "toyloss", "powr": 1}]}}},
            "losses.a.terms.1.powr:",
        ),
        ({"losses": {"a": {"type": "sum", "terms": [{"type": "toyloss", "weight": 1}]}}}, "toyloss takes no `weight`"),
        ({"train": {}}, "train: train needs `epochs` or `steps`"),
        ({"train": {"epochs": 1, "steps": 1}}, "train.steps: give `epochs` or `steps`, not both"),
        (
            {"train": {"epochs": 1, "optimizer": {"type": "sgd", "betas": [0, 0]}}},
            "optimizer.betas: sgd takes no `betas`",
        ),
        ({"train": {"epochs": 1, "optimizer": {"betas": [0.5]}}}, "train.optimizer.betas.1: "),
        (
            {"train": {"epochs": 1, "schedule": "liner"}},
            "train.schedule.type: no schedule is called 'liner'; did you mean 'linear'?",
        ),
        ({"train": {"epochs": 1, "schedule": "step"}}, "train.schedule.drop_every: step needs `drop_every`"),
        (
            {"train": {"epochs": 1, "schedule": {"drop_every": 3}}},
            "linear takes no `drop_every`; did you mean",
        ),
        (
            {"train": {"epochs": 1, "schedule": {"convention": "epoch_strat"}}},
            "train.schedule.convention: must be 'epoch_end', 'epoch_start', 'last_zero' or 'first_full', not "
            "'epoch_strat'; did you mean 'epoch_start'?",
        ),
        (
            {"train": {"epochs": 1, "schedule": {"type": "warmup", "then": {"type": "cosine", "decay_form": 0.1}}}},
            "train.schedule.then.decay_form: cosine takes no `decay_form`; did you mean `decay_from`?",
        ),
        ({"train": {"epochs": 1, "optimizer": 3}}, "train.optimizer: must be the name of an optimizer, or a mapping"),
        (
            {"train": {"epochs": 1, "optimizer": "adma", "optimizers": {"critic": {"lr": 1}}}},
            "train.optimizer.type: no optimizer is called 'adma'",
        ),
        ({"train": {"epochs": 1, "optimizers": {"critic": {"lr": 0}}}}, "train.optimizers.critic.lr: must be above 0"),
        ({"train": {"epochs": 1, "seed": 10**30}}, "train.seed: must be"),
        ({"name": "a/b"}, "name: "),
        ({"zzz": 1}, "zzz: a recipe takes no `zzz`; it takes gankit, name, about"),
        ({"gankit": 0}, "gankit: must be 1, not 0"),
        ({"gankit": 2}, "gankit: has format 2, but this gankit reads 1: upgrade gankit"),
        ({"plugins": {"gankit-none": ">=1"}}, "gankit-none is not installed; `pip install 'gankit-none>=1'`"),
        ({"plugins": {"pydantic": ">=999"}}, "is installed; `pip install 'pydantic>=999'`"),
        ({"plugins": {"pydantic": "new"}}, "'new' is not a version; write it as '>=0.2'"),
        ({"method": {"type": "gankit-cut/cut"}}, "no plugin gankit-cut is installed; try `pip install gankit-cut`"),
        ({"evaluate": {"metric": []}}, "evaluate takes no `metric`; did you mean `metrics`?"),
    ],
)
def test_mistakes(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.load(recipe(**changes))
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1


def test_missing_keys_of_the_recipe(report: Report) -> None:
    text = report("gankit: 1\nlosses: {a: toyloss}\n")
    assert [line for line in text.splitlines() if "needs" in line] == [
        f"x.yaml:1:1 {key}: a recipe needs `{key}`" for key in ("method", "data", "train")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.yaml: is empty: a recipe needs"),
        ("# nothing\n", "is empty"),
        ("- a\n", "x.yaml:1:1: a recipe must be a mapping"),
        ("just text", "a recipe must be a mapping"),
        (b"\xff\xfe\x00", "x.yaml: line 1 is not UTF-8 text: this is not a recipe"),
        (b"a" * (MAX_BYTES + 1), "x.yaml: is larger than 256 kB: this is not a recipe"),
        (b"[" * 200_000, "is nested deeper than 40 levels"),
    ],
)
def test_files_that_are_no_recipe(report: Report, text: str | bytes, message: str) -> None:
    assert message in report(text)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "method.generator.channels=x",
            "--set method.generator.channels: must be a whole number >= 1, not 'x'\n"
            "    --set method.generator.channels=x\n"
            "                                    ^",
        ),
        (
            "method.generator.chanels=3",
            "--set method.generator.chanels: net takes no `chanels`; did you mean `channels`?\n"
            "    --set method.generator.chanels=3\n"
            "                           ^",
        ),
        ("train.optimizer.lr=-1", "--set train.optimizer.lr: must be above 0, not -1"),
        ("nonsense", "--set: should look like `a.b=value`"),
        ("data={root: 1}", "--set data: needs `type`"),
        ("method.generator.norm={type: plain, epz: 1}", "--set method.generator.norm.epz: plain takes no `epz`"),
    ],
)
def test_mistakes_of_options_point_at_the_option(report: Report, option: str, message: str) -> None:
    assert message in report(GOOD, option)


def test_mistakes_of_options_and_of_the_file_come_together(report: Report) -> None:
    text = report(GOOD.replace("eps", "epz"), "nonsense", "train.epochs=0")
    assert "x.yaml:8:7 method.generator.norm.epz" in text
    assert "--set: should look like" in text
    assert "--set train.epochs: must be at least 1" in text


def test_an_alias_used_wrongly_is_shown_where_it_was_written(report: Report) -> None:
    text = GOOD.replace("      eps: 1e-3\n", "      <<: &extra {epz: 1}\n")
    assert "x.yaml:8:19 method.generator.norm.epz: plain takes no `epz`" in report(text)


def test_build_errors_get_the_place_of_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(GOOD.replace("    type: net\n", "    type: net\n    blocks: 7\n"))
    loaded = Recipe.load(path)
    with pytest.raises(BuildError) as caught:
        build_component(loaded.method, ("method",))
    assert caught.value.path == ("method", "generator")
    error = loaded.error(caught.value)
    assert f"{path}:4:3 method.generator: seven blocks are not allowed" in str(error)
    assert loaded.locate("method.generator.norm.eps", "why").line == 9


def test_build_errors_of_objects_and_of_defaults_nobody_wrote() -> None:
    with pytest.raises(BuildError, match="method: thirteen brings bad luck"):
        build_component(Recipe.load(recipe(method={"type": "toy", "amount": 13})).method, ("method",))
    problem = Recipe.load(recipe()).locate(("method", "generator", "norm"), "why")
    assert str(problem) == "method.generator.norm: why"


def test_sources_that_cannot_be_read(tmp_path: Path) -> None:
    for source, message in (
        (tmp_path, "cannot be read: Is a directory"),
        (tmp_path / "no.yaml", "cannot be read: No such file"),
        ("no/such.yaml", "no/such.yaml: there is no such file"),
        ("cyclegn", "there is no recipe called 'cyclegn', and no such file; did you mean 'cyclegan'?"),
        ({1: 2}, "the keys of a recipe are strings"),
        ({"a": [[[[[[[[]]]]]]]]}, "needs"),
    ):
        with pytest.raises(RecipeError, match=message):
            Recipe.load(source)
    with pytest.raises(TypeError, match="a recipe must be a path"):
        Recipe.load(3)


def test_data_that_contains_itself() -> None:
    data = recipe()
    data["method"]["generator"] = data
    with pytest.raises(RecipeError, match="nested deeper"):
        Recipe.load(data)


def test_python_classes_are_no_recipe() -> None:
    with pytest.raises(RecipeError, match="must be the name of a generator"):
        Recipe.load(recipe(method={"type": "toy", "generator": Net}))


FOREIGN = [
    ({"plugins": {"": ">=1"}}, "the key '' must be the name of a distribution"),
    ({"plugins": {"a'; rm -rf ~": ">=1"}}, "must be the name of a distribution"),
    ({"plugins": {"pydantic": "===x'$HOME"}}, "`pip install 'pydantic===x'\"'\"'$HOME'`"),
    ({"plugins": {"pydantic": ">=" + "9" * 5000}}, "is not a version"),
    ({"versions": {"": "1"}}, "must be the name of a distribution"),
    ({"versions": {"gankit": "9" * 5000}}, "is not a version"),
    ({"name": "../../x"}, "name: must be a letter or digit, then letters, digits, `.`, `_` and `-`"),
    ({"losses": {"a b": "toyloss"}}, "losses.a b: the key 'a b' must be a letter, then letters"),
    ({"losses": {"\x1b[31ma": "toyloss"}}, "losses.\\x1b[31ma: the key '\\x1b[31ma' must be"),
    ({"\x1b]0;x\x07": 1}, "\\x1b]0;x\\x07: a recipe takes no `\\x1b]0;x\\x07`"),
    ({"losses": {"a": {"type": "toyloss", "on": {"": "x"}}}}, "losses.a.on.: the key '' must not be empty"),
    ({"losses": {"a": {"type": "toyloss", "weight": {"x": 1}}}}, "a mapping of 'a2b' or 'b2a' to a number"),
]


@pytest.mark.parametrize("changes, message", FOREIGN)
def test_foreign_words_and_characters_do_not_show(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.load(recipe(**changes))
    text = str(caught.value)
    assert message in text and "[key]" not in text and "at least 1 item" not in text
    assert text.replace("\n", "").isprintable()


def test_reports_end() -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.load(recipe() | {f"{i}{'x' * 1000}": 1 for i in range(5000)})
    assert len(caught.value.problems) == 5000
    assert len(str(caught.value)) < 200_000 and str(caught.value).endswith("and 4940 more mistakes")


def test_what_is_no_mapping_is_told_in_words(report: Callable[..., str]) -> None:
    assert "train: must be a mapping, not a list" in report(GOOD, "train=[]")


def test_a_length_that_set_gives_replaces_the_other(registry: object) -> None:
    train = {"train": {"epochs": 3}}
    loaded = Recipe.load(recipe(**train), ["train.steps=60"])
    assert (loaded.train.steps, loaded.train.epochs) == (60, None)
    assert Recipe.load(recipe(**train), ["train.epochs=5"]).train.epochs == 5
    assert Recipe.load(recipe(train={"steps": 3}), ["train.epochs=2"]).train.steps is None
    with pytest.raises(RecipeError, match="give `epochs` or `steps`, not both"):
        Recipe.load(recipe(**train), ["train.steps=60", "train.epochs=5"])
    with pytest.raises(RecipeError, match="train"):
        Recipe.load(recipe(**train), ["train=3"])


def test_a_long_message_is_told_once() -> None:
    long, short = "x" * 130, "must be more"
    problems = [
        Problem(text, path, "r.yaml", line) for line, (text, path) in enumerate([(long, "a"), (short, "b")] * 2, 1)
    ]
    assert str(RecipeError(problems)).splitlines() == [
        f"r.yaml:1:0 a: {long}", f"r.yaml:2:0 b: {short}", f"r.yaml:3:0 a: {long}", f"r.yaml:4:0 b: {short}"
    ]  # fmt: skip
    problems[2] = Problem(long, "c", "r.yaml", 3)
    assert str(RecipeError(problems)).splitlines()[2] == "r.yaml:3:0 c: the same as at a"
    assert RecipeError(problems).problems[2].message == long
