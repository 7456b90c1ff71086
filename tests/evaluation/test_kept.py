"""Measurements of a run, side by side in its evaluation.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gankit import CheckpointError
from gankit.evaluation.kept import KEPT, keep, measurements, results
from gankit.evaluation.results import Evaluation, Figure


def figure(metric: str, value: float | None, n: int, weights: str = "one", **protocol: str) -> Figure:
    told = {"n": n, "weights_sha256": weights, **protocol}
    return Figure(metric, "a2b", value, None, "dB", "higher", told)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "evaluation.json"


def test_a_measurement_of_a_few_pictures_leaves_the_whole_one(place: Path) -> None:
    keep(place, Evaluation((figure("psnr", 20, 100),)), {})
    keep(place, Evaluation((figure("psnr", 30, 2),)), {"limit": 2})
    assert [row["value"] for row in results(place)] == [20]
    assert [(one.asked, one.results[0]["value"]) for one in measurements(place)] == [({"limit": 2}, 30), ({}, 20)]
    assert json.loads(place.read_text())["results"] == results(place)


def test_where_nothing_else_is_there_a_few_pictures_stand_for_the_run(place: Path) -> None:
    keep(place, Evaluation((figure("psnr", 30, 2),)), {"limit": 2})
    keep(place, Evaluation((figure("psnr", 31, 3),)), {"limit": 3})
    assert [row["value"] for row in results(place)] == [31]


def test_figures_of_other_metrics_stand_beside_one_another(place: Path) -> None:
    keep(place, Evaluation((figure("psnr", 20, 100),)), {})
    keep(place, Evaluation((figure("fid", 7, 100),)), {"metrics": ["fid"]})
    assert {row["metric"]: row["value"] for row in results(place)} == {"fid": 7, "psnr": 20}


def test_the_same_question_is_answered_once(place: Path) -> None:
    for value in (20, 21):
        keep(place, Evaluation((figure("psnr", value, 100),)), {"limit": None})
    assert [one.results[0]["value"] for one in measurements(place)] == [21]


def test_figures_of_older_weights_do_not_stand_for_the_run(place: Path) -> None:
    keep(place, Evaluation((figure("psnr", 20, 100), figure("fid", 9, 100))), {})
    keep(place, Evaluation((figure("psnr", 25, 100, "two"),)), {})
    assert [row["value"] for row in results(place)] == [25]
    assert len(measurements(place)) == 2


def test_what_could_not_be_had_does_not_hide_what_could(place: Path) -> None:
    keep(place, Evaluation((figure("fid", 9, 100),)), {})
    keep(place, Evaluation((figure("fid", None, 100),)), {"metrics": ["fid"]})
    assert [row["value"] for row in results(place)] == [9]


def test_references_of_several_kinds_stand_beside_one_another(place: Path) -> None:
    for value, reference in ((9, "target"), (8, "source")):
        keep(place, Evaluation((figure("fid", value, 100, reference=reference),)), {"reference": reference})
    assert [row["value"] for row in results(place)] == [8, 9]


def test_files_of_older_versions(place: Path) -> None:
    rows = Evaluation((figure("psnr", 20, 100),)).as_dict()["results"]
    place.write_text(json.dumps({"results": rows}))
    assert results(place) == rows
    keep(place, Evaluation((figure("psnr", 30, 2),)), {"limit": 2})
    assert results(place) == rows and len(measurements(place)) == 2


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"results": 3}', '{"measurements": [3]}', '{"results": [{}]}', "\udcff"]
)
def test_a_damaged_file_is_told_and_replaced(place: Path, content: str) -> None:
    place.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(CheckpointError, match="measure it again by `gankit evaluate"):
        measurements(place)
    keep(place, Evaluation((figure("psnr", 20, 100),)), {})
    assert len(results(place)) == 1


def test_old_measurements_go(place: Path) -> None:
    for limit in range(1, KEPT + 5):
        keep(place, Evaluation((figure("psnr", limit, limit),)), {"limit": limit})
    assert [one.asked["limit"] for one in measurements(place)] == list(range(KEPT + 4, 4, -1))
