from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import gankit
from gankit import CheckpointError, DataError, Recipe, RecipeError
from gankit.training import checkpoint
from gankit.training.devices import Devices
from gankit.training.run import Run
from tests.training.tiny import AGIT, CYCLE, CYCLEGAN, recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the whole way: trained, averaged, measured, reported."""
    folder = tmp_path_factory.mktemp("api") / "run"
    gankit.train(recipe(method=AGIT, steps=2, ema=0.5), folder)
    return folder


@pytest.mark.parametrize("form", ["dict", "path", "Recipe"])
def test_build_takes_a_recipe_in_any_form(form: str, tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(recipe()))
    given = {"dict": recipe(), "path": path, "Recipe": Recipe.load(recipe())}[form]
    method = gankit.build(given, sets=["method.generator.blocks=2"] if form == "path" else [])
    assert isinstance(method, torch.nn.Module)
    assert {"generator_a2b", "generator_b2a", "discriminator_a2b", "discriminator_b2a"} == set(method.networks)


def test_every_mistake_of_the_assembly_is_in_one_report(tmp_path: Path) -> None:
    losses = CYCLE | {"area": "attention_area", "cam": "cam", "again": {"type": "cycle", "on": {"output": "x"}}}
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(recipe(losses=losses, optimizers={"nobody": {"lr": 1.0}})))
    with pytest.raises(RecipeError) as caught:
        gankit.build(path)
    places = [p.path for p in caught.value.problems]
    assert set(places) == {"losses.area", "losses.cam", "losses.again.on.output", "train.optimizers.nobody"}
    assert all(p.line > 0 and p.file == str(path) for p in caught.value.problems)


@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        ({"method": CYCLEGAN | {"channels_a": 1}}, "method.channels_a", "have 3 channels and the networks take 1"),
        ({"method": CYCLEGAN | {"discriminator": "patch"}}, "data", "the networks need at least"),
        ({"data": {"size": 18}}, "data", "multiples of 4 px"),
    ],
)
def test_pictures_that_do_not_suit_the_networks(change: dict, place: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        gankit.train(recipe(**change), tmp_path / "run")
    assert [p.path for p in caught.value.problems] == [place]
    assert not (tmp_path / "run").exists()


def test_a_field_that_the_data_lacks(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "one.png")
    data = {"type": "single", "root": str(tmp_path), "train": ".", "test": ".", "load_size": 16, "crop_size": 16}
    with pytest.raises(RecipeError, match="need `b`"):
        gankit.train(recipe() | {"data": data}, tmp_path / "run")


def test_a_run_is_measured_and_reported(run: Path) -> None:
    assert (run / "report.html").stat().st_size > 1000
    rows = json.loads((run / "evaluation.json").read_text())["results"]
    assert {row["metric"] for row in rows} >= {"attention_iou", "background_psnr", "translation_error"}
    assert all(row["protocol"]["ema"] is True and row["protocol"]["step"] == 2 for row in rows)
    assert gankit.evaluate(run, limit=1).rows[0].protocol["n"] == 1


def test_a_training_is_measured_where_it_ran(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--device cpu` on a machine with a GPU."""
    asked: list[str] = []
    choose = Devices.choose

    def recorded(device: str = "auto") -> torch.device:
        asked.append(device)
        return choose(device)

    monkeypatch.setattr(Devices, "choose", staticmethod(recorded))
    measured = Run(run).evaluation.stat().st_mtime_ns
    gankit.train(recipe(method=AGIT, steps=2, ema=0.5), run, resume=True, device="cpu")
    assert Run(run).evaluation.stat().st_mtime_ns > measured
    assert set(asked) == {"cpu"}


def test_load_gives_the_averaged_networks_at_rest(run: Path) -> None:
    model = gankit.load(run, device="cpu")
    stored = checkpoint.load(checkpoint.found(Run(run).checkpoints)[-1])
    ours = model.method.networks.state_dict()
    assert stored.ema
    for name, value in stored.ema.items():
        assert torch.equal(ours[name], value)
    assert any(not torch.equal(stored.networks[name], value) for name, value in stored.ema.items())
    assert not model.method.training
    assert (model.step, model.ema, model.run_dir) == (2, True, run)
    assert model.recipe == Recipe.load(run / "recipe.yaml")
    assert gankit.load(Run(run).latest() or run, device="cpu").run_dir == run
    assert len(model.dataset("test")) == 2


