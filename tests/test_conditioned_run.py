"""From recipe to export, by a run whose generator wants a label, numbers and a map beside the picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

import gankit
from gankit import DataError, RecipeError
from gankit.cli.main import app
from gankit.core.catalogue import catalogue
from gankit.fields import Field, Label, Picture, Segmentation, Vector
from gankit.inference.given import pairs
from gankit.interop.export import export
from gankit.report.samples import Samples
from gankit.testing import check_component
from gankit.training.run import Run
from tests.exports import exports
from tests.methods.conditioned import LabelCritic, MapNorm, Painter, PoseNorm

DRAWN: dict[str, Field] = {
    "a": Picture(3),
    "b": Picture(3),
    "label": Label(5),
    "pose": Vector(2),
    "segmentation": Segmentation(4, of="a"),
}


class Drawn:
    """Noise: pictures (3, 16, 16), labels, vectors, maps. gankit's own."""

    fields: ClassVar = DRAWN

    def __init__(self, *, size: int = 16, count: int = 4, classes: int = 5) -> None:
        self.size, self.count = size, count
        self.fields = {**DRAWN, "label": Label(classes)}

    def split(self, name: str) -> Drawn:
        del name
        return self

    def __len__(self) -> int:
        return self.count

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        del generator
        seeded = torch.Generator().manual_seed(index)
        return {name: kind.draw(1, (self.size, self.size), seeded)[0] for name, kind in self.fields.items()}


PARTS = {
    ("dataset", "drawn"): Drawn,
    ("generator", "painter"): Painter,
    ("discriminator", "label_critic"): LabelCritic,
    ("norm", "map_norm"): MapNorm,
    ("norm", "pose_norm"): PoseNorm,
}


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    for (kind, name), part in PARTS.items():
        gankit.register(kind, name)(part)
    yield
    catalogue.cache_clear()


MAPPED = {"type": "resnet", "channels": 4, "blocks": 1, "norm": "local/map_norm"}
PAINTED = {"type": "local/painter"}


def recipe(generator: dict[str, Any] = PAINTED, **changes: Any) -> dict[str, Any]:
    critic = {"type": "local/label_critic"}
    method = {"type": "paired", "generator": generator, "discriminator": critic, "conditional": False}
    train = {"steps": 2, "batch_size": 2, "workers": 0, "device": "cpu", "samples": 2, "pool_size": 0}
    return {
        "gankit": 1,
        "name": "conditioned",
        "method": method | changes.pop("method", {}),
        "losses": {"adversarial": "lsgan", "l1": {"type": "l1", "weight": 10}},
        "data": {"type": "local/drawn", **changes.pop("data", {})},
        "train": train | changes.pop("train", {}),
    }


