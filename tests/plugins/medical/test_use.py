"""The plugin in use: recipes, translations of files, the example, the kit, and its wheel beside gankit's."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import gankit as package
from gankit.cli.main import app
from gankit.inspect.recipe import check_recipe
from gankit.testing import check_component
from tests.plugins import wheels
from tests.plugins.medical.conftest import PLUGIN
from tests.plugins.wheels import check_imports, gankit

TINY = ["method.generator.channels=2", "method.discriminator.channels=2", "method.discriminator.layers=1"]
ONE_STEP = ["train.steps=1", "train.batch_size=2", "train.samples=1", "train.workers=0"]
PATIENTS = ["data.size=24", "data.depth=2", "data.train=2", "data.val=1", "data.test=2"]
CODEC = {"low": -160, "high": 340, "units": "HU", "outside": "clip"}


def command(*arguments: str | Path, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def run(recipe: Callable[..., Any], tmp_path: Path) -> Callable[..., Path]:
    """A run of `contrast-ct` that took one step, its pictures read as a codec reads files."""

    def train(kind: str, slices: int = 1) -> Path:
        codec = json.dumps({"type": kind, "slices": slices, **CODEC})
        sets = [*TINY, *ONE_STEP, *PATIENTS, f"data.codec={codec}"]
        sets += [f"method.channels_{side}={slices}" for side in "ab"]
        package.train(recipe("contrast-ct", sets), tmp_path / "run", device="cpu")
        return tmp_path / "run"

    return train


# -- recipes ---------------------------------------------------------------------------------------------------------
def test_the_drawn_recipe_trains_and_is_measured_in_hu(run: Any) -> None:
    rows = json.loads((run("nifti") / "evaluation.json").read_text())["results"]
    found = {(row["metric"].split("/")[1], row["direction"], row.get("label") or ""): row for row in rows}
    assert {name for name, _, _ in found} == {"vessel_mae", "body_mae", "body_psnr", "body_ssim"}
    row = found["vessel_mae", "a2b", ""]
    assert row["unit"] == "HU" and row["protocol"]["n"] == 2 and row["protocol"]["window"] == [-160, 340]
    assert row["trivial"]["input"] > 100 and row["protocol"]["seed"] == 0


def test_the_recipe_for_files_takes_a_step(recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gankit_medical.drawn_files import write_patients

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_patients(Path("datasets/ct"), "nifti", 8, 24, 2, 0, 6)
    sets = [*TINY, *ONE_STEP, "data.crop=16", "data.test=0.3", "data.val=0.2"]
    package.train(recipe("contrast-ct-volumes", sets), "run", device="cpu")
    command("translate", "run", "datasets/ct/A/a000.nii.gz", "--out", "out", "--no-attention")
    assert [path.name for path in Path("out").iterdir()] == ["a000.nii.gz"]


def test_two_channels_of_light_become_three_stains_of_16_bits(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tifffile
    from gankit_medical.drawn_files import write_cells

    monkeypatch.chdir(tmp_path)
    write_cells(Path("datasets/cells"), 6, 2, 32, 0)
    light, stains = (tifffile.imread(f"datasets/cells/{side}/test/0000.tif") for side in "AB")
    assert light.shape == (32, 32, 2) and stains.shape == (32, 32, 3) and stains.dtype == np.uint16
    assert stains.max() > 2000 and (stains > 1000).mean() < 0.3
    small = [*TINY, *ONE_STEP, "method.generator.downs=3", "data.crop_size=32"]
    package.train(recipe("virtual-staining", small), "run", device="cpu")
    command("translate", "run", "datasets/cells/A/test", "--out", "out")
    made = [tifffile.imread(path) for path in sorted(Path("out").iterdir())]
    assert len(made) == 2 and made[0].shape == (32, 32, 3) and made[0].dtype == np.uint16
    rows = json.loads(Path("run/evaluation.json").read_text())["results"]
    assert rows[0]["protocol"]["rounding"] == "none" and rows[0]["trivial"]["best constant"] > 0


# -- files -----------------------------------------------------------------------------------------------------------
def test_a_volume_is_translated_and_keeps_its_place(run: Any, tmp_path: Path) -> None:
    import nibabel as nib
    from gankit_medical.drawing import draw_body
    from gankit_medical.drawn_files import write_nifti

    body = draw_body(np.random.default_rng(1), 26, 4, 6)
    (tmp_path / "in").mkdir()
    write_nifti(tmp_path / "in" / "scan.nii.gz", body.plain)
    command("translate", run("nifti", slices=3), tmp_path / "in", "--out", tmp_path / "out", "--no-attention")
    source, made = (nib.load(tmp_path / name / "scan.nii.gz") for name in ("in", "out"))  # pyright: ignore
    assert made.shape == source.shape and np.array_equal(made.affine, source.affine)
    assert made.get_data_dtype() == np.int16
    values = made.get_fdata()
    assert values.min() >= -160 and values.max() <= 340
    near = np.abs(values - source.get_fdata().clip(-160, 340))
    assert np.median(near) < 30  # an untrained generator nearly copies


def test_a_series_is_translated_as_one_series(run: Any, tmp_path: Path) -> None:
    from gankit_medical.drawing import draw_body
    from gankit_medical.drawn_files import write_series
    from pydicom import dcmread

    write_series(tmp_path / "in" / "scan", draw_body(np.random.default_rng(1), 26, 4, 6).plain)
    command("translate", run("dicom", slices=3), tmp_path / "in", "--out", tmp_path / "out", "--no-attention")
    made = [dcmread(path) for path in sorted((tmp_path / "out" / "scan").iterdir())]
    before = [dcmread(path) for path in sorted((tmp_path / "in" / "scan").iterdir())]
    assert [x.ImagePositionPatient for x in made] == [x.ImagePositionPatient for x in before] and len(made) == 4
    assert len({x.SeriesInstanceUID for x in made}) == 1 and made[0].SeriesInstanceUID != before[0].SeriesInstanceUID


def test_drawn_files_go_into_a_new_folder_only(tmp_path: Path) -> None:
    from gankit_medical.commands import medical

    small = ["--patients", "1", "--size", "16", "--depth", "2"]
    done = CliRunner().invoke(medical, ["draw-ct", str(tmp_path / "ct"), "--kind", "dicom", *small])
    assert done.exit_code == 0 and len(list((tmp_path / "ct").rglob("*.dcm"))) == 4
    again = CliRunner().invoke(medical, ["draw-ct", str(tmp_path / "ct"), *small])
    assert again.exit_code == 2 and "exists already" in again.output
    done = CliRunner().invoke(
        medical, ["draw-cells", str(tmp_path / "c"), "--train", "1", "--test", "1", "--size", "16"]
    )
    assert done.exit_code == 0 and len(list((tmp_path / "c").rglob("*.tif"))) == 4


# -- the example -----------------------------------------------------------------------------------------------------
def test_the_example_compares_segmenters(run: Any) -> None:
    example = runpy.run_path(str(PLUGIN / "examples" / "augmentation.py"))
    home = run("nifti")
    found = example["compare"](home, steps=2, split="test", patients=None)
    assert len(found) == 5 and all(0 <= value <= 1 for row in found.values() for value in row.values())
    truth = torch.zeros(3, 1, 4, 4)
    truth[:, :, :2] = 1
    half = truth.clone()
    half[2, :, 0] = 0  # 2 * 4 / (4 + 8) of the second patient
    assert example["dice"](half, truth, torch.tensor([0, 0, 1])) == pytest.approx((1 + 2 / 3) / 2)
    bright = truth * 0.8 - 0.4 + 0.01 * torch.arange(3).view(3, 1, 1, 1)
    assert example["best_threshold"](bright, truth, torch.tensor([0, 0, 1])) == 1


# -- the kit and the package -----------------------------------------------------------------------------------------
WINDOWED = {"type": "gankit-medical/nifti", **CODEC}
FIELDS = {"body": torch.ones(2, 1, 32, 32), "volume": torch.arange(2)}


@pytest.mark.parametrize(
    "kind, name, arguments",
    [
        ("codec", "dicom", {"low": -1000, "high": 1000}),
        ("codec", "nifti", {"low": -1000, "high": 1000}),
        ("generator", "slice_unet", {"channels": 2}),
        ("dataset", "phantom", {"codec": WINDOWED, "size": 16, "depth": 2, "train": 1, "val": 1, "test": 1}),
        ("metric", "body_mae", {}),
        ("metric", "body_psnr", {}),
        ("metric", "body_ssim", {}),
        ("metric", "vessel_mae", {}),
    ],
)
def test_it_conforms(kind: str, name: str, arguments: dict[str, Any]) -> None:
    inputs = FIELDS if kind == "metric" else {}
    check_component(kind, f"gankit-medical/{name}", overrides=arguments, inputs=inputs)


def test_the_data_set_of_files_conforms(tmp_path: Path) -> None:
    from gankit_medical.drawn_files import write_patients

    write_patients(tmp_path / "ct", "nifti", 8, 16, 2, 0, 6)
    options = {"codec": WINDOWED, "root": str(tmp_path / "ct"), "crop": 12, "test": 0.3, "val": 0.2}
    check_component("dataset", "gankit-medical/volumes", overrides=options | {"cache_folder": str(tmp_path / "kept")})


def test_the_recipes_play(recipe: Any) -> None:
    (played,) = check_recipe(recipe("contrast-ct", [*TINY, *PATIENTS]))
    assert {key.split("/")[1] for key in played.losses} == {"adversarial", "cycle", "identity"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.environment(tmp_path_factory.mktemp("wheels"), "gankit-medical")


def test_the_wheel_takes_a_real_step(environment: Path) -> None:
    [status] = json.loads(gankit(environment, "plugins", "--json"))
    assert (status["distribution"], status["state"]) == ("gankit-medical", "ok")
    gankit(environment, "build", "contrast-ct", "--check", *(part for s in TINY + PATIENTS for part in ("--set", s)))
    drawn = gankit(environment, "medical", "draw-ct", "ct", "--patients", "1", "--size", "16", "--depth", "2")
    assert drawn.startswith("2 files in ct")


def test_what_the_plugin_imports() -> None:
    check_imports("gankit-medical")
