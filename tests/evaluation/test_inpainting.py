"""Figures of inpainting, and where translate takes its holes from."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from gankit.api import Model
from gankit.codecs.image import Image8
from gankit.codecs.images import read_image, read_transparent
from gankit.core.errors import DataError
from gankit.evaluation.evaluate import evaluate
from gankit.evaluation.inpainting_metrics import CompositeL1, CompositePSNR, HolePSNR, HolePSNRMeanFill, RawPSNR
from gankit.generators.lbam import LBAM
from gankit.generators.pconv import PConvUNet
from gankit.inference.holes import hole_provider
from gankit.inference.tiles import tiled
from gankit.inference.translate import translate_paths
from gankit.methods.inpainting import Inpainting
from tests.evaluation import fakes


def pictures(n: int = 3):
    draws = torch.Generator().manual_seed(0)
    truth = torch.rand(n, 3, 16, 16, generator=draws) * 2 - 1
    hole = torch.zeros(n, 1, 16, 16)
    for i in range(n):
        hole[i, :, : 2 + 2 * i] = 1  # 0.125, 0.25, 0.375
    raw = (truth + 0.2 * torch.rand(truth.shape, generator=draws)).clamp(-1, 1)
    return torch.where(hole > 0, raw, truth), raw, truth, hole


def levels(x: torch.Tensor) -> torch.Tensor:
    return ((x.double() + 1) * 127.5).round()


def test_the_hole_alone() -> None:
    output, _, truth, hole = pictures()
    expected = []
    for x, y, h in zip(output, truth, hole, strict=True):
        errors = (levels(x) - levels(y))[h.expand_as(x) > 0]
        expected.append(10 * np.log10(255**2 / errors.square().mean().item()))
    assert HolePSNR()(output, truth, hole) == pytest.approx(np.mean(expected))
    everything = (levels(output) - levels(truth))[hole.expand_as(output) > 0].square().mean().item()
    assert HolePSNR(pooling="pixels")(output, truth, hole) == pytest.approx(10 * np.log10(255**2 / everything))
    assert HolePSNR(pooling="pixels").protocol()["pooling"] == "over all pixels"


def test_a_picture_without_a_hole_counts_for_nothing() -> None:
    output, _, truth, hole = pictures()
    hole[0] = 0
    assert HolePSNR()(output, truth, hole) == pytest.approx(HolePSNR()(output[1:], truth[1:], hole[1:]))


def test_filling_with_the_mean_colour() -> None:
    truth, hole = torch.full((1, 3, 8, 8), -1.0), torch.zeros(1, 1, 8, 8)
    hole[..., :4] = 1
    truth[..., 4:6] = 1.0  # half of the known part: the mean is grey
    assert HolePSNRMeanFill()(truth, hole) == pytest.approx(10 * np.log10(255**2 / 128**2), abs=0.05)
    assert HolePSNRMeanFill()(torch.zeros(1, 3, 8, 8), hole) == 100


def test_raw_and_composite_by_the_size_of_the_hole() -> None:
    output, raw, truth, hole = pictures()
    metric = CompositePSNR()
    statistics = metric.statistics(output, truth, hole)
    rows = metric.rows(statistics)
    assert [label for label, _ in rows] == ["", "hole (0.1, 0.2]", "hole (0.2, 0.3]", "hole (0.3, 0.4]"]
    assert [len(part) for _, part in rows] == [3, 1, 1, 1]
    small, large = metric.summarise(rows[1][1]), metric.summarise(rows[3][1])
    assert small > large > RawPSNR()(raw, truth, hole)
    assert CompositeL1()(output, truth, hole) < CompositeL1()(raw, truth, hole)


class Holes:
    """Three pictures with holes, as a data set."""

    def split(self, _: str):
        return self

    def __len__(self) -> int:
        return 3

    def item(self, index: int, generator: torch.Generator):
        _, _, truth, hole = pictures()
        return {"a": truth[index], "mask": hole[index]}


def method() -> Inpainting:
    torch.manual_seed(0)
    return Inpainting(partial(LBAM, channels=2, downs=3), None, init="kaiming").eval()


def test_evaluate_measures_a_method() -> None:
    rows = evaluate(method(), Holes()).rows
    found = {(row.metric, row.label): row for row in rows}
    for name in ("hole_psnr", "hole_psnr_mean_fill", "composite_psnr", "raw_psnr", "composite_ssim", "raw_l1"):
        assert found[name, ""].protocol["n"] == 3 and found[name, "hole (0.2, 0.3]"].protocol["n"] == 1
    assert found["composite_psnr", ""].value > found["raw_psnr", ""].value


# -- translate ---------------------------------------------------------------------------------------------------------
def save(path: Path, picture: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(tmp_path / "in" / "photo.png", np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8))


def white(rows: int, size: tuple[int, int] = (20, 24)) -> np.ndarray:
    mask = np.zeros(size, dtype=np.uint8)
    mask[:rows] = 255
    return mask


def unchanged(photo: Path, result: Path) -> np.ndarray:
    before, after = read_image(photo), read_image(result)
    return (before == after).all(0).all(1).numpy()  # of each row


@pytest.mark.parametrize("given", ["file", "folder", "transparent"])
def test_a_hole_from(given: str, photo: Path, tmp_path: Path) -> None:
    mask = None
    if given == "transparent":
        pixels = np.dstack([np.array(Image.open(photo)), 255 - white(8)])
        photo = save(photo, pixels)
        transparent = read_transparent(photo)
        assert transparent is not None and transparent.sum() == 8 * 24
    else:
        mask = save(tmp_path / "masks" / "photo.bmp", white(8))
        mask = mask.parent if given == "folder" else mask
    outcome = translate_paths(method(), [photo], tmp_path / "out", mask=mask)
    assert outcome.failed == [] and [path.name for path in outcome.written] == ["photo.png"]
    same = unchanged(photo, tmp_path / "out" / "photo.png")
    assert not same[:8].any() and same[8:].all()


def test_a_hole_from_a_dim_mask(photo: Path, tmp_path: Path) -> None:
    for name, pixels in (("ones", white(8) // 255), ("red", np.dstack([white(8), white(0), white(0)]))):
        mask = save(tmp_path / f"{name}.png", pixels)
        assert not translate_paths(method(), [photo], tmp_path / name, mask=mask).failed
        same = unchanged(photo, tmp_path / name / "photo.png")
        assert not same[:8].any() and same[8:].all()


def test_no_hole(photo: Path, tmp_path: Path) -> None:
    outcome = translate_paths(method(), [photo], tmp_path / "out")
    assert outcome.written == [] and "its hole is unknown; give a mask" in outcome.failed[0]
    opaque = save(tmp_path / "opaque.png", np.full((20, 24, 4), 255, dtype=np.uint8))
    assert "its hole is unknown" in translate_paths(method(), [opaque], tmp_path / "out").failed[0]
    small = save(tmp_path / "small.png", white(3, (10, 12)))
    outcome = translate_paths(method(), [photo], tmp_path / "out", mask=small)
    assert f"is 24 x 20 px, but its mask {small} is 12 x 10: make them equal" in outcome.failed[0]
    for name, rows, grey in (("black", 0, 0), ("all", 20, 255)):
        flat = save(tmp_path / f"{name}.png", white(rows))
        (why,) = translate_paths(method(), [photo], tmp_path / "out", mask=flat).failed
        assert f"{flat}: a mask is white inside and black outside, and this one has one grey, {grey}" in why
    clear = save(tmp_path / "clear.png", np.zeros((20, 24, 4), dtype=np.uint8))
    assert "all of it is transparent" in translate_paths(method(), [clear], tmp_path / "out").failed[0]
    save(tmp_path / "masks" / "other.png", white(3))
    outcome = translate_paths(method(), [photo], tmp_path / "out", mask=tmp_path / "masks")
    assert "it needs one mask, but" in outcome.failed[0] and "has no file of that name" in outcome.failed[0]
    with pytest.raises(DataError, match="there is no such mask"):
        translate_paths(method(), [photo], tmp_path / "out", mask=tmp_path / "nowhere.png")


@pytest.mark.parametrize("make", [LBAM, PConvUNet])
def test_tiles_have_the_result_of_the_whole(make) -> None:
    torch.manual_seed(0)
    made = Inpainting(partial(make, channels=2, downs=2), None, init="kaiming").eval()
    inputs = {"source": torch.rand(1, 3, 90, 130) * 2 - 1, "hole": torch.zeros(1, 1, 90, 130)}
    inputs["hole"][..., 20:70, 30:110] = 1
    whole = made.translate(inputs)
    with torch.inference_mode(), tiled(made, 64):
        torch.testing.assert_close(made.translate(inputs), whole, rtol=0, atol=2e-5)


def test_a_mask_in_python(photo: Path, tmp_path: Path) -> None:
    model = Model(method(), SimpleNamespace(method=None, data={}), tmp_path, 0, False)  # type: ignore[arg-type]
    mask = save(tmp_path / "mask.png", white(8))
    filled = np.array(model.translate(str(photo), mask=mask))
    before = np.array(Image.open(photo))
    assert (filled[8:] == before[8:]).all() and (filled[:8] != before[:8]).any()
    again = model.translate(Image.open(photo), mask=Image.open(mask))
    assert (np.array(again) == filled).all()
    pictures, hole = torch.rand(2, 3, 16, 16) * 2 - 1, torch.zeros(1, 16, 16)
    hole[:, :4] = 1
    assert torch.equal(model.translate(pictures, mask=hole)[:, :, 4:], pictures[:, :, 4:])
    with pytest.raises(DataError, match="say where they are, as `mask`"):
        model.translate(str(photo))
    with pytest.raises(
        DataError, match=r"the mask of pictures \(2, 3, 16, 16\) is \(1, 16, 16\), or one for each; got"
    ):
        model.translate(pictures, mask=hole[:, :3])
    other = Model(fakes.Brighten(), SimpleNamespace(method=None, data={}), tmp_path, 0, False)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="this run's does not"):
        other.translate(pictures, mask=hole)


def test_a_mask_for_a_method_that_fills_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="this run's does not"):
        hole_provider(fakes.Brighten(), tmp_path, Image8())
    assert hole_provider(fakes.Brighten(), None, Image8()) is None


def test_a_hole_s_truth_is_the_picture_and_not_its_counterpart() -> None:
    item = Holes().item(0, torch.Generator())
    batch = {name: tensor[None] for name, tensor in item.items()}
    counterpart = {"truth_a2b": -batch["a"]}
    truth = method().truth_of(batch | counterpart)
    assert truth is not None
    torch.testing.assert_close(truth, batch["a"])
