"""Runs beside one another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import gankit
from gankit.api import Model
from gankit.cli.main import app
from gankit.core.errors import CheckpointError
from gankit.core.recipe import Recipe
from gankit.report.compare import Comparison, compare
from gankit.report.compare_page import html
from gankit.report.compare_words import difference_rows, figure_rows, notes
from gankit.report.differences import differing, in_words, tails
from gankit.training.run import Run
from tests.report.test_page import Page
from tests.training.tiny import CYCLEGAN, recipe

WIDE = CYCLEGAN | {"generator": {"type": "resnet", "channels": 6, "blocks": 1}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two widths of one network, and another task."""
    runs = tmp_path_factory.mktemp("compare")
    gankit.train(recipe(steps=1), runs / "narrow")
    gankit.train(recipe(WIDE, steps=1), runs / "wide")
    gankit.train(recipe(steps=1, data={"seed": 7}), runs / "elsewhere")
    return runs


@pytest.fixture
def runs(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    shutil.copytree(trained, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    yield Path("runs")


def fake(path: Path, value: float | None, interval: Any = None, protocol: dict | None = None, **changes: Any) -> Path:
    """A run of one made-up figure; changes: of `train` in its recipe, but for `name`, `method` and `drawing`, which is
    `data.seed`."""
    method, name = changes.pop("method", CYCLEGAN), changes.pop("name", "tiny")
    better, data = changes.pop("better", "higher"), {"seed": changes.pop("drawing", 0)}
    trivial = changes.pop("trivial", {"input": 3.0})
    row = {"metric": "psnr", "direction": "a2b", "value": value, "interval": interval, "unit": "dB", "better": better}
    row |= {"protocol": {"n": 2, "split": "test", "seed": 0, "device": path.name} | (protocol or {})}
    row |= {"trivial": trivial} if value is not None else {"unavailable": "no weights"}
    path.mkdir(parents=True)
    Run(path).write_recipe(Recipe.load(recipe(method, data=data, name=name, **changes)))
    Run(path).evaluation.write_text(json.dumps({"results": [row]}))
    return path


def never(path: Path) -> Any:
    raise AssertionError(f"{path} is loaded")


def line(*paths: Path) -> Any:
    [found] = compare(paths, never).lines
    return found


# -- groups ------------------------------------------------------------------------------------------------------------
def test_runs_that_differ_in_their_seed_are_one_group(tmp_path: Path) -> None:
    fake(tmp_path / "a1", 4.0, [3.0, 5.0], seed=1)
    fake(tmp_path / "a0", 2.0, [1.0, 3.0], seed=0, log_every=7, name="other")
    fake(tmp_path / "b0", 9.0, [8.0, 9.5], method=WIDE)
    found = compare([tmp_path], never)
    assert [(g.title, [run.path.name for run in g.runs]) for g in found.groups] == [
        ("channels=4 (2 seeds)", ["a0", "a1"]),
        ("channels=6", ["b0"]),
    ]
    [row] = found.lines
    narrow, wide = row.cells.values()
    assert (narrow.value, narrow.span) == (3.0, (2.0, 4.0))  # the mean and the range over seeds
    assert (wide.value, wide.span) == (9.0, (8.0, 9.5))  # the interval of the only run
    assert row.verdict == "differ" and row.best == ("channels=6",)
    told = found.as_dict()["results"][0]["groups"]["channels=4"]["runs"]
    assert [run["interval"] for run in told] == [[1.0, 3.0], [3.0, 5.0]]


def test_each_drawing_counts_once(tmp_path: Path) -> None:
    """However many runs it has: else the group with more runs of the easier one would be the best."""
    for i, (drawing, value) in enumerate(((7, 20.0), (0, 10.0), (0, 10.0))):
        fake(tmp_path / f"n{i}", value, drawing=drawing, seed=i, better="lower")
    for i, (drawing, value) in enumerate(((0, 9.0), (7, 19.0), (7, 19.0))):
        fake(tmp_path / f"w{i}", value, drawing=drawing, seed=i, better="lower", method=WIDE)
    found = compare([tmp_path], never)
    assert [group.title for group in found.groups] == ["channels=4 (3 seeds)", "channels=6 (3 seeds)"]
    assert found.differences == {"method.generator.channels": [4, 6]}
    [row] = found.lines
    assert [cell.value for cell in row.cells.values()] == [15.0, 14.0] and row.best == ("channels=6",)


def test_drawings_that_only_some_groups_have_are_told(tmp_path: Path) -> None:
    paths = [fake(tmp_path / f"n{drawing}", 1.0, drawing=drawing) for drawing in (7, 0)]
    found = compare([*paths, fake(tmp_path / "w", 2.0, method=WIDE, drawing=7)], never)
    assert found.differences["data.seed"] == [[0, 7], 7] and "data.seed is [0, 7] and 7" in found.pictures.why
    assert [group.label for group in found.groups] == ["channels=4", "channels=6"]


def test_a_figure_that_a_group_lacks_for_a_drawing_is_not_compared(tmp_path: Path) -> None:
    for drawing in (0, 7):
        fake(tmp_path / f"n{drawing}", None if drawing else 1.0, drawing=drawing)
        fake(tmp_path / f"w{drawing}", 2.0, drawing=drawing, method=WIDE)
    [row] = compare([tmp_path], never).lines
    assert row.verdict == "not compared: some groups lack the figure for some `data.seed`"


def test_trivial_answers_are_means_over_drawings(tmp_path: Path) -> None:
    for drawing, value in ((0, 0.0), (1, 0.0), (2, 0.3)):
        fake(tmp_path / f"{drawing}", 1.0, drawing=drawing, trivial={"input": value, "mean": value or None})
    fake(tmp_path / "old", 1.0, drawing=2, seed=5, trivial={})
    [row] = compare([tmp_path], never).lines
    assert row.trivial == {"input": pytest.approx(0.1), "mean": None}


def test_a_longer_training_is_another_group(tmp_path: Path) -> None:
    found = compare([fake(tmp_path / "a", 1.0, steps=6), fake(tmp_path / "b", 2.0, steps=12)], never)
    assert [group.label for group in found.groups] == ["steps=6", "steps=12"]
    assert difference_rows(found) == [["recipe", "steps=6", "steps=12"], ["train.steps", "6", "12"]]


def test_a_seed_twice_is_no_range(tmp_path: Path) -> None:
    [cell] = line(fake(tmp_path / "a", 2.0, [1.0, 3.0]), fake(tmp_path / "b", 2.0, [1.0, 3.0])).cells.values()
    assert (cell.value, cell.span) == (2.0, (1.0, 3.0))


def test_groups_are_called_by_what_tells_them_apart(tmp_path: Path) -> None:
    def labels(*paths: Path) -> list[str]:
        return [group.label for group in compare(paths, never).groups]

    one = fake(tmp_path / "one", 1.0)
    assert labels(one, fake(tmp_path / "two", 1.0, name="wide", method=WIDE)) == ["tiny", "wide"]
    assert labels(one, fake(tmp_path / "three", 1.0, method=WIDE, ema=0.5, pool_size=1)) == ["one", "three"]
    assert labels(one, fake(tmp_path / "x" / "one", 1.0, method=WIDE, ema=0.5, pool_size=1))[1].endswith("x/one")


def test_differences_tell_the_types_and_what_both_take() -> None:
    ours = {"loss": {"type": "a", "weight": 1, "eps": 2}, "train": {"seed": 1, "steps": 2}}
    theirs = {"loss": {"type": "b", "weight": 3, "mode": 2}, "train": {"seed": 2, "steps": 2}, "name": "x"}
    found = {".".join(place): values for place, values in differing([ours, theirs])}
    assert found == {"loss.type": ["a", "b"], "loss.weight": [1, 3]}
    assert in_words({"a": [1, True, None], "b": "x"}) == "{a: [1, true, null], b: x}"
    assert len(in_words("x" * 100)) == 40
    assert tails(["a.b.c", "d.c", "e"]) == {"a.b.c": "b.c", "d.c": "d.c", "e": "e"}


# -- figures -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("second", "better", "verdict", "best"),
    [
        ((3.0, [2.5, 3.5]), "higher", "differ", "channels=6"),
        ((3.0, [2.5, 3.5]), "lower", "differ", "channels=4"),
        ((3.0, [2.5, 3.5]), "one", "differ", "channels=4"),
        ((1.1, [0.4, 0.6]), "one", "no difference shown", "channels=4"),
        ((3.0, [2.0, 3.5]), "higher", "no difference shown", "channels=6"),  # they touch
        ((3.0, None), "higher", "no difference shown", "channels=6"),
    ],
)
def test_groups_differ_where_their_intervals_lie_apart(
    tmp_path: Path, second: tuple, better: str, verdict: str, best: str
) -> None:
    a = fake(tmp_path / "a", 1.0, [0.5, 2.0], better=better)
    found = line(a, fake(tmp_path / "b", *second, method=WIDE, better=better))
    assert (found.verdict, found.best) == (verdict, (best,))


def test_of_three_groups_those_apart_from_the_best_are_named(tmp_path: Path) -> None:
    spans = {"a": (1.0, [0.5, 1.5]), "b": (3.0, [2.0, 4.0]), "c": (3.5, [3.0, 4.0])}
    paths = [fake(tmp_path / name, *span, name=name, steps=i + 1) for i, (name, span) in enumerate(spans.items())]
    assert line(*paths).verdict == "differs from a"


def test_equal_values_are_both_the_best(tmp_path: Path) -> None:
    found = line(fake(tmp_path / "a", 1.0, [0, 2]), fake(tmp_path / "b", 1.0, [0, 2], method=WIDE))
    assert found.best == ("channels=4", "channels=6") and found.verdict == "no difference shown"


def test_another_protocol_is_not_compared(tmp_path: Path) -> None:
    a = fake(tmp_path / "a", 1.0, [0.5, 1.5])
    found = line(a, fake(tmp_path / "b", 9.0, [8.0, 9.5], {"n": 50}, method=WIDE))
    assert found.verdict == "not compared: n is 2 and 50"
    assert not found.best and not found.trivial


def test_what_is_unavailable_or_missing_is_said(tmp_path: Path) -> None:
    a, b = fake(tmp_path / "a", None), fake(tmp_path / "b", 9.0, [8.0, 9.5], method=WIDE)
    found = compare([a, b], never)
    assert figure_rows(found)[1] == ["psnr (dB) ↑", "a2b", "unavailable", "9 (8 to 9.5)", "3", "-"]
    Run(a).evaluation.write_text('{"results": []}')
    assert figure_rows(compare([a, b], never))[1][2] == "-"
    seeds = compare([a, fake(tmp_path / "c", 2.0, [1, 3], seed=1)], never)
    assert figure_rows(seeds) == [["metric", "direction", "tiny (2 seeds)", "input"], [*figure_rows(seeds)[1]]]
    assert figure_rows(seeds)[1][2] == "2 (1 to 3), 1 of 2 runs"


def test_notes_tell_what_chance_does(tmp_path: Path) -> None:
    for seed in range(3):
        fake(tmp_path / f"a{seed}", 1.0, seed=seed)
        fake(tmp_path / f"b{seed}", 2.0, seed=seed, method=WIDE)
    assert "ranges of 3 and 3 seeds lie apart 1 time in 10." in " ".join(notes(compare([tmp_path], never)))
    assert "A single run" in " ".join(notes(compare([tmp_path / "a0", tmp_path / "b0"], never)))


@pytest.mark.parametrize(
    ("value", "better", "said"),
    [(2, "higher", True), (4, "higher", False), (4, "lower", True), (4, "one", True), (0.9, "one", False)],
)
def test_a_trivial_answer_that_is_as_good_is_named(tmp_path: Path, value: int, better: str, said: bool) -> None:
    a = fake(tmp_path / "a", value, [0, 9], better=better)  # the input scores 3
    found = notes(compare([a, fake(tmp_path / "b", value, [0, 9], method=WIDE, better=better)], never))
    assert ("A trivial answer is as good as the best group: psnr a2b." in found) is said


# -- real runs ---------------------------------------------------------------------------------------------------------
def test_real_runs_side_by_side(runs: Path) -> None:
    found = compare([runs / "narrow", runs / "wide"], never)
    head, *rows = figure_rows(found)
    assert head[:4] == ["metric", "direction", "channels=4", "channels=6"]
    assert {"input", "best constant", "true mean"} <= set(head)
    assert {row[0] for row in rows} >= {"psnr (dB) ↑", "l1 (levels) ↓"}
    assert all(sum(cell.endswith(" *") for cell in row) == 1 for row in rows)
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["same_pictures"] is True


def test_a_run_without_figures_is_measured(runs: Path) -> None:
    Run(runs / "wide").evaluation.unlink()
    loaded: list[Path] = []

    def load(path: Path) -> Model:
        loaded.append(path)
        return gankit.load(path)

    found = compare([runs / "narrow", runs / "wide"], load)
    assert loaded == [runs / "wide"] and Run(runs / "wide").evaluation.is_file()
    assert all(cell.value is not None for row in found.lines for cell in row.cells.values())


def test_other_pictures_are_not_compared(runs: Path) -> None:
    gankit.train(recipe(WIDE, steps=1, data={"seed": 7}), runs / "wide-elsewhere")
    found = compare([runs / "narrow", runs / "wide-elsewhere"], never)
    assert found.pictures.why == "the test pictures differ: data.seed is 0 and 7"
    some = compare([runs / "narrow", runs / "elsewhere", runs / "wide"], never)
    assert some.pictures.why == "the test pictures differ: data.seed is [0, 7] and 0"
    both = compare([runs / "narrow", runs / "elsewhere", runs / "wide", runs / "wide-elsewhere"], never)
    assert not both.pictures.why and [group.title for group in both.groups] == [
        "channels=4 (2 seeds)",
        "channels=6 (2 seeds)",
    ]
    error = next(row for row in both.lines if row.metric == "l1")
    ones = [row["trivial"]["input"] for row in error.cells["channels=4"].rows.values()]
    assert error.verdict.startswith(("differ", "no")) and error.trivial["input"] == sum(ones) / 2 and ones[0] != ones[1]
    assert {row.verdict for row in found.lines} == {"not compared: other test pictures"}
    page = Page(html(found, never))
    assert "There is no grid: the test pictures differ" in page.text and not page.images


def test_sources_that_are_the_same_are_compared_beside_other_targets(runs: Path) -> None:
    gankit.train(recipe(WIDE, steps=1, data={"paired": True}), runs / "pairs")
    found = compare([runs / "narrow", runs / "pairs"], never)
    assert list(found.pictures.shared) == ["a2b"]
    verdicts = {(row.metric, row.direction): row.verdict for row in found.lines}
    assert not verdicts["l1", "a2b"].startswith("not") and verdicts["l1", "b2a"] == "not compared: other test pictures"
    error = next(row for row in found.lines if (row.metric, row.direction) == ("l1", "a2b"))
    assert error.trivial["input"] is not None and len({cell.value for cell in error.cells.values()}) == 2
    told = " ".join(notes(found))
    assert "Only figures of a2b can be compared" in told and "data.paired is false and true" in told
    page = Page(html(found, gankit.load))
    assert len(page.images) == 1 and "There is no grid" not in page.text


def test_figures_of_other_truths_are_not_compared(tmp_path: Path) -> None:
    paths = [fake(tmp_path / "a", 4.0), fake(tmp_path / "b", 5.0, method=WIDE, trivial={"input": 3.5})]
    assert line(*paths).verdict == "not compared: other sources or truths"


def test_figures_of_whole_sets_need_the_same_targets(runs: Path) -> None:
    gankit.train(recipe(WIDE, steps=1, data={"paired": True}), runs / "pairs")
    for name in ("narrow", "pairs"):
        results = json.loads(Run(runs / name).evaluation.read_text())["results"]
        [row] = [row for row in results if (row["metric"], row["direction"]) == ("l1", "a2b")]
        row["protocol"]["n_reference"] = 4
        Run(runs / name).evaluation.write_text(json.dumps({"results": [row]}))
    assert line(runs / "narrow", runs / "pairs").verdict == "not compared: other test pictures"


def test_more_training_pictures_leave_the_test_pictures_as_they_are(runs: Path) -> None:
    gankit.train(recipe(steps=1, data={"train": 4}), runs / "few")
    found = compare([runs / "narrow", runs / "few"], never)
    assert not found.pictures.why and found.differences == {"data.train": [8, 4]}


def test_data_that_are_gone_are_not_compared(tmp_path: Path) -> None:
    a, b = fake(tmp_path / "a", 1.0), fake(tmp_path / "b", 2.0)
    written = json.loads(Run(b).recipe.read_text())
    written["data"] = {"type": "unpaired", "root": str(tmp_path / "gone")}
    Run(b).recipe.write_text(json.dumps(written))
    found = compare([a, b], never)
    for part in ("data.type is shapes and unpaired", ", and the data cannot be looked at"):
        assert part in found.pictures.why


def test_the_page_has_tables_curves_and_one_grid(runs: Path) -> None:
    found = compare([runs / "narrow", runs / "wide"], never)
    page = Page(html(found, gankit.load))
    for text in (
        "channels=4",
        "method.generator.channels",
        "generator/cycle/a2b",
        "Translated: channels=4 by runs/narrow",
        "true mean",
    ):
        assert text in page.text
    assert len(page.images) == 1


def test_long_names_stand_as_letters_above_the_grid(runs: Path) -> None:
    for name in ("narrow", "wide"):
        written = json.loads(Run(runs / name).recipe.read_text())
        Run(runs / name).recipe.write_text(json.dumps(written | {"name": f"a-rather-long-name-{name}"}))
    page = Page(html(compare([runs / "narrow", runs / "wide"], never), gankit.load))
    assert "Translated: A a-rather-long-name-narrow by runs/narrow; B a-rather-long-name-wide by" in page.text


def test_a_method_without_a_source_has_no_pictures_in_the_grid(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(path: Path) -> Model:
        model = gankit.load(path)
        if path.name == "wide":
            monkeypatch.setattr(model.method, "untranslatable", "it draws", raising=False)
        return model

    page = Page(html(compare([runs / "narrow", runs / "wide"], never), load))
    assert "No picture is translated by channels=6." in page.text and len(page.images) == 1


def test_a_page_of_runs_that_cannot_be_loaded_says_so(runs: Path) -> None:
    shutil.rmtree(runs / "wide" / "checkpoints")
    page = Page(html(compare([runs / "narrow", runs / "wide"], never), gankit.load))
    assert "There is no grid: no checkpoint in runs/wide" in page.text and not page.images


# -- the command -------------------------------------------------------------------------------------------------------
def command(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["compare", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def test_the_command(runs: Path) -> None:
    printed = command(runs / "narrow", runs / "wide", "--html", "page.html").stdout
    assert "channels=4" in printed and "method.generator.channels  4           6" in printed
    assert Page(Path("page.html").read_text()).images
    told = json.loads(command(runs, "--json").stdout)
    assert len(told["groups"]) == 2 and told["why_not"]
    assert "cannot be written" in command(runs, "--html", "nowhere/page.html", code=1).stderr


def test_what_is_no_run_is_refused(runs: Path) -> None:
    Path("empty").mkdir()
    assert "nothing: there is no such run directory" in command("nothing", code=2).stderr
    assert "empty is neither a run nor a folder of runs" in command("empty", runs, code=2).stderr
    assert "there is only runs/narrow" in command(runs / "narrow", runs / "narrow", code=2).stderr
    assert command(code=2)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("evaluation.json", "{", "cannot be read: Expecting"),
        ("evaluation.json", "[]", "holds no mapping"),
        ("evaluation.json", '{"results": 3}', "holds no figures"),
        ("evaluation.json", '{"results": [{"metric": "psnr"}]}', "holds no figures"),
        ("evaluation.json", '{"results": [{"value": NaN}]}', "cannot be read: it holds NaN"),
        ("evaluation.json", "[" * 100_000, "cannot be read"),
        ("recipe.json", "{}", "holds no recipe"),
        ("recipe.json", "\x00", "cannot be read"),
    ],
)
def test_damaged_files_are_named(runs: Path, name: str, content: str, message: str) -> None:
    (runs / "wide" / name).write_text(content)
    told = command(runs, code=2).stderr
    assert f"runs/wide/{name} {message}" in told
    assert ("gankit evaluate runs/wide" if name == "evaluation.json" else "train the run again") in told


def test_a_recipe_whose_plugin_is_missing_is_compared_as_written(tmp_path: Path) -> None:
    a, b = fake(tmp_path / "a", 1.0, [0, 2]), fake(tmp_path / "b", 2.0, [1, 3])
    written = json.loads(Run(b).recipe.read_text())
    written["method"] = {"type": "gankit-lost/method"}
    Run(b).recipe.write_text(json.dumps(written))
    found: Comparison = compare([a, b], never)
    assert found.differences["method.type"] == ["gankit/cyclegan", "gankit-lost/method"]


def test_a_run_that_cannot_be_measured_is_named(tmp_path: Path) -> None:
    a, b = fake(tmp_path / "a", 1.0), fake(tmp_path / "b", 2.0)
    Run(b).evaluation.unlink()
    with pytest.raises(CheckpointError, match="b: it has no checkpoint yet"):
        compare([a, b], gankit.load)
