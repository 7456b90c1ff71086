"""Importers of GANs' networks: what they read off, what they give, what they refuse."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from gankit.core.errors import CheckpointError
from gankit.interop import dcgan, mlp_gan
from tests.golden.assemble import assemble

REAL = Path(os.environ.get("GANKIT_REAL_PICTURES", "")) / "weights" / "mnist"


def theirs(layers: list[nn.Module]) -> nn.Module:
    """Layers as a DCGAN of pytorch/examples has them: under `main`, with norms whose statistics are not the first."""
    net = nn.Module()
    net.main = nn.Sequential(*layers)
    for layer in net.main:
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return net.eval()


def their_generator(latent: int, widths: list[int], channels: int) -> nn.Module:
    layers: list[nn.Module] = []
    for i, (before, width) in enumerate(zip([latent, *widths], widths, strict=False)):
        conv = nn.ConvTranspose2d(before, width, 4, 2 if i else 1, 1 if i else 0, bias=False)
        layers += [conv, nn.BatchNorm2d(width), nn.ReLU()]
    return theirs([*layers, nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False), nn.Tanh()])


def their_discriminator(widths: list[int], channels: int) -> nn.Module:
    layers: list[nn.Module] = []
    for i, (before, width) in enumerate(zip([channels, *widths], widths, strict=False)):
        norm = [nn.BatchNorm2d(width)] if i else []
        layers += [nn.Conv2d(before, width, 4, 2, 1, bias=False), *norm, nn.LeakyReLU(0.2)]
    return theirs([*layers, nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid()])


@pytest.mark.parametrize("widths", [[24, 12, 6, 3], [3], [16, 16, 8, 4], [32, 16, 8, 4, 2]])
def test_dcgan(widths: list[int]) -> None:
    torch.manual_seed(0)
    side = 4 * 2 ** len(widths)
    net, noise = their_generator(5, widths, 3), torch.randn(2, 5, 1, 1)
    fragment, weights = dcgan.generator({f"module.{k}": v for k, v in net.state_dict().items()})
    ours = assemble("generator", fragment, 5, 3).eval()
    ours.load_state_dict(weights)
    made = ours(noise)
    assert fragment["image_size"] == side and made.shape == (2, 3, side, side)
    torch.testing.assert_close(made, net.main(noise))  # type: ignore[operator]

    net = their_discriminator(widths[::-1], 3)
    fragment, weights = dcgan.discriminator(net.state_dict())
    judge = assemble("discriminator", fragment, 3).eval()
    judge.load_state_dict(weights)
    torch.testing.assert_close(judge(made).sigmoid(), net.main(made))  # type: ignore[operator]


def test_dcgan_refuses() -> None:
    good = their_generator(5, [8, 4], 3).state_dict()
    without = {k: v for k, v in good.items() if not k.startswith("main.3.")}
    for state, reason in (
        ({"model.0.weight": torch.zeros(1)}, "the key 'model.0.weight'"),
        (without, "layers with weights"),
        (good | {"main.0.bias": torch.zeros(8)}, "has a bias"),
        (their_generator(5, [9, 4], 3).state_dict(), "do not double"),
        ({k: v for k, v in good.items() if not k.startswith("main.4.")}, "some layers have a batch norm"),
    ):
        with pytest.raises(CheckpointError, match=reason):
            dcgan.generator(state)


def perceptron(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, width in pairwise(widths):
        layers += [nn.Linear(before, width), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


def test_perceptrons() -> None:
    torch.manual_seed(0)
    fragment, weights = mlp_gan.generator(perceptron(7, 5, 6, 4, 2 * 9).state_dict(), channels=2)
    assert fragment == {"type": "mlp", "hidden": [5, 6, 4], "image_size": 3}
    made = assemble("generator", fragment, 7, 2)
    made.load_state_dict(weights)
    assert made(torch.randn(2, 7, 1, 1)).shape == (2, 2, 3, 3)
    net, pictures = perceptron(9, 5, 4, 1), torch.randn(2, 1, 3, 3)
    fragment, weights = mlp_gan.discriminator(net.state_dict())
    judge = assemble("discriminator", fragment, 1)
    judge.load_state_dict(weights)
    torch.testing.assert_close(judge(pictures), net(pictures.flatten(1)))


def test_perceptrons_refuse() -> None:
    for widths, reason in (((7, 5, 8), "do not make a square picture"), ((7, 9), "two or more linear layers")):
        with pytest.raises(CheckpointError, match=reason):
            mlp_gan.generator(perceptron(*widths).state_dict())
    with pytest.raises(CheckpointError, match="end with 3 values"):
        mlp_gan.discriminator(perceptron(9, 5, 3).state_dict())
    with pytest.raises(CheckpointError, match="do not fit"):
        mlp_gan.generator(perceptron(7, 5, 9).state_dict() | {"2.weight": torch.zeros(9, 4)})


@pytest.mark.skipif(not REAL.is_dir(), reason="GANKIT_REAL_PICTURES names no folder with weights/mnist")
def test_real_weights() -> None:
    """The critic's mean probabilities on its generator's digits, as measured with the networks' own code."""
    fragment, weights = mlp_gan.generator(load_file(REAL / "mlp_gan_G.safetensors"))
    assert fragment == {"type": "mlp", "hidden": [256, 256], "image_size": 28}
    made = assemble("generator", fragment, 64, 1)
    made.load_state_dict(weights)
    fragment, weights = mlp_gan.discriminator(load_file(REAL / "mlp_gan_D.safetensors"))
    judge = assemble("discriminator", fragment, 1)
    judge.load_state_dict(weights)
    torch.manual_seed(0)
    with torch.no_grad():
        believed = judge(made(torch.randn(1000, 64, 1, 1))).sigmoid().mean().item()
    assert believed == pytest.approx(0.28, abs=0.03)
