"""Two folders of pictures, through the command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from gankit.cli.main import app
from gankit.core.errors import DataError
from gankit.evaluation.choose import named
from gankit.evaluation.folders import evaluate_folders
from gankit.evaluation.metrics import L1, PSNR

RANDOM = "kid-squeezenet-random"


def gankit(*arguments: str | Path | int) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def fill(folder: Path, count: int, level: int = 100, side: int = 24, ending: str = "png") -> Path:
    folder.mkdir(exist_ok=True)
    for i in range(count):
        noise = np.random.default_rng(i).integers(0, 60, (side, side, 3))
        Image.fromarray((noise + level).astype(np.uint8)).save(folder / f"{i:03d}.{ending}")
    return folder


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return fill(tmp_path / "ours", 4)


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANKIT_WEIGHTS", raising=False)
    monkeypatch.setenv("GANKIT_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))


def test_pictures_of_equal_names_are_pairs(ours: Path, tmp_path: Path) -> None:
    theirs = fill(tmp_path / "theirs", 5, level=110, ending="BMP")
    found = evaluate_folders(ours, theirs, {"l1": L1(), "psnr": PSNR()}, batch_size=3).rows
    assert [row.value for row in found] == [10, pytest.approx(28.1308, abs=1e-4)]
    assert found[0].interval == (10, 10) and found[0].direction == ""
    assert found[0].protocol | {"n": 4, "outputs": str(ours), "against": str(theirs)} == found[0].protocol


@pytest.mark.parametrize(
    ("count", "side", "said"),
    [(3, 24, "1 of 4 pictures of .* have no counterpart .* 003.png"), (4, 20, "24 x 24 px, but its counterpart .*20")],
)
def test_why_pictures_are_no_pairs(count: int, side: int, said: str, ours: Path, tmp_path: Path) -> None:
    theirs = fill(tmp_path / "theirs", count, side=side)
    (row,) = evaluate_folders(ours, theirs, {"psnr": PSNR()}).rows
    assert row.value is None
    assert re.search(said, row.unavailable)


def test_sets_as_a_table_and_as_json(ours: Path, tmp_path: Path) -> None:
    theirs, kept = fill(tmp_path / "theirs", 6, level=150, side=40), tmp_path / "kept.json"
    names = f"{RANDOM},fid-squeezenet-random,recall-squeezenet-random"
    told = gankit("evaluate", ours, "--against", theirs, "--metrics", names, "--out", kept)
    assert told.exit_code == 0, told.output
    assert "few for FID" in told.stdout and "clean v1" in told.stdout and "n 4 · n reference 6" in told.stdout
    assert "± " in told.stdout and "direction" not in told.stdout.splitlines()[0]
    as_json = gankit("evaluate", ours, "--against", theirs, "--metrics", names, "--json")
    rows = json.loads(as_json.stdout)["results"]
    assert rows == json.loads(kept.read_text())["results"]
    assert [row["metric"] for row in rows] == [n.replace("squeezenet", "squeezenet1_1") for n in names.split(",")]
    assert rows[0]["unit"] == "(x100)" and rows[0]["std"] > 0 and rows[0]["protocol"]["features"].endswith("-random")


def test_the_protocol_is_chosen(ours: Path, tmp_path: Path) -> None:
    theirs = fill(tmp_path / "theirs", 4, level=150, side=40)
    rows = [
        evaluate_folders(ours, theirs, named([RANDOM], protocol)).rows[0]
        for protocol in ("clean", "legacy-pytorch", "legacy-tf")
    ]
    assert len({row.value for row in rows}) == 3
    assert [row.protocol["resize"].split(" v")[0] for row in rows] == ["clean", "legacy-pytorch", "legacy-tf"]


def test_too_few_pictures_and_missing_weights_are_rows_and_exit_2(ours: Path, tmp_path: Path) -> None:
    theirs = fill(tmp_path / "theirs", 1)
    result = gankit("evaluate", ours, "--against", theirs, "--metrics", f"{RANDOM},fid,l1", "--json")
    assert result.exit_code == 2
    few, missing, l1 = json.loads(result.stdout)["results"]
    assert few["unavailable"] == "it needs at least 2 pictures of each set; there are 4 and 1"
    assert "pt_inception-2015-12-05-6726825d.pth" in missing["unavailable"] and missing["value"] is None
    assert "no counterpart" in l1["unavailable"]


def test_without_names_pairs_and_sets_are_measured_and_nothing_fails(ours: Path, tmp_path: Path) -> None:
    result = gankit("evaluate", ours, "--against", fill(tmp_path / "theirs", 4, level=110))
    assert result.exit_code == 0
    names = [line.split()[0] for line in result.stdout.splitlines()[1:] if line.strip()]
    assert {"kid", "fid", "psnr", "ssim", "l1"} <= set(names)
    assert "kid, fid unavailable: " in result.stdout


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("kids", "did you mean 'kid'"),
        ("kid-squeesenet", "did you mean 'squeezenet'"),
        ("psnr-squeezenet", "psnr takes no network"),
        ("structure", "needs the name of a network"),
        ("kid-timm", "model"),
        ("kid-timm:nothing", "timm has no network"),
        ("lpips-resnet", "alex"),
    ],
)
def test_names_that_mean_nothing(names: str, said: str, ours: Path) -> None:
    result = gankit("evaluate", ours, "--against", ours, "--metrics", names)
    assert result.exit_code == 2 and said in result.output


def test_folders_that_cannot_be_measured(ours: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, said in (
        ([ours, "--against", tmp_path / "empty"], "holds no picture"),
        ([tmp_path / "none", "--against", ours], "does not exist"),
        ([ours], "name another with --against"),
        ([ours, "--against", ours, "--reference", "mean"], "two folders have no source"),
        ([ours, "--against", ours, "--direction", "a2b"], "no direction"),
    ):
        result = gankit("evaluate", *arguments)
        assert result.exit_code == 2 and said in result.stderr, result.output
    (ours / "001.png").write_bytes(b"?")
    with pytest.raises(DataError, match=r"001\.png"):
        evaluate_folders(ours, ours, named([RANDOM]))


def test_two_networks_in_one_call_have_rows_of_their_own() -> None:
    assert list(named(["kid-squeezenet1_1", "kid-timm:resnet18-random", "kid", "kid", "lpips-squeezenet"])) == [
        "kid-squeezenet1_1",
        "kid-timm:resnet18-random",
        "kid",
        "kid#2",
        "lpips-squeeze",
    ]
