from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gankit.codecs.images import to_model_range
from gankit.core.errors import DataError
from gankit.core.recipe import Recipe
from gankit.data.single import Single
from gankit.inference.resizing import Resize, resizing
from gankit.inference.translate import plan, translate_paths
from tests.evaluation.fakes import Brighten


def draw(path: Path, level: int = 100, size: tuple[int, int] = (6, 4)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, level, level)).save(path)
    return path


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_file_gives_a_picture_and_its_attention(tmp_path: Path) -> None:
    source, out = draw(tmp_path / "photo.bmp", size=(7, 5)), tmp_path / "out" / "deep"
    outcome = translate_paths(Brighten(10), [source], out)
    assert outcome.written == [out / "photo.png"] and outcome.failed == []
    assert np.array_equal(np.asarray(Image.open(out / "photo.png")), np.full((5, 7, 3), 110))
    attention = np.asarray(Image.open(out / "photo_attention.png"))
    assert np.array_equal(attention, np.tile([255] * 3 + [0] * 4, (5, 1)))


def test_the_other_direction_and_no_attention(tmp_path: Path) -> None:
    source, out = draw(tmp_path / "photo.png"), tmp_path / "out"
    translate_paths(Brighten(10), [source], out, "b2a", attention=False)
    assert names(out) == ["photo.png"]
    assert np.asarray(Image.open(out / "photo.png")).max() == 90
    assert np.asarray(Image.open(source)).max() == 100


def test_grey_methods_read_and_write_grey(tmp_path: Path) -> None:
    translate_paths(Brighten(10, attends=False), [draw(tmp_path / "x.png")], tmp_path / "out", channels={"a": 1})
    assert Image.open(tmp_path / "out" / "x.png").mode == "L"


