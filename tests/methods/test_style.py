"""Style transfer and super-resolution: what is trained, what is refused, any size in `translate`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from PIL import Image

import gankit
from gankit import api
from gankit.core.errors import BuildError, DataError, RecipeError
from gankit.data.shapes import Shapes
from gankit.discriminators.patch import PatchDiscriminator
from gankit.evaluation.evaluate import evaluate
from gankit.evaluation.metrics import PSNR, SSIM
from gankit.generators.espcn import ESPCNGenerator
from gankit.generators.fast_style import FastStyleGenerator
from gankit.generators.johnson import JohnsonGenerator
from gankit.generators.super_resolution import JohnsonSRGenerator
from gankit.inference.translate import translate_paths
from gankit.losses.adversarial import LSGAN
from gankit.losses.reconstruction import L1
from gankit.methods.gatys import Gatys
from gankit.methods.plan import Term, plan_turns
from gankit.methods.style import Style
from gankit.methods.super_resolution import SuperResolution
from gankit.training.assemble import assemble
from gankit.training.pictures import check_data
from gankit.training.step import Stepper

RANDOM = {"type": "distilled_vgg19", "weights": "random"}
CONTENT = {"type": "perceptual", "layers": ["relu2_1"], "backbone": RANDOM}
GRAMS = {"type": "gram_style", "layers": ["relu1_1", "relu2_1"], "backbone": RANDOM}


@pytest.fixture
def picture(tmp_path: Path) -> str:
    """A picture of 40 x 24 px."""
    torch.manual_seed(0)
    pixels = torch.rand(6, 10, 3).mul(255).byte().numpy()
    Image.fromarray(pixels).resize((40, 24), Image.Resampling.NEAREST).save(tmp_path / "picture.png")
    return str(tmp_path / "picture.png")


def gatys_recipe(picture: str, **train: Any) -> dict[str, Any]:
    options = {"steps": 4, "optimizer": {"type": "lbfgs", "max_iter": 2}, "schedule": "constant", "device": "cpu"}
    return {
        "gankit": 1,
        "method": {"type": "gatys", "content": picture, "style": picture, "size": 24, "start": "noise"},
        "losses": {"content": CONTENT, "style": GRAMS | {"weight": 1e4}, "smooth": "total_variation"},
        "data": "none",
        "train": options | {"workers": 0, "log_every": 100, "sample_every": 100, "save_every": 100} | train,
    }


# -- style -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("make", [JohnsonGenerator, FastStyleGenerator])
def test_a_style_network_takes_any_size(make):
    method = Style(generator=partial(make, channels=2, blocks=1)).eval()
    for size in ((33, 45), (7, 90), (5, 5)):
        out = method.translate(torch.rand(1, 3, *size) * 2 - 1)
        assert out.shape == (1, 3, *size) and out.abs().max() <= 1


def test_the_median_filter_is_exact_and_for_use_alone():
    torch.manual_seed(0)
    make = partial(FastStyleGenerator, channels=2, blocks=0)
    plain = Style(generator=make).eval()
    filtered = Style(generator=make, median_filter=True).eval()
    filtered.load_state_dict(plain.state_dict())
    x = torch.rand(2, 3, 12, 16) * 2 - 1
    output, result = plain.translate(x), filtered.translate(x)
    windows = torch.nn.functional.pad(output, (1, 1, 1, 1), mode="replicate").unfold(2, 3, 1).unfold(3, 3, 1)
    assert torch.equal(result, windows.flatten(4).median(-1).values) and not torch.equal(result, output)
    assert torch.equal(filtered.infer(x, ("output",))[0], output)  # what losses see


def test_the_style_is_read_once_at_its_size(picture: str):
    method = Style(picture, 20, partial(FastStyleGenerator, channels=2, blocks=1))
    assert method.style().shape == (1, 3, 12, 20)
    assert method.style() is method.style()
    assert Style(picture, None).style().shape == (1, 3, 24, 40)


def test_a_trained_style_needs_no_picture(picture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api, "_finish", lambda run, device: None)
    recipe = {
        "gankit": 1,
        "method": {
            "type": "style",
            "style": picture,
            "generator": {"type": "fast_style", "channels": 2, "blocks": 1},
        },
        "losses": {"content": CONTENT | {"on": {"target": "source"}}, "style": GRAMS},
        "data": {"type": "shapes", "size": 16, "train": 4, "test": 1},
        "train": {"steps": 1, "batch_size": 2, "workers": 0, "device": "cpu"},
    }
    gankit.train(recipe, tmp_path / "run")
    Path(picture).unlink()
    assert gankit.load(tmp_path / "run", "cpu").translate(torch.zeros(3, 21, 18)).shape == (3, 21, 18)


@pytest.mark.parametrize("method", ["style", "gatys"])
def test_a_missing_picture_is_reported_at_its_line(method: str, picture: str, tmp_path: Path):
    path = tmp_path / "recipe.yaml"
    lines = ["gankit: 1", "method:", f"  type: {method}", "  style: nowhere.jpg"]
    lines += [f"  content: {picture}", "  size: 32"] if method == "gatys" else []
    lines += ["losses: {smooth: total_variation}", "data: {type: shapes, size: 48}", "train: {steps: 1}"]
    path.write_text("\n".join(lines))
    with pytest.raises(RecipeError) as caught:
        check_data(assemble(path))
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("method.style", 4)
    assert "nowhere.jpg" in problem.message and "--set method.style=PICTURE" in problem.message


def test_an_unreadable_picture(tmp_path: Path):
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(BuildError, match=r"not a picture that can be read.*method\.style=PICTURE"):
        Style(str(tmp_path / "text.jpg")).prepare()


def test_a_network_without_its_style_cannot_be_trained_for_it():
    with pytest.raises(RecipeError, match=r"cannot give here: no picture is given: set method\.style"):
        assemble(
            {"gankit": 1, "method": "style", "losses": {"s": GRAMS}, "data": {"type": "shapes"}, "train": {"steps": 1}}
        )


# -- super-resolution --------------------------------------------------------------------------------------------------
def small(factor: Literal[2, 4, 8] = 4, **options: Any) -> SuperResolution:
    torch.manual_seed(0)
    return SuperResolution(partial(JohnsonSRGenerator, factor=factor, channels=2, blocks=1), factor=factor, **options)


@pytest.mark.parametrize("factor", [4, 8])
def test_the_source_is_a_small_target(factor: Literal[4, 8]):
    target = torch.rand(2, 3, 32, 48) * 2 - 1
    batch = {"a": target}
    method = small(factor).eval()
    inputs = method.inputs_of(batch)
    assert inputs is not None and inputs["source"].shape == (2, 3, 32 // factor, 48 // factor)
    assert torch.equal(method.truth_of(batch), target)  # pyright: ignore[reportArgumentType]
    assert method.translate(inputs).shape == target.shape
    assert method.translate(torch.zeros(1, 3, 9, 7)).shape == (1, 3, 9 * factor, 7 * factor)


def test_a_flat_picture_stays_flat():
    target = torch.full((1, 3, 16, 16), 0.3)
    torch.testing.assert_close(small().source(target), target[..., :4, :4])
    torch.testing.assert_close(small().enlarged(target[..., :4, :4]), target)


def test_it_is_measured_beside_the_bicubic_enlargement():
    """On pictures that come with masks of their own size, too."""
    scenes = Shapes(size=32, train=1, test=2)
    rows = {row.metric: row for row in evaluate(small(), scenes)}
    targets = torch.stack([scenes.split("test").item(i)["a"] for i in range(2)])
    enlarged = small().enlarged(small().source(targets))
    for name, metric in (("bicubic_psnr", PSNR()), ("bicubic_ssim", SSIM())):
        of_both = metric.summarise(metric.statistics(enlarged, targets))
        assert rows[name].value == pytest.approx(float(of_both), rel=1e-5)
    assert {"psnr", "ssim"} <= rows.keys() and "translation_error" not in rows


def test_a_step_learns_from_pixels_and_from_a_critic():
    batch = {"a": torch.rand(2, 3, 32, 32) * 2 - 1}
    losses = {"pixel": L1(), "adversarial": Term(LSGAN(), weight=1e-2)}
    method = small(discriminator=partial(PatchDiscriminator, channels=2, layers=1))
    found = Stepper(method, losses).step(batch)
    assert set(found) == {"generator/pixel/a2b", "generator/adversarial/a2b", "discriminator/adversarial/a2b"}
    with pytest.raises(BuildError, match=r"it has no discriminator: set method\.discriminator"):
        plan_turns(small(), {"adversarial": Term(LSGAN())})


def test_wrong_factors_and_sizes_are_refused():
    with pytest.raises(ValueError, match="its generator enlarges 4 times and factor is 8"):
        SuperResolution(factor=8)
    with pytest.raises(ValueError, match="multiples of 4 to be shrunk 4 times, not 34 x 32 px"):
        small().source(torch.zeros(1, 3, 32, 34))


def test_espcn_fits_too():
    method = SuperResolution(partial(ESPCNGenerator, factor=2, channels=4), factor=2).eval()
    assert method.translate(torch.zeros(1, 3, 5, 6)).shape == (1, 3, 10, 12)


# -- gatys -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("optimizer", [{"type": "lbfgs", "max_iter": 2}, {"type": "adam", "lr": 0.05}])
def test_the_picture_of_a_run(optimizer: dict[str, Any], picture: str, tmp_path: Path):
    recipe = gatys_recipe(picture, steps=20, log_every=1, optimizer=optimizer)
    model = gankit.train(recipe, tmp_path / "run")
    lines = [json.loads(line)["losses"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    key = "generator/style/a2b"
    assert lines[-1][key] < lines[0][key] / 5
    assert model.picture is not None and model.picture.size == (24, 14)
    result = Image.open(tmp_path / "run" / "result.png")
    assert result.tobytes() == model.picture.tobytes()
    for ask in (model.translate, model.attend):
        with pytest.raises(DataError, match=r"no network that could translate.*result\.png.*gankit train gatys"):
            ask(picture)
    with pytest.raises(DataError, match="no network that could translate"):
        translate_paths(model.method, [picture], tmp_path / "out")
    assert model.method.translate({}).shape == (1, 3, 14, 24)


def test_it_starts_from_the_content(picture: str):
    method = Gatys(picture, picture, size=None)
    assert method.output(method.network("picture", "a2b")).shape == (1, 3, 24, 40)
    torch.testing.assert_close(method.translate(), method.target())
    assert Gatys(picture, picture, size=None, start="noise").translate().sub(method.target()).abs().mean() > 0.1


def test_a_result_is_loaded_without_its_pictures(picture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    before = gankit.train(gatys_recipe(picture, steps=1), tmp_path / "run").picture
    told = capsys.readouterr().err.splitlines()
    assert f"training recipe: gatys; 1 step, on cpu; written to {tmp_path / 'run'}" in told
    Path(picture).unlink()
    after = gankit.load(tmp_path / "run", "cpu").picture
    assert before is not None and after is not None
    assert after.tobytes() == before.tobytes()
