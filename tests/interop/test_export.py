"""What is exported gives the run's own pictures."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import gankit
from gankit.api import Model
from gankit.core.errors import DataError, GankitError
from gankit.core.recipe import Recipe
from gankit.interop import graph
from gankit.interop.export import OF_A_FOLDER, export
from gankit.methods.base import Method
from gankit.training.assemble import build_method
from tests.exports import exports

TINY = ["method.generator.channels=2", "method.discriminator.channels=2"]
LOW = [*TINY, "method.generator.downs=2"]  # a graph of few nodes, which the exporters go through again and again
SMALL: dict[str, tuple[str, list[str]]] = {  # what is run always: padding, batch statistics, holes, noise, one size
    "agit": ("agit", [*TINY, "method.generator.blocks=1", "method.attention.channels=2"]),
    "pix2pix": ("pix2pix", LOW),
    "lbam": ("lbam", LOW),
    "mlp": ("gan-mnist", []),
    "ugatit": ("ugatit", [*TINY, "method.generator.blocks=1", "method.generator.image_size=16"]),
}
OTHERS: dict[str, tuple[str, list[str]]] = {
    "cyclegan": (
        "cyclegan",
        [*TINY, "method.generator.blocks=2", "method.generator.norm=adalin", "method.generator.attention=cam"],
    ),
    "mobile": (
        "cyclegan",
        [TINY[1], "method.generator={type: mobile_resnet, down: [2, 3, 4], inner: [3, 5], up: [3, 2]}"],
    ),
    "pix2pix with dropout": ("pix2pix", [*TINY, "method.generator.downs=6"]),
    "ugatit-light": ("ugatit-light", [*TINY, "method.generator.blocks=1"]),
    "munit": ("munit", ["method.generator.channels=2", "method.discriminator.discriminator.channels=2"]),
    "style": ("style", ["method.generator.channels=2", "method.median_filter=true"]),
    "fast_style": ("style", ["method.generator={type: fast_style, channels: 2, blocks: 1}"]),
    "super-resolution": ("super-resolution-x4", []),
    "pconv": ("pconv", ["method.generator.channels=2", "method.generator.downs=3"]),
    "dcgan": ("dcgan", TINY),
}
FIXED = ("mlp", "ugatit", "dcgan")


def model_of(name: str, folder: Path) -> Model:
    torch.manual_seed(0)
    recipe = Recipe.load(*(SMALL | OTHERS)[name])
    method: Method = build_method(recipe)
    return Model(method.eval().requires_grad_(False), recipe, folder, 7, ema=False)


every_method = pytest.mark.skipif("GANKIT_SLOW" not in os.environ, reason="GANKIT_SLOW is not set: it takes minutes")


@exports
@pytest.mark.parametrize(
    "name", [*SMALL, *(pytest.param(name, marks=[pytest.mark.slow, every_method]) for name in OTHERS)]
)
def test_graphs_give_the_same_pictures(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="pip install 'gankit[export]'")
    model = model_of(name, tmp_path)
    translator = graph.Translator(model.method, model.method.directions[0])
    inputs = [translator.example(*size) for size in translator.sizes()]
    assert len(inputs) == (2 if name in FIXED else 3)
    program = graph.capture(translator)
    run = graph.write_onnx(program, translator, tmp_path / "x.onnx", {"licence": "mit"})
    assert {side for sides in sides_of(tmp_path / "x.onnx") for side in sides} <= {"batch", "height", "width", ""}
    assert graph.largest_difference(translator, run, inputs) < 1e-4
    run = graph.write_torch(program, tmp_path / "x.pt2", {})
    assert graph.largest_difference(translator, run, inputs) < 1e-5


def sides_of(file: Path) -> list[list[str]]:
    """The names of the free sides of each input of an ONNX graph."""
    inputs = pytest.importorskip("onnx").load(file).graph.input
    return [[side.dim_param for side in value.type.tensor_type.shape.dim] for value in inputs]


@exports
def test_an_onnx_file(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="pip install 'gankit[export]'")
    made = export(model_of("mlp", tmp_path), "onnx", tmp_path / "out" / "x.onnx", licence="cc0-1.0")
    assert made.difference < 1e-5 and made.on == "2 drawn inputs of 2 sizes"
    assert [p.name for p in made.path.parent.iterdir()] == ["x.onnx"]  # the weights are in it
    model = onnx.load(made.path)
    assert {p.key: p.value for p in model.metadata_props}["licence"] == "cc0-1.0"
    assert sides_of(made.path) == [["batch", "", "", ""]]
    assert [i.name for i in model.graph.input] == ["noise"] and [o.name for o in model.graph.output] == ["output"]


@exports
def test_without_the_packages_of_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(GankitError, match=r"onnxscript is not installed: pip install 'gankit\[export\]'"):
        export(model_of("mlp", tmp_path), "onnx", tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_a_torch_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.__version__", "2.9.1+cpu")
    with pytest.raises(GankitError, match=r"from version 2\.10 on, and this is 2\.9\.1\+cpu: pip install"):
        export(model_of("mlp", tmp_path), "torch-export", tmp_path / "x.pt2")
    assert not (tmp_path / "x.pt2").exists()


@exports
def test_a_torch_without_its_private_flag_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("torch.fx.experimental._config", object())
        without = graph._sizes_of_one()
    monkeypatch.setattr(graph, "_sizes_of_one", lambda: without)
    assert export(model_of("mlp", tmp_path), "torch-export", tmp_path / "x.pt2").difference < 1e-5


@exports
def test_a_graph_alone_is_the_method(tmp_path: Path) -> None:
    """Without gankit: the file, its names and its metadata."""
    model = model_of("pix2pix", tmp_path)
    export(model, "torch-export", tmp_path / "x.pt2")
    extra = {"gankit.json": ""}
    program = torch.export.load(tmp_path / "x.pt2", extra_files=extra)
    about = json.loads(extra["gankit.json"])
    assert about["smallest_side"] == "4" and json.loads(about["inputs"]) == ["source"]
    assert not any("discriminator" in key for key in program.state_dict)
    for batch, height, width in ((1, 4, 4), (2, 5, 31), (1, 64, 64)):  # the narrowest map is one pixel at 4 px
        picture = torch.rand(batch, 3, height, width) * 2 - 1
        torch.testing.assert_close(program.module()(picture), model.translate(picture))


def test_a_run_that_made_a_picture_has_no_network(tmp_path: Path) -> None:
    recipe = Recipe.load("gatys")
    method = build_method(recipe)
    model = Model(method, recipe, tmp_path, 7, ema=False)
    with pytest.raises(DataError, match="there is no network to export"):
        export(model, "onnx", tmp_path / "x.onnx")


def test_dropout_is_off_in_graphs_and_on_again_after(tmp_path: Path) -> None:
    model = model_of("pix2pix with dropout", tmp_path)
    picture = torch.rand(1, 3, 64, 64)
    assert export(model, "safetensors", tmp_path / "x.safetensors").difference == 0
    assert not torch.equal(model.translate(picture), model.translate(picture))


def test_safetensors_hold_the_networks_and_the_recipe(tmp_path: Path) -> None:
    model = model_of("agit", tmp_path)
    made = export(model, "safetensors", tmp_path / "x.safetensors", licence="cc0-1.0")
    assert made.difference == 0
    with safe_open(made.path, "pt") as file:
        about = file.metadata()
        stored = {key.split(".")[0] for key in file.keys()}  # noqa: SIM118 - a file is no dict
    assert stored == {f"{role}_{way}" for role in ("generator", "attention_net") for way in ("a2b", "b2a")}
    assert json.loads(about["recipe"]) == model.recipe.filled() and about["licence"] == "cc0-1.0"


def test_a_hub_folder_is_loaded_as_a_run(tmp_path: Path) -> None:
    model, run = model_of("agit", tmp_path), tmp_path / "run"
    run.mkdir()
    row = {"metric": "psnr", "direction": "a2b", "value": 21.5, "unit": "dB", "interval": None, "better": "higher"}
    rows = [row | {"protocol": {"n": 3, "metric": "psnr"}}]
    (run / "evaluation.json").write_text(json.dumps({"results": rows}))
    model.run_dir = run
    made = export(model, "hub-folder", tmp_path / "hub", "b2a", licence="mit")
    card = (made.path / "README.md").read_text()
    assert "license: mit" in card and "| psnr | a2b | 21.5 dB | n 3 |" in card and "1806.02311" in card
    again, picture = gankit.load(made.path, device="cpu"), torch.rand(1, 3, 33, 41)
    assert torch.equal(again.translate(picture, "b2a"), model.translate(picture, "b2a"))
    assert again.step == 7 and again.recipe == model.recipe


@exports
def test_real_pictures_are_compared_on(tmp_path: Path) -> None:
    from PIL import Image

    Image.effect_noise((53, 38), 50).convert("RGB").save(tmp_path / "photo.png")
    made = export(model_of("pix2pix", tmp_path), "torch-export", tmp_path / "x.pt2", pictures=[tmp_path / "photo.png"])
    assert made.on == "2 cuts of pictures of 2 sizes" and made.difference < 1e-5


def test_nothing_is_left_of_what_fails(tmp_path: Path, monkeypatch) -> None:
    model, out = model_of("agit", tmp_path), tmp_path / "out" / "x.safetensors"
    monkeypatch.setattr(graph, "TOLERANCE", -1.0)
    with pytest.raises(GankitError, match="differ from the run's by up to"):
        export(model, "safetensors", out)
    assert list(out.parent.iterdir()) == []


def test_no_folder_of_other_things_is_replaced(tmp_path: Path) -> None:
    model, out = model_of("agit", tmp_path), tmp_path / "out"
    (out / ".git").mkdir(parents=True)
    with pytest.raises(DataError, match=r"out holds what no export has written, as \.git, which would be lost"):
        export(model, "hub-folder", out, overwrite=True)
    with pytest.raises(DataError, match="out is a folder, and safetensors is one file"):
        export(model, "safetensors", out, overwrite=True)
    assert (out / ".git").is_dir()
    (out / ".git").rmdir()
    (out / "ema.safetensors").write_text("of an older export")
    export(model, "hub-folder", out, overwrite=True)
    assert {path.name for path in out.iterdir()} <= OF_A_FOLDER["hub-folder"] - {"ema.safetensors"}


def test_what_exists_is_kept(tmp_path: Path) -> None:
    model, out = model_of("agit", tmp_path), tmp_path / "x.safetensors"
    out.write_text("mine")
    with pytest.raises(DataError, match="exists already"):
        export(model, "safetensors", out)
    assert out.read_text() == "mine"
    export(model, "safetensors", out, overwrite=True)
    with pytest.raises(DataError, match="direction must be one of a2b, b2a, not 'c'"):
        export(model, "safetensors", tmp_path / "y", "c")