def test_folders_keep_their_structure_and_names_stay_apart(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name in ("a.png", "a.bmp", "sub/a.png", "sub/B.png", "sub/b.bmp", "x.png", "x_attention.bmp", "v1.2.png"):
        draw(folder / name)
    (folder / "notes.txt").write_text("no picture")
    out = tmp_path / "out"
    outcome = translate_paths(Brighten(attends=False), [folder], out)
    assert len(outcome.written) == 8 and len(set(outcome.written)) == 8
    expected = "a.bmp.png a.png.png sub/B.png.png sub/a.png sub/b.bmp.png v1.2.png x.png x_attention-2.png"
    assert names(out) == expected.split()


def test_equal_names_of_several_inputs(tmp_path: Path) -> None:
    files = [draw(tmp_path / d / "1.png") for d in ("p", "q")]
    assert [t.name for _, t in plan(files, tmp_path / "out")] == ["1.png", "1-2.png"]
    folders = [tmp_path / "p", tmp_path / "q"]
    assert [t for _, t in plan(folders, Path("out"))] == [Path("out/p/1.png"), Path("out/q/1.png")]
    assert len(list(plan([files[0], files[0]], Path("out")))) == 1


def test_a_corrupt_picture_is_named_and_the_rest_go_on(tmp_path: Path) -> None:
    draw(tmp_path / "in" / "1.png")
    (tmp_path / "in" / "2.png").write_bytes(b"no picture")
    draw(tmp_path / "in" / "3.png")
    seen: list[tuple[int, int]] = []
    outcome = translate_paths(
        Brighten(attends=False), [tmp_path / "in"], tmp_path / "out", progress=lambda *x: seen.append(x)
    )
    assert names(tmp_path / "out") == ["1.png", "3.png"]
    assert len(outcome.failed) == 1 and "2.png" in outcome.failed[0]
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_what_does_not_fit_in_memory_is_named_and_other_errors_are_raised(tmp_path: Path) -> None:
    class Hungry(Brighten):
        def infer(self, inputs, names, direction="a2b"):
            if inputs.shape[-1] == 9:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 byte")
            return super().infer(inputs, names, direction)

    class Faulty(Brighten):
        def infer(self, inputs, names, direction="a2b"):
            raise RuntimeError("size mismatch")

    draw(tmp_path / "in" / "large.png", size=(9, 4))
    draw(tmp_path / "in" / "small.png")
    outcome = translate_paths(Hungry(attends=False), [tmp_path / "in"], tmp_path / "out")
    assert names(tmp_path / "out") == ["small.png"]
    assert "large.png: too large" in outcome.failed[0]
    with pytest.raises(RuntimeError, match="size mismatch"):
        translate_paths(Faulty(), [tmp_path / "in"], tmp_path / "out2")


def test_an_output_that_is_not_finite_is_named(tmp_path: Path) -> None:
    outcome = translate_paths(Brighten(float("nan")), [draw(tmp_path / "a.png")], tmp_path / "out")
    assert "a.png: the translation holds NaN" in outcome.failed[0]
    assert names(tmp_path / "out") == [] if (tmp_path / "out").exists() else True


@pytest.mark.parametrize("overwrite", [False, True])
def test_inputs_are_never_replaced(tmp_path: Path, overwrite: bool) -> None:
    source = draw(tmp_path / "a.png")
    for inputs in ([source], [tmp_path]):
        with pytest.raises(DataError, match="--out"):
            translate_paths(Brighten(), inputs, tmp_path, overwrite=overwrite)
    draw(tmp_path / "a.bmp")
    attention = draw(tmp_path / "x_attention.png")
    with pytest.raises(DataError, match=r"x_attention\.png is an input"):
        translate_paths(Brighten(), [draw(tmp_path / "x.bmp"), attention], tmp_path, overwrite=overwrite)
    assert names(tmp_path) == ["a.bmp", "a.png", "x.bmp", "x_attention.png"]


def test_results_are_replaced_only_when_told(tmp_path: Path) -> None:
    source, out = draw(tmp_path / "a.bmp"), tmp_path / "out"
    translate_paths(Brighten(10), [source], out)
    with pytest.raises(DataError, match=r"a\.png and 1 more exists already"):
        translate_paths(Brighten(20), [source], out)
    assert np.asarray(Image.open(out / "a.png")).max() == 110
    translate_paths(Brighten(20), [source], out, overwrite=True)
    assert np.asarray(Image.open(out / "a.png")).max() == 120


def test_earlier_results_inside_the_input_folder_are_no_inputs(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    for _ in range(2):
        translate_paths(Brighten(10), [tmp_path], tmp_path / "out", overwrite=True)
    assert names(tmp_path) == ["a.png", "out/a.png", "out/a_attention.png"]


def test_wrong_inputs_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    source, out = draw(tmp_path / "a.png"), tmp_path / "out"
    (tmp_path / "empty").mkdir()
    for inputs, direction, message in (
        ([source, tmp_path / "b.png"], None, r"b\.png: there is no such"),
        ([source, tmp_path / "empty"], None, "holds no picture"),
        ([source], "c2d", "a2b, b2a, not 'c2d'"),
    ):
        with pytest.raises(DataError, match=message):
            translate_paths(Brighten(), inputs, out, direction)
    assert not out.exists()


@pytest.mark.skipif(os.name != "posix", reason="needs a path that cannot be a folder")
def test_an_output_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    source = draw(tmp_path / "a.png")
    with pytest.raises(DataError, match="cannot be made: not a directory"):
        translate_paths(Brighten(), [source], source / "out")


def test_runs_without_gradients(tmp_path: Path) -> None:
    class Watched(Brighten):
        def translate(self, source, direction="a2b"):
            assert not torch.is_grad_enabled()
            return super().translate(source, direction)

    assert translate_paths(Watched(), [draw(tmp_path / "a.png")], tmp_path / "out").written


@pytest.mark.parametrize("preprocess", ["resize_and_crop", "scale_width"])
def test_pictures_are_resized_as_those_of_the_test_split(tmp_path: Path, preprocess: Resize) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "test").mkdir()
    for folder in ("train", "test"):
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(tmp_path / folder / "x.png")
    sizes: dict[str, Any] = {"load_size": 20, "crop_size": 4 if preprocess == "scale_width" else 20}
    data = Single(root=str(tmp_path), preprocess=preprocess, interpolation="bilinear", **sizes)
    recipe = Recipe.load("cyclegan", ["data.interpolation=bilinear"])
    resize = resizing(recipe, 20, preprocess)
    translate_paths(Brighten(0, attends=False), [tmp_path / "test"], tmp_path / "out", resize=resize)
    ours = torch.from_numpy(np.array(Image.open(tmp_path / "out" / "x.png"))).permute(2, 0, 1)
    assert ours.shape == ((3, 15, 20) if preprocess == "scale_width" else (3, 20, 20))
    if preprocess == "resize_and_crop":
        assert torch.equal(to_model_range(ours), data.split("test").item(0, torch.Generator())["a"])


def test_what_is_not_resized(tmp_path: Path) -> None:
    resize = resizing(Recipe.load("cyclegan"), 8)
    (tmp_path / "film.mp4").write_bytes(b"")
    with pytest.raises(DataError, match="videos cannot be resized"):
        translate_paths(Brighten(attends=False), [tmp_path / "film.mp4"], tmp_path / "out", resize=resize)
    assert resizing(Recipe.load("cyclegan"), None) is None


def test_only_the_first_ones(tmp_path: Path) -> None:
    for name in ("3.png", "1.png", "2.png"):
        draw(tmp_path / "in" / name)
    translate_paths(Brighten(attends=False), [tmp_path / "in"], tmp_path / "out", limit=2)
    assert names(tmp_path / "out") == ["1.png", "2.png"]
