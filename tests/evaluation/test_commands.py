"""The commands over a run whose figures are known."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from gankit.cli.main import app
from gankit.core.recipe import Recipe
from gankit.inference.translate import EIGHT_BITS
from tests.evaluation.fakes import Brighten, Scenes, Unpaired


class OneWay(Brighten):
    directions = ("a2b",)


class Alone(Unpaired):
    """Sources without any target."""

    def item(self, index: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        return {"a": super().item(index, generator)["a"]}


def gankit(*arguments: str | Path | int) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    run = tmp_path / "run"
    run.mkdir()
    loaded = SimpleNamespace(
        method=Brighten(10),
        dataset=lambda split: Scenes(),
        run_dir=run,
        channels={"a": 3, "b": 1},
        codecs=EIGHT_BITS,
        step=40,
        ema=False,
        recipe=Recipe.load("demo"),
    )
    monkeypatch.setattr("gankit.load", lambda path, device="auto", checkpoint="last": loaded, raising=False)
    return run


def test_translate_names_the_corrupt_picture_and_exits_1(run: Path, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (9, 9, 9)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"?")
    out = tmp_path / "out"
    result = gankit("translate", run, tmp_path / "bad.png", tmp_path / "good.png", "--out", out)
    assert result.exit_code == 1
    assert "bad.png" in result.stderr and "1 of 2 pictures" in result.stderr
    assert result.stdout.split() == [str(out / "good.png")]
    assert (out / "good_attention.png").is_file()


def test_translate_the_other_way_reads_its_channels(run: Path, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (90, 90, 90)).save(tmp_path / "x.png")
    options = ["--direction", "b2a", "--no-attention", "--out", tmp_path / "out"]
    assert gankit("translate", run, tmp_path / "x.png", *options).exit_code == 0
    written = Image.open(tmp_path / "out" / "x.png")
    assert written.mode == "L" and written.getextrema() == (80, 80)
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_translate_refuses_wrong_input_with_exit_2(run: Path, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png")
    for options in (["--direction", "up"], ["missing.png"]):
        result = gankit("translate", run, tmp_path / "x.png", *options, "--out", tmp_path / "out")
        assert result.exit_code == 2 and result.stderr.startswith("gankit: ")
    assert not (tmp_path / "out").exists()


def test_evaluate_prints_and_keeps_the_figures(run: Path) -> None:
    result = gankit("evaluate", run, "--limit", 2, "--batch-size", 1)
    assert result.exit_code == 0
    rows = [line.split()[:6] for line in result.stdout.splitlines()]
    assert ["translation_error", "a2b", "0.5", "0.5", "to", "0.5"] in rows
    assert "n 2 · " in result.stdout and "step 40" in result.stdout
    as_json = gankit("evaluate", run, "--limit", 2, "--json")
    assert json.loads(as_json.stdout)["results"] == json.loads((run / "evaluation.json").read_text())["results"]


def test_evaluate_says_when_there_is_nothing_to_measure(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe.load("demo")
    loaded = SimpleNamespace(
        method=OneWay(), dataset=lambda split: Alone(), run_dir=run, recipe=recipe, step=0, ema=False
    )
    monkeypatch.setattr("gankit.load", lambda path, device="auto", checkpoint="last": loaded, raising=False)
    result = gankit("evaluate", run)
    assert result.exit_code == 0 and result.stdout == "" and "nothing to measure" in result.stderr


def test_evaluate_of_unpaired_data_speaks_of_sets(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Inception's weights the run is measured all the same, and the exit code is 2 only where it was asked."""
    monkeypatch.setattr(
        "gankit.load", lambda path, device="auto", checkpoint="last": SimpleNamespace(**fields), raising=False
    )
    monkeypatch.setattr("gankit.evaluation.extract.local", lambda network: None)
    monkeypatch.setenv("GANKIT_OFFLINE", "1")
    fields = {
        "method": Brighten(),
        "dataset": lambda split: Unpaired(),
        "run_dir": run,
        "recipe": Recipe.load("demo"),
        "step": 0,
        "ema": False,
    }
    result = gankit("evaluate", run)
    assert result.exit_code == 0 and "kid, fid unavailable: " in result.stdout
    assert "pt_inception-2015-12-05-6726825d.pth" in result.stdout
    (run / "recipe.json").write_text("{}")
    page = Path(gankit("report", run).stdout.strip()).read_text()
    assert "unavailable" in page and "pt_inception" in page
    assert gankit("evaluate", run, "--metrics", "psnr").exit_code == 2
    rows = json.loads((run / "evaluation.json").read_text())["results"]
    assert rows[0]["unavailable"] == "it needs truth, which the data and the method do not offer"


def test_report_prints_its_path(run: Path, tmp_path: Path) -> None:
    (run / "recipe.json").write_text("{}")
    result = gankit("report", run)
    assert result.exit_code == 0 and result.stdout.strip() == str(run / "report.html")
    missing = gankit("report", tmp_path / "none")
    assert missing.exit_code == 2 and "there is no such run directory" in missing.stderr


def test_a_training_on_plain_folders_has_nothing_to_print(capsys: pytest.CaptureFixture[str]) -> None:
    """`gankit train` prints its results as `gankit evaluate` does, also when the data holds no truth."""
    from gankit.cli.evaluate import print_results

    print_results([])
    printed = capsys.readouterr()
    assert printed.out == "" and "neither true masks nor counterparts" in printed.err