@pytest.mark.parametrize("size", [(16, 16), (21, 13)])
def test_translate_gives_back_what_it_was_given(size: tuple[int, int], run: Path, tmp_path: Path) -> None:
    model = gankit.load(run, device="cpu")
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "photo.png")
    tensor = torch.from_numpy(pixels).permute(2, 0, 1).float().div(255).sub(0.5).div(0.5)
    for direction in ("a2b", "b2a"):
        by_path, by_image = model.translate(tmp_path / "photo.png", direction), model.translate(image, direction)
        by_tensor, by_batch = model.translate(tensor, direction), model.translate(tensor[None], direction)
        assert by_path.size == by_image.size == size
        assert by_tensor.shape == (3, height, width) and torch.equal(by_batch[0], by_tensor)
        levels = (by_tensor.clamp(-1, 1) + 1) * 127.5
        for picture in (by_path, by_image):
            assert (torch.from_numpy(np.array(picture)).permute(2, 0, 1) - levels).abs().max() < 0.51
    attention = model.attend(image)
    assert attention is not None and (attention.mode, attention.size) == ("L", size)
    heat = model.attend(tensor)
    assert heat is not None and heat.shape == (1, height, width) and 0 <= heat.min() <= heat.max() <= 1


def test_translate_refuses_in_words(run: Path, tmp_path: Path) -> None:
    model = gankit.load(run, device="cpu")
    with pytest.raises(DataError, match="direction must be one of a2b, b2a, not 'b2c'"):
        model.translate(torch.zeros(3, 16, 16), "b2c")
    for unfit in (torch.zeros(3, 16, 16, dtype=torch.uint8), torch.zeros(1, 16, 16), torch.zeros(3, 0, 16)):
        with pytest.raises(DataError, match="float tensor"):
            model.translate(unfit)
    with pytest.raises(DataError, match="not ndarray"):
        model.translate(np.zeros((16, 16, 3), np.uint8))  # type: ignore[call-overload]
    with pytest.raises(DataError, match="photo"):
        model.translate(tmp_path / "photo.jpg")
    with pytest.raises(DataError, match="0 x 4 px"):
        model.translate(Image.new("RGB", (0, 4)))
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(whole, "PNG")
    with pytest.raises(DataError, match="cut off"):
        model.translate(Image.open(io.BytesIO(whole.getvalue()[:-900])))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_translate_takes_any_float(dtype: torch.dtype, run: Path) -> None:
    model = gankit.load(run, device="cpu")
    picture = torch.linspace(-1, 1, 3 * 16 * 16).view(3, 16, 16).to(dtype)
    output = model.translate(picture)
    assert output.dtype == dtype and torch.equal(output, model.translate(picture.float()).to(dtype))


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint in .*/absent: it does not exist"):
        gankit.load(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="is not a run directory"):
        gankit.load(tmp_path)
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        gankit.load(tmp_path)


def test_a_checkpoint_cannot_run_code(run: Path, tmp_path: Path) -> None:
    """A recipe in a checkpoint names registered parts, as any recipe."""
    stored = checkpoint.load(checkpoint.found(Run(run).checkpoints)[-1])
    stored.info["recipe"]["method"]["type"] = "os:system"
    checkpoint.save(tmp_path / "checkpoints", stored)
    with pytest.raises(RecipeError, match="no method is called 'os:system'"):
        gankit.load(tmp_path)


def test_components_are_listed() -> None:
    names = {c.name for c in gankit.components("method")}
    assert {"cyclegan", "attention_guided", "ugatit", "paired"} <= names
    assert len(gankit.components()) > len(names)


def test_a_broken_test_split_is_said_and_takes_nothing_from_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("trainA", "trainB"):
        (tmp_path / folder).mkdir()
        for i in range(2):
            Image.new("RGB", (16, 16), (90 * i, 40, 200)).save(tmp_path / folder / f"{i}.png")
    data = {"type": "unpaired", "root": str(tmp_path), "load_size": 16, "crop_size": 16}
    run = gankit.train(recipe(steps=1) | {"data": data}, tmp_path / "run").run_dir
    assert (run / "report.html").is_file() and not (run / "evaluation.json").exists()
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("not measured: ")]
    assert len(told) == 1 and "testA" in told[0]
