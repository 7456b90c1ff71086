from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from gankit.report.curves import line_chart, loss_curves, measured_curves, read_log, short, ticks, watched_curves


def test_a_half_written_line_is_left_out_and_a_resumed_step_counts_once(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_bytes(
        b'{"step": 1, "losses": {"x": 1.0}}\n{"step": 2, "losses": {"x": 2.0}}\n'
        b'{"step": 2, "losses": {"x": 5.0}}\n[3]\n\xff\n{"step": 3, "losses": {"x": 3.'
    )
    assert [(r["step"], r["losses"]["x"]) for r in read_log(log)] == [(1, 1.0), (2, 5.0)]
    assert read_log(tmp_path / "none.jsonl") == []


def test_losses_of_both_directions_share_a_chart() -> None:
    log = [{"step": 1, "losses": {"g/cycle/a2b": 2.0, "g/cycle/b2a": 3.0, "total": 9}}, {"step": 2}]
    assert loss_curves(log) == {"g/cycle": {"a2b": [(1, 2.0)], "b2a": [(1, 3.0)]}, "total": {"": [(1, 9)]}}


def test_what_is_watched_is_drawn_by_critic_and_by_network() -> None:
    log = [{"step": 1, "watched": {"critics/a2b/real": 2.0, "critics/a2b/fake": 3.0, "gradients/g": 4.0}}, {"step": 2}]
    assert watched_curves(log) == {
        "critics/a2b": {"real": [(1, 2.0)], "fake": [(1, 3.0)]},
        "gradients": {"g": [(1, 4.0)]},
    }


def test_rows_of_one_metric_have_charts_of_their_own() -> None:
    rows = [{"metric": "psnr", "direction": "a2b", "value": 1.0}]
    rows += [{**rows[0], "value": 2.0, "label": "outside"}]
    charts = measured_curves([{"step": 5, "measured": rows}])
    assert charts == {"psnr": {"a2b": [(5, 1.0)]}, "psnr outside": {"a2b": [(5, 2.0)]}}


def test_more_lines_than_colours_are_dashed() -> None:
    figure = line_chart("rho", {f"layer {i}": [(0, i), (1, i)] for i in range(8)})
    lines = list(ElementTree.fromstring(figure).iter("polyline"))
    assert [line.get("stroke-dasharray") for line in lines] == [None] * 6 + ["5 3"] * 2
    assert lines[0].get("stroke") == lines[6].get("stroke")
    assert "</span> <span" in figure  # a long key may break


def test_chart_is_well_formed_and_holds_its_points() -> None:
    lines = {"a2b": [(0, 0.0), (50, float("nan")), (100, 1.0)], "<b&>": [(i, i / 1000) for i in range(1000)]}
    figure = line_chart("cycle <1>", lines)
    tree = ElementTree.fromstring(figure)
    polylines = [e.get("points", "").split() for e in tree.iter("polyline")]
    assert [len(p) for p in polylines] == [2, 200]  # without the NaN; 1000 points in 200 stretches
    (x0, y0), (_, y1) = (tuple(map(float, p.split(","))) for p in polylines[0])
    assert x0 == 48 and y0 == 168  # lower left corner
    assert y1 == 8  # the highest tick is 1
    assert "<b&>" in "".join(tree.itertext()) and "nan" not in figure


def test_a_single_point_is_a_dot() -> None:
    tree = ElementTree.fromstring(line_chart("x", {"a": [(4, 2.0)], "b": [(4, 3.0), (8, 2.0)]}))
    assert len(list(tree.iter("circle"))) == 1


def test_chart_of_nothing_finite_is_empty() -> None:
    assert line_chart("x", {"a": [(1, float("inf"))], "b": []}) == ""


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.5, 1]), (0, 100, [0, 50, 100]), (3, 3, [3, 4]), (-0.2, 0.1, [-0.2, -0.1, 0, 0.1]), (0, 0, [0, 0.5])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high, 4) == pytest.approx(expected)


def test_short_numbers() -> None:
    assert [short(x) for x in (0.123456, 12.0, 9999, 20000, 1.5e6)] == ["0.1235", "12", "9999", "20k", "1500k"]