@pytest.fixture(scope="module")
def run(registered: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained, sampled, measured, reported."""
    folder = tmp_path_factory.mktemp("conditioned") / "run"
    gankit.train(recipe(), folder)
    return folder


@pytest.fixture(scope="module")
def model(run: Path) -> gankit.Model:
    return gankit.load(run, device="cpu")


def write(path: Path, size: tuple[int, int] = (20, 18)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def write_map(path: Path, size: tuple[int, int] = (20, 18)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(1).integers(0, 4, (size[1], size[0]), dtype=np.uint8)).save(path)
    return path


def test_a_run_has_its_samples_and_figures(run: Path) -> None:
    assert Run(run).sample(2).is_file() and Run(run).evaluation_picture.is_file()
    rows = json.loads((run / "evaluation.json").read_text())["results"]
    assert rows


@pytest.mark.parametrize("generator", [PAINTED, MAPPED], ids=["painter", "mapped"])
def test_build_checks_and_measures_without_data(generator: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(recipe(generator)))
    for options in (["--check"], ["--costs"], []):
        result = CliRunner().invoke(app, ["build", str(path), *options])
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("changes", "place", "said"),
    [
        (
            {"data": {"classes": 3}},
            "method",
            "it takes `label` as a whole number from 0 to 4, but that of .* is a whole",
        ),
        ({"data": {"type": "shapes"}}, "data.type", "need `label`, a whole number from 0 to 4"),
        ({"train": {"pool_size": 50}}, "train.pool_size", "the critic sees `label` beside the picture"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_runs(changes: Any, place: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        gankit.train(recipe(**changes), tmp_path / "run")
    assert place in [p.path for p in caught.value.problems] and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("slot", "norm", "said"),
    [
        (
            "discriminator",
            "adain",
            "norm adain asks for `gamma` and `beta`, which discriminator patch does not pass on",
        ),
        ("discriminator", "local/map_norm", None),  # what it wants is known when it is made
        (
            "generator",
            "adalin",
            "norm adalin asks for `gamma` and `beta`, which generator unet does not pass on here; ",
        ),
        ("generator", "local/pose_norm", "norm pose_norm asks for `pose`, which generator unet does not pass on here"),
    ],
)
def test_a_part_that_asks_for_what_its_host_does_not_pass_on(slot: str, norm: str, said: str | None) -> None:
    host = {"generator": {"type": "unet", "downs": 4}, "discriminator": {"type": "patch"}}[slot]
    with pytest.raises(RecipeError, match=said or "map_norm asks for `segmentation`") as caught:
        gankit.build(recipe(method={slot: host | {"norm": norm}}))
    assert [p.path for p in caught.value.problems] == [f"method.{slot}.norm"]


def test_a_norm_whose_wish_nothing_explains() -> None:
    with pytest.raises(RecipeError, match="PoseNorm asks for `pose`, and its `takes` does not say what that is"):
        gankit.build(recipe(MAPPED | {"norm": "local/pose_norm"}))


# -- translating -----------------------------------------------------------------------------------------------------
GIVEN = ["--given", "label=2", "--given", "pose=0.5,-1"]


def test_translate_with_values(run: Path, model: gankit.Model, tmp_path: Path) -> None:
    source = write(tmp_path / "photo.png")
    result = CliRunner().invoke(app, ["translate", str(run), str(source), "--out", str(tmp_path / "out"), *GIVEN])
    assert result.exit_code == 0, result.output
    made = model.translate(source, given={"label": 2, "pose": [0.5, -1]})
    assert np.array_equal(np.asarray(made), np.asarray(Image.open(tmp_path / "out" / "photo.png")))
    other = model.translate(source, given={"label": 3, "pose": (0.5, -1)})
    assert not np.array_equal(np.asarray(made), np.asarray(other))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "needs `label`, a whole number from 0 to 4: --given label=2; in Python given={'label': ...}"),
        (GIVEN[:2], "needs `pose`, 2 numbers: --given pose=0.1,0.2"),
        ([*GIVEN, "--given", "labl=2"], "takes no `labl`: it takes label, pose; did you mean `label`?"),
        (["--given", "label=5", *GIVEN[2:]], "`label` given: '5' is not a whole number from 0 to 4"),
        (["--given", "label", *GIVEN[2:]], "--given label: write NAME=VALUE, such as label=2"),
        ([*GIVEN, "--given", "label=3"], "--given label is given twice"),
    ],
)
def test_what_is_missing_or_wrong_is_told_before_anything_is_written(
    run: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    source = write(tmp_path / "photo.png")
    command = ["translate", str(run), str(source), "--out", str(tmp_path / "out"), *options]
    result = CliRunner().invoke(app, command)
    assert " ".join(said.split()) in " ".join(result.output.split())
    assert result.exit_code == 2 and not (tmp_path / "out").exists()


def test_in_python(model: gankit.Model) -> None:
    batch = Picture(3).draw(2, (18, 20))
    labels, poses = torch.tensor([1, 4]), torch.randn(2, 2)
    both = model.translate(batch, given={"label": labels, "pose": poses})
    for i in range(2):
        alone = model.translate(batch[i], given={"label": int(labels[i]), "pose": poses[i]})
        torch.testing.assert_close(alone, both[i])
    for given, said in (
        ({"label": 2}, "needs `pose`, 2 numbers"),
        ({"label": 7, "pose": poses}, "'7' is not a whole number from 0 to 4"),
        ({"label": torch.tensor([1, 2, 3]), "pose": poses}, "given for 3 pictures, and there are 2"),
        ({"label": torch.tensor(7), "pose": poses}, "`label` is 7, but it is declared as"),
        ({"label": torch.tensor(1.5), "pose": poses}, "`label` is"),
        ({"label": True, "pose": poses}, "give a number, numbers or a tensor, not bool"),
        ({"label": 1, "pose": torch.zeros(2, 3)}, "`pose` is"),
        ({"label": 1, "pose": poses, "source": batch}, "takes no `source`"),
    ):
        with pytest.raises(DataError) as caught:
            model.translate(batch, given=given)
        assert said in str(caught.value)


def test_pairs() -> None:
    assert pairs(["a=1", "map=x=y.png"]) == {"a": "1", "map": "x=y.png"}


@pytest.fixture(scope="module")
def mapped(registered: None, tmp_path_factory: pytest.TempPathFactory) -> gankit.Model:
    folder = tmp_path_factory.mktemp("mapped") / "run"
    method = {"discriminator": {"type": "patch", "channels": 4, "layers": 1}}
    return gankit.train(recipe(MAPPED, method=method, train={"samples": 1}), folder)


def test_files_of_maps(mapped: gankit.Model, tmp_path: Path) -> None:
    pictures = [write(tmp_path / "in" / f"{i}.png", (20 + 2 * i, 18)) for i in range(2)]
    for i in range(2):
        write_map(tmp_path / "maps" / f"{i}.png", (20 + 2 * i, 18))
    command = ["translate", str(mapped.run_dir), str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*command, "--given", f"segmentation={tmp_path / 'maps'}"])
    assert result.exit_code == 0, result.output
    for i, picture in enumerate(pictures):
        for value in (tmp_path / "maps" / f"{i}.png", Image.open(tmp_path / "maps" / f"{i}.png")):
            made = np.asarray(mapped.translate(picture, given={"segmentation": value}))
            assert np.array_equal(made, np.asarray(Image.open(tmp_path / "out" / f"{i}.png")))
    one = CliRunner().invoke(app, [*command, "--overwrite", "--given", f"segmentation={tmp_path / 'maps' / '0.png'}"])
    assert one.exit_code == 1 and "is 22 x 18 px, but" in one.output.replace("\n", " ")
    none = CliRunner().invoke(app, [*command, "--overwrite", "--given", f"segmentation={tmp_path / 'none.png'}"])
    assert none.exit_code == 2 and "there is no such file; `segmentation` is a" in " ".join(none.output.split())
    with pytest.raises(DataError, match=r"9\.png: it holds the value 9; the values of a map of 4 classes"):
        Image.fromarray(np.full((18, 20), 9, np.uint8)).save(tmp_path / "9.png")
        mapped.translate(pictures[0], given={"segmentation": tmp_path / "9.png"})


def test_large_pictures_are_cut_with_their_maps(mapped: gankit.Model) -> None:
    from gankit.inference.tiles import large

    method = mapped.method.double()
    try:
        size = (96, 160)
        inputs = {"source": Picture(3).draw(1, size).double(), "segmentation": Segmentation(4).draw(1, size).double()}
        whole, tiles = (large(method, inputs, "a2b", side)[0] for side in (0, 64))
        torch.testing.assert_close(tiles, whole, rtol=1e-6, atol=1e-6)
    finally:
        method.float()


def test_large_pictures_keep_their_label(model: gankit.Model) -> None:
    from gankit.inference.tiles import large, tiled

    inputs = {"source": Picture(3).draw(1, (96, 160)), "label": torch.tensor([3]), "pose": torch.randn(1, 2)}
    whole, tiles = (large(model.method, inputs, "a2b", side)[0] for side in (0, 32))
    torch.testing.assert_close(tiles, whole)
    with torch.no_grad(), tiled(model.method, 32):  # it can: `large` would go back to the whole
        torch.testing.assert_close(model.method.translate(inputs), whole)


@pytest.mark.parametrize(
    "to", [*(pytest.param(to, marks=exports) for to in ("torch-export", "onnx")), "safetensors", "hub-folder"]
)
@pytest.mark.parametrize("which", ["model", "mapped"])
def test_exports(which: str, to: Any, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if to == "onnx":
        pytest.importorskip("onnxscript", reason="pip install 'gankit[export]'")
    model = request.getfixturevalue(which)
    made = export(model, to, tmp_path / "x")
    assert made.difference < 1e-4
    if to == "torch-export":
        files = {"gankit.json": ""}
        program = torch.export.load(made.path, extra_files=files)
        about = json.loads(files["gankit.json"])
        wanted = ["source", "label", "pose"] if which == "model" else ["source", "segmentation"]
        assert json.loads(about["inputs"]) == wanted and list(json.loads(about["kinds"])) == wanted
        assert len(program.graph_signature.user_inputs) == len(wanted)


# -- samples ---------------------------------------------------------------------------------------------------------
def test_a_grid_shows_labels_as_text_and_maps_in_colours(model: gankit.Model, mapped: gankit.Model) -> None:
    for each in (model, mapped):
        grid = Samples(Drawn(), 2, 0).grid(each.method)
        assert grid.width > 3 * 128 and len(np.unique(np.asarray(grid).reshape(-1, 3), axis=0)) > 50


def test_a_grid_that_fails_ends_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: Any) -> None:
        raise KeyError("label")

    monkeypatch.setattr(Samples, "grid", fails)
    gankit.train(recipe(train={"sample_every": 1, "save_every": 1}), tmp_path / "run")
    assert "step 1: there is no sample grid: KeyError: 'label'" in capsys.readouterr().err
    assert Run(tmp_path / "run").latest() is not None


# -- the kit ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "name"), [("dataset", "drawn"), ("norm", "map_norm"), ("discriminator", "label_critic")]
)
def test_the_kit_draws_what_a_part_asks_for(kind: str, name: str) -> None:
    report = check_component(kind, f"local/{name}")
    assert report.ok


# -- pictures of maps ------------------------------------------------------------------------------------------------
def test_photos_of_maps(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for i in range(2):
            write_map(tmp_path / f"{split}_maps" / f"{i}.png", (16, 16))
            write(tmp_path / f"{split}_photos" / f"{i}.png", (16, 16))
    unet = {"type": "unet", "channels": 4, "downs": 3}
    critic = {"type": "patch", "channels": 4, "layers": 1}
    folders = {"a": "train_maps", "b": "train_photos", "test_a": "test_maps", "test_b": "test_photos"}
    sizes = {"preprocess": "crop", "crop_size": 16, "classes_a": 4}
    chosen = recipe(unet, method={"discriminator": critic, "conditional": True, "classes_a": 4})
    chosen["data"] = {"type": "paired", "root": str(tmp_path), **folders, **sizes}
    model = gankit.train(chosen, tmp_path / "run")
    source = tmp_path / "test_maps" / "0.png"
    command = ["translate", str(tmp_path / "run"), str(source), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    shown = np.asarray(Image.open(tmp_path / "out" / "0.png"))
    assert np.array_equal(np.asarray(model.translate(source)), shown) and shown.shape == (16, 16, 3)
    assert np.array_equal(np.asarray(model.translate(Image.open(source))), shown)
    with pytest.raises(DataError, match="a segmentation map has the class of a pixel"):
        model.translate(write(tmp_path / "photo.png", (16, 16)))
    assert export(model, "torch-export", tmp_path / "x.pt2", pictures=[source]).difference < 1e-4
    wrong = chosen | {"method": chosen["method"] | {"classes_a": 5}}
    with pytest.raises(
        RecipeError,
        match=r"method\.classes_a: the pictures of `a` have 4 classes and the networks take 5: set this to 4",
    ):
        gankit.train(wrong, tmp_path / "other")
