"""Weights that others published, where `GANKIT_REAL_PICTURES` names a folder with `weights`: imported, they do the work
that they are known for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from typer.testing import CliRunner

import gankit
from gankit.cli.main import app
from gankit.codecs.images import read_image, to_model_range

DATA = Path(os.environ.get("GANKIT_REAL_PICTURES", ""))
WEIGHTS = DATA / "weights"
pytestmark = pytest.mark.skipif(
    not WEIGHTS.is_dir(), reason="GANKIT_REAL_PICTURES names no folder with published weights"
)
ZEBRA = 340
"""Of ImageNet's classes."""


def command(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output


def squeezenet(pictures: Tensor) -> Tensor:
    """Probabilities of ImageNet's classes, of pictures (N, 3, 256, 256) in [-1, 1], cropped to 224."""
    net = torchvision.models.squeezenet1_1(weights=None).eval()
    state = load_file(WEIGHTS / "squeezenet1_1_torchvision_fp16.safetensors")
    net.load_state_dict({key: value.float() for key, value in state.items()})
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.inference_mode():
        return net(((pictures[..., 16:240, 16:240] + 1) / 2 - mean) / std).softmax(1)


def pictures(folder: Path) -> Tensor:
    return torch.stack([to_model_range(read_image(folder / f"{i}.png")) for i in range(3)])


def test_horses_become_zebras(tmp_path: Path) -> None:
    run, horses = tmp_path / "run", DATA / "horse_samples"
    command("import", "gan-compression", WEIGHTS / "cyclegan_horse2zebra_submobile_G.safetensors", "--out", run)
    command("translate", run, horses, "--out", tmp_path / "zebras")
    assert squeezenet(pictures(horses))[:, ZEBRA].max() < 0.01
    found = squeezenet(pictures(tmp_path / "zebras"))[:, ZEBRA]
    torch.testing.assert_close(found, torch.tensor([0.999, 0.996, 0.951]), atol=2e-3, rtol=0)


@pytest.mark.parametrize("style", ["candy", "mosaic"])
def test_styles(tmp_path: Path, style: str) -> None:
    run = tmp_path / "run"
    command("import", "fast-neural-style", WEIGHTS / f"fast_neural_style_{style}_fp16.safetensors", "--out", run)
    amber = read_image(DATA / "style" / "content_amber.jpg")[:, :255, :250]
    Image.fromarray(amber.permute(1, 2, 0).numpy()).save(tmp_path / "amber.png")
    command("translate", run, tmp_path / "amber.png", "--out", tmp_path / "out")
    made = read_image(tmp_path / "out" / "amber.png")
    assert made.shape == amber.shape
    # far from the photograph, in lively colours that it does not have
    before, after = ((p.float().amax(0) - p.float().amin(0)).mean() for p in (amber, made))
    assert (made.float() - amber.float()).abs().mean() > 25
    assert after > before


def test_digits(tmp_path: Path) -> None:
    nets = WEIGHTS / "mnist"
    command(
        "import", "mlp-gan", nets / "mlp_gan_G.safetensors", nets / "mlp_gan_D.safetensors", "--out", tmp_path / "run"
    )
    model = gankit.load(tmp_path / "run", device="cpu")
    digits = model.sample(200)
    assert digits.shape == (200, 1, 28, 28)
    confidence = lenet(digits).amax(1)
    assert 0.95 < confidence.mean() < 0.99  # 0.974 of 1000 digits


def lenet(digits: Tensor) -> Tensor:
    """The judge's probabilities of ten digits, of pictures (N, 1, 28, 28) in [-1, 1]."""
    f, s = torch.nn.functional, load_file(WEIGHTS / "mnist" / "lenet5.safetensors")
    x = f.interpolate((digits + 1) / 2, size=32, mode="bilinear", align_corners=False)
    for layer in ("c1", "c3", "c5"):
        x = f.relu(f.conv2d(x, s[f"convnet.{layer}.weight"], s[f"convnet.{layer}.bias"]))
        x = f.max_pool2d(x, 2) if layer != "c5" else x
    x = f.relu(f.linear(x.flatten(1), s["fc.f6.weight"], s["fc.f6.bias"]))
    return f.linear(x, s["fc.f7.weight"], s["fc.f7.bias"]).softmax(1)
