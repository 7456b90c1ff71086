"""The table of what is learned: its rows can be trained, and its lines say what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import learned
from benchmarks.learned import MADE, write
from benchmarks.learning import DOCS, setting, training
from benchmarks.rates import seconds_a_step
from benchmarks.rows import FACADES, NAFNET, PAGES, TASKS, Row
from gankit.core.recipe import Recipe

OF_PLUGINS = ("demo-cut", "demo-cyclegan-modern", FACADES)


def needs_a_plugin(row: Row) -> bool:
    return row.recipe in OF_PLUGINS or bool(set(NAFNET) & set(row.sets))


@pytest.mark.parametrize(
    "row", [row for rows in PAGES.values() for row in rows if not needs_a_plugin(row)], ids=lambda row: row.name
)
def test_rows_are_recipes(row: Row, tmp_path: Path) -> None:
    one = training(row, 7, tmp_path)
    assert not one.finished and one.arguments[:2] == ["train", row.recipe]
    assert one.recipe.train.seed == 7
    assert isinstance(one.recipe, Recipe)


def figure(value: float, direction: str = "a2b", **trivial: float) -> dict[str, Any]:
    row = {"metric": "translation_error", "direction": direction, "value": value, "interval": None, "unit": ""}
    return row | {"better": "lower", "protocol": {}, "trivial": trivial}


def run_of(folder: Path, value: float) -> Path:
    run = folder / f"x-{value}"
    run.mkdir()
    results = [figure(value, input=1.0, mean=value + 1), figure(0.5, "b2a", input=1.0)]
    (run / "evaluation.json").write_text(json.dumps({"results": results}))
    return run


def test_lines_have_mean_range_and_trivial_answers(tmp_path: Path) -> None:
    kept = tmp_path / "learned.json"
    for seed, value in ((1, 0.25), (2, 0.35)):
        learned.keep(learned.record("x", "as it was", seed, run_of(tmp_path, value)), kept)
    assert learned.lines("x", "X, `texture`", learned.read(kept)) == [
        "| X, `texture`, 2 seeds | error a2b | **0.30** (0.25 to 0.35) | input 1.00, mean 1.30 |",
        "|  | error b2a | **0.50** (0.50 to 0.50) | input 1.00 |",
    ]
    assert learned.lines("y", "Y", learned.read(kept)) == []


def test_a_row_tells_its_minutes(tmp_path: Path) -> None:
    records = [learned.record("x", "as it was", 1, run_of(tmp_path, 0.25))]
    first, second = learned.lines("x", "X", records, 4.4)
    assert first.startswith("| X, 1 seed, 4 min | error a2b |") and second.startswith("|  | error b2a |")
    rates = tmp_path / "rates.json"
    rates.write_text(json.dumps({"x": {"setting": "as it was", "minutes": 4.4}, "y": {"setting": "z", "minutes": 1}}))
    assert learned.minutes("x", records, rates) == 4.4 and learned.minutes("y", records, rates) is None
    other = [record | {"setting": "changed"} for record in records]
    assert learned.minutes("x", other, rates) is None and learned.minutes("x", records, tmp_path / "none") is None


def test_the_grid_has_errors_and_the_strongest_trivial_answers(tmp_path: Path) -> None:
    records = [learned.record("x", "as it was", seed, run_of(tmp_path, value)) for seed, value in ((1, 0.2), (2, 0.4))]
    cells = {"y": ("CUT", "colour"), "x": ("AGIT", "season")}
    assert learned.grid(cells, ("season", "colour"), records) == [
        "| method | season | colour |",
        "|---|---|---|",
        "| CUT |  |  |",
        r"| AGIT | **0.30, 0.50** \| 1.00, 1.00 (2) |  |",
        "",
    ]
    assert learned.grid({}, ("season",), records) == []


@pytest.mark.parametrize("rows", PAGES.values(), ids=lambda rows: rows[0].name)
def test_rows_have_names_and_cells_of_their_own(rows: list[Row]) -> None:
    cells = [row.cell for row in rows if row.cell]
    assert len({row.name for row in rows}) == len(rows) and len(set(cells)) == len(cells)
    assert {task for _, task in cells} <= set(TASKS)


def test_a_rate_is_that_of_the_later_steps() -> None:
    lines = [{"step": 20, "time": 30.0, "losses": {}}, {"step": 40, "time": 35.0, "losses": {}}]
    lines += [{"step": 60, "time": 40.0, "losses": {}}, {"step": 60, "time": 41.0, "measured": {}}]
    assert seconds_a_step("\n".join(map(json.dumps, lines))) == 0.25


def test_trivial_answers_that_are_metrics_stand_beside(tmp_path: Path) -> None:
    def one(metric: str, value: float) -> dict[str, Any]:
        return figure(value) | {"metric": metric}

    run = tmp_path / "run"
    run.mkdir()
    results = [one("hole_psnr", 20.0), one("hole_psnr_mean_fill", 13.0), one("psnr", 21.0), one("mse", 3.0)]
    (run / "evaluation.json").write_text(json.dumps({"results": results}))
    found = learned.record("x", "as it was", 1, run)["figures"]
    assert found["hole_psnr a2b"] == {"values": [20.0], "trivial": {"mean fill": 13.0}}
    assert set(found) == {"hole_psnr a2b", "psnr a2b"}
    (run / "evaluation.json").write_text(json.dumps({"results": [*results, one("translation_error", 0.5)]}))
    assert set(learned.record("x", "as it was", 1, run)["figures"]) == {"hole_psnr a2b", "translation_error a2b"}


def test_a_figure_is_kept_once_and_goes_with_its_setting(tmp_path: Path) -> None:
    kept = tmp_path / "learned.json"
    learned.keep(learned.record("y", "as it was", 1, run_of(tmp_path, 0.1)), kept)
    for name, value in (("as it was", 0.2), ("as it was", 0.3), ("changed", 0.4)):
        learned.keep(learned.record("x", name, 1, run_of(tmp_path, value)), kept)
        assert learned.has("x", name, 1, kept) and not learned.has("x", name, 2, kept)
        assert [one["row"] for one in learned.read(kept)] == ["x", "y"]
    assert not learned.has("x", "as it was", 1, kept)


def test_a_setting_is_what_the_recipe_and_the_row_say() -> None:
    one = Row("x", "X", "demo")
    assert setting(one) == setting(Row("y", "Y", "demo")) != setting(Row("x", "X", "demo", ("train.steps=1",)))


def test_rows_stand_beside_one_another_in_a_table(tmp_path: Path) -> None:
    records = [learned.record("x", "as it was", seed, run_of(tmp_path, value)) for seed, value in ((1, 0.2), (2, 0.4))]
    slope = {"values": [0.9], "trivial": {"input": 0.5, "mean": 1.7}}
    records.append({**records[0], "row": "y", "figures": {"colour_slope a2b": slope}})
    assert learned.beside({"x": "X", "z": "not trained", "y": "Y"}, records) == [
        "| row | error a2b | error b2a | colour slope a2b |",
        "|---|---|---|---|",
        r"| X, 2 seeds | **0.30** (0.20 to 0.40) \| 1.00 | **0.50** (0.50 to 0.50) \| 1.00 |  |",
        r"| Y, 1 seed |  |  | **0.90** \| 0.50 |",
    ]


@pytest.mark.parametrize("name", PAGES)
def test_writing_keeps_the_rest_of_the_page(name: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    before = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    page.write_text(before, encoding="utf-8")
    write(page, lambda names: [f"a table of {' '.join(names) or 'all'}"])
    after = page.read_text(encoding="utf-8")
    assert MADE.sub("", after) == MADE.sub("", before)
    tables = [found["table"] for found in MADE.finditer(after)]
    assert len(tables) == len(MADE.findall(before)) and all(table.startswith("a table of") for table in tables)
    write(page, lambda names: [f"a table of {' '.join(names) or 'all'}"])
    assert page.read_text(encoding="utf-8") == after


def test_every_experiment_stands_in_a_table_with_its_command() -> None:
    page = DOCS / "experiments.md"
    assert set(learned.rows_in(page)) >= {row.name for row in PAGES["experiments"]}
    text = page.read_text(encoding="utf-8")
    for found in MADE.finditer(text):
        assert f"```sh\npython -m benchmarks.learning{found['rows']}\n```\n\n{found[0]}" in text
